// Package routertest serves subgraphs in the process of a test, over data that is known or made up.
package routertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// subgraph serves a Federation subgraph over a world. It is strict: it validates what it is asked, and an @external
// field or a requirement that the representation does not carry is an error.
type subgraph struct {
	t      *testing.T
	name   string
	mu     *sync.Mutex // of the world
	world  *world
	schema *ast.Schema
	// What the federation directives say, by type or type.field.
	keys      map[string][]ast.SelectionSet
	requires  map[string]ast.SelectionSet
	external  map[string]bool
	provides  map[string]ast.SelectionSet
	overrides map[string]bool // fields that this subgraph lost
	special   map[string]func(*thing, map[string]any) any
	asked     int
	// lenient subgraphs refuse what they cannot answer, and do not fail the test.
	lenient bool
}

// complain fails the test, unless the subgraph is lenient.
func (s *subgraph) complain(format string, args ...any) {
	if !s.lenient {
		s.t.Errorf(format, args...)
	}
}

// newSubgraph reads a subgraph's SDL. The directives of federation are noted and taken out, so that what is left is plain
// GraphQL.
func newSubgraph(t *testing.T, name, sdl string, w *world, mu *sync.Mutex) *subgraph {
	t.Helper()
	doc, err := parser.ParseSchema(&ast.Source{Name: name, Input: sdl})
	if err != nil {
		t.Fatalf("subgraph %s: %v", name, err)
	}
	s := &subgraph{
		t: t, name: name, mu: mu, world: w, keys: map[string][]ast.SelectionSet{}, requires: map[string]ast.SelectionSet{},
		external: map[string]bool{}, provides: map[string]ast.SelectionSet{}, overrides: map[string]bool{}, special: map[string]func(*thing, map[string]any) any{},
	}
	roots := map[string]string{"query": "Query", "mutation": "Mutation", "subscription": "Subscription"}
	for _, sd := range append(doc.Schema, doc.SchemaExtension...) {
		for _, op := range sd.OperationTypes {
			roots[string(op.Operation)] = op.Type
		}
	}
	plain := &ast.SchemaDocument{}
	byName := map[string]*ast.Definition{}
	for _, def := range append(doc.Definitions, doc.Extensions...) {
		s.note(def)
		if old := byName[def.Name]; old != nil {
			old.Fields = append(old.Fields, def.Fields...)
			old.Types = append(old.Types, def.Types...)
			old.Interfaces = append(old.Interfaces, def.Interfaces...)
			old.EnumValues = append(old.EnumValues, def.EnumValues...)
			continue
		}
		byName[def.Name] = def
		plain.Definitions = append(plain.Definitions, def)
	}
	query := byName[roots["query"]]
	if query == nil {
		query = &ast.Definition{Kind: ast.Object, Name: roots["query"], Position: &ast.Position{Src: &ast.Source{}}}
		plain.Definitions = append(plain.Definitions, query)
	}
	entities := map[string]bool{}
	for _, def := range plain.Definitions {
		if len(s.keys[def.Name]) == 0 {
			continue
		}
		if def.Kind == ast.Object {
			entities[def.Name] = true
		}
		for _, other := range plain.Definitions {
			if other.Kind == ast.Object && slices.Contains(other.Interfaces, def.Name) {
				entities[other.Name] = true
			}
		}
	}
	at := &ast.Position{Src: &ast.Source{}}
	query.Fields = append(query.Fields, &ast.FieldDefinition{Name: "_service", Position: at, Type: ast.NonNullNamedType("String", at)})
	if len(entities) > 0 {
		union := &ast.Definition{Kind: ast.Union, Name: "_Entity", Position: at}
		for _, def := range plain.Definitions {
			if entities[def.Name] {
				union.Types = append(union.Types, def.Name)
			}
		}
		plain.Definitions = append(plain.Definitions, union, &ast.Definition{Kind: ast.Scalar, Name: "_Any", Position: at})
		query.Fields = append(query.Fields, &ast.FieldDefinition{
			Name: "_entities", Position: at, Type: ast.NonNullListType(ast.NamedType("_Entity", at), at),
			Arguments: ast.ArgumentDefinitionList{{Name: "representations", Position: at, Type: ast.NonNullListType(ast.NonNullNamedType("_Any", at), at)}},
		})
	}
	plain.Schema = ast.SchemaDefinitionList{{Position: at}}
	for op, typeName := range roots {
		if typeName == query.Name || byName[typeName] != nil {
			plain.Schema[0].OperationTypes = append(plain.Schema[0].OperationTypes, &ast.OperationTypeDefinition{Operation: ast.Operation(op), Type: typeName, Position: at})
		}
	}
	prelude, err := parser.ParseSchema(validator.Prelude)
	if err != nil {
		t.Fatal(err)
	}
	prelude.Merge(plain)
	if s.schema, err = validator.ValidateSchemaDocument(prelude); err != nil {
		t.Fatalf("subgraph %s: %v", name, err)
	}
	return s
}

