package plan

import (
	"slices"
	"sort"
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
	if v.object {
		return true
	}
	if src := s.sourceAt(v, types, it); src != nil && src.field.owner == it.decl && it.decl.abstract {
		return len(v.view) == 0
	}
	first := s.g.field(types[0], it.name).sources[v.subgraph]
	for _, t := range types[1:] {
		src := s.g.field(t, it.name).sources[v.subgraph]
		if src.out != first.out || len(src.provides) > 0 || len(first.provides) > 0 || len(v.view) > 0 {
			return false
		}
	}
	return true
}

// signature tells apart the types that differ in how an item of theirs can be reached.
func (s *search) signature(p *place, it *item, t typeID) string {
	var b []byte
	num := func(n int) { b = strconv.AppendInt(append(b, ' '), int64(n), 10) }
	node := s.g.types[t]
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
		s.reenter(p, c)
	}
	targets := s.targets(class)
	for i := range targets {
		targets[i].done = targets[i].stood(c.vertices)
	}
	for {
		settled := len(c.vertices)
		whence := from(c.vertices[:settled:settled])
		for i := range targets {
			t := &targets[i]
			if t.done || s.excluded[t.subgraph] > 0 {
				continue
			}
			if err := s.spend(settled); err != nil {
				return nil, err
			}
			if v := s.move(p, whence, class, t, t.subgraph, p.moved); v != nil {
				t.done = true
				c.vertices = append(c.vertices, v)
			}
		}
		if len(c.vertices) == settled {
			break
		}
	}
	p.closures[mark] = c
	return c, nil
}

