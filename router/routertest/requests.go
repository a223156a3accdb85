package routertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/plan"
)

// Requests checks what plans ask of subgraphs against the subgraphs' own schemas. It writes the operations by itself, so that
// it depends on nothing that it checks.
type Requests struct{ schemas map[string]*ast.Schema }

// NewRequests returns a checker of requests to subgraphs, of which sdls has the schemas by name.
func NewRequests(t *testing.T, sdls map[string]string) *Requests {
	t.Helper()
	r := &Requests{schemas: map[string]*ast.Schema{}}
	for _, name := range slices.Sorted(maps.Keys(sdls)) {
		r.schemas[name] = newSubgraph(t, name, sdls[name], nil, nil).schema
	}
	return r
}

// Check reports the first request of a plan that its subgraph would refuse: it is validated by all rules of the GraphQL
// specification (section 5), and by a second reading of the one on fields that are merged (5.3.2).
func (r *Requests) Check(p *plan.Plan) error {
	for _, f := range p.Fetches {
		schema := r.schemas[f.Subgraph]
		if schema == nil {
			return fmt.Errorf("fetch %d goes to %s, which is no subgraph", f.ID, f.Subgraph)
		}
		text := requestText(p.Operation, f)
		doc, errs := gqlparser.LoadQueryWithRules(schema, text, rules.NewDefaultRules())
		if len(errs) > 0 {
			return fmt.Errorf("fetch %d from %s: %w\n%s", f.ID, f.Subgraph, errs, text)
		}
		if err := FieldsCanMerge(schema, doc); err != nil {
			return fmt.Errorf("fetch %d from %s: %w\n%s", f.ID, f.Subgraph, err, text)
		}
	}
	return nil
}

// requestText writes a fetch as an operation.
func requestText(op *plan.Operation, f *plan.Fetch) string {
	var declared []string
	if len(f.Representations) > 0 {
		declared = append(declared, "$representations: [_Any!]!")
		for _, c := range f.Representations[0].Contexts {
			declared = append(declared, "$"+c.Variable+": "+c.Type)
		}
	}
	for _, v := range op.Variables {
		if slices.Contains(f.Variables, v.Name) {
			text := "$" + v.Name + ": " + v.Type
			if v.HasDefault {
				text += " = " + v.Default
			}
			declared = append(declared, text)
		}
	}
	var b strings.Builder
	b.WriteString(map[plan.OperationKind]string{plan.Query: "query", plan.Mutation: "mutation", plan.Subscription: "subscription"}[f.Kind])
	if len(declared) > 0 {
		b.WriteString(" (" + strings.Join(declared, ", ") + ")")
	}
	if len(f.Representations) > 0 {
		b.WriteString(" { _entities(representations: $representations)")
		writeSelections(&b, f.Selections)
		b.WriteString(" }")
	} else {
		writeSelections(&b, f.Selections)
	}
	return b.String()
}

func writeSelections(b *strings.Builder, set plan.SelectionSet) {
	if len(set) == 0 {
		return
	}
	b.WriteString(" {")
	for _, s := range set {
		if s.Fragment != nil {
			b.WriteString(" ...")
			if s.Fragment.TypeCondition != "" {
				b.WriteString(" on " + s.Fragment.TypeCondition)
			}
			writeSelections(b, s.Fragment.Selections)
			continue
		}
		b.WriteString(" " + s.Field.Alias + ": " + s.Field.Name)
		for i, a := range s.Field.Arguments {
			separator := ", "
			if i == 0 {
				separator = "("
			}
			b.WriteString(separator + a.Name + ": " + a.Value)
		}
		if len(s.Field.Arguments) > 0 {
			b.WriteString(")")
		}
		writeSelections(b, s.Field.Selections)
	}
	b.WriteString(" }")
}
