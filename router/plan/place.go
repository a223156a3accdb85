package plan

import (
	"slices"
	"strconv"
	"strings"
)

// scope names the values kept in the objects at one position of the response: those under a client's response keys,
// and those that only feed representations. It spans all places of the position.
type scope struct {
	slots    map[string]*slot
	byName   map[string][]*slot // by the names of the fields that use them, in their order
	children map[string]*scope
}

// slot is a name under which a value is kept.
type slot struct {
	n      int
	key    string
	client bool
	asked  bool // of some subgraph
	// uses are the fields that a client has under the key; a hidden slot has one.
	uses []slotUse
}

type slotUse struct {
	name, text string
	types      typeSet
	shape      string
}

// contested reports whether the field that stands under a key depends on the type of the object.
func (sl *slot) contested() bool {
	for _, u := range sl.uses {
		if u.name != sl.uses[0].name || u.text != sl.uses[0].text {
			return true
		}
	}
	return false
}

func newScope() *scope {
	return &scope{slots: map[string]*slot{}, byName: map[string][]*slot{}, children: map[string]*scope{}}
}

func (sc *scope) child(key string) *scope {
	c := sc.children[key]
	if c == nil {
		c = newScope()
		sc.children[key] = c
	}
	return c
}

// register makes the response keys of a client's items known, so that nothing hidden takes their names.
func (sc *scope) register(items []*item) {
	for _, it := range items {
		sl := sc.slots[it.key]
		if sl == nil {
			sl = &slot{n: len(sc.slots), key: it.key, client: true}
			sc.slots[it.key] = sl
		}
		sc.use(sl, slotUse{name: it.name, text: it.text, types: it.types, shape: it.shape()})
		if !it.leaf {
			sc.child(it.key).register(it.sub)
		}
	}
}

// use notes a field that has a slot.
func (sc *scope) use(sl *slot, u slotUse) {
	sl.uses = append(sl.uses, u)
	named := sc.byName[u.name]
	at, found := slices.BinarySearchFunc(named, sl.n, func(o *slot, n int) int { return o.n - n })
	if !found {
		sc.byName[u.name] = slices.Insert(named, at, sl)
	}
}

// shape is the type of a field as the supergraph writes it: values of different shapes cannot share a name.
func (it *item) shape() string {
	if f := it.decl.fields[it.name]; f != nil {
		return f.text
	}
	return ""
}

// length is how many objects an item leads to from one, where lists are of a length taken for granted.
func (it *item) length() int {
	n := 1
	for range strings.Count(it.shape(), "[") {
		n *= listLength
	}
	return n
}

// of gives the slot of an item for objects of some types. An item of a requirement shares a client's slot of the same
// field and arguments, else it has a hidden one.
func (sc *scope) of(it *item, types typeSet) *slot {
	if it.key != "" {
		return sc.slots[it.key]
	}
	for _, sl := range sc.byName[it.name] {
		for _, u := range sl.uses {
			if u.name == it.name && u.text == it.text && (!sl.client && u.shape == it.shape() || types.within(u.types)) {
				return sl
			}
		}
	}
	key := it.name
	for n := 0; sc.slots[key] != nil; n++ {
		key = "_" + it.name + "_" + strconv.Itoa(n)
	}
	sl := &slot{n: len(sc.slots), key: key}
	sc.slots[key] = sl
	sc.use(sl, slotUse{name: it.name, text: it.text, types: types, shape: it.shape()})
	return sl
}

// child gives the place below an item for parents of one class, arrived at from the vertices that answer the item.
func (s *search) child(p *place, it *item, class typeSet, options []*vertex) (*place, error) {
	return s.childIn(p, it, class, options, p.group)
}

