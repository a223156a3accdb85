package plan

// align has steps that enter the same subgraph with the same key at the same objects, but wait for different answers, wait for all
// of them, so that they are batched. Unlike merged ones each is sent what it needs alone: where an answer that one of them waits for
// never comes, the other is answered still. It is done where the whole does not take longer, and not for an answer that may be left
// out of the request.
//
//	book ─▶ window(id) { shelf }                      book ─▶ ranks(id) { hit } ─▶ window(id) { shelf }
//	     ─▶ ranks(id) { hit } ─▶ window(id hit)  ─▶                             ─▶ window(id hit) { front }
func (b *builder) align() {
	b.levels()
	type entry struct {
		subgraph, location int
		deferred           deferredGroup
		key                string
	}
	at := map[entry][]*step{}
	for _, st := range b.steps {
		if !st.entity {
			continue
		}
		mark := entry{st.subgraph, b.search.locations.of(st.place), st.deferred, st.key}
		for _, o := range at[mark] {
			b.search.work++
			if st.level == o.level || !b.inTime(o, st) {
				continue
			}
			early, late := o, st
			if early.level > late.level {
				early, late = late, early
			}
			if early.mayAwait(late) {
				early.await(late)
			}
		}
		at[mark] = append(at[mark], st)
	}
}

// await has a step wait for all that another waits for.
func (st *step) await(o *step) {
	for d := range o.deps {
		st.deps[d], d.dependants[st] = true, true
	}
	st.delay(o.level)
	for d := range o.deps {
		d.hurry(st.latest - 1)
	}
}

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
