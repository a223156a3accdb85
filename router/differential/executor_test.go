// Package differential_test holds the router against the GraphQL specification: random supergraphs over data that is known,
// random operations, and two answers to each, the router's over its subgraphs and a plain executor's over the whole.
//
// The subgraphs refuse what real ones refuse: operations that are not valid by their own schemas, external fields that nothing
// provides, representations without a declared key or without what a field requires. In half of the worlds something goes
// wrong besides: fields, objects and requests fail, values are not of their types, objects do not name theirs, errors lead
// nowhere. The plain executor knows where, and what is lost has to have an error.
//
// By default the tests ask a fixed number of operations from seed 1 on. A long run chooses both:
//
//	go test ./router/differential -run 'Differential$' -timeout 0 -operations 200000 -from 1000001
//
// TestDeferDifferential and TestSubscriptionDifferential ask a tenth of that. A difference is made smaller and printed with
// its seed, which asks for it again: -run TestDifferential -seed 42. With -differences 20 a run goes on to the twentieth.
package differential_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// resolver gives an executor its values: scalars as what encoding/json makes JSON of, objects as [thing], lists as []any,
// and a [failure] where resolving fails.
type resolver interface {
	resolve(at position, def *ast.Definition, field *ast.FieldDefinition, args map[string]any) any
	// typeOf gives the object type under which the schema knows an object that stands where abstract is declared; "" for none.
	typeOf(at position, abstract *ast.Definition) string
	// disguise gives what an object's __typename is in place of the truth where an abstract type is declared, nil for nothing.
	disguise(o thing) *string
	// wrong completes a value that is not of its type, as value does.
	wrong(e *executor, at position, v wrong) (done any, failed bool)
}

// position is an object that a selection set is executed on, with what a subgraph remembers of how it was reached.
type position struct {
	is       thing
	sent     map[string]any // the representation that it was entered by
	entered  string         // and under which type
	provided []ast.SelectionSet
	path     []any
	way      []thing // the objects that lead here, with this one
	disguise *string // what the object has for a __typename that is not the truth, as JSON; "" where it has none
}

// failure is the error of a resolver.
type failure string

// executor executes an operation straight as the GraphQL specification says in section 6.
type executor struct {
	schema   *ast.Schema
	doc      *ast.QueryDocument
	vars     map[string]any
	resolver resolver
	errors   []graphQLError
}

type graphQLError struct {
	Message string `json:"message"`
	Path    []any  `json:"path,omitempty"`
	way     []thing
}

// object is an object of a response, in the order of its fields.
type object struct {
	names  []string
	values []any
	types  []*ast.Type // of the fields; nil for __typename and introspection
}

func (o *object) add(name string, value any, typ *ast.Type) {
	o.names, o.values, o.types = append(o.names, name), append(o.values, value), append(o.types, typ)
}

func (o *object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, name := range o.names {
		if i > 0 {
			b = append(b, ',')
		}
		value, err := json.Marshal(o.values[i])
		if err != nil {
			return nil, err
		}
		b = append(append(append(append(b, '"'), name...), '"', ':'), value...)
	}
	return append(b, '}'), nil
}

// run gives the operation's data, nil for null.
func (e *executor) run(op *ast.OperationDefinition, root thing) any {
	def := map[ast.Operation]*ast.Definition{ast.Query: e.schema.Query, ast.Mutation: e.schema.Mutation, ast.Subscription: e.schema.Subscription}[op.Operation]
	if out, ok := e.selections(position{is: root}, def, []ast.SelectionSet{op.SelectionSet}); ok {
		return out
	}
	return nil
}

// collected is a response key with all fields that are asked under it.
type collected struct {
	key    string
	fields []*ast.Field
}

// collect is CollectFields of section 6.3.2.
func (e *executor) collect(def *ast.Definition, set ast.SelectionSet, into []collected, visited map[string]bool) []collected {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			if !e.included(sel.Directives) {
				continue
			}
			key := sel.Alias
			if key == "" {
				key = sel.Name
			}
			i := slices.IndexFunc(into, func(c collected) bool { return c.key == key })
			if i < 0 {
				i = len(into)
				into = append(into, collected{key: key})
			}
			into[i].fields = append(into[i].fields, sel)
		case *ast.InlineFragment:
			if e.included(sel.Directives) && e.applies(def, sel.TypeCondition) {
				into = e.collect(def, sel.SelectionSet, into, visited)
			}
		case *ast.FragmentSpread:
			if !e.included(sel.Directives) || visited[sel.Name] {
				continue
			}
			visited[sel.Name] = true
			if f := e.doc.Fragments.ForName(sel.Name); e.applies(def, f.TypeCondition) {
				into = e.collect(def, f.SelectionSet, into, visited)
			}
		}
	}
	return into
}

