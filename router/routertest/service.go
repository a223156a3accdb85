package routertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// service serves a subgraph over records of its own, as one of several teams' services does: it knows what it holds and nothing
// else, and refuses the rest. A record has the fields of one object. One that stands in another leads, for what it lacks, to the
// record of its type with the same key.
type service struct {
	*contract
	mu        sync.Mutex
	records   map[string][]record // by type; one for a root type
	resolvers map[string]Resolver // by Type.field
	requests  int
}

type record = map[string]any

// Resolver computes a field of an object. Its error is answered with a null.
type Resolver func(o Object, args map[string]any) (any, error)

// Object is an object that a field is resolved of.
type Object struct {
	service  *service
	def      *ast.Definition
	own      record // what it was found as
	sent     record // the representation that it was entered by; nil where it was not
	provided []ast.SelectionSet
}

// Required returns a field that the representation must bring, for a field with @requires.
func (o Object) Required(name string) (any, error) {
	v, ok := o.sent[name]
	if !ok {
		return nil, fmt.Errorf("%s: %s.%s is required and was not sent", o.service.name, o.def.Name, name)
	}
	return v, nil
}

// Own returns what the subgraph holds of a field.
func (o Object) Own(name string) (any, error) {
	if v, ok := o.own[name]; ok {
		return v, nil
	}
	for _, r := range o.service.records[o.def.Name] {
		if v, ok := r[name]; ok && (o.service.sameKey(o.def.Name, r, o.own) || o.service.root(o.def)) {
			return v, nil
		}
	}
	return nil, fmt.Errorf("%s holds no %s.%s", o.service.name, o.def.Name, name)
}

func (s *service) root(def *ast.Definition) bool {
	return def == s.schema.Query || def == s.schema.Mutation
}

// sameKey reports whether two records agree on a key of a type.
func (s *service) sameKey(typeName string, a, b record) bool {
	return slices.ContainsFunc(slices.Concat(s.keys[typeName], s.closed[typeName]), func(key ast.SelectionSet) bool { return agree(a, b, key) })
}

// agree reports whether two values are the same and not null, objects in what is selected.
func agree(a, b any, set ast.SelectionSet) bool {
	switch x := a.(type) {
	case nil:
		return false
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !agree(x[i], y[i], set) {
				return false
			}
		}
		return true
	case record:
		y, ok := b.(record)
		return ok && !slices.ContainsFunc(set, func(s ast.Selection) bool {
			f, isField := s.(*ast.Field)
			return isField && f.Name != typenameField && !agree(x[f.Name], y[f.Name], f.SelectionSet)
		})
	}
	return fmt.Sprint(a) == fmt.Sprint(b)
}

const typenameField = "__typename"

// newService makes a service of a subgraph's SDL and records, which are JSON: an object of lists of records, by type.
func newService(name, sdl, records string, resolvers map[string]Resolver) (*service, error) {
	c, err := newContract(name, sdl)
	if err != nil {
		return nil, err
	}
	s := &service{contract: c, records: map[string][]record{}, resolvers: resolvers}
	if records == "" {
		return s, nil
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal([]byte(records), &given); err != nil {
		return nil, fmt.Errorf("records of %s: %w", name, err)
	}
	for typeName, text := range given {
		if c.schema.Types[typeName] == nil {
			return nil, fmt.Errorf("records of %s: it has no type %s", name, typeName)
		}
		if text[0] == '{' {
			text = append(append(json.RawMessage{'['}, text...), ']')
		}
		var list []record
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, fmt.Errorf("records of %s, %s: %w", name, typeName, err)
		}
		s.records[typeName] = list
	}
	return s, nil
}

