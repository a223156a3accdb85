package prepare

import (
	"math"
	"slices"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
)

const oneOfDirective = "oneOf"

// valuesOfCorrectType is sections 5.6.1 to 5.6.4: a literal can be coerced to the type of its place. What is in a scalar that the
// specification does not name is its subgraph's to check.
func valuesOfCorrectType(suggestions bool) core.Rule {
	return core.Rule{Name: "ValuesOfCorrectType", RuleFunc: func(observers *core.Events, addError core.AddErrFunc) {
		observers.OnValue(func(_ *core.Walker, value *ast.Value) {
			if value.Definition == nil || value.ExpectedType == nil || value.Kind == ast.Variable {
				return
			}
			c := literalCheck{value: value, addError: addError, suggestions: suggestions}
			c.check()
		})
	}}
}

// literalCheck checks one literal, whose children are visited by themselves.
type literalCheck struct {
	value       *ast.Value
	addError    core.AddErrFunc
	suggestions bool
}

func (c *literalCheck) fail(format string, a ...any) {
	c.addError(core.Message(format, a...), core.At(c.value.Position))
}

func (c *literalCheck) check() {
	v, def := c.value, c.value.Definition
	switch {
	case v.Kind == ast.NullValue:
		if v.ExpectedType.NonNull {
			c.fail("Expected value of type %q, found null.", v.ExpectedType)
		}
	case def.Kind == ast.Scalar:
		if specifiedScalar(def.Name) && v.Kind == ast.ListValue {
			c.list()
		} else if !fitsScalar(def.Name, v) {
			c.fail("%s cannot represent the value %s.", def.Name, v)
		}
	case v.Kind == ast.ListValue:
		c.list()
	case def.Kind == ast.Enum:
		c.enum()
	case def.Kind == ast.InputObject:
		c.object()
	default:
		// A type that no value can be given for: the rule on variables' types reports it.
	}
}

func (c *literalCheck) list() {
	if c.value.ExpectedType.Elem == nil {
		c.fail("Expected value of type %q, found the list %s.", c.value.ExpectedType, c.value)
	}
}

func specifiedScalar(name string) bool {
	switch name {
	case "Int", "Float", "String", "Boolean", "ID":
		return true
	}
	return false
}

// fitsScalar reports whether a literal is an input of a scalar (GraphQL specification, section 3.5).
func fitsScalar(scalar string, v *ast.Value) bool {
	switch scalar {
	case "Int":
		_, err := strconv.ParseInt(v.Raw, 10, 32)
		return v.Kind == ast.IntValue && err == nil
	case "Float":
		f, err := strconv.ParseFloat(v.Raw, 64)
		return (v.Kind == ast.IntValue || v.Kind == ast.FloatValue) && err == nil && !math.IsInf(f, 0)
	case "String":
		return v.Kind == ast.StringValue || v.Kind == ast.BlockValue
	case "Boolean":
		return v.Kind == ast.BooleanValue
	case "ID":
		return v.Kind == ast.StringValue || v.Kind == ast.BlockValue || v.Kind == ast.IntValue
	}
	return true
}

func (c *literalCheck) enum() {
	v, def := c.value, c.value.Definition
	if v.Kind == ast.EnumValue && def.EnumValues.ForName(v.Raw) != nil {
		return
	}
	options := []core.ErrorOption{core.Message("Enum %q has no value %s.", def.Name, v), core.At(v.Position)}
	if c.suggestions {
		var names []string
		for _, e := range def.EnumValues {
			names = append(names, e.Name)
		}
		options = slices.Insert(options, 1, core.SuggestListQuoted("Did you mean the enum value", v.Raw, names))
	}
	c.addError(options...)
}

func (c *literalCheck) object() {
	v, def := c.value, c.value.Definition
	if v.Kind != ast.ObjectValue {
		c.fail("Expected value of type %q, found %s.", v.ExpectedType, v)
		return
	}
	for _, field := range def.Fields {
		if field.Type.NonNull && field.DefaultValue == nil && v.Children.ForName(field.Name) == nil {
			c.fail("Field \"%s.%s\" of required type %q was not provided.", def.Name, field.Name, field.Type)
		}
	}
	for _, child := range v.Children {
		if def.Fields.ForName(child.Name) != nil {
			continue
		}
		options := []core.ErrorOption{core.Message("Field %q is not defined by type %q.", child.Name, def.Name), core.At(child.Position)}
		if c.suggestions {
			var names []string
			for _, f := range def.Fields {
				names = append(names, f.Name)
			}
			options = slices.Insert(options, 1, core.SuggestListQuoted("Did you mean", child.Name, names))
		}
		c.addError(options...)
	}
	if def.Directives.ForName(oneOfDirective) == nil {
		return
	}
	switch {
	case len(v.Children) != 1:
		c.fail("Exactly one field of the @oneOf input object %q must be given.", def.Name)
	case v.Children[0].Value.Kind == ast.NullValue:
		c.fail("Field \"%s.%s\" must not be null: it is the one field of a @oneOf input object.", def.Name, v.Children[0].Name)
	}
}