func (e *executor) included(ds ast.DirectiveList) bool {
	for _, d := range ds {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		on, _ := e.literal(d.Arguments.ForName("if").Value)
		if on == true != (d.Name == "include") {
			return false
		}
	}
	return true
}

func (e *executor) applies(def *ast.Definition, condition string) bool {
	if condition == "" || condition == def.Name {
		return true
	}
	on := e.schema.Types[condition]
	return on != nil && on.IsAbstractType() && slices.ContainsFunc(e.schema.GetPossibleTypes(on), func(d *ast.Definition) bool { return d.Name == def.Name })
}

// selections is ExecuteSelectionSet of section 6.3. It gives false where a null has to go on upwards.
func (e *executor) selections(at position, def *ast.Definition, sets []ast.SelectionSet) (*object, bool) {
	var fields []collected
	visited := map[string]bool{}
	for _, set := range sets {
		fields = e.collect(def, set, fields, visited)
	}
	out, whole := &object{}, true
	for _, c := range fields {
		first := c.fields[0]
		if first.Name == "__typename" {
			switch {
			case at.disguise == nil:
				out.add(c.key, def.Name, nil)
			case *at.disguise != "":
				out.add(c.key, json.RawMessage(*at.disguise), nil)
			}
			continue
		}
		if first.Name == "__type" || first.Name == "__schema" {
			out.add(c.key, e.introspect(first, c.fields), nil)
			continue
		}
		path := append(slices.Clone(at.path), c.key)
		fd := def.Fields.ForName(first.Name)
		inner := make([]ast.SelectionSet, 0, len(c.fields))
		for _, f := range c.fields {
			inner = append(inner, f.SelectionSet)
		}
		asked := at
		asked.path = path
		done, ok := e.complete(fd.Type, e.resolver.resolve(asked, def, fd, e.arguments(fd, first)), position{path: path, way: at.way}, inner)
		if whole = whole && ok; done != omitted {
			out.add(c.key, done, fd.Type)
		}
	}
	// What may not be null and is does not keep the fields beside it from being executed, and from having errors of their own.
	return out, whole
}

// delegated is a value with what its objects are to be executed with.
type delegated struct {
	value any
	at    position
}

// complete is CompleteValue of section 6.4.3. It gives false where a null has to go on upwards.
func (e *executor) complete(t *ast.Type, value any, at position, inner []ast.SelectionSet) (any, bool) {
	if d, ok := value.(delegated); ok {
		path, way := at.path, at.way
		at, value = d.at, d.value
		at.path, at.way = path, way
	}
	done, failed := e.value(t, value, at, inner)
	if done == nil && t.NonNull {
		if !failed {
			e.fail(at, "null for a field that is never null")
		}
		return nil, false
	}
	return done, true
}

// value completes a value but for the check that there is one; failed tells that an error already says why there is none.
func (e *executor) value(t *ast.Type, value any, at position, inner []ast.SelectionSet) (done any, failed bool) {
	switch v := value.(type) {
	case nil:
		return nil, false
	case failure:
		e.fail(at, string(v))
		return nil, true
	case wrong:
		return e.resolver.wrong(e, at, v)
	case []any:
		if t.Elem == nil {
			return v, false // a custom scalar's
		}
		out := make([]any, len(v))
		whole := true
		for i := range v {
			below := at
			below.path = append(slices.Clone(at.path), i)
			var ok bool
			out[i], ok = e.complete(t.Elem, v[i], below, inner)
			if whole = whole && ok; out[i] == omitted {
				out[i] = nil
			}
		}
		if !whole {
			return nil, true
		}
		return out, false
	case thing:
		at.is = v
		at.way = append(slices.Clone(at.way), v)
		def := e.schema.Types[t.Name()]
		if def.IsAbstractType() {
			name := e.resolver.typeOf(at, def)
			if name == "" {
				e.fail(at, "an object of a type that the schema does not have")
				return nil, true
			}
			at.disguise = e.resolver.disguise(v)
			def = e.schema.Types[name]
		}
		out, ok := e.selections(at, def, inner)
		if !ok {
			return nil, true
		}
		return out, false
	}
	if def := e.schema.Types[t.Name()]; def != nil && def.Kind == ast.Enum && def.EnumValues.ForName(value.(string)) == nil {
		e.fail(at, "a value that the schema does not have")
		return nil, true
	}
	return value, false
}

func (e *executor) fail(at position, message string) {
	e.errors = append(e.errors, graphQLError{Message: message, Path: slices.Clone(at.path), way: at.way})
}

