package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// object is a value of an object type; its member __typename says which where the field's type is abstract. A field
// without a resolver is the member of its name.
type object map[string]any

// resolver gives the value of a field: nil, a JSON scalar, an object, or a list of these.
type resolver func(ctx context.Context, parent object, args map[string]any) (any, error)

// subgraph is a Federation subgraph that is served in this process, strictly: what does not validate is refused.
type subgraph struct {
	name string
	sdl  string
	// resolvers by "Type.field".
	resolvers map[string]resolver
	// entities by type: the entity for a representation.
	entities map[string]func(representation object) (object, error)
	// wrap, where set, stands before the handler, for subgraphs that speak more than GraphQL in JSON.
	wrap func(http.Handler) http.Handler

	url    string
	schema *ast.Schema
	mu     sync.Mutex
	asked  []question
}

// question is a request that a subgraph got.
type question struct {
	Query     string         `json:"query"`
	Name      string         `json:"operationName"`
	Variables map[string]any `json:"variables"`
	Header    http.Header    `json:"-"`
}

// start serves the subgraph until the test ends.
func (g *subgraph) start(t *testing.T) {
	t.Helper()
	g.schema = g.plainSchema(t)
	var h http.Handler = http.HandlerFunc(g.serve)
	if g.wrap != nil {
		h = g.wrap(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	g.url = s.URL
}

// questions gives what the subgraph was asked so far.
func (g *subgraph) questions() []question {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.asked)
}

// plainSchema gives the schema without the directives of Federation and with its root fields.
func (g *subgraph) plainSchema(t *testing.T) *ast.Schema {
	t.Helper()
	doc, err := parser.ParseSchema(&ast.Source{Name: g.name, Input: g.sdl})
	if err != nil {
		t.Fatalf("subgraph %s: %v", g.name, err)
	}
	at := &ast.Position{Src: &ast.Source{}}
	doc.Schema, doc.SchemaExtension, doc.Directives = nil, nil, nil
	doc.Definitions = append(doc.Definitions, doc.Extensions...)
	doc.Extensions = nil
	for _, def := range doc.Definitions {
		def.Directives = nil
		for _, f := range def.Fields {
			f.Directives = nil
			for _, a := range f.Arguments {
				a.Directives = nil
			}
		}
	}
	query := doc.Definitions.ForName("Query")
	if query == nil {
		query = &ast.Definition{Kind: ast.Object, Name: "Query", Position: at}
		doc.Definitions = append(doc.Definitions, query)
	}
	query.Fields = append(query.Fields, &ast.FieldDefinition{Name: "_service", Position: at, Type: ast.NonNullNamedType("String", at)})
	if len(g.entities) > 0 {
		doc.Definitions = append(doc.Definitions,
			&ast.Definition{Kind: ast.Union, Name: "_Entity", Position: at, Types: slices.Sorted(maps.Keys(g.entities))},
			&ast.Definition{Kind: ast.Scalar, Name: "_Any", Position: at})
		query.Fields = append(query.Fields, &ast.FieldDefinition{
			Name: "_entities", Position: at, Type: ast.NonNullListType(ast.NamedType("_Entity", at), at),
			Arguments: ast.ArgumentDefinitionList{{Name: "representations", Position: at, Type: ast.NonNullListType(ast.NonNullNamedType("_Any", at), at)}},
		})
	}
	whole, err := parser.ParseSchema(validator.Prelude)
	if err != nil {
		t.Fatal(err)
	}
	whole.Merge(doc)
	schema, err := validator.ValidateSchemaDocument(whole)
	if err != nil {
		t.Fatalf("subgraph %s: %v", g.name, err)
	}
	return schema
}

func (g *subgraph) serve(w http.ResponseWriter, r *http.Request) {
	var q question
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, "no GraphQL request: "+err.Error(), http.StatusBadRequest)
		return
	}
	q.Header = r.Header.Clone()
	g.mu.Lock()
	g.asked = append(g.asked, q)
	g.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(g.answer(r.Context(), q, nil)) // a router that went away needs no answer
}