// reenter adds the other subgraphs' root types where a field below the root answers with one.
func (s *search) reenter(p *place, c *closure) {
	if p.static != s.g.roots[0] {
		return
	}
	at := c.vertices[0]
	for g, in := range p.static.in {
		if in == nil || g == at.subgraph {
			continue
		}
		c.vertices = append(c.vertices, s.newVertex(vertex{kind: reentryVertex, place: p, static: p.static, types: p.possible,
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

// stood tells that one of the vertices, at which objects of the class can be, stands where the target is: to enter it again
// would lead to nothing new.
func (t *target) stood(vertices []*vertex) bool {
	for _, v := range vertices {
		if v.subgraph == t.subgraph && v.object == (t.object != nil && !t.real) && (!v.object || v.static == t.object) {
			return true
		}
	}
	return false
}

// targets lists where objects of a class could be moved to, whatever that needs.
func (s *search) targets(class typeSet) []target {
	first := s.g.types[class[0]]
	var out []target
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
			if k.text == o.text {
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

// keyNeeds finds the cheapest key of a target that can be read at the vertices, not counting those of the subgraph
// except. A key that no vertex answers whole may still be gathered from several subgraphs.
func (s *search) keyNeeds(from *vantage, class typeSet, t *target, except int) ([]*need, []*vertex, *keyNode) {
	s.conditions++
	defer func() { s.conditions-- }()
	defer s.sendingTo(t.subgraph)()
	var needs []*need
	var deps []*vertex
	var best *keyNode
	cost := 0
	for _, read := range []func(*vantage, typeSet, *keyNode, int) ([]*need, []*vertex, bool){s.readKeyOf, s.gatherKey} {
		for _, k := range t.keys {
			n, d, ok := read(from, class, k, except)
			if !ok {
				continue
			}
			if c := s.cost(d...); best == nil || c < cost {
				needs, deps, best, cost = n, d, k, c
			}
		}
		if best != nil {
			break
		}
	}
	if best == nil || !t.typed || !someObject(from.vertices) {
		return needs, deps, best
	}
	// Among interface objects the runtime type is one more thing to find out.
	it := &item{name: typenameField, types: class, leaf: true}
	var options []*vertex
	for _, v := range from.vertices {
		if s.direct(v, class, typenameField) && v.avoids(except) {
			options = append(options, v)
		}
	}
	if len(options) == 0 {
		return nil, nil, nil
	}
	at := s.cheapest(deps, options)
	return append(needs, &need{item: it, types: class, at: at}), unique(append(deps, at)), best
}

func someObject(vs []*vertex) bool {
	for _, v := range vs {
		if v.object {
			return true
		}
	}
	return false
}

// gatherKey finds where the items of a key can be read when some have parts that the subgraph of the item itself does not
// answer: below such an item one moves on, as for a requirement.
func (s *search) gatherKey(from *vantage, class typeSet, k *keyNode, except int) ([]*need, []*vertex, bool) {
	var needs []*need
	var deps []*vertex
	for _, it := range k.items {
		types := class.intersect(it.types)
		if len(types) == 0 {
			continue
		}
		single := &keyNode{text: k.text, items: []*item{it}}
		if n, d, ok := s.readKey(from.vertices, types, single, except); ok {
			needs, deps = append(needs, n...), append(deps, d...)
			continue
		}
		if it.leaf {
			return nil, nil, false
		}
		n, ok := s.gatherItem(from.vertices, types, it, except)
		if !ok {
			return nil, nil, false
		}
		for _, part := range n {
			part.at = s.cheapest(deps, part.leaf.options)
			deps = append(deps, part.at)
		}
		needs = append(needs, n...)
	}
	return needs, unique(deps), true
}

// avoids tells whether a vertex is reached without the subgraph that is to be entered: what is gathered there to enter it
// would be a way into it already.
func (v *vertex) avoids(subgraph int) bool {
	if v.subgraph == subgraph {
		return false
	}
	for _, g := range v.through {
		if g == subgraph {
			return false
		}
	}
	return true
}

// through gives the subgraphs that are passed below a place to gather what deps hold.
func through(p *place, deps []*vertex) []int {
	var out []int
	add := func(g int) {
		for _, o := range out {
			if o == g {
				return
			}
		}
		out = append(out, g)
	}
	var below func(v *vertex)
	below = func(v *vertex) {
		if v.place == p {
			for _, g := range v.through {
				add(g)
			}
			return
		}
		add(v.subgraph)
		for _, d := range v.deps {
			below(d)
		}
	}
	for _, d := range deps {
		below(d)
	}
	return out
}

// gatherItem finds the parts of a composite item of a key, moving on below it, but never to the subgraph except.
func (s *search) gatherItem(from []*vertex, types typeSet, it *item, except int) ([]*need, bool) {
	mark := "key " + strconv.Itoa(it.id) + " " + types.key()
	if s.active[mark] {
		return nil, false
	}
	s.active[mark] = true
	defer delete(s.active, mark)
	if except >= 0 {
		s.excluded[except]++
		defer func() { s.excluded[except]-- }()
	}
	var tops []*vertex
	for _, v := range from {
		if v.avoids(except) && s.direct(v, types, it.name) {
			tops = append(tops, v)
		}
	}
	if len(tops) == 0 {
		return nil, false
	}
	// A place of its own: more ways to arrive may be found before the item is asked for otherwise.
	above := *tops[0].place
	above.children = map[string]*place{}
	child, err := s.child(&above, it, types, tops)
	if err != nil {
		return nil, false
	}
	needs, ok, err := s.solve(child, child.possible, it.sub)
	return needs, ok && err == nil
}

// vantage is a set of vertices, and where keys can be read at them.
type vantage struct {
	vertices []*vertex
	read     map[reading]readings
}

// reading is a key of objects of a class, or of the interface owner.
type reading struct {
	key, class string
	owner      *typeNode
}

type readings struct {
	needs []*need
	deps  []*vertex
	ok    bool
}

func from(vertices []*vertex) *vantage {
	return &vantage{vertices: vertices, read: map[reading]readings{}}
}

// readKeyOf is readKey where the same key is read for one subgraph after another: what is best of all is also best without
// the vertices that one of them may not be entered from, unless it is one of those.
func (s *search) readKeyOf(from *vantage, class typeSet, k *keyNode, except int) ([]*need, []*vertex, bool) {
	mark := reading{key: k.text, class: class.key(), owner: k.items[0].decl}
	if mark.owner != nil && !mark.owner.abstract {
		mark.owner = nil
	}
	known, ok := from.read[mark]
	if !ok {
		known.needs, known.deps, known.ok = s.readKey(from.vertices, class, k, -1)
		known.needs, known.deps = slices.Clip(known.needs), slices.Clip(known.deps)
		from.read[mark] = known
	}
	if !known.ok {
		return nil, nil, false
	}
	for _, v := range known.deps {
		if !v.avoids(except) {
			return s.readKey(from.vertices, class, k, except)
		}
	}
	return known.needs, known.deps, true
}

// readKey finds where the items of a key can be read, each whole at one vertex; ok is false when one cannot.
func (s *search) readKey(from []*vertex, class typeSet, k *keyNode, except int) (_ []*need, _ []*vertex, ok bool) {
	var needs []*need
	var deps []*vertex
	for _, it := range k.items {
		types := class
		if types = types.intersect(it.types); len(types) == 0 {
			continue
		}
		var options []*vertex
		for _, v := range from {
			if v.avoids(except) && s.directDeep(v, types, it) {
				options = append(options, v)
			}
		}
		if len(options) == 0 {
			return nil, nil, false
		}
		best := s.cheapest(deps, options)
		needs = append(needs, &need{item: it, types: types, at: best})
		deps = append(deps, best)
	}
	return needs, unique(deps), len(needs) > 0
}

func unique(vs []*vertex) []*vertex {
	out := append([]*vertex(nil), vs...)
	sort.Slice(out, func(i, j int) bool { return out[i].n < out[j].n })
	kept := out[:0]
	for i, v := range out {
		if i == 0 || v != out[i-1] {
			kept = append(kept, v)
		}
	}
	return kept
}

// directDeep reports whether v's subgraph answers an item and all below it by itself.
func (s *search) directDeep(v *vertex, types typeSet, it *item) bool {
	if !s.direct(v, types, it.name) {
		return false
	}
	if it.leaf {
		return true
	}
	for _, t := range types {
		class := typeSet{t}
		if v.object {
			class = types
		}
		src := s.sourceAt(v, class, it)
		if src == nil || src.out == nil || src.out.in[v.subgraph] == nil {
			return false
		}
		in := src.out.in[v.subgraph]
		at := &vertex{static: src.out, types: in.possible, subgraph: v.subgraph, object: in.object,
			view: append(append(view{}, src.provides...), v.view.below(class, it.name)...)}
		for _, sub := range it.sub {
			if common := sub.types.intersect(in.possible); len(common) > 0 && !s.directDeep(at, common, sub) {
				return false
			}
		}
	}
	return true
}

// required gives the vertex that is entered with what a source requires, nil when that cannot be had.
func (s *search) required(p *place, c *closure, class typeSet, src *sourceNode, object *typeNode) (*vertex, error) {
	if v := c.required[src.id]; v != nil {
		return v, nil
	}
	mark := strconv.Itoa(src.id) + " " + strconv.Itoa(s.locations.way(p)) + " " + class.key()
	if s.active[mark] {
		return nil, nil
	}
	s.active[mark] = true
	defer delete(s.active, mark)
	if err := s.spend(len(c.vertices)); err != nil {
		return nil, err
	}
	t := target{subgraph: src.subgraph, object: object, typed: object == nil || len(class) < len(object.in[src.subgraph].possible)}
	if object != nil {
		t.keys = object.in[src.subgraph].keys
	} else {
		t.keys = s.g.types[class[0]].in[src.subgraph].keys
		for _, o := range class[1:] {
			t.keys = commonKeys(t.keys, s.g.types[o].in[src.subgraph])
		}
		t.keys = widenedKeys(t.keys, class)
	}
	if t.keys = s.resuming(c, class, &t); len(t.keys) == 0 {
		return nil, nil
	}
	whence := c.vertices
	if c.keys != nil {
		whence = c.keys
	}
	needs, deps, key := s.keyNeeds(from(whence), class, &t, -1)
	if key == nil {
		return nil, nil
	}
	more, ok, err := s.solveRequirement(p, c, class, src)
	if err != nil || !ok {
		return nil, err
	}
	var contexts []*contextNeed
	if len(src.contexts) > 0 && !s.settled {
		if contexts, ok, err = s.solveContexts(p, src); err != nil || !ok {
			return nil, err
		}
	}
	for _, n := range more {
		n.at = s.cheapest(deps, n.leaf.options)
		deps = append(deps, n.at)
	}
	for _, x := range contexts {
		for _, n := range x.needs {
			n.at = s.cheapest(deps, n.leaf.options)
			deps = append(deps, n.at)
		}
	}
	v := s.newVertex(vertex{kind: requireVertex, place: p, static: object, object: object != nil, types: class, subgraph: src.subgraph,
		key: key, source: src, needs: append(needs, more...), contexts: contexts, deps: unique(deps), self: moveCost})
	c.required[src.id] = v
	return v, nil
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

// solveRequirement finds what a source requires. Where all has to be settled it must be found from the source's own subgraph, so
// that whoever stands there already can have it too.
func (s *search) solveRequirement(p *place, c *closure, class typeSet, src *sourceNode) ([]*need, bool, error) {
	s.conditions++
	defer func() { s.conditions-- }()
	defer s.sendingTo(src.subgraph)()
	if !s.settled {
		return s.solve(p, class, widened(src.requires, class))
	}
	for _, v := range c.vertices {
		if v.subgraph != src.subgraph {
			continue
		}
		own := &place{static: p.static, possible: class, scope: newScope(), children: map[string]*place{}, objects: v.object}
		at := *v
		at.place, at.types, at.kind = own, class, fieldVertex
		own.arrivals = []*vertex{s.newVertex(at)}
		needs, ok, err := s.solve(own, class, widened(src.requires, class))
		if ok || err != nil {
			return needs, ok, err
		}
	}
	return nil, false, nil
}

// solve finds the leaves of a requirement and the vertices that can answer them.
func (s *search) solve(p *place, class typeSet, items []*item) ([]*need, bool, error) {
	var out []*need
	for _, it := range items {
		types := it.types.intersect(class)
		if len(types) == 0 {
			continue
		}
		for _, part := range s.classes(p, it, types) {
			needs, ok, err := s.solveClass(p, part, it)
			if err != nil || !ok {
				return nil, false, err
			}
			out = append(out, needs...)
		}
	}
	return out, true, nil
}

func (s *search) solveClass(p *place, class typeSet, it *item) ([]*need, bool, error) {
	options, err := s.options(p, class, it)
	if err != nil {
		return nil, false, err
	}
	if len(options) == 0 {
		if len(class) == 1 {
			return nil, false, nil
		}
		var out []*need
		for i := range class {
			needs, ok, err := s.solveClass(p, class[i:i+1], it)
			if err != nil || !ok {
				return nil, false, err
			}
			out = append(out, needs...)
		}
		return out, true, nil
	}
	if it.leaf {
		return []*need{{item: it, types: class, leaf: &leaf{place: p, item: it, types: class, options: options}}}, true, nil
	}
	child, err := s.child(p, it, class, options)
	if err != nil {
		if _, failed := err.(*failure); failed {
			return nil, false, nil
		}
		return nil, false, err
	}
	needs, ok, err := s.solve(child, child.possible, it.sub)
	if err != nil || !ok {
		return nil, false, err
	}
	if child.objects && s.tellsType(child.static) {
		// Where the objects come from nobody knows their runtime type, and the receiver has to.
		l := &leaf{place: child, item: typenameItem(child), types: child.possible}
		if l.options, err = s.options(child, child.possible, l.item); err != nil || len(l.options) == 0 {
			return nil, false, err
		}
		needs = append(needs, &need{item: l.item, types: l.types, leaf: l})
	}
	if len(needs) == 0 {
		// Only the objects' presence matters.
		l := &leaf{place: child, item: typenameItem(child), types: child.possible, options: child.arrivals}
		needs = append(needs, &need{item: l.item, types: l.types, leaf: l})
	}
	return needs, ok, nil
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