// arguments is CoerceArgumentValues of section 6.4.1.
func (e *executor) arguments(fd *ast.FieldDefinition, f *ast.Field) map[string]any {
	out := map[string]any{}
	for _, def := range fd.Arguments {
		var value any
		given := false
		if a := f.Arguments.ForName(def.Name); a != nil {
			value, given = e.literal(a.Value)
		}
		if !given {
			if def.DefaultValue == nil {
				continue
			}
			value, _ = e.literal(def.DefaultValue)
		}
		out[def.Name] = e.coerce(def.Type, value)
	}
	return out
}

// literal gives the value of a literal; false for a variable that has none.
func (e *executor) literal(v *ast.Value) (any, bool) {
	switch v.Kind {
	case ast.Variable:
		value, ok := e.vars[v.Raw]
		return value, ok
	case ast.ListValue:
		out := []any{}
		for _, c := range v.Children {
			element, _ := e.literal(c.Value)
			out = append(out, element)
		}
		return out, true
	case ast.ObjectValue:
		out := map[string]any{}
		for _, c := range v.Children {
			if value, ok := e.literal(c.Value); ok {
				out[c.Name] = value
			}
		}
		return out, true
	case ast.IntValue, ast.FloatValue:
		return json.Number(v.Raw), true
	case ast.NullValue:
		return nil, true
	case ast.BooleanValue:
		return v.Raw == "true", true
	}
	return v.Raw, true
}

// coerce brings an input value into one form, with the defaults of input objects: section 3.12, lists of one, and 3.10.
func (e *executor) coerce(t *ast.Type, v any) any {
	if v == nil {
		return nil
	}
	if t.Elem != nil {
		list, ok := v.([]any)
		if !ok {
			return []any{e.coerce(t.Elem, v)}
		}
		out := make([]any, len(list))
		for i := range list {
			out[i] = e.coerce(t.Elem, list[i])
		}
		return out
	}
	def := e.schema.Types[t.Name()]
	if given, ok := v.(map[string]any); ok && def != nil && def.Kind == ast.InputObject {
		out := map[string]any{}
		for _, f := range def.Fields {
			value, ok := given[f.Name]
			if !ok && f.DefaultValue != nil {
				value, ok = e.literal(f.DefaultValue)
			}
			if ok {
				out[f.Name] = e.coerce(f.Type, value)
			}
		}
		return out
	}
	switch t.Name() {
	case "ID", "String":
		return fmt.Sprint(v)
	case "Int", "Float":
		var n float64
		_, _ = fmt.Sscan(fmt.Sprint(v), &n)
		return n
	}
	return v
}

// variables gives the values of an operation's variables: those given, and defaults for others.
func (e *executor) variables(op *ast.OperationDefinition, given map[string]any) {
	e.vars = map[string]any{}
	for _, def := range op.VariableDefinitions {
		if v, ok := given[def.Variable]; ok {
			e.vars[def.Variable] = v
		} else if def.DefaultValue != nil {
			e.vars[def.Variable], _ = e.literal(def.DefaultValue)
		}
	}
}

// introspect answers as much of introspection as the random operations ask.
func (e *executor) introspect(f *ast.Field, fields []*ast.Field) any {
	var sets []ast.SelectionSet
	for _, f := range fields {
		sets = append(sets, f.SelectionSet)
	}
	if f.Name == "__schema" {
		return e.described(sets, map[string]any{"__typename": "__Schema", "queryType": e.schema.Query})
	}
	name, _ := e.literal(f.Arguments.ForName("name").Value)
	def := e.schema.Types[fmt.Sprint(name)]
	if def == nil {
		return nil
	}
	return e.describedType(sets, def)
}

func (e *executor) describedType(sets []ast.SelectionSet, def *ast.Definition) any {
	facts := map[string]any{"__typename": "__Type", "name": def.Name, "kind": string(def.Kind), "fields": nil, "possibleTypes": nil}
	if def.Kind == ast.Object || def.Kind == ast.Interface {
		list := []any{}
		for _, f := range def.Fields {
			if !strings.HasPrefix(f.Name, "__") {
				list = append(list, f)
			}
		}
		facts["fields"] = list
	}
	return e.described(sets, facts)
}

func (e *executor) described(sets []ast.SelectionSet, facts map[string]any) any {
	var fields []collected
	for _, set := range sets {
		fields = e.collect(&ast.Definition{}, set, fields, map[string]bool{})
	}
	out := &object{}
	for _, c := range fields {
		var inner []ast.SelectionSet
		for _, f := range c.fields {
			inner = append(inner, f.SelectionSet)
		}
		value := facts[c.fields[0].Name]
		switch v := value.(type) {
		case *ast.Definition:
			value = e.describedType(inner, v)
		case []any:
			list := []any{}
			for _, f := range v {
				list = append(list, e.described(inner, map[string]any{"__typename": "__Field", "name": f.(*ast.FieldDefinition).Name}))
			}
			value = list
		}
		out.add(c.key, value, nil)
	}
	return out
}
