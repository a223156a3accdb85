// Package prepare turns the text of an operation into a compiled program, once: a request with a text that was met before
// is answered after one look-up, with nothing parsed, validated or planned.
package prepare

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/supergraph"
)

// Limits bound what an operation may ask. Zero values take the defaults.
type Limits struct {
	Tokens     int // of the text
	Depth      int // of nested fields
	Aliases    int
	Directives int
	RootFields int
	Bytes      int // of the text
}

func (l Limits) defaults() Limits {
	set := func(v *int, otherwise int) {
		if *v == 0 {
			*v = otherwise
		}
	}
	set(&l.Tokens, 15_000)
	set(&l.Depth, 50)
	set(&l.Aliases, 200)
	set(&l.Directives, 200)
	set(&l.RootFields, 100)
	set(&l.Bytes, 200_000)
	return l
}

// cacheSize is how many operations are kept, half of them among those met again lately.
const cacheSize = 2000

// Prepared is an operation that is ready to run, or the errors that it has.
type Prepared struct {
	Program   *execute.Program
	Kind      plan.OperationKind
	Name      string
	Operation *ast.OperationDefinition
	// Introspects says that the operation asks for the schema.
	Introspects bool
	Errors      gqlerror.List
}

// Preparer prepares operations for one schema. It is safe for concurrent use.
type Preparer struct {
	sg      *supergraph.Supergraph
	planner *plan.Planner
	limits  Limits
	rules   *rules.Rules
	seed    maphash.Seed

	mu    sync.Mutex
	young map[uint64]*entry // two generations: when the young one is full it becomes the old one
	old   map[uint64]*entry
}

type entry struct {
	query, name string
	ready       chan struct{}
	prepared    *Prepared
}

// New gives a preparer for a supergraph.
func New(sg *supergraph.Supergraph, limits Limits) (*Preparer, error) {
	planner, err := plan.NewPlanner(sg)
	if err != nil {
		return nil, fmt.Errorf("prepare to plan: %w", err)
	}
	return &Preparer{
		sg: sg, planner: planner, limits: limits.defaults(), rules: rules.NewDefaultRules(), seed: maphash.MakeSeed(),
		young: map[uint64]*entry{}, old: map[uint64]*entry{},
	}, nil
}

// Prepare gives the prepared operation for a text and the name of the operation in it. One caller prepares, others with
// the same text wait for it.
func (p *Preparer) Prepare(ctx context.Context, query, name string) (*Prepared, error) {
	var h maphash.Hash
	h.SetSeed(p.seed)
	_, _ = h.WriteString(query)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(name)
	key := h.Sum64()
	e, mine := p.find(key, query, name)
	if !mine {
		select {
		case <-e.ready:
			return e.prepared, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer close(e.ready)
	e.prepared = p.prepare(query, name)
	return e.prepared, nil
}

// find gives the entry for a text; mine says that the caller must fill it.
func (p *Preparer) find(key uint64, query, name string) (_ *entry, mine bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, generation := range []map[uint64]*entry{p.young, p.old} {
		if e := generation[key]; e != nil && e.query == query && e.name == name {
			p.keep(key, e)
			return e, false
		}
	}
	e := &entry{query: query, name: name, ready: make(chan struct{})}
	p.keep(key, e)
	return e, true
}

func (p *Preparer) keep(key uint64, e *entry) {
	if p.young[key] == e {
		return
	}
	if len(p.young) >= cacheSize/2 {
		p.old, p.young = p.young, map[uint64]*entry{}
	}
	p.young[key] = e
}

// code gives an error list of one error with a code.
func refusal(code, format string, a ...any) *Prepared {
	return &Prepared{Errors: gqlerror.List{{Message: fmt.Sprintf(format, a...), Extensions: map[string]any{"code": code}}}}
}

func (p *Preparer) prepare(query, name string) (out *Prepared) {
	if len(query) > p.limits.Bytes {
		return refusal("QUERY_TOO_LARGE", "The operation has %d bytes: at most %d are taken.", len(query), p.limits.Bytes)
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: query}, p.limits.Tokens)
	if err != nil {
		return &Prepared{Errors: coded(err, "GRAPHQL_PARSE_FAILED")}
	}
	op, refused := pick(doc, name)
	if refused != nil {
		return refused
	}
	if refused := p.measure(doc, op); refused != nil {
		return refused
	}
	if errs := validator.ValidateWithRules(p.sg.API(), doc, p.rules); len(errs) > 0 {
		return &Prepared{Errors: coded(errs, "GRAPHQL_VALIDATION_FAILED")}
	}
	planned, err := p.planner.Plan(doc, op.Name)
	if err != nil {
		var limit *plan.LimitError
		if errors.As(err, &limit) {
			return refusal("OPERATION_TOO_COMPLEX", "The operation is too complex to plan: ask for less at once.")
		}
		return refusal("PLANNING_FAILED", "The operation cannot be planned: %s", err)
	}
	program, err := execute.Compile(p.sg, planned, op.VariableDefinitions)
	if err != nil {
		return refusal("PLANNING_FAILED", "The operation cannot be planned: %s", err)
	}
	return &Prepared{Program: program, Kind: planned.Operation.Kind, Name: op.Name, Operation: op, Introspects: introspects(planned.Operation)}
}

func coded(err error, code string) gqlerror.List {
	var list gqlerror.List
	var one *gqlerror.Error
	switch {
	case errors.As(err, &list):
	case errors.As(err, &one):
		list = gqlerror.List{one}
	default:
		list = gqlerror.List{{Message: err.Error()}}
	}
	if len(list) > 20 {
		list = list[:20]
	}
	for _, e := range list {
		e.Extensions = map[string]any{"code": code}
		e.Rule = ""
	}
	return list
}

// pick gives the operation that the request means (GraphQL specification, GetOperation).
func pick(doc *ast.QueryDocument, name string) (*ast.OperationDefinition, *Prepared) {
	if len(doc.Operations) == 0 {
		return nil, refusal("GRAPHQL_VALIDATION_FAILED", "The document has no operation: add a query, mutation or subscription.")
	}
	if name == "" {
		if len(doc.Operations) > 1 {
			return nil, refusal("OPERATION_NAME_NEEDED", "The document has %d operations: say which with operationName.", len(doc.Operations))
		}
		return doc.Operations[0], nil
	}
	if op := doc.Operations.ForName(name); op != nil {
		return op, nil
	}
	return nil, refusal("OPERATION_NOT_FOUND", "The document has no operation of that name: check operationName.")
}

func introspects(op *plan.Operation) bool {
	for _, s := range op.Selections {
		if s.Field != nil && (s.Field.Name == "__schema" || s.Field.Name == "__type") {
			return true
		}
		if s.Fragment != nil {
			inner := *op
			inner.Selections = s.Fragment.Selections
			if introspects(&inner) {
				return true
			}
		}
	}
	return false
}
