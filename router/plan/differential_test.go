package plan_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/routertest"
	"github.com/lethe/lethe/router/supergraph"
)

var (
	seed   = flag.Uint64("seed", 0, "run TestDifferential for this seed alone")
	graphs = flag.Int("graphs", 400, "how many random supergraphs TestDifferential tries")
)

// TestDifferential plans random operations over random supergraphs, runs the plans on a universe in which every value is
// known, and compares with what the operation asks for there.
func TestDifferential(t *testing.T) {
	t.Parallel()
	first, last := uint64(1), uint64(*graphs)
	if *seed > 0 {
		first, last = *seed, *seed
	}
	composed, operations, refused := 0, 0, 0
	for n := first; n <= last; n++ {
		r := rand.New(rand.NewPCG(n, 1))
		subgraphs := randomSubgraphs(r)
		result, errs := compose.Compose(subgraphs)
		if len(errs) > 0 {
			if *seed > 0 {
				t.Log(compose.FormatText(errs))
			}
			continue
		}
		composed++
		sg, err := supergraph.Parse(result.SDL)
		if err != nil {
			t.Fatalf("seed %d: %v", n, err)
		}
		planner, err := plan.NewPlanner(sg)
		if err != nil {
			t.Fatalf("seed %d: %v", n, err)
		}
		u := newUniverse(sg)
		u.requests = routertest.NewRequests(t, sdls(subgraphs))
		for range 20 {
			query := randomQuery(r, sg.API())
			doc, invalid := gqlparser.LoadQueryWithRules(sg.API(), query, rules.NewDefaultRules())
			if len(invalid) > 0 {
				continue
			}
			operations++
			if err := compare(u, planner, sg.API(), doc); err != nil {
				if errors.Is(err, errRefused) {
					refused++
					continue
				}
				for _, s := range subgraphs {
					t.Logf("# subgraph %s\n%s", s.Name, s.SDL[len(federationLink):])
				}
				t.Errorf("seed %d: %s\n%v", n, query, err)
				break
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d supergraphs, %d operations, of which %d refused for shared abstract fields", composed, operations, refused)
}

var errRefused = errors.New("refused")

// compare plans an operation, checks what the plan asks, runs it and compares with the truth.
func compare(u *universe, planner *plan.Planner, api *ast.Schema, doc *ast.QueryDocument) error {
	p, err := planner.Plan(doc, "")
	if err != nil {
		if sharesAbstract(u.sg) {
			return errRefused
		}
		return err
	}
	if err := u.requests.Check(p); err != nil {
		return fmt.Errorf("%w\n%s", err, p)
	}
	if again := askedTwice(u.sg, p); len(again) > 0 {
		return fmt.Errorf("asked more than once: %s\n%s", strings.Join(again, ", "), p)
	}
	return compareRuns(u, p, api, doc)
}

// compareRuns runs a plan with every setting of its conditions, and compares with the truth.
func compareRuns(u *universe, p *plan.Plan, api *ast.Schema, doc *ast.QueryDocument) error {
	for setting := range 4 {
		vars := map[string]bool{"x": setting&1 != 0, "y": setting&2 != 0}
		var mask uint64
		for bit, c := range p.Operation.Conditions {
			if c.Variable != "" && vars[c.Variable] == c.Equals {
				mask |= 1 << bit
			}
		}
		got, err := simulate(u, p, mask)
		want := truthOf(u, api, vars, thing{"Query", 0}, doc.Operations[0].SelectionSet)
		if err == nil && !reflect.DeepEqual(got, any(want)) {
			err = fmt.Errorf("got  %v\nwant %v", got, want)
		}
		if err != nil {
			return fmt.Errorf("%w\n%v\n%s", err, vars, p)
		}
	}
	return nil
}

// sharesAbstract tells whether several subgraphs answer one field of an abstract type, so that one of them alone is asked
// for all below it, which may not be able to.
func sharesAbstract(sg *supergraph.Supergraph) bool {
	for _, t := range sg.Types() {
		for _, f := range t.Fields {
			out := sg.Type(f.Type.Name())
			n := 0
			for i := range f.Sources {
				if f.Sources[i].Resolves() {
					n++
				}
			}
			if out != nil && out.IsAbstract() && n > 1 {
				return true
			}
		}
	}
	return false
}

// truthOf answers a selection by the universe alone.
func truthOf(u *universe, api *ast.Schema, vars map[string]bool, o thing, set ast.SelectionSet) map[string]any {
	out := map[string]any{}
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			if !taken(sel.Directives, vars) {
				continue
			}
			if sel.Name == "__typename" {
				out[sel.Alias] = o.typ
				continue
			}
			var args []string
			for _, a := range sel.Arguments {
				args = append(args, a.Name+":"+a.Value.String())
			}
			merge(out, map[string]any{sel.Alias: truthOfValue(u, api, vars, u.truth(o, sel.Name, strings.Join(args, ",")), sel.SelectionSet)})
		case *ast.InlineFragment:
			def := api.Types[sel.TypeCondition]
			if taken(sel.Directives, vars) && (sel.TypeCondition == "" || slices.ContainsFunc(api.GetPossibleTypes(def), func(d *ast.Definition) bool { return d.Name == o.typ })) {
				merge(out, truthOf(u, api, vars, o, sel.SelectionSet))
			}
		}
	}
	return out
}

func truthOfValue(u *universe, api *ast.Schema, vars map[string]bool, v any, set ast.SelectionSet) any {
	switch v := v.(type) {
	case thing:
		return truthOf(u, api, vars, v, set)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = truthOfValue(u, api, vars, v[i], set)
		}
		return out
	}
	return v
}

