package routertest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/routertest/public"
	"github.com/lethe/lethe/router/supergraph"
)

// Subgraph is a subgraph to serve.
type Subgraph struct{ Name, SDL, URL string }

// Suite is one suite of the public federation gateway audit, or one of the repository's own in that shape.
type Suite struct {
	Name       string `json:"-"`
	Supergraph string
	Subgraphs  []Subgraph
	Tests      []Case
	// Lenient has the subgraphs refuse what they cannot answer without failing the test: for gateways that are not under test.
	Lenient bool `json:"-"`
	own     *OwnSuite
}

// Case is an operation of a suite and what a gateway has to answer.
type Case struct {
	Query     string
	Variables map[string]any
	Expected  struct {
		Data   json.RawMessage // absent where only errors are expected
		Errors bool            // there must be some
	}
}

// Suites reads the suites of the public audit, which stand beside the repository. Where there are none the test is skipped, and fails
// in CI.
func Suites(t *testing.T) []*Suite {
	t.Helper()
	var out []*Suite
	for _, file := range public.Audit().Files(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := &Suite{Name: strings.TrimSuffix(filepath.Base(file), ".json")}
		if err := json.Unmarshal(text, s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// refused are, by suite and subgraph, the types and fields that the audit's own subgraphs do not answer, since a plan that asks them
// there passes over what another subgraph provides.
var refused = map[string]map[string][]string{
	"provides-on-interface": {"c": {"Book", "Dog.name", "Cat.name"}},
	"provides-on-union":     {"c": {"Book"}},
}

// Start serves the suite's subgraphs until the test ends, over what the expected answers tell, and gives their addresses by name.
func (s *Suite) Start(t *testing.T) map[string]string {
	t.Helper()
	if s.own != nil {
		return s.own.Start(t)
	}
	graph, err := supergraph.Parse(s.Supergraph)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(graph.API())
	for _, typ := range graph.Types() {
		w.keys[typ.Name] = nil
	}
	for _, c := range s.Tests {
		w.learnCase(c)
	}
	specials := map[string]func(*thing, map[string]any) any{}
	switch s.Name {
	case "union-interface-distributed":
		// This one has a type that the subgraph does not let stand there.
		w.root("Query").facts[factKey("node", map[string]any{"id": "oven1"})] = w.thing("Oven")
	case "mutations":
		total := 0.0
		specials["Mutation.add"] = func(_ *thing, args map[string]any) any { total += number(args["num"]); return total }
		specials["Mutation.multiply"] = func(_ *thing, args map[string]any) any { total *= number(args["by"]); return total }
		specials["Mutation.delete"] = func(*thing, map[string]any) any { defer func() { total = 0 }(); return total }
	}
	return w.start(t, s.Subgraphs, specials, refused[s.Name], s.Lenient)
}

// learnCase takes in what the expected answer of a case tells.
func (w *world) learnCase(c Case) {
	doc, errs := gqlparser.LoadQueryWithRules(w.schema, c.Query, rules.NewDefaultRules())
	var data map[string]any
	if len(errs) > 0 || json.Unmarshal(c.Expected.Data, &data) != nil || data == nil || c.Expected.Errors {
		return
	}
	op := doc.Operations[0]
	vars := map[string]any{}
	for _, v := range op.VariableDefinitions {
		if given, ok := c.Variables[v.Variable]; ok {
			vars[v.Variable] = given
		} else if v.DefaultValue != nil {
			vars[v.Variable], _ = v.DefaultValue.Value(nil)
		}
	}
	root := map[ast.Operation]string{ast.Query: "Query", ast.Mutation: "Mutation"}[op.Operation]
	w.learn(w.root(root), []ast.SelectionSet{op.SelectionSet}, data, vars)
}

// Invent serves subgraphs until the test ends, with answers that are made up and stay the same: lists have as many items as listed says.
// It gives the subgraphs' addresses by name.
func Invent(t *testing.T, api *ast.Schema, listed int, subgraphs []Subgraph) map[string]string {
	t.Helper()
	w := newWorld(api)
	w.listed = listed
	return w.start(t, subgraphs, nil, nil, false)
}

// start serves subgraphs over a world.
func (w *world) start(t *testing.T, subgraphs []Subgraph, specials map[string]func(*thing, map[string]any) any, refused map[string][]string, lenient bool) map[string]string {
	t.Helper()
	var mu sync.Mutex
	mu.Lock()
	defer mu.Unlock()
	urls := map[string]string{}
	for _, g := range subgraphs {
		s := newSubgraph(t, g.Name, g.SDL, w, &mu)
		s.lenient = lenient
		for _, known := range []map[string][]ast.SelectionSet{s.keys, s.closed} {
			for name, keys := range known {
				w.keys[name] = append(w.keys[name], keys...)
			}
		}
		for _, at := range refused[g.Name] {
			s.refused[at] = true
		}
		for field, f := range specials {
			s.special[field] = f
		}
		urls[g.Name] = Serve(t, s)
	}
	w.unite()
	return urls
}

func number(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return 0
}