// childIn gives the place below an item where the vertices stand in requests of a group.
func (s *search) childIn(p *place, it *item, class typeSet, options []*vertex, group deferredGroup) (*place, error) {
	sl := p.scope.of(it, class)
	mark := sl.key + "\x00" + class.key()
	if group != p.group {
		mark += "\x00" + strconv.FormatUint(uint64(group), 16)
	}
	if s.dry == 0 || p.children[mark] != nil {
		if c := p.children[mark]; c != nil {
			return c, nil
		}
	}
	c := &place{parent: p, slot: sl, item: it, static: it.out, depth: p.depth + 1, many: p.many * it.length(), scope: p.scope.child(sl.key),
		children: map[string]*place{}, group: group}
	c.many = min(c.many, mostMany)
	if !p.root && len(class) < len(p.possible) {
		c.class = class
	}
	for _, v := range options {
		if a := s.arrive(c, v, it, class); a != nil {
			c.arrivals = append(c.arrivals, a)
		}
	}
	if err := s.settle(c, it); err != nil {
		return nil, err
	}
	p.children[mark] = c
	return c, nil
}

// arrive makes the vertex at which one stands below a field answered at v, nil where there is none.
func (s *search) arrive(c *place, v *vertex, it *item, class typeSet) *vertex {
	src := s.sourceAt(v, class, it)
	if src == nil || src.out == nil || src.out.in[v.subgraph] == nil {
		return nil
	}
	in := src.out.in[v.subgraph]
	below := append(append(view{}, src.provides...), v.view.below(class, it.name)...)
	return s.newVertex(vertex{
		kind: fieldVertex, place: c, static: src.out, types: in.possible, subgraph: v.subgraph, object: in.object,
		view: below, from: v, item: it, deps: []*vertex{v}, self: fieldCost,
	})
}

// sourceAt gives the source by which a vertex answers an item for a class: that of an interface where the subgraph has
// the field on it and the class is all that can occur, else that of the first object.
func (s *search) sourceAt(v *vertex, class typeSet, it *item) *sourceNode {
	if v.object {
		return v.static.fields[it.name].sources[v.subgraph]
	}
	if src := byInterface(v, class, it); src != nil {
		return src
	}
	f := s.g.field(class[0], it.name)
	if f == nil {
		return nil
	}
	return f.sources[v.subgraph]
}

// byInterface returns the source of the interface that an item is selected on, where the subgraph has the field on it and the
// class is all that it can be at a vertex; nil where it is to be asked of the object types.
func byInterface(v *vertex, class typeSet, it *item) *sourceNode {
	if v.object || len(class) < 2 || it.decl == nil || !it.decl.abstract {
		return nil
	}
	in, f := it.decl.in[v.subgraph], it.decl.fields[it.name]
	if in == nil || in.object || f == nil || !in.possible.intersect(v.types).equal(class) {
		return nil
	}
	return f.sources[v.subgraph]
}

// uniform reports whether one source stands for what an item leads to from all objects of a class at a vertex: the interface's, or
// any of the types' since they are alike.
func (s *search) uniform(v *vertex, class typeSet, it *item) bool {
	if it.leaf || v.object || len(class) == 1 || byInterface(v, class, it) != nil {
		return true
	}
	return s.sameSources(v, class, it)
}

// narrows reports whether an item leads to fewer types from objects of some type of a class than a source of it says.
func (s *search) narrows(v *vertex, class typeSet, it *item, src *sourceNode) bool {
	return slices.ContainsFunc(class, func(t typeID) bool {
		f := s.g.field(t, it.name)
		return f != nil && f.sources[v.subgraph] != nil && f.sources[v.subgraph].out != src.out
	})
}

// sameSources reports whether an item leads from objects of all types of a class to the same type in a vertex's subgraph, and
// none of them provides anything.
func (s *search) sameSources(v *vertex, class typeSet, it *item) bool {
	var first *sourceNode
	for _, t := range class {
		f := s.g.field(t, it.name)
		if f == nil || f.sources[v.subgraph] == nil {
			return false
		}
		src := f.sources[v.subgraph]
		if first == nil {
			first = src
		}
		if src.out != first.out || len(src.provides) > 0 {
			return false
		}
	}
	return true
}

