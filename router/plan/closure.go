package plan

import (
	"slices"
	"strconv"

	"github.com/lethe/lethe/router/supergraph"
)

const unionKind = supergraph.Union

// classes splits the runtime types for which an item is asked at a place into those that can be treated alike.
func (s *search) classes(p *place, it *item, types typeSet) []typeSet {
	if len(types) == 1 {
		return []typeSet{types}
	}
	alike := true
	for _, v := range p.arrivals {
		if !s.direct(v, types, it.name) || !it.leaf && !s.sameOut(v, types, it) {
			alike = false
			break
		}
	}
	if alike {
		return []typeSet{types}
	}
	index := map[string]int{}
	var out []typeSet
	for _, t := range types {
		sig := s.signature(p, it, t)
		i, ok := index[sig]
		if !ok {
			i = len(out)
			index[sig] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], t)
	}
	return out
}

// sameOut reports whether what a field leads to can be treated alike for all types.
func (s *search) sameOut(v *vertex, types typeSet, it *item) bool {
	return v.object || len(v.view) == 0 && s.uniform(v, types, it)
}

// signature tells apart the types that differ in how an item of theirs can be reached.
func (s *search) signature(p *place, it *item, t typeID) string {
	var b []byte
	num := func(n int) { b = strconv.AppendInt(append(b, ' '), int64(n), 10) }
	node := s.g.types[t]
	if node == s.g.roots[0] {
		b = append(b, "root"...)
	}
	f := node.fields[it.name]
	for _, v := range p.arrivals {
		num(v.subgraph)
		if v.types.has(t) {
			b = append(b, '+')
		}
		if s.direct(v, typeSet{t}, it.name) {
			b = append(b, '!')
		}
		for _, prov := range v.view.below(typeSet{t}, it.name) {
			num(prov.id)
		}
	}
	if f == nil {
		return string(b)
	}
	for g, src := range f.sources {
		if src == nil || !s.resolves(src) {
			continue
		}
		num(g)
		if src.out != nil && !it.leaf {
			num(int(src.out.id))
		}
		for _, r := range src.requires {
			b = append(append(b, r.name...), r.text...)
		}
		if len(src.provides)+len(src.contexts) > 0 {
			num(src.id)
		}
		if in := node.in[g]; in != nil {
			for _, k := range in.keys {
				b = append(append(b, '@'), k.text...)
			}
		}
	}
	for _, o := range node.objects {
		num(int(o.id))
	}
	return string(b)
}

// closure gives the vertices of a place at which objects of a class can be: where one arrives, and where keys lead.
func (s *search) closure(p *place, class typeSet) (*closure, error) {
	mark := class.key()
	if c := p.closures[mark]; c != nil {
		return c, nil
	}
	if p.closures == nil {
		p.closures, p.moved = map[string]*closure{}, map[string]*vertex{}
	}
	c := &closure{required: map[int]*vertex{}}
	for _, v := range p.arrivals {
		if class.within(v.types) {
			c.vertices = append(c.vertices, v)
		}
	}
	if len(c.vertices) > 0 && !p.root {
		s.reenter(p, c, class)
	}
	targets := s.targets(s.targetRoom, class)
	s.targetRoom = nil // below another closure may be found
	defer func() { s.targetRoom = targets[:0] }()
	if err := s.moves(p, c, class, targets); err != nil {
		return nil, err
	}
	p.closures[mark] = c
	return c, nil
}

// reenter adds the other subgraphs' root types where a field below the root answers with one, under an interface or in a
// union perhaps.
func (s *search) reenter(p *place, c *closure, class typeSet) {
	root := s.g.roots[0]
	if len(class) > 1 || s.g.types[class[0]] != root {
		return
	}
	at := c.vertices[0]
	for g, in := range root.in {
		if in == nil || g == at.subgraph {
			continue
		}
		c.vertices = append(c.vertices, s.newVertex(vertex{kind: reentryVertex, place: p, static: root, types: class,
			subgraph: g, from: at, deps: []*vertex{at}, self: moveCost}))
	}
}

