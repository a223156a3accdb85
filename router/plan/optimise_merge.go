package plan

import "slices"

// This pass merges entity steps that enter the same subgraph with the same key at the same objects and wait for the same
// answers, as happens where one field needs only the key and another needs more:
//
//	product ▸ inventory(id) { stock }                     product ▸ inventory(id weight) { stock shipping }
//	product ▸ inventory(id weight) { shipping }      ─▶
//
// It also merges mutations that follow each other in the same subgraph, which runs them in order by itself.

func (b *builder) merge() {
	b.settleGuards()
	for i := 0; i < len(b.steps); i++ {
		for j := i + 1; j < len(b.steps); j++ {
			if b.mergeable(b.steps[i], b.steps[j]) {
				b.absorb(b.steps[i], b.steps[j])
				j--
			}
		}
	}
	if b.search.kind == Mutation {
		b.mergeMutations()
	}
}

func (b *builder) mergeable(x, y *step) bool {
	if !x.entity || !y.entity || x.subgraph != y.subgraph || x.key != y.key || !samePlace(x.place, y.place) {
		return false
	}
	if len(x.deps) != len(y.deps) {
		return false
	}
	for d := range x.deps {
		if !y.deps[d] {
			return false
		}
	}
	if len(x.represent) != 1 && len(y.represent) != 1 {
		return false
	}
	for _, r := range x.represent {
		for _, o := range y.represent {
			if r.typename != o.typename {
				return false
			}
			if !r.types.equal(o.types) && (r.types == nil || o.types == nil || len(r.types.intersect(o.types)) > 0) {
				return false
			}
		}
	}
	return b.fits(x.root, y.root)
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

// fits reports whether two selections can be one: no key stands for two things.
func (b *builder) fits(x, y *selection) bool {
	for _, f := range x.fields {
		for _, g := range y.fields {
			if f.alias != g.alias || f.cond != g.cond && f.cond != nil && g.cond != nil {
				continue
			}
			if f.item.name != g.item.name || f.item.text != g.item.text || f.slot.key != g.slot.key {
				return false
			}
			if f.child != nil && g.child != nil && !b.fits(f.child, g.child) {
				return false
			}
		}
	}
	return true
}

// absorb makes x do what y does too.
func (b *builder) absorb(x, y *step) {
	union(x.root, y.root)
	for _, o := range y.represent {
		i := slices.IndexFunc(x.represent, func(r *represented) bool { return r.types.equal(o.types) })
		if i < 0 {
			x.represent = append(x.represent, o)
		} else {
			union(x.represent[i].fields, o.fields)
		}
	}
	if y.guarded {
		x.admit(y.guard)
	}
	b.steps = slices.DeleteFunc(b.steps, func(st *step) bool { return st == y })
	for _, st := range b.steps {
		if st.deps[y] {
			delete(st.deps, y)
			st.deps[x] = true
		}
	}
	delete(x.deps, x)
}

func union(x, y *selection) {
	for _, g := range y.fields {
		i := slices.IndexFunc(x.fields, func(f *selected) bool {
			return f.alias == g.alias && (f.cond == g.cond || f.cond == nil) && f.item.name == g.item.name
		})
		if i < 0 {
			x.fields = append(x.fields, g)
			continue
		}
		x.fields[i].guard = x.fields[i].guard.or(g.guard)
		if x.fields[i].child != nil && g.child != nil && x.fields[i].child != g.child {
			union(x.fields[i].child, g.child)
		}
	}
}

// settleGuards gives each step a guard that holds whenever its own leaves or a step after it take part.
func (b *builder) settleGuards() {
	for changed := true; changed; {
		changed = false
		for _, st := range b.steps {
			if !st.guarded {
				continue
			}
			for d := range st.deps {
				before, was := d.guard, d.guarded
				d.admit(st.guard)
				if !was || !before.equal(d.guard) {
					changed = true
				}
			}
		}
	}
}

// mergeMutations merges root steps of neighbouring fields in one subgraph and chains the others.
func (b *builder) mergeMutations() {
	roots := b.roots()
	for i := 0; i+1 < len(roots); {
		x, y := roots[i], roots[i+1]
		if x.subgraph == y.subgraph && b.fits(x.root, y.root) {
			b.absorb(x, y)
			roots = slices.Delete(roots, i+1, i+2)
			continue
		}
		y.deps[x] = true
		i++
	}
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
