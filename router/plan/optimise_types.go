package plan

import "slices"

// mergeTypes merges entity steps that do the same below objects of different runtime types:
//
//	nodes|A.rel ▸ c(id) { x }
//	nodes|B.rel ▸ c(id) { x }      ─▶      nodes|A|B.rel ▸ c(id) { x }
func (b *builder) mergeTypes() {
	b.levels()
	type entry struct {
		subgraph, level, way int
		deferred, key        string
	}
	at := map[entry][]*step{}
	for _, st := range b.steps {
		if !st.entity || len(st.contexts) > 0 {
			continue
		}
		mark := entry{st.subgraph, st.level, b.search.locations.way(st.place), st.deferred.mark(), st.key}
		joined := false
		for _, o := range at[mark] {
			if !sameRepresentations(o, st) || !sameSelection(o.root, st.root) {
				continue
			}
			if p := joinPlaces(o.place, st.place); p != nil {
				o.place = p
				b.absorb(o, st)
				joined = true
				break
			}
		}
		if !joined {
			at[mark] = append(at[mark], st)
		}
	}
	b.sweep()
}

// joinPlaces gives a place that holds what both hold, nil when there is none that holds nothing else: they may differ in
// the types of one place on the way.
func joinPlaces(p, q *place) *place {
	if p == q {
		return p
	}
	if p.slot == nil || q.slot == nil || p.slot.logical() != q.slot.logical() {
		return nil
	}
	out := *p
	if samePlace(p.parent, q.parent) {
		if p.class == nil || q.class == nil {
			out.class = nil
			return &out
		}
		if out.class = p.class.union(q.class); p.parent.possible.within(out.class) {
			out.class = nil
		}
		return &out
	}
	if !p.class.equal(q.class) {
		return nil
	}
	if out.parent = joinPlaces(p.parent, q.parent); out.parent == nil {
		return nil
	}
	return &out
}

// samePlace reports whether two places are the same objects of the response.
func samePlace(p, q *place) bool {
	for p != q {
		if p == nil || q == nil || p.slot == nil || q.slot == nil || p.slot.key != q.slot.key || !p.class.equal(q.class) {
			return false
		}
		p, q = p.parent, q.parent
	}
	return true
}

func sameRepresentations(x, y *step) bool {
	return slices.EqualFunc(x.represent, y.represent, func(r, o *represented) bool {
		return r.typename == o.typename && (r.types == nil) == (o.types == nil) && r.types.equal(o.types) && sameSelection(r.fields, o.fields)
	})
}

func sameSelection(x, y *selection) bool {
	if x.static != y.static || len(x.fields) != len(y.fields) {
		return false
	}
	for i, f := range x.fields {
		g := y.fields[i]
		if f.cond != g.cond || f.alias != g.alias || f.slot.logical() != g.slot.logical() || f.item.name != g.item.name || f.item.text != g.item.text ||
			(f.child == nil) != (g.child == nil) || f.child != nil && !sameSelection(f.child, g.child) {
			return false
		}
	}
	return true
}