// settle decides by which subgraphs one may arrive at a place. Where objects can be of several types, or where asking
// twice would do something twice, it is one subgraph alone: two could answer with objects of different types.
func (s *search) settle(c *place, it *item) error {
	several := false
	for _, v := range c.arrivals {
		several = several || v.subgraph != c.arrivals[0].subgraph
	}
	if several && c.static.model.Kind == unionKind {
		// All subgraphs of a shared field answer with the same object, so it is of a type that all of them know.
		common := c.arrivals[0].types
		for _, v := range c.arrivals[1:] {
			common = common.intersect(v.types)
		}
		for _, v := range c.arrivals {
			v.types = common
		}
	}
	if several && (c.static.abstract || s.kind != Query && c.parent.root) {
		best := s.choose(c, it)
		if best < 0 {
			return &failure{place: c, item: it, types: c.static.possible}
		}
		kept := c.arrivals[:0:0]
		for _, v := range c.arrivals {
			if v.subgraph == best {
				kept = append(kept, v)
			}
		}
		c.arrivals = kept
	}
	c.objects = len(c.arrivals) > 0
	for _, v := range c.arrivals {
		c.possible = c.possible.union(v.types)
		c.objects = c.objects && v.object
	}
	return nil
}

// score is how well a single arrival serves what is asked below it.
type score struct {
	failed  bool
	covered int
	cost    int
}

// choose gives the subgraph from which all that is asked below a place is best reached, or -1.
func (s *search) choose(c *place, it *item) int {
	best, bestScore := -1, score{}
	for _, v := range c.arrivals {
		sc := s.score(c, v, it)
		sc.cost += s.cost(v)
		if sc.failed {
			continue
		}
		if best < 0 || sc.covered > bestScore.covered || sc.covered == bestScore.covered && sc.cost < bestScore.cost {
			best, bestScore = v.subgraph, sc
		}
	}
	return best
}

// cheapestLeaf gives the first of a leaf's options that costs least by itself, and what it costs.
func (s *search) cheapestLeaf(l *leaf) (*vertex, int) {
	best := l.options[0]
	cost := s.leafCost(best)
	for _, o := range l.options[1:] {
		if c := s.leafCost(o); c < cost {
			best, cost = o, c
		}
	}
	return best, cost
}

// score explores what is asked below a place as if v were the only way to arrive there.
func (s *search) score(c *place, v *vertex, it *item) score {
	mark := strconv.Itoa(it.id) + " " + strconv.Itoa(v.subgraph) + " " + v.static.name + " " + it.key
	if v.late {
		mark += " late"
	}
	for _, p := range v.view {
		mark += " " + strconv.Itoa(p.id)
	}
	if sc, ok := s.scores[mark]; ok {
		return sc
	}
	covered := 0
	for _, sub := range it.sub {
		covered += len(sub.types.intersect(v.types))
	}
	trial := &place{parent: c.parent, slot: c.slot, item: c.item, class: c.class, static: c.static, depth: c.depth, many: c.many, scope: c.scope, group: c.group,
		children: map[string]*place{}, possible: v.types, objects: v.object}
	at := s.newVertex(vertex{kind: fieldVertex, place: trial, static: v.static, types: v.types, subgraph: v.subgraph,
		object: v.object, view: v.view, from: v.from, item: v.item})
	at.late = v.late
	trial.arrivals = []*vertex{at}
	leaves := s.leaves
	s.leaves = nil
	s.dry++
	err := s.explore(trial, it.sub)
	s.dry--
	sc := score{failed: err != nil, covered: covered}
	var used []*vertex
	for _, l := range s.leaves {
		best, _ := s.cheapestLeaf(l)
		sc.cost += best.lateCost()
		used = append(used, best)
	}
	sc.cost += s.cost(used...)
	s.leaves = leaves
	s.scores[mark] = sc
	return sc
}
