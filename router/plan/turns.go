package plan

import "slices"

// A field that is selected several times stands in the answer where it is first met among what @skip and @include leave
// (GraphQL specification, CollectFields), and the fields of a mutation are done in that order:
//
//	mutation { b @skip(if: $x) a b }     ─▶   $x false: b a     $x true: a b
//
// So a group gives a field for each of its turns at which it may be met first.

// shared makes the fields of each part that a group occurs in: one for each turn, with what must hold for it there. One
// that is only met where an earlier one is has none.
func (gr *group) shared(make func(Guard) *Field) []sharedField {
	var out []sharedField
next:
	for i, part := range gr.parts {
		last := -1
		for j := range out {
			if out[j].part != part {
				continue
			}
			if gr.guards[i].implies(out[j].field.Guard) {
				continue next
			}
			last = j
		}
		if last >= 0 && gr.turns[i] == out[last].until+1 {
			// Nothing stands between.
			if either := out[last].field.Guard.or(gr.guards[i]); !either.always() || gr.guards[i].always() {
				out[last].field.Guard, out[last].until = either, gr.turns[i]
				continue
			}
		}
		out = append(out, sharedField{part: part, turn: gr.turns[i], until: gr.turns[i], field: make(gr.guards[i])})
	}
	return out
}

// implies reports whether o holds wherever g does.
func (g Guard) implies(o Guard) bool {
	if o.always() {
		return true
	}
	return !g.always() && !slices.ContainsFunc(g, func(m uint64) bool {
		return !slices.ContainsFunc(o, func(p uint64) bool { return m&p == p })
	})
}

// serialItem is an item of a mutation with its turn.
type serialItem struct {
	item *item
	turn int
}

// serial gives the items for a field of a mutation: one for each turn, to be done where no earlier one was.
func (n *normaliser) serial(it *item, fields []sharedField) ([]serialItem, error) {
	if len(fields) == 1 {
		return []serialItem{{it, fields[0].turn}}, nil
	}
	var out []serialItem
	for i, f := range fields {
		guard, ever := f.field.Guard, true
		for _, before := range fields[:i] {
			var err error
			if guard, ever, err = n.except(guard, before.field.Guard); err != nil {
				return nil, err
			}
			if !ever {
				break
			}
		}
		if ever {
			own := it.under(guard)
			own.guard = guard
			out = append(out, serialItem{own, f.turn})
		}
	}
	return out, nil
}

// under copies an item, with all below it, for where a guard holds too.
func (it *item) under(guard Guard) *item {
	own := *it
	own.full = it.full.and(guard)
	own.sub = make([]*item, len(it.sub))
	for i, sub := range it.sub {
		own.sub[i] = sub.under(guard)
	}
	return &own
}

// except gives a guard that holds where g does and o does not; ever is false where that is never so.
func (n *normaliser) except(g, o Guard) (out Guard, ever bool, err error) {
	out = g
	for _, mask := range o {
		var rest Guard
		for bit := range len(n.op.Conditions) {
			if mask&(1<<bit) == 0 {
				continue
			}
			c := n.op.Conditions[bit]
			contrary, err := n.bit(Condition{Variable: c.Variable, Equals: !c.Equals})
			if err != nil {
				return nil, false, err
			}
			if with, holds := n.strengthen(out, contrary); holds {
				rest = append(rest, with...)
			}
		}
		if len(rest) == 0 {
			return nil, false, nil
		}
		if out = simplified(rest); out.always() {
			return nil, false, &LimitError{What: "combinations of @skip and @include for a field of a mutation", Limit: maxMasks}
		}
	}
	return out, true, nil
}
