package execute

import "github.com/lethe/lethe/router/plan"

// What parts of a program take, in bytes. The figures were fitted to what programs of different shapes hold on the heap
// (TestSizeIsWhatTheHeapHolds); what counts is that no shape takes several times what is counted for it.
const (
	sizeOfProgram   = 4 << 10
	sizeOfFetch     = 2 << 10
	sizeOfSelection = 640 // in the operation and in fetches alike
)

// Size returns how many bytes the program takes, with its plan. It is an estimate by the numbers of parts: a bound on what
// many programs take together can be held with it.
func (p *Program) Size() int {
	n := sizeOfProgram + sizeOfSelection*selections(p.plan.Operation.Selections)
	for _, d := range p.plan.Operation.Deferred {
		n += sizeOfFetch + sizeOfSelection*selections(d.Selections)
	}
	for i, f := range p.plan.Fetches {
		n += sizeOfFetch + sizeOfSelection*selections(f.Selections)
		for _, r := range f.Representations {
			n += sizeOfSelection * selections(r.Fields)
		}
		compiled := p.fetches[i]
		n += len(compiled.prefix) + len(compiled.query)
		for _, piece := range compiled.pieces {
			n += len(piece)
		}
	}
	return n
}

// selections returns how many fields and fragments are in a set, at all depths.
func selections(set plan.SelectionSet) int {
	n := len(set)
	for _, s := range set {
		switch {
		case s.Field != nil:
			n += selections(s.Field.Selections)
		case s.Fragment != nil:
			n += selections(s.Fragment.Selections)
		}
	}
	return n
}
