package prepare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// maxVariableDepth bounds how deeply a variable's value is nested.
const maxVariableDepth = 50

// Variables coerces the values that a request gives to the operation's variables (GraphQL specification,
// CoerceVariableValues) and gives them as JSON in the order of their definitions, nil where there is none. Errors are
// located: they name the variable and the path in it.
func Variables(schema *ast.Schema, op *ast.OperationDefinition, raw json.RawMessage) ([][]byte, gqlerror.List) {
	given := map[string]json.RawMessage{}
	if len(raw) > 0 && !bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		if err := json.Unmarshal(raw, &given); err != nil {
			return nil, gqlerror.List{badInput("`variables` is not a JSON object.")}
		}
	}
	out := make([][]byte, len(op.VariableDefinitions))
	var errs gqlerror.List
	for i, v := range op.VariableDefinitions {
		value, ok := given[v.Variable]
		if !ok {
			switch {
			case v.DefaultValue != nil:
				out[i] = literal(v.DefaultValue)
			case v.Type.NonNull:
				errs = append(errs, badInput("Variable $%s of type %s is needed and was not given.", v.Variable, v.Type))
			}
			continue
		}
		c := coercer{schema: schema, variable: v.Variable}
		text, err := c.value(nil, value, v.Type, 0)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out[i] = text
	}
	return out, errs
}

func badInput(format string, a ...any) *gqlerror.Error {
	return &gqlerror.Error{Message: fmt.Sprintf(format, a...), Extensions: map[string]any{"code": "BAD_USER_INPUT"}}
}

type coercer struct {
	schema   *ast.Schema
	variable string
	path     []string
}

func (c *coercer) fail(format string, a ...any) *gqlerror.Error {
	where := "$" + c.variable
	for _, p := range c.path {
		where += p
	}
	return badInput("Variable %s: %s", where, fmt.Sprintf(format, a...))
}

// value appends the coerced value of a type to dst.
func (c *coercer) value(dst []byte, raw json.RawMessage, t *ast.Type, depth int) ([]byte, *gqlerror.Error) {
	raw = bytes.TrimSpace(raw)
	if depth > maxVariableDepth {
		return nil, c.fail("it is nested more than %d levels deep.", maxVariableDepth)
	}
	if string(raw) == "null" {
		if t.NonNull {
			return nil, c.fail("a value of type %s is needed, not null.", t)
		}
		return append(dst, "null"...), nil
	}
	if t.Elem != nil {
		return c.list(dst, raw, t, depth)
	}
	def := c.schema.Types[t.NamedType]
	if def == nil {
		return append(dst, raw...), nil
	}
	switch def.Kind {
	case ast.Enum:
		var s string
		if json.Unmarshal(raw, &s) != nil || def.EnumValues.ForName(s) == nil {
			return nil, c.fail("it must be one of the values of %s.", def.Name)
		}
		return append(dst, raw...), nil
	case ast.InputObject:
		return c.object(dst, raw, def, depth)
	default:
		return c.scalar(dst, raw, def)
	}
}

func (c *coercer) list(dst []byte, raw json.RawMessage, t *ast.Type, depth int) ([]byte, *gqlerror.Error) {
	if raw[0] != '[' {
		// A value that is no list stands for a list of it alone.
		dst, err := c.value(append(dst, '['), raw, t.Elem, depth+1)
		return append(dst, ']'), err
	}
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil {
		return nil, c.fail("it is not a list.")
	}
	dst = append(dst, '[')
	for i, e := range elements {
		if i > 0 {
			dst = append(dst, ',')
		}
		c.path = append(c.path, "["+strconv.Itoa(i)+"]")
		var err *gqlerror.Error
		if dst, err = c.value(dst, e, t.Elem, depth+1); err != nil {
			return nil, err
		}
		c.path = c.path[:len(c.path)-1]
	}
	return append(dst, ']'), nil
}

func (c *coercer) object(dst []byte, raw json.RawMessage, def *ast.Definition, depth int) ([]byte, *gqlerror.Error) {
	given := map[string]json.RawMessage{}
	if raw[0] != '{' || json.Unmarshal(raw, &given) != nil {
		return nil, c.fail("it must be an object of type %s.", def.Name)
	}
	names := make([]string, 0, len(given))
	for name := range given {
		if def.Fields.ForName(name) == nil {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		sort.Strings(names)
		return nil, c.fail("%s has no field %q.", def.Name, clip(names[0]))
	}
	if def.Directives.ForName("oneOf") != nil {
		if len(given) != 1 {
			return nil, c.fail("exactly one field of %s must be given.", def.Name)
		}
		for name, v := range given {
			if string(bytes.TrimSpace(v)) == "null" {
				return nil, c.fail("%s.%s must not be null.", def.Name, name)
			}
		}
	}
	dst = append(dst, '{')
	first := true
	for _, f := range def.Fields {
		v, ok := given[f.Name]
		if !ok && f.DefaultValue == nil {
			if f.Type.NonNull {
				c.path = append(c.path, "."+f.Name)
				return nil, c.fail("a value of type %s is needed.", f.Type)
			}
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(append(dst, '"'), f.Name...), `":`...)
		if !ok {
			dst = append(dst, literal(f.DefaultValue)...)
			continue
		}
		c.path = append(c.path, "."+f.Name)
		var err *gqlerror.Error
		if dst, err = c.value(dst, v, f.Type, depth+1); err != nil {
			return nil, err
		}
		c.path = c.path[:len(c.path)-1]
	}
	return append(dst, '}'), nil
}

func (c *coercer) scalar(dst []byte, raw json.RawMessage, def *ast.Definition) ([]byte, *gqlerror.Error) {
	switch def.Name {
	case "Int":
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || f != math.Trunc(f) || f > math.MaxInt32 || f < math.MinInt32 {
			return nil, c.fail("it must be a whole number of 32 bits.")
		}
		return strconv.AppendInt(dst, int64(f), 10), nil
	case "Float":
		if _, err := strconv.ParseFloat(string(raw), 64); err != nil {
			return nil, c.fail("it must be a number.")
		}
	case "String":
		if raw[0] != '"' {
			return nil, c.fail("it must be a string.")
		}
	case "Boolean":
		if s := string(raw); s != "true" && s != "false" {
			return nil, c.fail("it must be true or false.")
		}
	case "ID":
		if raw[0] == '"' {
			break
		}
		if _, err := strconv.ParseInt(string(raw), 10, 64); err != nil {
			return nil, c.fail("it must be a string or a whole number.")
		}
		return append(append(append(dst, '"'), raw...), '"'), nil
	}
	return append(dst, raw...), nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// literal writes a constant of the GraphQL language as JSON.
func literal(v *ast.Value) []byte {
	switch v.Kind {
	case ast.NullValue:
		return []byte("null")
	case ast.IntValue, ast.FloatValue, ast.BooleanValue:
		return []byte(v.Raw)
	case ast.ListValue:
		parts := make([]string, len(v.Children))
		for i, c := range v.Children {
			parts[i] = string(literal(c.Value))
		}
		return []byte("[" + strings.Join(parts, ",") + "]")
	case ast.ObjectValue:
		parts := make([]string, len(v.Children))
		for i, c := range v.Children {
			parts[i] = strconv.Quote(c.Name) + ":" + string(literal(c.Value))
		}
		return []byte("{" + strings.Join(parts, ",") + "}")
	default:
		b, err := json.Marshal(v.Raw)
		if err != nil {
			return []byte("null")
		}
		return b
	}
}
