package subgraph

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// Args are the arguments of a field, as JSON. One that was left out is absent.
type Args map[string]json.RawMessage

// Object is an object of a graph.
type Object interface {
	// Type is its name in the schema.
	Type() string
	// Field gives the value of a field.
	Field(name string, args Args) (Value, error)
}

// Value is what a field holds: a leaf, an object, or a list of objects.
type Value struct {
	leaf   string // JSON
	object Object
	list   []Object
	isList bool
}

// Null is the value that is absent.
func Null() Value { return Value{leaf: "null"} }

// JSON is a leaf in JSON.
func JSON(text string) Value { return Value{leaf: text} }

// Text is a string.
func Text(s string) Value { return Value{leaf: quote(s)} }

// Int is a whole number.
func Int(n int) Value { return Value{leaf: strconv.Itoa(n)} }

// Bool is true or false.
func Bool(b bool) Value { return Value{leaf: strconv.FormatBool(b)} }

// One is an object.
func One(o Object) Value { return Value{object: o} }

// List is a list of objects.
func List[T Object](objects []T) Value {
	v := Value{isList: true}
	for _, o := range objects {
		v.list = append(v.list, o)
	}
	return v
}

func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(text)
}

// Graph answers GraphQL requests over objects. Its answers do not change, so each is made once.
type Graph struct {
	// Query is the root.
	Query Object
	// Entity gives the object of a representation; nil where the graph has no entities.
	Entity func(representation Args) (Object, error)
	// Fields says which fields the types have; a request for another is refused.
	Fields Fields
	// Implements says which objects an interface or union stands for.
	Implements map[string][]string

	documents sync.Map // query text -> *ast.QueryDocument
	cache     cache
}

// Request is what a client sends.
type Request struct {
	Query         string          `json:"query"`
	OperationName string          `json:"operationName,omitempty"`
	Variables     json.RawMessage `json:"variables,omitempty"`
}

// Answer gives the answer to a request's body, which must not be changed.
func (g *Graph) Answer(body []byte) []byte {
	if answer := g.cache.get(body); answer != nil {
		return answer
	}
	answer, err := g.execute(body)
	if err != nil {
		return []byte(`{"errors":[{"message":` + quote(err.Error()) + `}]}`)
	}
	g.cache.put(body, answer)
	return answer
}

func (g *Graph) execute(body []byte) ([]byte, error) {
	var req Request
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	document, err := g.document(req.Query)
	if err != nil {
		return nil, err
	}
	op := document.Operations.ForName(req.OperationName)
	if op == nil || op.Operation != ast.Query {
		return nil, fmt.Errorf("the request has no query that is called %q", req.OperationName)
	}
	e := execution{graph: g, document: document, variables: Args{}}
	if len(req.Variables) > 0 {
		if err := json.Unmarshal(req.Variables, &e.variables); err != nil {
			return nil, fmt.Errorf("read the variables: %w", err)
		}
	}
	for _, d := range op.VariableDefinitions {
		if _, given := e.variables[d.Variable]; !given && d.DefaultValue != nil {
			if e.variables[d.Variable], err = e.value(d.DefaultValue); err != nil {
				return nil, err
			}
		}
	}
	e.out = append(e.out, `{"data":`...)
	if err := e.object(g.Query, op.SelectionSet); err != nil {
		return nil, err
	}
	return append(e.out, '}'), nil
}

func (g *Graph) document(text string) (*ast.QueryDocument, error) {
	if d, ok := g.documents.Load(text); ok {
		return d.(*ast.QueryDocument), nil //nolint:forcetypeassert // nothing else is stored
	}
	d, err := parser.ParseQuery(&ast.Source{Input: text})
	if err != nil {
		return nil, fmt.Errorf("parse the query: %w", err)
	}
	g.documents.Store(text, d)
	return d, nil
}

// execution is one request under way.
type execution struct {
	graph     *Graph
	document  *ast.QueryDocument
	variables Args
	out       []byte
}

// collected are the fields of a selection that answer under one key.
type collected struct {
	first *ast.Field
	below ast.SelectionSet
}

func (e *execution) object(o Object, selection ast.SelectionSet) error {
	fields, err := e.collect(nil, o.Type(), selection)
	if err != nil {
		return err
	}
	e.out = append(e.out, '{')
	for i, f := range fields {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.out = append(append(append(e.out, '"'), f.first.Alias...), `":`...)
		if err := e.field(o, f); err != nil {
			return fmt.Errorf("%s.%s: %w", o.Type(), f.first.Name, err)
		}
	}
	e.out = append(e.out, '}')
	return nil
}

