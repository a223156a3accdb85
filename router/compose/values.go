package compose

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// validValue tells whether a literal can be a value of a type. Like the published composition it is lenient with enum
// values written as strings, with strings written as names, and with fields of input objects that are left out.
func (s *schema) validValue(v *ast.Value, typ *ast.Type) bool {
	if v.Kind == ast.NullValue {
		return !typ.NonNull
	}
	if typ.Elem != nil {
		if v.Kind != ast.ListValue {
			return s.validValue(v, typ.Elem)
		}
		for _, c := range v.Children {
			if !s.validValue(c.Value, typ.Elem) {
				return false
			}
		}
		return true
	}
	t := s.types[typ.NamedType]
	if t == nil {
		return false
	}
	switch t.kind {
	case ast.Enum:
		return (v.Kind == ast.EnumValue || isString(v)) && t.value(v.Raw) != nil
	case ast.InputObject:
		if v.Kind != ast.ObjectValue {
			return false
		}
		if t.oneOf() && (len(v.Children) != 1 || v.Children[0].Value.Kind == ast.NullValue) {
			return false
		}
		for _, c := range v.Children {
			f := t.field(c.Name)
			if f == nil || !s.validValue(c.Value, f.typ) {
				return false
			}
		}
		return true
	case ast.Scalar:
		switch t.name {
		case "Int":
			return v.Kind == ast.IntValue || v.Kind == ast.FloatValue && integral(v.Raw)
		case "Float":
			return v.Kind == ast.IntValue || v.Kind == ast.FloatValue
		case "Boolean":
			return v.Kind == ast.BooleanValue
		case "String":
			return isString(v) || v.Kind == ast.EnumValue
		case "ID":
			return isString(v) || v.Kind == ast.EnumValue || v.Kind == ast.IntValue || v.Kind == ast.FloatValue && integral(v.Raw)
		}
		return true
	}
	return false
}

// coerce rewrites a literal that is valid for a type in the form that every reader of GraphQL takes: strings quoted, enum
// values and integers plain. What looks like an enum value in a custom scalar is a string to the published composition.
func (s *schema) coerce(v *ast.Value, typ *ast.Type) {
	if typ.Elem != nil {
		if v.Kind != ast.ListValue {
			s.coerce(v, typ.Elem)
			return
		}
		for _, c := range v.Children {
			s.coerce(c.Value, typ.Elem)
		}
		return
	}
	t := s.types[typ.NamedType]
	switch {
	case v.Kind == ast.NullValue:
	case t.kind == ast.Enum && isString(v):
		v.Kind = ast.EnumValue
	case t.kind == ast.InputObject:
		for _, c := range v.Children {
			s.coerce(c.Value, t.field(c.Name).typ)
		}
	case (t.name == "String" || t.name == "ID") && v.Kind == ast.EnumValue:
		v.Kind = ast.StringValue
	case t.kind == ast.Scalar && !t.builtIn:
		quoteNames(v)
	case (t.name == "Int" || t.name == "ID") && v.Kind == ast.FloatValue:
		if r, ok := new(big.Rat).SetString(v.Raw); ok {
			v.Kind, v.Raw = ast.IntValue, r.Num().String()
		}
	}
}

// quoteNames turns all enum values in a literal into strings.
func quoteNames(v *ast.Value) {
	if v.Kind == ast.EnumValue {
		v.Kind = ast.StringValue
	}
	for _, c := range v.Children {
		quoteNames(c.Value)
	}
}

func integral(raw string) bool {
	if len(raw) > 40 {
		return false
	}
	if i := strings.IndexAny(raw, "eE"); i >= 0 && len(raw)-i > 4 {
		return false // keeps 1e999999 from being written out
	}
	r, ok := new(big.Rat).SetString(raw)
	return ok && r.IsInt()
}

func (t *typeDef) value(name string) *valueDef {
	for _, v := range t.values {
		if v.name == name {
			return v
		}
	}
	return nil
}

// sameValue tells whether two literals are equal, the order of an input object's fields aside.
func sameValue(a, b *ast.Value) bool {
	if isString(a) && isString(b) {
		return a.Raw == b.Raw
	}
	if number(a) && number(b) {
		return sameNumber(a.Raw, b.Raw)
	}
	if a.Kind != b.Kind {
		return false
	}
	switch a.Kind {
	case ast.ListValue:
		if len(a.Children) != len(b.Children) {
			return false
		}
		for i := range a.Children {
			if !sameValue(a.Children[i].Value, b.Children[i].Value) {
				return false
			}
		}
		return true
	case ast.ObjectValue:
		if len(a.Children) != len(b.Children) {
			return false
		}
		for _, c := range a.Children {
			o := b.Children.ForName(c.Name)
			if o == nil || !sameValue(c.Value, o) {
				return false
			}
		}
		return true
	}
	return a.Raw == b.Raw
}

func number(v *ast.Value) bool { return v.Kind == ast.IntValue || v.Kind == ast.FloatValue }

// sameNumber reports whether two literals are the same number of double precision.
func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y
}

func sameDefault(a, b *ast.Value) bool {
	if a == nil || b == nil {
		return a == b
	}
	return sameValue(a, b)
}

// sameArgs tells whether two applied directives have equal arguments.
func sameArgs(a, b []*argument) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		found := false
		for _, y := range b {
			found = found || x.name == y.name && sameValue(x.value, y.value)
		}
		if !found {
			return false
		}
	}
	return true
}

// printValue writes a literal as GraphQL.
func printValue(v *ast.Value) string {
	var b strings.Builder
	writeValue(&b, v)
	return b.String()
}

func writeValue(b *strings.Builder, v *ast.Value) {
	switch v.Kind {
	case ast.StringValue, ast.BlockValue:
		b.WriteString(quote(v.Raw))
	case ast.ListValue:
		b.WriteByte('[')
		for i, c := range v.Children {
			if i > 0 {
				b.WriteString(", ")
			}
			writeValue(b, c.Value)
		}
		b.WriteByte(']')
	case ast.ObjectValue:
		b.WriteByte('{')
		for i, c := range v.Children {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(c.Name)
			b.WriteString(": ")
			writeValue(b, c.Value)
		}
		b.WriteByte('}')
	case ast.NullValue:
		b.WriteString("null")
	case ast.Variable:
		b.WriteString("$" + v.Raw)
	default:
		b.WriteString(v.Raw)
	}
}

// quote writes a string as a GraphQL string literal.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r < 0x20 || r == 0x7f:
			b.WriteString(sprintf(`\u%04X`, r))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// stringValue and intValue make literals.
func stringValue(s string) *ast.Value { return &ast.Value{Kind: ast.StringValue, Raw: s} }

func enumValue(s string) *ast.Value { return &ast.Value{Kind: ast.EnumValue, Raw: s} }

func boolValue(b bool) *ast.Value {
	if b {
		return &ast.Value{Kind: ast.BooleanValue, Raw: "true"}
	}
	return &ast.Value{Kind: ast.BooleanValue, Raw: "false"}
}

func listValue(items []*ast.Value) *ast.Value {
	v := &ast.Value{Kind: ast.ListValue}
	for _, i := range items {
		v.Children = append(v.Children, &ast.ChildValue{Value: i})
	}
	return v
}
