package plan

import (
	"cmp"
	"slices"
)

// This pass writes the steps as fetches: in an order in which each stands after what it waits for, and waiting only for
// what nothing else it waits for already waits for.

func (b *builder) fetches() []*Fetch {
	b.optimise()
	order := b.order()
	ids := map[*step]int{}
	for i, st := range order {
		ids[st] = i
	}
	ancestors := make([]bits, len(order))
	out := make([]*Fetch, len(order))
	for i, st := range order {
		f := &Fetch{ID: i, Subgraph: b.search.g.sg.Subgraphs()[st.subgraph].Name, Kind: Query, Guard: st.guard, Batch: st.batch, Deferred: st.deferred.ids()}
		if !st.entity && st.place.root {
			f.Kind = b.search.kind
		} else {
			f.Path = b.path(st.place)
			if !st.entity && len(st.place.possible) > 1 {
				f.Path[len(f.Path)-1].Types = []string{st.root.static.name}
			}
		}
		for d := range st.deps {
			f.DependsOn = append(f.DependsOn, ids[d])
		}
		slices.Sort(f.DependsOn)
		ancestors[i] = make(bits, len(order)/64+1)
		for _, d := range f.DependsOn {
			ancestors[i].addAll(ancestors[d])
		}
		f.DependsOn = slices.DeleteFunc(f.DependsOn, func(d int) bool { return ancestors[i].has(d) })
		for _, d := range f.DependsOn {
			ancestors[i].add(d)
		}
		b.separate(st)
		f.Selections = b.selections(st.root)
		if len(st.represent) > 0 {
			f.Representations = make([]Representation, 0, len(st.represent))
		}
		for _, r := range st.represent {
			rep := b.representation(r)
			rep.Contexts = b.contextValues(st)
			f.Representations = append(f.Representations, rep)
		}
		f.Variables = variables(f.Selections, nil)
		for _, d := range b.operation.DirectivesOf(f.Kind) {
			f.Variables = append(f.Variables, d.Variables...)
		}
		slices.Sort(f.Variables)
		f.Variables = slices.Compact(f.Variables)
		out[i] = f
	}
	return out
}

// bits is a set of small numbers.
type bits []uint64

func (b bits) has(n int) bool { return b[n/64]&(1<<(n%64)) != 0 }

func (b bits) add(n int) { b[n/64] |= 1 << (n % 64) }

func (b bits) addAll(o bits) {
	for i, w := range o {
		b[i] |= w
	}
}

// order sorts the steps topologically, by when they can start and then by when they were made.
func (b *builder) order() []*step {
	b.levels()
	out := slices.Clone(b.steps)
	slices.SortStableFunc(out, func(x, y *step) int {
		return cmp.Or(cmp.Compare(x.level, y.level), cmp.Compare(x.serial(), y.serial()), cmp.Compare(x.n, y.n))
	})
	return out
}

// path gives the way from the root of the response to a place.
func (b *builder) path(p *place) Path {
	var out Path
	var below *place
	for ; p != nil && p.slot != nil; p = p.parent {
		e := PathElement{Key: p.slot.logical()}
		if below != nil && below.class != nil {
			e.Types = b.search.g.names(below.class)
		}
		out = append(out, e)
		below = p
	}
	slices.Reverse(out)
	return out
}

// logical is the key under which the values of a slot are known: a client's response key, or a hidden name, which begins
// with a NUL byte so that no client's key is like it.
func (s *slot) logical() string {
	if s.client {
		return s.key
	}
	return "\x00" + s.key
}

// selections writes a selection: first what is asked of all objects, then what is asked by type.
func (b *builder) selections(s *selection) SelectionSet {
	var out SelectionSet
	var conds []*typeNode
	for _, f := range s.fields {
		if f.cond == nil {
			out = append(out, Selection{Field: b.field(s, f)})
		} else if !slices.Contains(conds, f.cond) {
			conds = append(conds, f.cond)
		}
	}
	for _, c := range conds {
		fr := &Fragment{TypeCondition: c.name}
		for _, f := range s.fields {
			if f.cond == c {
				fr.Selections = append(fr.Selections, Selection{Field: b.field(s, f)})
			}
		}
		out = append(out, Selection{Fragment: fr})
	}
	if len(out) == 0 {
		out = append(out, Selection{Field: &Field{Name: typenameField, Alias: typenameField, Key: typenameField}})
	}
	return out
}

func (b *builder) field(s *selection, f *selected) *Field {
	out := &Field{Name: f.item.name, Alias: f.alias, Arguments: f.arguments, Guard: f.guard, Variants: f.item.variantsUnder(f.guard)}
	switch {
	case f.cond != nil:
		out.Parent = f.cond.name
	case s.static != nil:
		out.Parent = s.static.name
	case f.item.decl != nil:
		out.Parent = f.item.decl.name
	}
	switch {
	case f.slot.client:
		out.Key = f.slot.key
	case f.alias != f.slot.key:
		out.Key = f.slot.logical()
	}
	if f.typed {
		out.Types = b.search.g.names(f.types)
	}
	if f.child != nil {
		out.Selections = b.selections(f.child)
	}
	return out
}

func (b *builder) representation(r *represented) Representation {
	out := Representation{Typename: r.typename, Fields: b.reading(r.fields)}
	if r.types != nil {
		out.Types = b.search.g.names(r.types)
	}
	return out
}

// reading writes what a representation is made of.
func (b *builder) reading(s *selection) SelectionSet {
	var out SelectionSet
	for _, f := range s.fields {
		field := &Field{Name: f.item.name, Alias: f.slot.key}
		if f.item.decl != nil {
			field.Parent = f.item.decl.name
		}
		if f.slot.client {
			field.Key = f.slot.key
		}
		if f.child != nil {
			field.Selections = b.reading(f.child)
		}
		if f.cond == nil {
			out = append(out, Selection{Field: field})
		} else {
			out = append(out, Selection{Fragment: &Fragment{TypeCondition: f.cond.name, Selections: SelectionSet{{Field: field}}}})
		}
	}
	return out
}

func variables(set SelectionSet, names []string) []string {
	for _, s := range set {
		if s.Fragment != nil {
			names = variables(s.Fragment.Selections, names)
			continue
		}
		for _, a := range s.Field.Arguments {
			names = append(names, a.Variables...)
		}
		for _, v := range s.Field.Variants {
			names = append(names, v.Variables...)
		}
		names = variables(s.Field.Selections, names)
	}
	return names
}