func taken(ds ast.DirectiveList, vars map[string]bool) bool {
	for _, d := range ds {
		if v := d.Arguments.ForName("if"); v != nil && vars[v.Value.Raw] != (d.Name == "include") {
			return false
		}
	}
	return true
}

// randomQuery writes an operation that is nearly always valid.
func randomQuery(r *rand.Rand, api *ast.Schema) string {
	var b strings.Builder
	budget := 25
	writeSelection(&b, r, api, api.Query, 0, &budget)
	return "query ($x: Boolean!, $y: Boolean!) { ok: __typename @include(if: $x) ok2: __typename @skip(if: $y) " + b.String()[1:]
}

func writeSelection(b *strings.Builder, r *rand.Rand, api *ast.Schema, t *ast.Definition, depth int, budget *int) {
	b.WriteString("{")
	wrote := false
	for range 1 + r.IntN(4) {
		*budget--
		guard := ""
		if r.IntN(7) == 0 {
			guard = []string{" @include(if: $x)", " @skip(if: $y)", " @skip(if: $x)"}[r.IntN(3)]
		}
		if t.IsAbstractType() && r.IntN(2) == 0 && depth < 7 {
			possible := api.GetPossibleTypes(t)
			on := possible[r.IntN(len(possible))]
			if r.IntN(3) == 0 {
				if ifaces := api.GetImplements(on); len(ifaces) > 0 {
					on = ifaces[r.IntN(len(ifaces))]
				}
			}
			b.WriteString(" ... on " + on.Name + guard + " ")
			writeSelection(b, r, api, on, depth+1, budget)
			wrote = true
			continue
		}
		var fields []*ast.FieldDefinition
		for _, f := range t.Fields {
			if !strings.HasPrefix(f.Name, "__") {
				fields = append(fields, f)
			}
		}
		if len(fields) == 0 {
			b.WriteString(" __typename")
			wrote = true
			continue
		}
		f := fields[r.IntN(len(fields))]
		out := api.Types[f.Type.Name()]
		if out.IsCompositeType() && (depth > 6 || *budget < 0) {
			continue
		}
		b.WriteString(" ")
		if r.IntN(8) == 0 {
			b.WriteString([]string{"id", "sku", "z1", "z2"}[r.IntN(4)] + ": ")
		}
		b.WriteString(f.Name)
		if len(f.Arguments) > 0 && r.IntN(2) == 0 {
			fmt.Fprintf(b, "(n: %d)", r.IntN(2))
		}
		b.WriteString(guard)
		wrote = true
		if out.IsCompositeType() {
			b.WriteString(" ")
			writeSelection(b, r, api, out, depth+1, budget)
		}
	}
	if !wrote || r.IntN(6) == 0 {
		b.WriteString(" __typename")
	}
	b.WriteString(" }")
}
