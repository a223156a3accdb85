package plan

import "strconv"

// How fields are entered that take more than the object itself.

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
		if c.group != 0 {
			// What an earlier part of the answer asks is not asked again.
			at, _, err := s.asked(n.leaf.place, n.types, n.item)
			if err != nil {
				return nil, err
			}
			if at != nil {
				n.leaf.options = []*vertex{at}
			}
		}
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
		at.place, at.types, at.kind, at.self = own, class, fieldVertex, fieldCost
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
