package cost

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/jsontext"
)

// size is the length of a list.
type size struct {
	given     []*value // of the slicing arguments that the operation gives
	defaults  []*value // of those that it leaves out
	otherwise float64
	// field and names, where there are some, are of a field that needs exactly one of its slicing arguments.
	field string
	names []string
}

// size returns the length of the lists that @listSize speaks of at a field, nil where there is no such directive.
func (c *compiler) size(def *field, f *ast.Field) *size {
	l := def.list
	if l == nil {
		return nil
	}
	s := &size{otherwise: l.assumed}
	if l.assumed < 0 {
		s.otherwise = def.assumed
	}
	for _, path := range l.slicing {
		var fallback *ast.Value
		if a := def.arguments[path[0]]; a != nil {
			fallback = a.fallback
		} else if def.def.Arguments.ForName(path[0]) == nil {
			continue // composition lets an argument go that not all subgraphs have
		}
		if a := f.Arguments.ForName(path[0]); a != nil {
			s.given = append(s.given, c.value(a, fallback).at(c.model, def.arguments[path[0]], path[1:]))
		} else if fallback != nil {
			s.defaults = append(s.defaults, (&value{literal: fallback, variable: -1}).at(c.model, def.arguments[path[0]], path[1:]))
		}
		s.names = append(s.names, strings.Join(path, "."))
	}
	if !l.requires {
		s.names = nil
	}
	s.field = f.Name
	return s
}

// unchecked returns the same size without the demand for exactly one argument, which one place makes.
func (s *size) unchecked() *size {
	out := *s
	out.names = nil
	return &out
}

func (s *size) varies() bool {
	vary := func(v *value) bool { return v.varies() }
	return slices.ContainsFunc(s.given, vary) || slices.ContainsFunc(s.defaults, vary)
}

// checked has a node that is no list itself make the demand of a size for exactly one of its arguments.
func (n *node) checked(s *size) {
	if len(s.names) > 0 {
		n.demands = s
	}
}

// SlicingError is returned for a field that needs exactly one of its slicing arguments and has none, or several.
type SlicingError struct {
	Field     string
	Arguments []string
	Given     int
}

// Error implements error.
func (e *SlicingError) Error() string {
	list := "`" + strings.Join(e.Arguments, "`, `") + "`"
	if len(e.Arguments) == 1 {
		return fmt.Sprintf("The field %q needs the argument %s, which bounds its list: give it.", e.Field, list)
	}
	return fmt.Sprintf("The field %q needs exactly one of the arguments %s, which bound its list, and has %d: give one of them.", e.Field, list, e.Given)
}

// of returns the length in a request. Of several arguments the largest counts; one that is null or negative says nothing.
func (e *evaluation) size(s *size) float64 {
	most, given := -1.0, 0
	for _, v := range s.given {
		if n, ok := e.number(v); ok {
			most, given = max(most, n), given+1
		}
	}
	defaults := 0
	if given == 0 {
		for _, v := range s.defaults {
			if n, ok := e.number(v); ok {
				most, defaults = max(most, n), defaults+1
			}
		}
	}
	if len(s.names) > 0 && given != 1 && (given > 1 || defaults == 0) && e.problem == nil {
		e.problem = &SlicingError{s.field, s.names, given}
	}
	if most < 0 {
		return s.otherwise
	}
	return most
}

// value is a value that an operation gives to an argument: a constant, one with variables in it, or a variable.
type value struct {
	literal  *ast.Value // nil where it is a variable, or nothing at all
	variable int        // below 0 for none
	path     []string   // leads from a variable into its value
	fallback *value     // where the variable has no value
	inside   map[string]int
}

// value returns what is given to an argument, or its default. It is not nil.
func (c *compiler) value(a *ast.Argument, fallback *ast.Value) *value {
	if a == nil || a.Value == nil {
		return &value{literal: fallback, variable: -1}
	}
	if a.Value.Kind != ast.Variable {
		return &value{literal: a.Value, variable: -1, inside: c.variables}
	}
	v := &value{variable: -1, fallback: &value{literal: fallback, variable: -1}}
	if i, ok := c.variables[a.Value.Raw]; ok {
		v.variable = i
	}
	return v
}

func (v *value) varies() bool {
	return v.variable >= 0 || v.literal != nil && hasVariables(v.literal)
}

func hasVariables(v *ast.Value) bool {
	return v.Kind == ast.Variable || slices.ContainsFunc(v.Children, func(c *ast.ChildValue) bool { return hasVariables(c.Value) })
}