// target is a subgraph that objects of a class can be moved to, under one type.
type target struct {
	subgraph int
	keys     []*keyNode
	object   *typeNode // the interface whose key it is, for interface objects
	real     bool      // object is a real interface in the subgraph
	typed    bool      // what is sent depends on its runtime type
	done     bool
}

// moves adds the vertices that keys lead to from those of a closure, the nearest first: each round is one move further away, and
// begins with the arrivals that are as far. One may arrive by a long way round, by keys of the objects above, where the objects
// have a key of their own:
//
//	basket [shop] ─▶ basket [picks] ─▶ basket [prices] ─ lines ─▶ lines [prices]
//	basket [shop] ─ lines ─▶ lines [shop] ─ id ─▶ lines [prices]
func (s *search) moves(p *place, c *closure, class typeSet, targets []target) error {
	far := c.vertices
	if len(targets) == 0 {
		return nil
	}
	c.vertices = make([]*vertex, 0, len(far)+len(targets))
	reach := s.nearest(far)
	for {
		reach += moveCost
		far = s.arriveWithin(c, far, targets, reach)
		settled := len(c.vertices)
		whence := from(c.vertices[:settled:settled])
		for i := range targets {
			t := &targets[i]
			if t.done || s.excluded[t.subgraph] > 0 {
				continue
			}
			if err := s.spend(settled); err != nil {
				return err
			}
			if v := s.move(p, whence, class, t, t.subgraph, p.moved); v != nil {
				t.done = true
				c.vertices = append(c.vertices, v)
			}
		}
		if len(c.vertices) > settled {
			continue
		}
		if len(far) == 0 {
			return nil
		}
		reach = s.nearest(far)
	}
}

// arriveWithin takes those of the arrivals into a closure that cost less than reach, and gives the others. To enter a subgraph
// again where one stands would lead to nothing new.
func (s *search) arriveWithin(c *closure, arrivals []*vertex, targets []target, reach int) []*vertex {
	var far []*vertex
	before := len(c.vertices)
	for _, v := range arrivals {
		if s.cost(v) < reach {
			c.vertices = append(c.vertices, v)
		} else {
			far = append(far, v)
		}
	}
	for i := range targets {
		targets[i].done = targets[i].done || targets[i].stood(c.vertices[before:])
	}
	return far
}

// nearest is the least that it takes to stand at one of the vertices.
func (s *search) nearest(vertices []*vertex) int {
	least := 0
	for i, v := range vertices {
		if c := s.cost(v); i == 0 || c < least {
			least = c
		}
	}
	return least
}

// stood tells that one of the vertices, at which objects of the class can be, stands where the target is.
func (t *target) stood(vertices []*vertex) bool {
	for _, v := range vertices {
		if v.subgraph == t.subgraph && v.object == (t.object != nil && !t.real) && (!v.object || v.static == t.object) {
			return true
		}
	}
	return false
}

// targets lists in out, which is empty, where objects of a class could be moved to, whatever that needs.
func (s *search) targets(out []target, class typeSet) []target {
	first := s.g.types[class[0]]
	for g, in := range first.in {
		if in == nil || len(in.keys) == 0 {
			continue
		}
		keys := in.keys
		for _, t := range class[1:] {
			keys = commonKeys(keys, s.g.types[t].in[g])
		}
		if len(keys) > 0 {
			out = append(out, target{subgraph: g, keys: widenedKeys(keys, class)})
		}
	}
	for _, iface := range first.objects {
		if !class.within(iface.possible) {
			continue
		}
		for g, in := range iface.in {
			if in != nil && len(in.keys) > 0 {
				out = append(out, target{subgraph: g, keys: in.keys, object: iface, real: !in.object})
			}
		}
	}
	return out
}

// widened gives the items of a key or a requirement of one object type as those of all types of a class, which have the
// same one.
func widened(items []*item, class typeSet) []*item {
	if len(class) < 2 {
		return items
	}
	out := make([]*item, len(items))
	for i, it := range items {
		out[i] = it
		if it.decl != nil && !it.decl.abstract {
			wide := *it
			wide.types = class
			out[i] = &wide
		}
	}
	return out
}