func (e *execution) field(o Object, f *collected) error {
	if f.first.Name == "__typename" {
		e.out = append(e.out, quote(o.Type())...)
		return nil
	}
	args := Args{}
	for _, a := range f.first.Arguments {
		v, err := e.value(a.Value)
		if err != nil {
			return err
		}
		if v != nil {
			args[a.Name] = v
		}
	}
	v, err := e.resolve(o, f.first.Name, args)
	if err != nil {
		return err
	}
	switch {
	case v.isList:
		e.out = append(e.out, '[')
		for i, item := range v.list {
			if i > 0 {
				e.out = append(e.out, ',')
			}
			if err := e.object(item, f.below); err != nil {
				return err
			}
		}
		e.out = append(e.out, ']')
		return nil
	case v.object != nil:
		return e.object(v.object, f.below)
	case len(f.below) > 0 && v.leaf != "null":
		return fmt.Errorf("a leaf has no fields")
	}
	e.out = append(e.out, v.leaf...)
	return nil
}

func (e *execution) resolve(o Object, name string, args Args) (Value, error) {
	if o == e.graph.Query && name == "_entities" && e.graph.Entity != nil {
		return e.entities(args["representations"])
	}
	if !e.graph.Fields[o.Type()][name] {
		return Value{}, fmt.Errorf("there is no such field here")
	}
	return o.Field(name, args)
}

func (e *execution) entities(text json.RawMessage) (Value, error) {
	var representations []Args
	if err := json.Unmarshal(text, &representations); err != nil {
		return Value{}, fmt.Errorf("read the representations: %w", err)
	}
	list := make([]Object, 0, len(representations))
	for _, r := range representations {
		o, err := e.graph.Entity(r)
		if err != nil {
			return Value{}, err
		}
		list = append(list, o)
	}
	return List(list), nil
}

// collect gives the fields of a selection that hold for an object, merged by the key they answer under.
func (e *execution) collect(into []*collected, typ string, selection ast.SelectionSet) ([]*collected, error) {
	for _, s := range selection {
		var directives ast.DirectiveList
		var condition string
		var below ast.SelectionSet
		switch s := s.(type) {
		case *ast.Field:
			directives = s.Directives
		case *ast.InlineFragment:
			directives, condition, below = s.Directives, s.TypeCondition, s.SelectionSet
		case *ast.FragmentSpread:
			f := e.document.Fragments.ForName(s.Name)
			if f == nil {
				return nil, fmt.Errorf("there is no fragment %s", s.Name)
			}
			directives, condition, below = s.Directives, f.TypeCondition, f.SelectionSet
		}
		if skip, err := e.skipped(directives); err != nil {
			return nil, err
		} else if skip {
			continue
		}
		field, isField := s.(*ast.Field)
		if !isField {
			if !e.graph.holds(condition, typ) {
				continue
			}
			var err error
			if into, err = e.collect(into, typ, below); err != nil {
				return nil, err
			}
			continue
		}
		into = add(into, field)
	}
	return into, nil
}

func add(into []*collected, f *ast.Field) []*collected {
	for _, c := range into {
		if c.first.Alias == f.Alias {
			c.below = append(c.below[:len(c.below):len(c.below)], f.SelectionSet...)
			return into
		}
	}
	return append(into, &collected{f, f.SelectionSet})
}

func (g *Graph) holds(condition, typ string) bool {
	if condition == "" || condition == typ {
		return true
	}
	for _, t := range g.Implements[condition] {
		if t == typ {
			return true
		}
	}
	return false
}

func (e *execution) skipped(directives ast.DirectiveList) (bool, error) {
	for name, when := range map[string]string{"skip": "true", "include": "false"} {
		d := directives.ForName(name)
		if d == nil {
			continue
		}
		v, err := e.value(d.Arguments.ForName("if").Value)
		if err != nil {
			return false, err
		}
		if string(v) == when {
			return true, nil
		}
	}
	return false, nil
}

// value gives a value of the query as JSON; nil for a variable that was not given.
func (e *execution) value(v *ast.Value) (json.RawMessage, error) {
	switch v.Kind {
	case ast.Variable:
		return e.variables[v.Raw], nil
	case ast.IntValue, ast.FloatValue, ast.BooleanValue, ast.NullValue:
		return json.RawMessage(v.Raw), nil
	case ast.StringValue, ast.BlockValue, ast.EnumValue:
		return json.RawMessage(quote(v.Raw)), nil
	case ast.ListValue, ast.ObjectValue:
	}
	opening, closing := byte('{'), byte('}')
	if v.Kind == ast.ListValue {
		opening, closing = '[', ']'
	}
	out := []byte{opening}
	for _, c := range v.Children {
		item, err := e.value(c.Value)
		if err != nil {
			return nil, err
		}
		if item == nil {
			if v.Kind == ast.ObjectValue {
				continue
			}
			item = json.RawMessage("null")
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		if v.Kind == ast.ObjectValue {
			out = append(append(out, quote(c.Name)...), ':')
		}
		out = append(out, item...)
	}
	return append(out, closing), nil
}