// ServeHTTP answers GraphQL.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Query     string
		Variables map[string]any
	}
	answer := map[string]any{}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		answer["errors"] = []error{err}
	} else if doc, err := parser.ParseQuery(&ast.Source{Input: req.Query}); err != nil {
		answer["errors"] = []map[string]any{{"message": s.name + ": " + err.Error()}}
	} else if errs := validator.ValidateWithRules(s.schema, doc, rules.NewDefaultRules()); len(errs) > 0 {
		answer["errors"] = []map[string]any{{"message": s.name + ": " + errs.Error() + " in " + req.Query}}
	} else if vars, err := validator.VariableValues(s.schema, doc.Operations[0], req.Variables); err != nil {
		answer["errors"] = []map[string]any{{"message": s.name + ": " + err.Error()}}
	} else {
		s.mu.Lock()
		s.requests++
		e := &serving{service: s, vars: vars}
		answer["data"] = e.operation(doc.Operations[0])
		s.mu.Unlock()
		if len(e.errors) > 0 {
			answer["errors"] = e.errors
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// serving executes one operation (GraphQL specification, section 6).
type serving struct {
	*service
	vars   map[string]any
	path   []any
	errors []map[string]any
}

func (e *serving) operation(op *ast.OperationDefinition) any {
	def := e.schema.Query
	if op.Operation == ast.Mutation {
		def = e.schema.Mutation
	}
	out, ok := e.object(Object{service: e.service, def: def}, []ast.SelectionSet{op.SelectionSet})
	if !ok {
		return nil
	}
	return out
}

func (e *serving) fail(err error) {
	e.errors = append(e.errors, map[string]any{"message": err.Error(), "path": slices.Clone(e.path)})
}

// object answers selections; ok is false where a field that is never null has no value.
func (e *serving) object(o Object, sets []ast.SelectionSet) (out record, ok bool) {
	out = record{}
	for _, f := range collect(e.schema, o.def.Name, sets, e.vars) {
		e.path = append(e.path, f.key)
		v, ok := e.field(o, f)
		e.path = e.path[:len(e.path)-1]
		if !ok {
			return nil, false
		}
		out[f.key] = v
	}
	return out, true
}

func (e *serving) field(o Object, f *asked) (any, bool) {
	if f.field.Name == typenameField {
		return o.def.Name, true
	}
	fd := o.def.Fields.ForName(f.field.Name)
	for _, a := range fd.Arguments {
		if _, given := f.args[a.Name]; !given && a.DefaultValue != nil {
			f.args[a.Name], _ = a.DefaultValue.Value(nil)
		}
	}
	if fd.Name == "_entities" {
		return e.entities(f)
	}
	v, err := e.resolve(o, fd, f.args)
	if err != nil {
		e.fail(err)
		return nil, !fd.Type.NonNull
	}
	return e.complete(v, fd.Type, e.below(o, fd.Name), f.childs)
}

// resolve finds a field's value: a resolver's, or what is held.
func (e *serving) resolve(o Object, fd *ast.FieldDefinition, args map[string]any) (any, error) {
	place := o.def.Name + "." + fd.Name
	if r := e.resolvers[place]; r != nil {
		return r(o, args)
	}
	if e.external[place] && !e.inKey(o.def.Name, fd.Name) && !e.names(o.provided, o.def.Name, fd.Name) {
		return nil, fmt.Errorf("%s: %s is external, and not provided here", e.name, place)
	}
	v, err := o.Own(fd.Name)
	if err != nil {
		return nil, err
	}
	// {"$by": {...}} holds a value for each value of the one argument, and {"$find": [types]} the record whose fields are the arguments'.
	choice, ok := v.(record)
	if by, is := choice["$by"].(record); ok && is {
		for _, arg := range args {
			return by[fmt.Sprint(arg)], nil
		}
	}
	if types, is := choice["$find"].([]any); ok && is {
		return e.find(types, args), nil
	}
	return v, nil
}

// find returns the first record of some types whose fields are what the arguments say, nil where there is none.
func (e *serving) find(types []any, args map[string]any) any {
	for _, t := range types {
	next:
		for _, r := range e.records[t.(string)] {
			for name, v := range args {
				if fmt.Sprint(r[name]) != fmt.Sprint(v) {
					continue next
				}
			}
			out := record{typenameField: t}
			for k, v := range r {
				out[k] = v
			}
			return out
		}
	}
	return nil
}

// below returns what is provided below a field.
func (e *serving) below(o Object, field string) []ast.SelectionSet {
	var out []ast.SelectionSet
	if set := e.provides[o.def.Name+"."+field]; set != nil {
		out = append(out, set)
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
				if e.applies(s.TypeCondition, o.def.Name) {
					walk(s.SelectionSet)
				}
			}
		}
	}
	for _, set := range o.provided {
		walk(set)
	}
	return out
}

