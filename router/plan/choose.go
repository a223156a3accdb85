package plan

import (
	"cmp"
	"slices"
)

// This pass chooses for every leaf one of the vertices that can answer it, so that few requests do. What one vertex costs
// falls with each that is chosen before it, since they share the way to it: a greedy solution of the directed Steiner
// tree problem, by cost over the number of leaves served.

// choose places all leaves: first those that leave no choice, then the others place by place, since only leaves of one place
// share vertices.
func (b *builder) choose() {
	var order []*place
	open := map[*place][]*leaf{}
	leaves := b.search.leaves
	b.search.leaves = nil
	for _, l := range leaves {
		if len(l.options) == 1 {
			b.put(l, l.options[0])
			continue
		}
		if open[l.place] == nil {
			order = append(order, l.place)
		}
		open[l.place] = append(open[l.place], l)
	}
	for _, p := range order {
		for rest := b.cheap(open[p]); len(rest) > 0; rest = b.cheap(rest) {
			b.open(rest)
		}
	}
}

// cheap places the leaves that no further request is needed for, and gives the others.
func (b *builder) cheap(open []*leaf) []*leaf {
	for {
		rest := open[:0:0]
		for _, l := range open {
			best, cost := l.options[0], b.search.cost(l.options[0])
			for _, o := range l.options[1:] {
				if c := b.search.cost(o); c < cost {
					best, cost = o, c
				}
			}
			if cost < moveCost {
				b.put(l, best)
			} else {
				rest = append(rest, l)
			}
		}
		if len(rest) == len(open) {
			return rest
		}
		open = rest
	}
}

// open opens the vertex that serves the most leaves for its cost, and places one leaf there; the others follow for free.
func (b *builder) open(open []*leaf) {
	served := map[*vertex]int{}
	var order []*vertex
	first := map[*vertex]*leaf{}
	for _, l := range open {
		for _, o := range l.options {
			if served[o] == 0 {
				order = append(order, o)
				first[o] = l
			}
			served[o]++
		}
	}
	best := slices.MinFunc(order, func(x, y *vertex) int {
		return cmp.Compare(b.search.cost(x)*served[y], b.search.cost(y)*served[x])
	})
	b.put(first[best], best)
}

// put answers a leaf at a vertex.
func (b *builder) put(l *leaf, v *vertex) {
	at := b.stand(v)
	switch {
	case l.item.name == typenameField && v.object:
		b.presence(at)
	case l.item.name == typenameField:
		b.typename(at) // under its own name: a client's other names for it are the router's to write
	default:
		b.add(at, v, l.place.scope, l.item, l.types, l.item.guard)
	}
	at.step.admit(l.item.full)
	at.step.want(l.item.group)
}

// admit widens the guard of a step to that of one more leaf.
func (st *step) admit(g Guard) {
	if !st.guarded {
		st.guard, st.guarded = g, true
		return
	}
	st.guard = st.guard.or(g)
}
