// Package prepare turns the text of an operation into a compiled program, once: a request with a text that was met before
// is answered after one look-up, with nothing parsed, validated or planned.
package prepare

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/authorise"
	"github.com/lethe/lethe/router/cost"
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
	// PreparedBytes is about how much memory the operations that are kept ready may take together.
	PreparedBytes int
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
	set(&l.PreparedBytes, 128<<20)
	return l
}

// Prepared is an operation that is ready to run, or the errors that it has.
type Prepared struct {
	// Program is the one for those who may see everything, nil where there are errors, and where the operation is dearer
	// than [Options.MaxCost]: [Prepared.For] gives a request's.
	Program *execute.Program
	Kind    plan.OperationKind
	Name    string
	Hash    string // of the text, for logs
	Errors  gqlerror.List

	inputs    *inputs
	cost      *cost.Program // nil where costs are not looked at
	charge    float64       // where it is the same for all requests; else -1
	variables []variable
	uploads   []string  // scalars whose values are files
	variants  *variants // nil where all requests have the same program
}

// Options shape a preparer.
type Options struct {
	Limits Limits
	// NoIntrospection refuses __schema and __type, and keeps suggestions of what the schema has out of messages.
	NoIntrospection bool
	// Uploads names the scalars whose values are files.
	Uploads []string
	// Costs is what costs are found with; nil where they are not looked at.
	Costs *cost.Model
	// MaxCost, where it is above 0, is the cost beyond which nobody may run an operation: then it is not planned.
	MaxCost float64
}

// Preparer prepares operations for one schema. It is safe for concurrent use.
type Preparer struct {
	sg      *supergraph.Supergraph
	planner *plan.Planner
	// authorise holds what fields require of a request's identity.
	authorise *authorise.Rules
	options   Options
	rules     *rules.Rules
	inputs    *inputs
	cache     *cache
}

// New gives a preparer for a supergraph.
func New(sg *supergraph.Supergraph, options Options) (*Preparer, error) {
	planner, err := plan.NewPlanner(sg)
	if err != nil {
		return nil, fmt.Errorf("prepare to plan: %w", err)
	}
	options.Limits = options.Limits.defaults()
	p := &Preparer{sg: sg, planner: planner, authorise: authorise.New(sg), options: options, rules: specifiedRules(!options.NoIntrospection), inputs: newInputs(sg.API())}
	p.cache = newCache(p.prepare, options.Limits.PreparedBytes)
	return p, nil
}

// Prepare gives the prepared operation for a text and the name of the operation in it. One caller prepares, others with
// the same text wait for it, or until their context is done, which is the only error. Query and name are the caller's
// again when it returns.
func (p *Preparer) Prepare(ctx context.Context, query, name []byte) (*Prepared, error) {
	if len(query) > p.options.Limits.Bytes {
		return refusal("QUERY_TOO_LARGE", "The operation has %d bytes: at most %d are taken.", len(query), p.options.Limits.Bytes), nil
	}
	return p.cache.get(ctx, query, name)
}

// Warm prepares the operations that another preparer was asked for, the most used first, until ctx is done: before a new
// schema takes over, so that nobody waits for its plans. What was used is remembered by half, so that over many reloads
// the operations of today go before those of last week; what was not used since the last two is left behind.
func (p *Preparer) Warm(ctx context.Context, other *Preparer) {
	for _, e := range other.cache.operations() {
		if ctx.Err() != nil {
			return
		}
		if e.uses > 0 {
			p.cache.adopt(e.entry, e.uses/2)
		}
	}
}

// refusal gives a prepared operation that is an error with a code.
func refusal(code, format string, a ...any) *Prepared {
	return &Prepared{Errors: gqlerror.List{{Message: fmt.Sprintf(format, a...), Extensions: map[string]any{"code": code}}}}
}

