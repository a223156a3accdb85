package plan

import "slices"

// chainMutations has the fields of a mutation done one after another (GraphQL specification, section 6.2.2): neighbours in
// one subgraph go in one request, which that subgraph runs in order; every other waits for all that comes before it.
//
//	one: A { b }  two: A  three: B       ─▶   A { one two }  ─▶  B(one) { b }  ─▶  B { three }
func (b *builder) chainMutations() {
	roots := b.roots()
	for i := 0; i+1 < len(roots); {
		x, y := roots[i], roots[i+1]
		if x.subgraph == y.subgraph && !x.root.shares(y.root) {
			b.absorb(x, y)
			roots = slices.Delete(roots, i+1, i+2)
			continue
		}
		i++
	}
	b.sweep()
	for i, st := range roots {
		if i == 0 {
			continue
		}
		for _, o := range b.steps {
			if o != st && o.deferred == 0 && o.serial() < st.serial() {
				st.deps[o], o.dependants[st] = true, true
			}
		}
	}
}

// shares reports whether two selections have a key in common.
func (s *selection) shares(o *selection) bool {
	return slices.ContainsFunc(o.fields, func(f *selected) bool {
		return slices.ContainsFunc(s.under(f.alias), func(g *selected) bool { return g.alias == f.alias })
	})
}

// serial is the position of the root field that a step is for.
func (st *step) serial() int {
	p := st.place
	for p.parent != nil {
		p = p.parent
	}
	return p.serial
}

// roots gives the root steps in the order of their fields.
func (b *builder) roots() []*step {
	var out []*step
	for _, st := range b.steps {
		if !st.entity && st.place.root {
			out = append(out, st)
		}
	}
	slices.SortStableFunc(out, func(x, y *step) int { return x.place.serial - y.place.serial })
	return out
}