// complete makes a value what its type says (section 6.4.3).
func (e *serving) complete(v any, typ *ast.Type, provided, sets []ast.SelectionSet) (any, bool) {
	if v == nil {
		if typ.NonNull {
			e.fail(fmt.Errorf("%s: a null where the schema has none", e.name))
		}
		return nil, !typ.NonNull
	}
	if typ.Elem != nil {
		list, ok := v.([]any)
		if !ok {
			e.fail(fmt.Errorf("%s: no list", e.name))
			return nil, !typ.NonNull
		}
		out := make([]any, len(list))
		for i := range list {
			e.path = append(e.path, i)
			out[i], ok = e.complete(list[i], typ.Elem, provided, sets)
			e.path = e.path[:len(e.path)-1]
			if !ok {
				return nil, !typ.NonNull
			}
		}
		return out, true
	}
	declared := e.schema.Types[typ.NamedType]
	if !declared.IsCompositeType() {
		return v, true
	}
	own, _ := v.(record)
	def, err := e.typeOf(declared, own)
	if err != nil {
		e.fail(err)
		return nil, !typ.NonNull
	}
	out, ok := e.object(Object{service: e.service, def: def, own: own, provided: provided}, sets)
	if !ok {
		return nil, !typ.NonNull
	}
	return out, true
}

// typeOf returns the object type of a record that stands where a type is declared.
func (e *serving) typeOf(declared *ast.Definition, own record) (*ast.Definition, error) {
	name, told := own[typenameField].(string)
	if !told && declared.Kind == ast.Object {
		return declared, nil
	}
	for _, p := range e.schema.GetPossibleTypes(declared) {
		if p.Name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%s: %q stands where %s is declared", e.name, name, declared.Name)
}

var errUnknownType = errors.New("the representation has no type of this subgraph")

// entities enters objects by their representations (subgraph specification, Query._entities). An object that the subgraph does not
// know is null.
func (e *serving) entities(f *asked) (any, bool) {
	reps, _ := f.args["representations"].([]any)
	out := make([]any, len(reps))
	for i, r := range reps {
		e.path = append(e.path, i)
		rep, _ := r.(record)
		if o, found, err := e.enter(rep); err != nil {
			e.fail(err)
		} else if found {
			if answer, ok := e.object(o, f.childs); ok {
				out[i] = answer
			}
		}
		e.path = e.path[:len(e.path)-1]
	}
	return out, true
}

// enter finds the object that a representation stands for.
func (e *serving) enter(rep record) (o Object, found bool, err error) {
	name, _ := rep[typenameField].(string)
	declared := e.schema.Types[name]
	if declared == nil {
		return Object{}, false, fmt.Errorf("%s: %w: %q", e.name, errUnknownType, name)
	}
	if wrong := e.misfit(name, rep); wrong != "" {
		given, _ := json.Marshal(rep)
		return Object{}, false, fmt.Errorf("%s: the representation %s %s", e.name, given, wrong)
	}
	for _, def := range e.schema.GetPossibleTypes(declared) {
		for _, r := range e.records[def.Name] {
			if slices.ContainsFunc(e.keys[name], func(key ast.SelectionSet) bool { return agree(r, rep, key) }) {
				return Object{service: e.service, def: def, own: r, sent: rep}, true, nil
			}
		}
	}
	return Object{}, false, nil
}