func widenedKeys(keys []*keyNode, class typeSet) []*keyNode {
	if len(class) < 2 {
		return keys
	}
	out := make([]*keyNode, len(keys))
	for i, k := range keys {
		out[i] = &keyNode{text: k.text, items: widened(k.items, class)}
	}
	return out
}

func commonKeys(keys []*keyNode, in *typeIn) []*keyNode {
	if in == nil {
		return nil
	}
	var out []*keyNode
	for _, k := range keys {
		for _, o := range in.keys {
			if k.text == o.text && sameItems(k.items, o.items) {
				out = append(out, k)
				break
			}
		}
	}
	return out
}

// move finds the cheapest way to a target from some vertices, not counting those of the subgraph except; nil when there is
// none. In moved are the vertices that serve more than one class.
func (s *search) move(p *place, from *vantage, class typeSet, t *target, except int, moved map[string]*vertex) *vertex {
	if t.real {
		// A real interface is entered by its own key only from an interface object, which knows no runtime type.
		if !hasObject(from.vertices, t.object) {
			return nil
		}
	} else if t.object == nil && onlyObjects(from.vertices) {
		return nil
	}
	sent := class
	if t.typed = t.object == nil || !hasObject(from.vertices, t.object); !t.typed {
		// Whatever stands here is sent under the interface's name.
		sent = t.object.possible
	}
	needs, deps, key := s.keyNeeds(from, sent, t, except)
	if key == nil {
		return nil
	}
	v := vertex{kind: moveVertex, place: p, types: class, subgraph: t.subgraph, key: key, needs: needs, deps: deps, self: moveCost,
		through: through(p, deps)}
	if t.object == nil {
		return s.newVertex(v)
	}
	v.static, v.object = t.object, !t.real
	v.types = t.object.in[t.subgraph].possible
	if !class.within(v.types) {
		return nil
	}
	if t.typed {
		// Objects of known types are sent under the interface's name; the answer is for this class alone.
		v.types = class
		return s.newVertex(v)
	}
	mark := strconv.Itoa(int(t.object.id)) + " " + strconv.Itoa(t.subgraph)
	if shared := moved[mark]; shared != nil {
		return shared
	}
	shared := s.newVertex(v)
	moved[mark] = shared
	return shared
}

func hasObject(vs []*vertex, iface *typeNode) bool {
	for _, v := range vs {
		if v.object && v.static == iface {
			return true
		}
	}
	return false
}

func onlyObjects(vs []*vertex) bool {
	for _, v := range vs {
		if !v.object {
			return false
		}
	}
	return true
}

// resuming gives the keys by which a subgraph can be entered with what one of its fields requires. Who stands there already may come back
// by any key. Where all has to be settled, one of the keys must be had from the subgraph itself.
func (s *search) resuming(c *closure, class typeSet, t *target) []*keyNode {
	keys := t.keys
	if len(class) == 1 && len(keys) == 0 && slices.ContainsFunc(c.vertices, func(v *vertex) bool { return v.subgraph == t.subgraph }) {
		keys = s.g.types[class[0]].in[t.subgraph].closed
	}
	if !s.settled {
		return keys
	}
	own := keys
	if t.object == nil && len(class) == 1 {
		own = append(append([]*keyNode(nil), keys...), s.g.types[class[0]].in[t.subgraph].closed...)
	}
	for _, v := range c.vertices {
		if v.subgraph != t.subgraph {
			continue
		}
		for _, k := range own {
			if !slices.ContainsFunc(k.items, func(it *item) bool { return !s.directDeep(v, class, it) }) {
				return keys
			}
		}
	}
	return nil
}

// sendingTo notes the subgraph that what is being resolved is sent to, until the function that it gives is called.
func (s *search) sendingTo(subgraph int) func() {
	before := s.receiver
	s.receiver = subgraph
	return func() { s.receiver = before }
}

// tellsType reports whether the receiver has to be told the runtime type of objects of a type.
func (s *search) tellsType(t *typeNode) bool { return s.receiver >= 0 && t.tellsType(s.receiver) }

func (n *typeNode) tellsType(receiver int) bool {
	return n.abstract && receiver >= 0 && n.in[receiver] != nil && !n.in[receiver].object
}
