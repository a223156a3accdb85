package plan

import (
	"slices"
	"sort"
	"strconv"
)

// How the keys are read by which objects are moved from one subgraph to another.

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
		needs = append(needs, &need{item: it, types: types, at: best, options: options})
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
