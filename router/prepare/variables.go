package prepare

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/lethe/lethe/router/jsontext"
	"github.com/lethe/lethe/router/upload"
)

// maxVariableDepth bounds how deeply a variable's value is nested.
const maxVariableDepth = 50

// variable is a variable that an operation defines.
type variable struct {
	name     string
	typ      *ast.Type
	fallback []byte // its default as JSON; nil for none
	line     int
	column   int
}

// compileVariables reads what an operation declares. Its defaults are coerced here, once.
func compileVariables(in *inputs, op *ast.OperationDefinition) ([]variable, error) {
	out := make([]variable, len(op.VariableDefinitions))
	for i, v := range op.VariableDefinitions {
		out[i] = variable{name: v.Variable, typ: v.Type}
		if v.Position != nil {
			out[i].line, out[i].column = v.Position.Line, v.Position.Column
		}
		if v.DefaultValue != nil {
			var err error
			if out[i].fallback, err = in.coerce(&out[i], literal(v.DefaultValue)); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// Values are the coerced variables of a request. It can be used again for another.
type Values struct {
	// JSON holds the values in the order of the operation's definitions, nil where there is none.
	JSON [][]byte
	// Files are those that stand in the variables; nil for none.
	Files *upload.Files

	given []span
	ends  []span
	text  []byte
	name  []byte
	seen  []bool
	path  []step
}

// span is a piece of a text; to is 0 where there is none.
type span struct{ from, to int }

// Coerce reads the variables that a request gives (a JSON object, or nothing) as the operation defines them (GraphQL
// specification, CoerceVariableValues). Errors say which variable, and where in it.
func (p *Prepared) Coerce(v *Values, raw []byte) gqlerror.List {
	if len(p.variables) == 0 {
		v.JSON = v.JSON[:0]
		return nil
	}
	v.reset(len(p.variables))
	if raw = bytes.TrimSpace(raw); len(raw) > 0 && string(raw) != "null" {
		if err := v.find(raw, p.variables); err != nil {
			return gqlerror.List{err}
		}
	}
	var errs gqlerror.List
	for i := range p.variables {
		def := &p.variables[i]
		at := v.given[i]
		from := len(v.text)
		switch {
		case at.to > 0:
			c := coercer{inputs: p.inputs, variable: def, values: v, path: v.path[:0], uploads: p.uploads}
			var err *gqlerror.Error
			s := jsontext.Scanner{Data: raw[at.from:at.to]}
			if err = c.value(&s, def.typ, 0); err != nil {
				errs = append(errs, err)
			}
			v.path = c.path
		case def.fallback != nil:
			v.text = append(v.text, def.fallback...)
		case def.typ.NonNull:
			errs = append(errs, def.fail("Variable $%s of type %s is needed and was not given.", def.name, def.typ))
			continue
		default:
			continue
		}
		v.ends[i] = span{from, len(v.text)}
	}
	for i, at := range v.ends {
		if at.to > 0 {
			v.JSON[i] = v.text[at.from:at.to:at.to]
		}
	}
	return errs
}

func (v *Values) reset(n int) {
	v.text, v.seen = v.text[:0], v.seen[:0]
	v.JSON = slices.Grow(v.JSON[:0], n)[:n]
	v.given = slices.Grow(v.given[:0], n)[:n]
	v.ends = slices.Grow(v.ends[:0], n)[:n]
	clear(v.JSON)
	clear(v.given)
	clear(v.ends)
}

// find notes where the value of each defined variable stands in raw.
func (v *Values) find(raw []byte, defs []variable) *gqlerror.Error {
	s := jsontext.Scanner{Data: raw}
	if s.Enter('{') != nil {
		return notObject()
	}
	for first := true; ; first = false {
		more, err := s.More('}', first)
		if err != nil {
			return notObject()
		}
		if !more {
			return nil
		}
		from, to, err := s.Key()
		if err != nil {
			return notObject()
		}
		s.Next()
		at := s.Pos
		if err := s.Skip(); err != nil {
			return notObject()
		}
		v.name = jsontext.AppendText(v.name[:0], raw[from:to])
		for i := range defs {
			if defs[i].name == string(v.name) {
				v.given[i] = span{at, s.Pos}
			}
		}
	}
}

func notObject() *gqlerror.Error { return badInput("`variables` must be a JSON object.") }

func badInput(format string, a ...any) *gqlerror.Error {
	return &gqlerror.Error{Message: fmt.Sprintf(format, a...), Extensions: map[string]any{"code": "BAD_USER_INPUT"}}
}

func (d *variable) fail(format string, a ...any) *gqlerror.Error {
	err := badInput(format, a...)
	if d.line > 0 {
		err.Locations = []gqlerror.Location{{Line: d.line, Column: d.column}}
	}
	return err
}

// coercer reads one variable's value and appends what it is coerced to.
type coercer struct {
	inputs   *inputs
	variable *variable
	values   *Values
	path     []step
	uploads  []string
}

// step leads into a value.
type step struct {
	field string
	index int
	list  bool
}

func (c *coercer) fail(format string, a ...any) *gqlerror.Error {
	where := "$" + c.variable.name
	for _, s := range c.path {
		if s.list {
			where += "[" + strconv.Itoa(s.index) + "]"
		} else {
			where += "." + s.field
		}
	}
	return c.variable.fail("Variable %s: %s", where, fmt.Sprintf(format, a...))
}

func (c *coercer) write(text ...byte) { c.values.text = append(c.values.text, text...) }

func (c *coercer) value(s *jsontext.Scanner, t *ast.Type, depth int) *gqlerror.Error {
	if depth > maxVariableDepth {
		return c.fail("it is nested more than %d levels deep.", maxVariableDepth)
	}
	if s.Next() == 'n' {
		if t.NonNull {
			return c.fail("a value of type %s is needed, not null.", t)
		}
		c.values.text = append(c.values.text, "null"...)
		_ = s.Word("null")
		return nil
	}
	if t.Elem != nil {
		return c.list(s, t, depth)
	}
	def := c.inputs.schema.Types[t.NamedType]
	switch {
	case def == nil:
		return c.fail("the type %s is not known.", t.NamedType)
	case def.Kind == ast.InputObject:
		return c.object(s, def, depth)
	}
	raw, err := s.Value()
	if err != nil {
		return c.fail("it is not JSON.")
	}
	if def.Kind == ast.Enum {
		name := c.enumName(raw)
		for _, v := range def.EnumValues {
			if v.Name == string(name) {
				c.write('"')
				c.write(name...)
				c.write('"')
				return nil
			}
		}
		return c.fail("it must be one of the values of %s.", def.Name)
	}
	return c.scalar(raw, def)
}

// enumName returns what a JSON string says, nil for another value. It holds until the next name is read.
func (c *coercer) enumName(raw []byte) []byte {
	if raw[0] != '"' {
		return nil
	}
	c.values.name = jsontext.AppendText(c.values.name[:0], raw[1:len(raw)-1])
	return c.values.name
}

func (c *coercer) list(s *jsontext.Scanner, t *ast.Type, depth int) *gqlerror.Error {
	c.write('[')
	if s.Next() != '[' {
		// A value that is no list stands for a list of it alone.
		if err := c.value(s, t.Elem, depth+1); err != nil {
			return err
		}
		c.write(']')
		return nil
	}
	if s.Enter('[') != nil {
		return c.fail("it is not a list.")
	}
	for i := 0; ; i++ {
		more, err := s.More(']', i == 0)
		if err != nil {
			return c.fail("it is not a list.")
		}
		if !more {
			c.write(']')
			return nil
		}
		if i > 0 {
			c.write(',')
		}
		c.path = append(c.path, step{index: i, list: true})
		if err := c.value(s, t.Elem, depth+1); err != nil {
			return err
		}
		c.path = c.path[:len(c.path)-1]
	}
}

// object writes an input object: its fields in the order in which they are given, then the defaults of the others.
func (c *coercer) object(s *jsontext.Scanner, def *ast.Definition, depth int) *gqlerror.Error {
	if s.Next() != '{' || s.Enter('{') != nil {
		return c.fail("it must be an object of type %s.", def.Name)
	}
	c.write('{')
	base := len(c.values.seen)
	for range def.Fields {
		c.values.seen = append(c.values.seen, false)
	}
	count, nulls := 0, 0
	for ; ; count++ {
		more, err := s.More('}', count == 0)
		if err != nil {
			return c.fail("it is not JSON.")
		}
		if !more {
			break
		}
		from, to, err := s.Key()
		if err != nil {
			return c.fail("it is not JSON.")
		}
		c.values.name = jsontext.AppendText(c.values.name[:0], s.Data[from:to])
		i := slices.IndexFunc(def.Fields, func(f *ast.FieldDefinition) bool { return f.Name == string(c.values.name) })
		if i < 0 {
			return c.fail("%s has no field %q.", def.Name, clip(string(c.values.name)))
		}
		f := def.Fields[i]
		c.path = append(c.path, step{field: f.Name})
		if c.values.seen[base+i] {
			return c.fail("it is given twice.")
		}
		c.values.seen[base+i] = true
		if s.Next() == 'n' {
			nulls++
		}
		c.name(f.Name, count == 0)
		if err := c.value(s, f.Type, depth+1); err != nil {
			return err
		}
		c.path = c.path[:len(c.path)-1]
	}
	if def.Directives.ForName("oneOf") != nil && (count != 1 || nulls > 0) {
		return c.fail("exactly one field of %s must be given, and not null.", def.Name)
	}
	for i, f := range def.Fields {
		switch {
		case c.values.seen[base+i]:
		case f.DefaultValue != nil:
			c.name(f.Name, count == 0)
			c.write(c.inputs.fallback(f)...)
			count++
		case f.Type.NonNull:
			c.path = append(c.path, step{field: f.Name})
			return c.fail("a value of type %s is needed.", f.Type)
		}
	}
	c.values.seen = c.values.seen[:base]
	c.write('}')
	return nil
}

func (c *coercer) name(name string, first bool) {
	if !first {
		c.write(',')
	}
	c.values.text = append(jsontext.AppendString(c.values.text, name), ':')
}

func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// scalar writes a scalar. Those that the specification does not name are the subgraphs' to check.
func (c *coercer) scalar(raw []byte, def *ast.Definition) *gqlerror.Error {
	switch file := slices.Contains(c.uploads, def.Name); {
	case file && !c.values.Files.Is(raw):
		return c.fail("a file of a multipart/form-data request is needed.")
	case !file && c.values.Files.Within(raw):
		return c.fail("a file stands where %s is needed.", def.Name)
	}
	switch def.Name {
	case "Int":
		n, ok := jsontext.Int32(raw)
		if !ok {
			return c.fail("it must be a whole number of 32 bits.")
		}
		c.values.text = strconv.AppendInt(c.values.text, int64(n), 10)
		return nil
	case "Float":
		if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
			return c.fail("it must be a number.")
		}
		if !finite(raw) {
			return c.fail("it must be a number of double precision: it is too large.")
		}
	case "String":
		if raw[0] != '"' {
			return c.fail("it must be a string.")
		}
	case "Boolean":
		if raw[0] != 't' && raw[0] != 'f' {
			return c.fail("it must be true or false.")
		}
	case "ID":
		if raw[0] == '"' {
			break
		}
		if bytes.IndexFunc(raw, func(r rune) bool { return r != '-' && (r < '0' || r > '9') }) >= 0 {
			return c.fail("it must be a string or a whole number.")
		}
		c.write('"')
		c.write(raw...)
		c.write('"')
		return nil
	}
	c.write(raw...)
	return nil
}

// finite reports whether a JSON number is one of double precision (GraphQL specification, section 3.5.2).
func finite(raw []byte) bool {
	if len(raw) < 300 && bytes.IndexByte(raw, 'e') < 0 && bytes.IndexByte(raw, 'E') < 0 {
		return true
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	return err == nil && !math.IsInf(f, 0)
}

// literal writes a constant of the GraphQL language as JSON.
func literal(v *ast.Value) []byte {
	switch v.Kind {
	case ast.NullValue:
		return []byte("null")
	case ast.IntValue, ast.FloatValue, ast.BooleanValue:
		return []byte(v.Raw)
	case ast.ListValue:
		out := []byte{'['}
		for i, c := range v.Children {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, literal(c.Value)...)
		}
		return append(out, ']')
	case ast.ObjectValue:
		out := []byte{'{'}
		for i, c := range v.Children {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(append(jsontext.AppendString(out, c.Name), ':'), literal(c.Value)...)
		}
		return append(out, '}')
	default:
		return jsontext.Quote(v.Raw)
	}
}