func fieldSet(d *ast.Directive) ast.SelectionSet {
	arg := d.Arguments.ForName("fields")
	if arg == nil {
		return nil
	}
	doc, err := parser.ParseQuery(&ast.Source{Input: "{" + arg.Value.Raw + "}"})
	if err != nil {
		return nil
	}
	return doc.Operations[0].SelectionSet
}

// note remembers the federation directives of a definition and takes all directives out.
func (s *subgraph) note(def *ast.Definition) {
	for _, d := range def.Directives {
		if d.Name == "key" {
			s.keys[def.Name] = append(s.keys[def.Name], fieldSet(d))
		}
	}
	def.Directives = nil
	for _, f := range def.Fields {
		for _, d := range f.Directives {
			switch d.Name {
			case "external":
				s.external[def.Name+"."+f.Name] = true
			case "requires":
				s.requires[def.Name+"."+f.Name] = fieldSet(d)
			case "provides":
				s.provides[def.Name+"."+f.Name] = fieldSet(d)
			}
		}
		f.Directives = nil
		for _, a := range f.Arguments {
			a.Directives = nil
		}
	}
	for _, v := range def.EnumValues {
		v.Directives = nil
	}
}

// ServeHTTP answers GraphQL.
func (s *subgraph) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Query     string
		Variables map[string]any
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		s.complain("subgraph %s: %v", s.name, err)
	}
	doc, err := parser.ParseQuery(&ast.Source{Input: req.Query})
	if err == nil {
		if errs := validator.ValidateWithRules(s.schema, doc, rules.NewDefaultRules()); len(errs) > 0 {
			err = errs
		}
	}
	if err != nil {
		s.complain("subgraph %s was asked what it cannot answer: %v\n%s", s.name, err, req.Query)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	op := doc.Operations[0]
	vars, errs := validator.VariableValues(s.schema, op, req.Variables)
	if errs != nil {
		s.complain("subgraph %s was given variables that do not fit: %v\n%s", s.name, errs, req.Query)
		vars = req.Variables
	}
	run := &answering{subgraph: s, vars: vars}
	root := "Query"
	rootDef := s.schema.Query
	switch op.Operation {
	case ast.Mutation:
		root, rootDef = "Mutation", s.schema.Mutation
	case ast.Subscription:
		root, rootDef = "Subscription", s.schema.Subscription
	}
	data := run.object(s.world.root(root), rootDef, nil, nil, []ast.SelectionSet{op.SelectionSet})
	out := map[string]any{"data": data}
	if len(run.errors) > 0 {
		out["errors"] = run.errors
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

type answering struct {
	*subgraph
	vars   map[string]any
	errors []map[string]any
}

func (a *answering) fail(format string, args ...any) {
	a.errors = append(a.errors, map[string]any{"message": fmt.Sprintf("%s: ", a.name) + fmt.Sprintf(format, args...)})
}

// object answers selections of a thing that this subgraph knows under def. Rep is the representation that it was entered
// by, and provided what may be asked of it beyond its own fields.
func (a *answering) object(t *thing, def *ast.Definition, rep map[string]any, provided []ast.SelectionSet, sets []ast.SelectionSet) map[string]any {
	out := map[string]any{}
	for _, f := range collect(a.schema, def.Name, sets, a.vars) {
		switch f.field.Name {
		case "__typename":
			out[f.key] = def.Name
			continue
		case "_entities":
			out[f.key] = a.entities(f)
			continue
		}
		fd := def.Fields.ForName(f.field.Name)
		place := def.Name + "." + fd.Name
		inner := a.providedBelow(place, f.field.Name, provided)
		if a.external[place] && !names(provided, fd.Name) && !a.inKey(def.Name, fd.Name) {
			a.fail("%s is external and not provided", place)
		}
		if need := a.requires[place]; need != nil && rep != nil && !a.satisfied(t, def.Name, rep, need) {
			given, _ := json.Marshal(rep)
			a.fail("%s requires more than %s", place, given)
			out[f.key] = nil
			continue
		}
		var v any
		if special := a.special[place]; special != nil {
			v = special(t, f.args)
		} else if known, ok := t.real().facts[f.fact]; ok {
			v = known
		} else {
			v = a.world.get(t, fd.Name, f.fact, fd.Type)
		}
		out[f.key] = a.complete(v, fd.Type, inner, f.childs)
	}
	return out
}

func names(sets []ast.SelectionSet, name string) bool {
	for _, set := range sets {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				if s.Name == name {
					return true
				}
			case *ast.InlineFragment:
				if names([]ast.SelectionSet{s.SelectionSet}, name) {
					return true
				}
			}
		}
	}
	return false
}