func (p *Preparer) prepare(query, name string) *Prepared {
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: query}, p.options.Limits.Tokens)
	if err != nil {
		return &Prepared{Errors: coded(err, parseCode(err))}
	}
	op, refused := pick(doc, name)
	if refused != nil {
		return refused
	}
	if refused := p.measure(doc); refused != nil {
		return refused
	}
	if errs := validator.ValidateWithRules(p.sg.API(), doc, p.rules); len(errs) > 0 {
		return &Prepared{Errors: coded(errs, "GRAPHQL_VALIDATION_FAILED")}
	}
	if errs, refused := checkOverlaps(p.sg.API(), doc); refused != nil || len(errs) > 0 {
		return cmp.Or(refused, &Prepared{Errors: coded(errs, "GRAPHQL_VALIDATION_FAILED")})
	}
	if p.options.NoIntrospection && introspects(doc) {
		return refusal("INTROSPECTION_DISABLED", "Introspection is switched off here: read the schema where it is published.")
	}
	variables, wrong := compileVariables(p.inputs, op)
	if wrong != nil {
		return &Prepared{Errors: coded(wrong, "GRAPHQL_VALIDATION_FAILED")}
	}
	out := &Prepared{Kind: kindOf(op), Name: op.Name, Hash: hashOf(query), inputs: p.inputs, variables: variables, uploads: p.options.Uploads}
	defers, refused := findDeferral(doc, op)
	if refused != nil {
		return refused
	}
	if refused := p.price(doc, op, out); refused != nil {
		return refused
	}
	if p.options.MaxCost > 0 && out.charge > p.options.MaxCost {
		return out
	}
	var options plan.Options
	needs := requirements{rules: p.authorise}
	if !p.authorise.Empty() {
		options.Denied = needs.note
	}
	program, refused := p.plan(doc, op, options)
	if refused != nil {
		return refused
	}
	out.Program = program
	switch {
	case len(needs.ids) > maxRequirements:
		return refusal("OPERATION_TOO_COMPLEX", "The operation selects fields with %d different requirements: at most %d are taken.", len(needs.ids), maxRequirements)
	case len(needs.ids) > 0 || !defers.none():
		out.variants = &variants{preparer: p, doc: doc, op: op, requirements: needs.ids, defers: defers, byKey: map[variantKey]*variant{}}
	}
	return out
}

// plan plans and compiles an operation, without the fields that are denied.
func (p *Preparer) plan(doc *ast.QueryDocument, op *ast.OperationDefinition, options plan.Options) (*execute.Program, *Prepared) {
	planned, err := p.planner.PlanFor(doc, op.Name, options)
	if err != nil {
		var limit *plan.LimitError
		if errors.As(err, &limit) {
			return nil, refusal("OPERATION_TOO_COMPLEX", "The operation is too complex to plan: ask for less at once.")
		}
		return nil, refusal("PLANNING_FAILED", "The operation cannot be planned: %s", err)
	}
	program, err := execute.Compile(p.sg, planned, op.VariableDefinitions)
	if err != nil {
		if errors.Is(err, execute.ErrTooManyConditions) {
			return nil, refusal("OPERATION_TOO_COMPLEX", "The operation is too complex: %s.", err)
		}
		return nil, refusal("PLANNING_FAILED", "The operation cannot be planned: %s", err)
	}
	return program, nil
}

func kindOf(op *ast.OperationDefinition) plan.OperationKind {
	switch op.Operation {
	case ast.Mutation:
		return plan.Mutation
	case ast.Subscription:
		return plan.Subscription
	}
	return plan.Query
}

func hashOf(query string) string {
	digest := sha256.Sum256([]byte(query))
	return hex.EncodeToString(digest[:8])
}

// introspects reports whether a document asks for the schema anywhere.
func introspects(doc *ast.QueryDocument) bool {
	var in func(set ast.SelectionSet) bool
	in = func(set ast.SelectionSet) bool {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				if s.Name == "__schema" || s.Name == "__type" || in(s.SelectionSet) {
					return true
				}
			case *ast.InlineFragment:
				if in(s.SelectionSet) {
					return true
				}
			}
		}
		return false
	}
	for _, op := range doc.Operations {
		if in(op.SelectionSet) {
			return true
		}
	}
	for _, f := range doc.Fragments {
		if in(f.SelectionSet) {
			return true
		}
	}
	return false
}

// parseCode tells what the parser's limits refuse from what is no GraphQL.
func parseCode(err error) string {
	switch text := err.Error(); {
	case strings.Contains(text, "exceeded token limit"):
		return "MAX_TOKENS_EXCEEDED"
	case strings.Contains(text, "exceeded maximum nesting depth"):
		return "MAX_DEPTH_EXCEEDED"
	}
	return "GRAPHQL_PARSE_FAILED"
}

// maxMessage bounds an error's message, which may repeat what a client wrote, in bytes.
const maxMessage = 500

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
		if len(e.Message) > maxMessage {
			e.Message = strings.ToValidUTF8(e.Message[:maxMessage], "") + "…"
		}
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