// answer executes a request. The root is the value of the operation's root, for an event of a subscription.
func (g *subgraph) answer(ctx context.Context, q question, root object) object {
	doc, errs := gqlparser.LoadQueryWithRules(g.schema, q.Query, rules.NewDefaultRules())
	if len(errs) > 0 {
		return object{"errors": errs}
	}
	op := doc.Operations.ForName(q.Name)
	if op == nil {
		return object{"errors": []object{{"message": "no such operation"}}}
	}
	vars, err := validator.VariableValues(g.schema, op, q.Variables)
	if err != nil {
		return object{"errors": []object{{"message": err.Error()}}}
	}
	rootType := map[ast.Operation]*ast.Definition{ast.Query: g.schema.Query, ast.Mutation: g.schema.Mutation, ast.Subscription: g.schema.Subscription}[op.Operation]
	e := &execution{subgraph: g, vars: vars}
	if root == nil {
		root = object{}
	}
	out := object{"data": e.object(ctx, rootType, root, []ast.SelectionSet{op.SelectionSet}, nil)}
	if len(e.errors) > 0 {
		out["errors"] = e.errors
	}
	return out
}

// execution answers one operation (GraphQL specification, section 6). It leaves nulls in non-null places to the router.
type execution struct {
	*subgraph
	vars   map[string]any
	errors []object
}

func (e *execution) object(ctx context.Context, def *ast.Definition, value object, sets []ast.SelectionSet, path []any) object {
	out := object{}
	var order []string
	fields := map[string][]*ast.Field{}
	var collect func(ast.SelectionSet)
	collect = func(set ast.SelectionSet) {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				if e.included(s.Directives) {
					if fields[s.Alias] == nil {
						order = append(order, s.Alias)
					}
					fields[s.Alias] = append(fields[s.Alias], s)
				}
			case *ast.InlineFragment:
				if e.included(s.Directives) && e.applies(def, s.TypeCondition) {
					collect(s.SelectionSet)
				}
			case *ast.FragmentSpread:
				if e.included(s.Directives) && e.applies(def, s.Definition.TypeCondition) {
					collect(s.Definition.SelectionSet)
				}
			}
		}
	}
	for _, set := range sets {
		collect(set)
	}
	for _, key := range order {
		f, at := fields[key][0], append(slices.Clone(path), key)
		v, err := e.field(ctx, def, value, f)
		if err != nil {
			e.errors = append(e.errors, object{"message": err.Error(), "path": at})
			v = nil
		}
		var inner []ast.SelectionSet
		for _, f := range fields[key] {
			inner = append(inner, f.SelectionSet)
		}
		out[key] = e.complete(ctx, f.Definition.Type, v, inner, at)
	}
	return out
}

func (e *execution) included(ds ast.DirectiveList) bool {
	for _, d := range ds {
		if on, ok := d.ArgumentMap(e.vars)["if"].(bool); ok && on != (d.Name == "include") {
			return false
		}
	}
	return true
}

func (e *execution) applies(def *ast.Definition, condition string) bool {
	return condition == "" || condition == def.Name ||
		slices.Contains(e.schema.GetPossibleTypes(e.schema.Types[condition]), def)
}

func (e *execution) field(ctx context.Context, def *ast.Definition, value object, f *ast.Field) (any, error) {
	args := f.ArgumentMap(e.vars)
	switch f.Name {
	case "__typename":
		return def.Name, nil
	case "_entities":
		list, _ := args["representations"].([]any)
		return e.represented(list)
	}
	if resolve := e.resolvers[def.Name+"."+f.Name]; resolve != nil {
		return resolve(ctx, value, args)
	}
	return value[f.Name], nil
}

func (e *execution) represented(list []any) (any, error) {
	out := make([]any, len(list))
	for i, r := range list {
		rep, _ := r.(map[string]any)
		name, _ := rep["__typename"].(string)
		find := e.entities[name]
		if find == nil {
			return nil, fmt.Errorf("%v is no entity here", rep["__typename"])
		}
		found, err := find(rep)
		if err != nil {
			return nil, err
		}
		if found != nil {
			found = maps.Clone(found)
			found["__typename"] = name
			out[i] = found
		}
	}
	return out, nil
}

func (e *execution) complete(ctx context.Context, t *ast.Type, v any, sets []ast.SelectionSet, path []any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = e.complete(ctx, t.Elem, item, sets, append(slices.Clone(path), i))
		}
		return out
	case []object:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = e.complete(ctx, t.Elem, item, sets, append(slices.Clone(path), i))
		}
		return out
	case object:
		if v == nil {
			return nil
		}
		name := t.Name()
		if given, ok := v["__typename"].(string); ok {
			name = given
		}
		return e.object(ctx, e.schema.Types[name], v, sets, path)
	}
	return v
}
