package server_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/lethe/lethe/router/routertest"
	"github.com/lethe/lethe/router/server"
	"github.com/lethe/lethe/router/supergraph"
	"github.com/lethe/lethe/schema"
)

// TestConsoleOperations asks the operations of the support staff's pages over the shop's own schemas, whose subgraphs are
// strict: every request that a plan makes of them has to be valid, and every representation whole.
func TestConsoleOperations(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../console/queries/*.graphql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no operations: %v", err)
	}
	api, router := letheRouter(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".graphql"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := parser.ParseQuery(&ast.Source{Input: string(text)})
			if err != nil {
				t.Fatal(err)
			}
			vars := map[string]any{}
			for _, v := range doc.Operations[0].VariableDefinitions {
				if v.Type.NonNull {
					vars[v.Variable] = example(api, v.Type)
				}
			}
			got := ask(t, router, string(text), vars)
			if doc.Operations[0].Operation == ast.Subscription {
				got = firstEvent(t, router, string(text), vars)
			}
			if len(got.Errors) > 0 || got.Data == nil {
				t.Errorf("%s\n%s\n%s", text, got.body(t), got.Extensions.QueryPlan.Text)
			}
		})
	}
}

// TestEveryField asks every field of the graph, four levels below each field of Query and Mutation.
func TestEveryField(t *testing.T) {
	t.Parallel()
	api, router := letheRouter(t)
	for kind, root := range map[string]*ast.Definition{"query": api.Query, "mutation": api.Mutation} {
		for _, f := range root.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			t.Run(f.Name, func(t *testing.T) {
				query := kind + "{" + everything(api, f, 4) + "}"
				got := ask(t, router, query, nil)
				if len(got.Errors) > 0 || got.Data == nil {
					t.Errorf("%s\n%s\n%s", query, got.Errors, got.Extensions.QueryPlan.Text)
				}
			})
		}
	}
}

// everything selects a field with all below it.
func everything(api *ast.Schema, f *ast.FieldDefinition, depth int) string {
	out := f.Name
	var args []string
	for _, a := range f.Arguments {
		if a.Type.NonNull && a.DefaultValue == nil {
			args = append(args, a.Name+":"+literal(api, a.Type))
		}
	}
	if len(args) > 0 {
		out += "(" + strings.Join(args, ",") + ")"
	}
	def := api.Types[f.Type.Name()]
	if !def.IsCompositeType() {
		return out
	}
	out += "{__typename "
	for _, inner := range def.Fields {
		if leaf := !api.Types[inner.Type.Name()].IsCompositeType(); leaf || depth > 0 {
			out += everything(api, inner, depth-1) + " "
		}
	}
	return out + "}"
}

// literal makes up a value of an input type as it stands in a query.
func literal(api *ast.Schema, t *ast.Type) string {
	if t.Elem != nil {
		return "[" + literal(api, t.Elem) + "]"
	}
	def := api.Types[t.NamedType]
	switch {
	case def.Kind == ast.Enum:
		return def.EnumValues[0].Name
	case def.Kind == ast.InputObject:
		out := "{"
		for _, f := range def.Fields {
			if f.Type.NonNull && f.DefaultValue == nil {
				out += f.Name + ":" + literal(api, f.Type) + " "
			}
		}
		return out + "}"
	case def.Name == "Int" || def.Name == "Float":
		return "1"
	case def.Name == "Boolean":
		return "true"
	}
	return `"x"`
}

// letheRouter is a router over the shop's schemas, with strict subgraphs.
func letheRouter(t *testing.T) (*ast.Schema, *server.Server) {
	t.Helper()
	graph, err := supergraph.Parse(schema.Supergraph())
	if err != nil {
		t.Fatal(err)
	}
	var subgraphs []routertest.Subgraph
	for _, g := range schema.Subgraphs() {
		subgraphs = append(subgraphs, routertest.Subgraph{Name: g.Name, SDL: g.SDL})
	}
	urls := routertest.Invent(t, graph.API(), 2, subgraphs)
	router, err := newServer(server.Options{
		Supergraph: schema.Supergraph(), URLs: urls, Log: slog.New(slog.DiscardHandler), Config: server.Config{QueryPlans: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(router.Close)
	return graph.API(), router
}

// example makes up a value of an input type.
func example(api *ast.Schema, t *ast.Type) any {
	if t.Elem != nil {
		return []any{example(api, t.Elem)}
	}
	def := api.Types[t.NamedType]
	switch {
	case def.Kind == ast.Enum:
		return def.EnumValues[0].Name
	case def.Kind == ast.InputObject:
		out := map[string]any{}
		for _, f := range def.Fields {
			if f.Type.NonNull && f.DefaultValue == nil {
				out[f.Name] = example(api, f.Type)
			}
		}
		return out
	case def.Name == "Int":
		return 1
	case def.Name == "Float":
		return 1.5
	case def.Name == "Boolean":
		return true
	}
	return "x"
}
