package cost

import "math"

// Program finds what an operation costs. It is immutable but for what [Meter] remembers.
type Program struct {
	model  *Model
	root   *set
	sets   int
	shapes shapes
}

// Constant returns the cost of an operation whose cost is the same for all requests; ok is false for another. The error
// is that of [Program.Estimate].
func (p *Program) Constant() (cost float64, ok bool, err error) {
	if p.root == nil {
		return 0, true, nil
	}
	return p.root.cost, !p.root.varies, p.root.problem
}

// Estimate returns what a request costs: from 0 to [Ceiling]. Variables are the coerced values in the order of the
// operation's definitions, as JSON, nil where there is none. The error is a [SlicingError].
func (p *Program) Estimate(variables [][]byte) (float64, error) {
	if p.root == nil || !p.root.varies {
		cost, _, err := p.Constant()
		return cost, err
	}
	e := evaluation{model: p.model, variables: variables, sets: p.sets}
	cost := e.set(p.root)
	return cost, e.problem
}

// evaluation is one request's.
type evaluation struct {
	model     *Model
	variables [][]byte
	sets      int
	known     []float64 // of sets that are reached from several places; NaN for one that was not yet
	problem   error
}

func (e *evaluation) variable(i int) []byte {
	if i < len(e.variables) {
		return e.variables[i]
	}
	return nil
}

func (e *evaluation) set(s *set) float64 {
	if !s.varies {
		if e.problem == nil {
			e.problem = s.problem
		}
		return s.cost
	}
	if s.meets > 1 {
		if e.known == nil {
			e.known = make([]float64, e.sets)
			for i := range e.known {
				e.known[i] = math.NaN()
			}
		}
		if known := e.known[s.id]; !math.IsNaN(known) {
			return known
		}
	}
	cost := 0.0
	for _, n := range s.nodes {
		cost = bound(cost + e.node(n))
	}
	if s.meets > 1 {
		e.known[s.id] = cost
	}
	return cost
}

// node returns what a field costs of one object that it stands on.
func (e *evaluation) node(n *node) float64 {
	if !e.in(n) {
		return 0
	}
	one, own := n.def.weight, n.def.weight
	for i, t := range n.sets {
		if c := t.weight + e.set(t.set); i == 0 || c > one {
			one, own = c, t.weight
		}
	}
	if n.size != nil {
		length := bound(e.size(n.size) * n.deeper)
		one, own = one*length, own*length
	}
	if n.demands != nil {
		e.size(n.demands)
	}
	// What an argument takes off is taken off the field itself, and not of what is selected below it.
	return bound(one + max(e.base(n), -own))
}

// base returns what asking for a field costs, without what it leads to.
func (e *evaluation) base(n *node) float64 {
	cost := n.def.base
	for _, c := range n.charges {
		cost += e.charge(c)
	}
	return cost
}

// in reports whether a field is asked for.
func (e *evaluation) in(n *node) bool {
	if len(n.guards) == 0 {
		return true
	}
	for _, g := range n.guards {
		holds := true
		for _, c := range g {
			holds = holds && truth(e.variable(c.variable)) == c.want
		}
		if holds {
			return true
		}
	}
	return false
}
