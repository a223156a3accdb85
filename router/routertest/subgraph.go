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
	*contract
	t       *testing.T
	mu      *sync.Mutex // of the world
	world   *world
	special map[string]func(*thing, map[string]any) any
	// refused are types by which, and fields as Type.field for which, the subgraph must not be asked.
	refused map[string]bool
	asked   int
	// lenient subgraphs refuse what they cannot answer, and do not fail the test.
	lenient bool
}

// newSubgraph makes a subgraph of its SDL.
func newSubgraph(t *testing.T, name, sdl string, w *world, mu *sync.Mutex) *subgraph {
	t.Helper()
	c, err := newContract(name, sdl)
	if err != nil {
		t.Fatal(err)
	}
	return &subgraph{contract: c, t: t, mu: mu, world: w, special: map[string]func(*thing, map[string]any) any{}, refused: map[string]bool{}}
}

// complain fails the test, unless the subgraph is lenient.
func (s *subgraph) complain(format string, args ...any) {
	if !s.lenient {
		s.t.Errorf(format, args...)
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
		if a.external[place] && !a.names(provided, def.Name, fd.Name) && !a.inKey(def.Name, fd.Name) {
			a.fail("%s is external and not provided", place)
			out[f.key] = nil
			continue
		}
		if a.refused[place] {
			a.fail("%s is given by another subgraph already: it should not be asked here", place)
			out[f.key] = nil
			continue
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

// names reports whether selections name a field of an object of a type.
func (c *contract) names(sets []ast.SelectionSet, typeName, field string) bool {
	for _, set := range sets {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				if s.Name == field {
					return true
				}
			case *ast.InlineFragment:
				if c.applies(s.TypeCondition, typeName) && c.names([]ast.SelectionSet{s.SelectionSet}, typeName, field) {
					return true
				}
			}
		}
	}
	return false
}

// applies reports whether a fragment on a type applies to objects of another.
func (c *contract) applies(condition, typeName string) bool {
	def := c.schema.Types[condition]
	return condition == "" || condition == typeName ||
		def != nil && slices.ContainsFunc(c.schema.GetPossibleTypes(def), func(d *ast.Definition) bool { return d.Name == typeName })
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

// inKey reports whether a key of a type mentions a field, whether or not the type can be entered by it.
func (c *contract) inKey(typeName, field string) bool {
	return c.names(c.keys[typeName], typeName, field) || c.names(c.closed[typeName], typeName, field)
}

// misfit says what is wrong with a representation of a type: it has one of the keys, and beside it what some field requires.
func (c *contract) misfit(typeName string, rep map[string]any) string {
	known := map[string]bool{"__typename": true}
	whole := false
	for _, key := range c.keys[typeName] {
		has := true
		for _, s := range key {
			if f, ok := s.(*ast.Field); ok {
				_, sent := rep[f.Name]
				has, known[f.Name] = has && sent, true
			}
		}
		whole = whole || has
	}
	if !whole {
		return "has none of the keys"
	}
	for field, set := range c.requires {
		if strings.HasPrefix(field, typeName+".") || c.applies(typeName, strings.SplitN(field, ".", 2)[0]) {
			mentioned(set, known)
		}
	}
	for field := range rep {
		if !known[field] {
			return "has " + field + ", which nothing asks for"
		}
	}
	return ""
}

// mentioned notes the fields that a selection names at its top.
func mentioned(set ast.SelectionSet, into map[string]bool) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			into[s.Name] = true
		case *ast.InlineFragment:
			mentioned(s.SelectionSet, into)
		}
	}
}

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
		if a.refused[name] {
			a.fail("%s is known to another subgraph already: it should not be entered here", name)
			continue
		}
		if wrong := a.misfit(name, rep); wrong != "" {
			given, _ := json.Marshal(rep)
			a.fail("the representation %s %s", given, wrong)
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
func Serve(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return strings.TrimSuffix(server.URL, "/") + "/graphql"
}
