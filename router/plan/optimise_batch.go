package plan

// batch numbers the groups of entity steps that go to one subgraph at the same distance from the start, so that they can
// travel in one request with aliased _entities fields:
//
//	users ─▶ reviews(users)             users ────┐
//	top   ─▶ reviews(products)    ─▶    top   ────┴▶ reviews(users products)
func (b *builder) batch() {
	type mark struct {
		subgraph, level int
		deferred        deferredGroup
	}
	groups := map[mark][]*step{}
	n := 0
	for _, st := range b.order() {
		if !st.entity {
			continue
		}
		at := mark{st.subgraph, st.level, st.deferred}
		group := append(groups[at], st)
		groups[at] = group
		if len(group) == 2 {
			n++
			group[0].batch = n
		}
		if len(group) > 1 {
			st.batch = group[0].batch
		}
	}
}
