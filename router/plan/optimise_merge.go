package plan

import (
	"slices"
	"strings"
)

// This pass merges entity steps that enter the same subgraph with the same key at the same objects, as happens where one
// field needs only the key and another needs more:
//
//	product ▸ inventory(id) { stock }                      product ▸ inventory(id weight) { stock shipping }
//	product ▸ inventory(id weight) { shipping }      ─▶
//
// Where the steps wait for different answers, the merged one waits for all of them. That is done only when the whole does not
// take longer, and when the objects can be sent even if what one of them waits for never comes.

func (b *builder) mergeSame() {
	for b.mergeOne() {
	}
}

func (b *builder) mergeOne() bool {
	b.levels()
	type entry struct {
		subgraph, location int
		deferred, key      string
	}
	at := map[entry][]*step{}
	merged := false
	for _, st := range b.steps {
		if !st.entity {
			continue
		}
		mark := entry{st.subgraph, b.search.locations.of(st.place), st.deferred.mark(), st.key}
		joined := false
		for i, o := range at[mark] {
			if !b.mergeable(o, st) {
				continue
			}
			if !sameSteps(o.deps, st.deps) {
				at[mark] = slices.Delete(at[mark], i, i+1) // it waits for other steps now: it is looked at again
				merged = true
			}
			b.absorb(o, st)
			o.delay(st.level)
			o.hurry(st.latest)
			joined = true
			break
		}
		if !joined {
			at[mark] = append(at[mark], st)
		}
	}
	b.sweep()
	return merged
}

func (b *builder) mergeable(x, y *step) bool {
	b.search.work++
	for _, r := range x.represent {
		for _, o := range y.represent {
			untyped := r.types == nil || o.types == nil
			if r.typename != o.typename || untyped && (r.types != nil || o.types != nil) {
				return false
			}
			if r.typename != "" && !r.types.equal(o.types) && !(r.fields.holds(o.fields) && o.fields.holds(r.fields)) {
				return false // what is asked of an interface object is asked of all that is sent
			}
			if (untyped || len(r.types.intersect(o.types)) > 0) && !sendable(r.fields, o.fields) {
				return false
			}
		}
	}
	if !b.fits(x.root, y.root) {
		return false
	}
	if sameSteps(x.deps, y.deps) {
		return true
	}
	return b.optional(x, y) && b.optional(y, x) && x.mayAwait(y) && y.mayAwait(x) && b.inTime(x, y)
}

func sameSteps(x, y map[*step]bool) bool {
	if len(x) != len(y) {
		return false
	}
	for st := range x {
		if !y[st] {
			return false
		}
	}
	return true
}

// sendable reports whether one representation can hold the fields of two: no name is sent with two values.
func sendable(x, y *selection) bool {
	for _, f := range x.fields {
		for _, g := range y.fields {
			if f.item.name != g.item.name || f.cond != g.cond && f.cond != nil && g.cond != nil {
				continue
			}
			if f.slot != g.slot || f.child != nil && g.child != nil && !sendable(f.child, g.child) {
				return false
			}
		}
	}
	return true
}

// optional reports whether the objects that x sends can be sent without what y reads beyond that.
func (b *builder) optional(x, y *step) bool {
	for _, r := range y.represent {
		for _, g := range r.fields.fields {
			known := false
			for _, o := range x.represent {
				known = known || slices.ContainsFunc(o.fields.fields, func(f *selected) bool { return f.slot == g.slot })
			}
			if known {
				continue
			}
			f := g.item.decl.fields[g.item.name]
			if f == nil || strings.HasSuffix(f.text, "!") {
				return false
			}
		}
	}
	return true
}

// fits reports whether two selections can be one: no key stands for two things.
func (b *builder) fits(x, y *selection) bool {
	for _, f := range x.fields {
		for _, g := range y.under(f.alias) {
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
	x.takeContexts(y)
	union(x.root, y.root)
	for _, o := range y.represent {
		x.send(o)
	}
	if y.guarded {
		x.admit(y.guard)
	}
	for d := range y.deps {
		delete(d.dependants, y)
		x.deps[d], d.dependants[x] = true, true
	}
	for st := range y.dependants {
		delete(st.deps, y)
		st.deps[x], x.dependants[st] = true, true
	}
	y.gone = true
	delete(x.deps, x)
	delete(x.dependants, x)
}

// send adds a representation. Types that have one already send the fields of both.
func (st *step) send(o *represented) {
	rest := o.types
	for _, r := range slices.Clone(st.represent) {
		if r.types == nil {
			union(r.fields, o.fields)
			return
		}
		common := r.types.intersect(rest)
		if len(common) == 0 {
			continue
		}
		rest = rest.minus(common)
		if r.fields.holds(o.fields) {
			continue
		}
		if len(common) < len(r.types) {
			other := &represented{types: r.types.minus(common), typename: r.typename, fields: r.fields.clone()}
			st.represent = append(st.represent, other)
			r.types = common
		}
		union(r.fields, o.fields.clone())
	}
	if len(rest) == 0 && o.types != nil {
		return
	}
	st.represent = append(st.represent, &represented{types: rest, typename: o.typename, fields: o.fields})
}

// holds reports whether all of another selection is in s.
func (s *selection) holds(o *selection) bool {
	for _, g := range o.fields {
		f := s.find(g.cond, g.slot, g.item)
		if f == nil || f.child != nil && g.child != nil && !f.child.holds(g.child) {
			return false
		}
	}
	return true
}

func (s *selection) clone() *selection { return s.cloned(map[*selection]*selection{}) }

// cloned clones a selection set in which fields share what is below them, as they do in the clone.
func (s *selection) cloned(known map[*selection]*selection) *selection {
	if out := known[s]; out != nil {
		return out
	}
	out := &selection{static: s.static, fields: make([]*selected, len(s.fields))}
	known[s] = out
	for i, f := range s.fields {
		own := *f
		if f.child != nil {
			own.child = f.child.cloned(known)
		}
		out.fields[i] = &own
	}
	return out
}

func union(x, y *selection) {
	for _, g := range y.fields {
		among := x.under(g.alias)
		i := slices.IndexFunc(among, func(f *selected) bool {
			return f.alias == g.alias && (f.cond == g.cond || f.cond == nil) && f.item.name == g.item.name
		})
		if i < 0 {
			x.fields = append(x.fields, g)
			continue
		}
		f := among[i]
		f.guard, f.types = f.guard.or(g.guard), f.types.union(g.types)
		if f.child != nil && g.child != nil && f.child != g.child {
			union(f.child, g.child)
		}
	}
}