func (a *answering) providedBelow(place, field string, provided []ast.SelectionSet) []ast.SelectionSet {
	var out []ast.SelectionSet
	if p := a.provides[place]; p != nil {
		out = append(out, p)
	}
	var walk func(set ast.SelectionSet)
	walk = func(set ast.SelectionSet) {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				if s.Name == field {
					out = append(out, s.SelectionSet)
				}
			case *ast.InlineFragment:
				walk(s.SelectionSet)
			}
		}
	}
	for _, set := range provided {
		walk(set)
	}
	return out
}

func (a *answering) inKey(typeName, field string) bool { return names(a.keys[typeName], field) }

// satisfied reports whether a representation carries a requirement as it is true.
func (a *answering) satisfied(t *thing, typeName string, rep map[string]any, need ast.SelectionSet) bool {
	for _, s := range need {
		switch s := s.(type) {
		case *ast.InlineFragment:
			if slices.Contains(t.real().types, s.TypeCondition) && !a.satisfied(t, s.TypeCondition, rep, s.SelectionSet) {
				return false
			}
		case *ast.Field:
			if s.Name == "__typename" {
				continue
			}
			given, ok := rep[s.Name]
			if !ok {
				return false
			}
			args := map[string]any{}
			for _, arg := range s.Arguments {
				args[arg.Name], _ = arg.Value.Value(nil)
			}
			truth, known := t.real().facts[factKey(s.Name, args)]
			if known && !a.same(truth, given, s.SelectionSet) {
				return false
			}
		}
	}
	return true
}

func (a *answering) same(truth, given any, set ast.SelectionSet) bool {
	switch truth := truth.(type) {
	case *thing:
		g, ok := given.(map[string]any)
		return ok && a.satisfied(truth, "", g, set)
	case []any:
		g, ok := given.([]any)
		if !ok || len(g) != len(truth) {
			return false
		}
		for i := range g {
			if !a.same(truth[i], g[i], set) {
				return false
			}
		}
		return true
	}
	return fmt.Sprint(truth) == fmt.Sprint(given)
}

func (a *answering) complete(v any, typ *ast.Type, provided, sets []ast.SelectionSet) any {
	switch v := v.(type) {
	case []any:
		if typ.Elem == nil {
			return v
		}
		out := make([]any, len(v))
		for i := range v {
			out[i] = a.complete(v[i], typ.Elem, provided, sets)
		}
		return out
	case *thing:
		def := a.runtime(v, typ.Name())
		if def == nil {
			a.fail("%s cannot be told the type of", typ.Name())
			return nil
		}
		return a.object(v, def, nil, provided, sets)
	}
	return v
}

// runtime gives the type under which this subgraph knows a thing that stands where typeName is declared.
func (a *answering) runtime(t *thing, typeName string) *ast.Definition {
	declared := a.schema.Types[typeName]
	if declared.Kind == ast.Object {
		return declared
	}
	t = t.real()
	for _, name := range t.types {
		for _, p := range a.schema.GetPossibleTypes(declared) {
			if p.Name == name {
				t.types = []string{name}
				return p
			}
		}
	}
	return nil
}

func (a *answering) entities(f *asked) []any {
	reps, _ := f.args["representations"].([]any)
	out := make([]any, len(reps))
	for i, r := range reps {
		rep, _ := r.(map[string]any)
		name, _ := rep["__typename"].(string)
		def := a.schema.Types[name]
		if def == nil {
			a.fail("no type %q", name)
			continue
		}
		candidates := []string{name}
		if api := a.world.schema.Types[name]; api != nil {
			for _, p := range a.world.schema.GetPossibleTypes(api) {
				candidates = append(candidates, p.Name)
			}
		}
		t := a.world.find(candidates, rep, a.keys[name])
		if t == nil {
			continue
		}
		if def.IsAbstractType() {
			if def = a.runtime(t, name); def == nil {
				continue
			}
		}
		out[i] = a.object(t, def, rep, nil, f.childs)
	}
	return out
}

// Serve puts a handler on a free port until the test ends, and gives the address of its /graphql.
func Serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return strings.TrimSuffix(server.URL, "/") + "/graphql"
}
