package plan

// pricing reckons what it takes to stand at vertices. A vertex costs what it takes itself and what all that it depends on
// takes, each counted once; what is taken already costs nothing.
type pricing struct {
	stamp  int // of the union that is reckoned
	beside int // of what is reckoned beside it
	stood  int // how often a vertex was taken: what was reckoned before no longer holds
	visits int // of vertices, which count as work
}

// price is what pricing knows of a vertex.
type price struct {
	mark, aside int // the stamps under which it was counted
	total       int // what it costs alone
	totalAt     int // and the state in which that was reckoned, counted from 1
}

// cost is what it would take to stand at all of the vertices, beyond what is chosen already.
func (p *pricing) cost(vs ...*vertex) int {
	if len(vs) == 1 {
		return p.alone(vs[0])
	}
	p.stamp++
	total := 0
	for _, v := range vs {
		total += p.union(v)
	}
	return total
}

// alone is what it would take to stand at one vertex. It is remembered along the way to the vertex, of which most
// vertices have the larger part in common with others.
func (p *pricing) alone(v *vertex) int {
	state := p.stood + 1
	end := v
	for !end.taken && end.totalAt != state && len(end.deps) == 1 {
		end = end.deps[0]
		p.visits++
	}
	p.visits++
	total := 0
	switch {
	case end.taken:
	case end.totalAt == state:
		total = end.total
	default:
		p.stamp++
		total = p.union(end)
		end.total, end.totalAt = total, state
	}
	if v == end {
		return total
	}
	// Two rounds, since the sum grows from the far end.
	for w := v; w != end; w = w.deps[0] {
		total += w.self
	}
	rest := total
	for w := v; w != end; w = w.deps[0] {
		w.total, w.totalAt = rest, state
		rest -= w.self
	}
	return total
}

func (p *pricing) union(v *vertex) int {
	p.visits++
	if v.taken || v.mark == p.stamp {
		return 0
	}
	v.mark = p.stamp
	total := v.self
	for _, d := range v.deps {
		total += p.union(d)
	}
	return total
}

// cheapest gives the first of the options that costs least beside what is needed anyway.
func (p *pricing) cheapest(needed, options []*vertex) *vertex {
	p.stamp++
	for _, v := range needed {
		p.union(v)
	}
	var best *vertex
	cost := 0
	for _, o := range options {
		c := 0
		if len(needed) == 0 {
			c = p.alone(o)
		} else {
			p.beside++
			c = p.added(o)
		}
		if best == nil || c < cost {
			best, cost = o, c
		}
	}
	return best
}

// added is what a vertex costs beside the union reckoned last.
func (p *pricing) added(v *vertex) int {
	p.visits++
	if v.taken || v.mark == p.stamp || v.aside == p.beside {
		return 0
	}
	v.aside = p.beside
	total := v.self
	for _, d := range v.deps {
		total += p.added(d)
	}
	return total
}
