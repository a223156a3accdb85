package plan

import (
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/supergraph"
)

// Limits bound the work of planning one operation.
type Limits struct {
	Depth  int           // of nested selections
	Fields int           // of the operation, after fragments are spread
	Work   int           // steps of the search
	Time   time.Duration // of the search; zero for none
}

// DefaultLimits are those of [NewPlanner].
func DefaultLimits() Limits {
	return Limits{Depth: 100, Fields: 20_000, Work: 20_000_000, Time: 5 * time.Second}
}

// LimitError says which limit an operation exceeds.
type LimitError struct {
	What  string
	Limit int
}

// Error implements error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("the operation takes more than %d %s", e.Limit, e.What)
}

// Planner plans operations for one supergraph. It is safe for concurrent use.
type Planner struct {
	graph  *graph
	limits Limits
}

// NewPlanner compiles a supergraph for planning.
func NewPlanner(sg *supergraph.Supergraph) (*Planner, error) {
	g, err := newGraph(sg)
	if err != nil {
		return nil, err
	}
	return &Planner{graph: g, limits: DefaultLimits()}, nil
}

// Options say what of an operation a plan is for.
type Options struct {
	// Denied tells that the field of an object type, or of the interface on which it is selected, may not be seen: it is
	// not asked of any subgraph, and marked in the plan's operation. Nil denies nothing.
	Denied func(typeName, field string) bool
	// Defer tells whether a fragment with @defer is answered after the initial answer. It is given the name of the
	// variable of the argument if, or "" where a fragment is deferred whatever the variables. Nil defers nothing.
	Defer func(variable string) bool
}

// Plan plans one operation of a document that is valid against the supergraph's API schema. The error is a [LimitError]
// for an operation that is too complex, and names the field where no subgraph can be reached that answers it.
func (p *Planner) Plan(doc *ast.QueryDocument, operationName string) (*Plan, error) {
	return p.PlanFor(doc, operationName, Options{})
}

// PlanFor plans as [Planner.Plan] does, under options.
func (p *Planner) PlanFor(doc *ast.QueryDocument, operationName string, options Options) (*Plan, error) {
	op, items, err := normalise(p.graph, doc, operationName, p.limits, options)
	if err != nil {
		return nil, err
	}
	l := &labelled{planner: p, plan: &Plan{Operation: op}, items: items}
	if err := l.under(nil, nil); err != nil {
		return nil, err
	}
	return l.plan, nil
}

// search makes the state of a search under override labels.
func (p *Planner) search(kind OperationKind, labels map[string]bool) *search {
	s := &search{
		g: p.graph, kind: kind, limits: p.limits, labels: map[string]bool{}, active: map[string]bool{}, scores: map[string]score{}, excluded: map[int]int{}, receiver: -1,
	}
	maps.Copy(s.labels, labels)
	if p.limits.Time > 0 {
		s.deadline = time.Now().Add(p.limits.Time)
	}
	return s
}

func itoa(n int) string { return strconv.Itoa(n) }