// at returns the value at a path of input fields, with their defaults.
func (v *value) at(m *Model, a *argument, path []string) *value {
	if len(path) == 0 || a == nil {
		return v
	}
	var next *argument
	if in := m.inputs[a.typ.Name()]; in != nil {
		next = in.fields[path[0]]
	}
	if next == nil {
		return &value{variable: -1}
	}
	if v.variable >= 0 {
		// A coerced variable has the defaults of its fields in it.
		out := &value{variable: v.variable, path: append(v.path[:len(v.path):len(v.path)], path...)}
		if v.fallback != nil {
			out.fallback = v.fallback.at(m, a, path)
		}
		return out
	}
	below := &value{literal: next.fallback, variable: -1}
	if v.literal == nil || v.literal.Kind != ast.ObjectValue {
		return &value{variable: -1}
	}
	if child := v.literal.Children.ForName(path[0]); child != nil {
		below = &value{literal: child, variable: -1, inside: v.inside}
		if child.Kind == ast.Variable {
			below = &value{variable: -1, fallback: &value{literal: next.fallback, variable: -1}}
			if i, ok := v.inside[child.Raw]; ok {
				below.variable = i
			}
		}
	}
	return below.at(m, next, path[1:])
}

// number returns a value that is a number of 0 or more, and whether it is one.
func (e *evaluation) number(v *value) (float64, bool) {
	if v.variable >= 0 {
		raw := e.variable(v.variable)
		if raw == nil {
			if v.fallback == nil {
				return 0, false
			}
			return e.number(v.fallback)
		}
		for _, name := range v.path {
			raw = member(raw, name)
		}
		return count(string(raw))
	}
	if v.literal == nil || v.literal.Kind != ast.IntValue {
		return 0, false
	}
	return count(v.literal.Raw)
}

func count(text string) (float64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && !strings.HasPrefix(text, "-") && len(text) > 18 {
		return Ceiling, true // more than 64 bits hold
	}
	return min(float64(n), Ceiling), err == nil && n >= 0
}

// member returns the value of an object's member, nil where there is none.
func member(object []byte, name string) []byte {
	s := jsontext.Scanner{Data: object}
	if s.Next() != '{' || s.Enter('{') != nil {
		return nil
	}
	for first := true; ; first = false {
		more, err := s.More('}', first)
		if err != nil || !more {
			return nil
		}
		from, to, err := s.Key()
		if err != nil {
			return nil
		}
		v, err := s.Value()
		if err != nil {
			return nil
		}
		if string(object[from:to]) == name {
			return v
		}
	}
}

// charge returns what a value given to an argument weighs.
func (e *evaluation) charge(c charge) float64 {
	v := c.value
	if v.variable >= 0 {
		if raw := e.variable(v.variable); raw != nil {
			s := jsontext.Scanner{Data: raw}
			return e.json(&s, c.argument)
		}
		if v.fallback == nil {
			return 0
		}
		v = v.fallback
	}
	return e.literal(v.literal, c.argument, v.inside)
}

// literal returns what a value of the operation's text weighs.
func (e *evaluation) literal(v *ast.Value, a *argument, variables map[string]int) float64 {
	if v == nil {
		return 0
	}
	switch v.Kind {
	case ast.NullValue:
		return 0
	case ast.Variable:
		i, ok := variables[v.Raw]
		if !ok || e.variable(i) == nil {
			return 0
		}
		s := jsontext.Scanner{Data: e.variable(i)}
		return e.json(&s, a)
	case ast.ListValue:
		sum := 0.0
		for _, c := range v.Children {
			sum += e.literal(c.Value, a, variables)
		}
		return sum
	case ast.ObjectValue:
		sum := a.weight
		in := e.model.inputs[a.typ.Name()]
		for _, c := range v.Children {
			if in != nil && in.fields[c.Name] != nil {
				sum += e.literal(c.Value, in.fields[c.Name], variables)
			}
		}
		return sum
	}
	return a.weight
}

// json returns what a coerced value of a variable weighs.
func (e *evaluation) json(s *jsontext.Scanner, a *argument) float64 {
	if e.model.free(a) {
		_ = s.Skip()
		return 0
	}
	sum := 0.0
	switch s.Next() {
	case 'n':
		_ = s.Word("null")
		return 0
	case '[':
		if s.Enter('[') != nil {
			return sum
		}
		for first := true; ; first = false {
			if more, err := s.More(']', first); err != nil || !more {
				return sum
			}
			sum += e.json(s, a)
		}
	case '{':
		in := e.model.inputs[a.typ.Name()]
		if in == nil || s.Enter('{') != nil { // a scalar of objects
			_ = s.Skip()
			return a.weight
		}
		sum = a.weight
		for first := true; ; first = false {
			if more, err := s.More('}', first); err != nil || !more {
				return sum
			}
			from, to, err := s.Key()
			if err != nil {
				return sum
			}
			if f := in.fields[string(s.Data[from:to])]; f != nil {
				sum += e.json(s, f)
			} else if s.Skip() != nil {
				return sum
			}
		}
	}
	_ = s.Skip()
	return a.weight
}

// truth reports whether the value of a variable is true.
func truth(raw []byte) bool { return bytes.Equal(raw, []byte("true")) }
