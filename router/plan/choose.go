package plan

import (
	"cmp"
	"slices"
)

// This pass chooses for every leaf one of the vertices that can answer it, so that few requests do. What one vertex costs
// falls with each that is chosen before it, since they share the way to it: a greedy solution of the directed Steiner
// tree problem, by cost over the number of leaves served. What a chosen vertex needs is chosen in the same way, so that a
// requirement is read where something else is asked anyway:
//
//	tax [c] needs price [a or b], name [b]   ─▶   b { name price } ─▶ c(price) { tax }

// chooser carries what the functions of the pass share.
type chooser struct {
	*builder
	// open are the leaves for which it is not settled where they are read, by place, and order the places that have such.
	open  map[*place][]*leaf
	order []*place
	// chosen are the leaves that are settled, and where. They are put there when all are.
	chosen []choice
	walks  int
}

type choice struct {
	leaf *leaf
	at   *vertex
}

// choose places all leaves: first those that leave no choice, then the others place by place, since only leaves of one place
// share vertices.
func (b *builder) choose() {
	c := &chooser{builder: b, open: map[*place][]*leaf{}}
	leaves := b.search.leaves
	b.search.leaves = nil
	var bound []*leaf
	for _, l := range leaves {
		switch {
		case len(l.options) > 1:
			c.offer(l)
		case c.settled(l.options[0]):
			b.put(l, l.options[0])
		default:
			bound = append(bound, l)
		}
	}
	for _, l := range bound {
		c.answer(l, l.options[0])
	}
	for len(c.order) > 0 {
		p := c.order[0]
		c.order = c.order[1:]
		var rest []*leaf
		for {
			rest = append(rest, c.open[p]...)
			delete(c.open, p)
			if rest = c.cheap(rest); len(rest) == 0 && len(c.open[p]) == 0 {
				break
			}
			if len(rest) > 0 {
				c.request(rest)
			}
		}
	}
	for _, o := range c.chosen {
		b.put(o.leaf, o.at)
	}
}

// offer notes a leaf that can be read at several vertices.
func (c *chooser) offer(l *leaf) {
	if c.open[l.place] == nil {
		c.order = append(c.order, l.place)
	}
	c.open[l.place] = append(c.open[l.place], l)
}

// settled reports whether there is nothing to choose on the way to a vertex that would take a request.
func (c *chooser) settled(v *vertex) bool {
	c.walks++
	return c.settledFrom(v)
}

func (c *chooser) settledFrom(v *vertex) bool {
	if v.taken || v.walked == c.walks {
		return true
	}
	v.walked = c.walks
	c.search.visits++
	if slices.ContainsFunc(v.needs, c.pending) {
		return false
	}
	for _, x := range v.contexts {
		if slices.ContainsFunc(x.needs, c.pending) {
			return false
		}
	}
	for _, d := range v.deps {
		if !c.settledFrom(d) {
			return false
		}
	}
	return true
}

// pending reports whether it is to be chosen where something needed is read: at several vertices, of which the nearest would take
// a request that the others do without.
func (c *chooser) pending(n *need) bool {
	if len(n.choices()) < 2 {
		return false
	}
	arrivals := n.at.place.arrivals
	return (len(arrivals) > 1 || n.at != arrivals[0]) && c.search.cost(n.at) >= moveCost
}

// take has a vertex in the plan, with all that it depends on.
func (c *chooser) take(v *vertex) {
	if v.taken {
		return
	}
	v.taken = true
	c.search.stood++
	if v.from != nil {
		c.take(v.from)
	}
	c.takeNeeds(v, v.needs)
	for _, x := range v.contexts {
		c.takeNeeds(v, x.needs)
	}
}

func (c *chooser) takeNeeds(v *vertex, needs []*need) {
	for _, n := range needs {
		if !c.pending(n) {
			c.take(n.at)
			continue
		}
		l := &leaf{place: v.place, item: n.item, types: n.types, options: n.choices(), need: n, needing: v}
		if n.leaf != nil {
			l.place = n.leaf.place
		}
		c.offer(l)
	}
}

// answer settles where a leaf is read.
func (c *chooser) answer(l *leaf, v *vertex) {
	if l.need == nil {
		c.chosen = append(c.chosen, choice{l, v})
	} else {
		l.need.at = v
		l.needing.depend()
	}
	c.take(v)
}

// depend has a vertex depend on where its needs are read.
func (v *vertex) depend() {
	var deps []*vertex
	for _, n := range v.needs {
		deps = append(deps, n.at)
	}
	for _, x := range v.contexts {
		for _, n := range x.needs {
			deps = append(deps, n.at)
		}
	}
	v.deps = unique(deps)
}

// cheap settles the leaves that no further request is needed for, and gives the others.
func (c *chooser) cheap(open []*leaf) []*leaf {
	for {
		rest := open[:0:0]
		for _, l := range open {
			if best, cost := c.search.cheapestLeaf(l); cost < moveCost {
				c.answer(l, best)
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

// request takes the vertex that serves the most leaves for its cost. No leaf is settled by that: some may be read on the way there.
func (c *chooser) request(open []*leaf) {
	served := map[*vertex]int{}
	var order []*vertex
	for _, l := range open {
		for _, o := range l.options {
			if served[o] == 0 {
				order = append(order, o)
			}
			served[o]++
		}
	}
	best := slices.MinFunc(order, func(x, y *vertex) int {
		return cmp.Compare(c.search.cost(x)*served[y], c.search.cost(y)*served[x])
	})
	c.take(best)
}

// put answers a leaf at a vertex.
func (b *builder) put(l *leaf, v *vertex) {
	v = b.askedAt(v, l.options, l.place.scope, l.item, l.types)
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
