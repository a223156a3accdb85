package routertest

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// Completion completes values as the GraphQL specification has it (section 6.4.3), over an API schema. It knows nothing of
// how the router does so: it works on decoded JSON, numbers as [json.Number].
type Completion struct {
	Schema *ast.Schema
	// Faults are the places at which a value, or its absence, is no value of the type, in the order in which they were met.
	Faults []Fault
}

// Fault is a value that had to be left out.
type Fault struct {
	Path []any // of the response: keys and indexes
	Why  string
}

// Object completes an object of which a selection set was asked; ok is false where null has to go on upwards.
func (c *Completion) Object(def *ast.Definition, set ast.SelectionSet, value map[string]any, path []any) (out map[string]any, ok bool) {
	out, ok = map[string]any{}, true
	for _, f := range c.fields(def, set, nil) {
		at := append(slices.Clone(path), f.Alias)
		if f.Name == "__typename" {
			out[f.Alias] = def.Name
			continue
		}
		t := def.Fields.ForName(f.Name).Type
		v, there := value[f.Alias]
		if !there && !t.NonNull {
			c.fault(at, "it is not there")
		}
		done, fits := c.Value(t, f.SelectionSet, v, at)
		ok = ok && fits
		out[f.Alias] = done
	}
	return out, ok
}

// fields collects the fields of an object type. Fields under one key are not merged: a test's operation has none.
func (c *Completion) fields(def *ast.Definition, set ast.SelectionSet, out []*ast.Field) []*ast.Field {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			out = append(out, s)
		case *ast.InlineFragment:
			if s.TypeCondition == "" || s.TypeCondition == def.Name || c.isPossible(c.Schema.Types[s.TypeCondition], def.Name) {
				out = c.fields(def, s.SelectionSet, out)
			}
		case *ast.FragmentSpread:
			out = c.fields(def, s.Definition.SelectionSet, out)
		}
	}
	return out
}

func (c *Completion) isPossible(t *ast.Definition, name string) bool {
	return slices.ContainsFunc(c.Schema.GetPossibleTypes(t), func(p *ast.Definition) bool { return p.Name == name })
}

// Value completes a value of a type; ok is false where null has to go on upwards.
func (c *Completion) Value(t *ast.Type, set ast.SelectionSet, value any, path []any) (out any, ok bool) {
	faults := len(c.Faults)
	out = c.nullable(t, set, value, path)
	if out == nil && t.NonNull {
		if len(c.Faults) == faults {
			c.fault(path, "null where none may be")
		}
		return nil, false
	}
	return out, true
}

func (c *Completion) nullable(t *ast.Type, set ast.SelectionSet, value any, path []any) any {
	if value == nil {
		return nil
	}
	if t.Elem != nil {
		list, isList := value.([]any)
		if !isList {
			return c.fault(path, "no list")
		}
		out, whole := make([]any, len(list)), true
		for i, v := range list {
			var ok bool
			out[i], ok = c.Value(t.Elem, set, v, append(slices.Clone(path), i))
			whole = whole && ok
		}
		if !whole {
			return nil
		}
		return out
	}
	def := c.Schema.Types[t.Name()]
	if !def.IsCompositeType() {
		if !Fits(def, value) {
			return c.fault(path, fmt.Sprintf("%v is no %s", value, t.Name()))
		}
		return value
	}
	object, isObject := value.(map[string]any)
	if !isObject {
		return c.fault(path, "no object")
	}
	if def.IsAbstractType() {
		name, _ := object["__typename"].(string)
		if !c.isPossible(def, name) {
			return c.fault(path, fmt.Sprintf("a %s is no %s", name, def.Name))
		}
		def = c.Schema.Types[name]
	}
	out, ok := c.Object(def, set, object, path)
	if !ok {
		return nil
	}
	return out
}

func (c *Completion) fault(path []any, why string) any {
	c.Faults = append(c.Faults, Fault{slices.Clone(path), why})
	return nil
}

// Fits reports whether a value other than null may be answered for a scalar or an enum (GraphQL specification, sections 3.5 and
// 3.9).
func Fits(def *ast.Definition, value any) bool {
	if def.Kind == ast.Enum {
		name, isName := value.(string)
		return isName && def.EnumValues.ForName(name) != nil
	}
	number, isNumber := value.(json.Number)
	text, isText := value.(string)
	switch def.Name {
	case "Int":
		exact, ok := exactly(number)
		return isNumber && ok && exact.IsInt() && exact.Num().IsInt64() && exact.Num().Int64() == int64(int32(exact.Num().Int64()))
	case "Float":
		_, err := strconv.ParseFloat(number.String(), 64)
		return isNumber && err == nil
	case "String":
		return isText && text == value
	case "Boolean":
		return value == true || value == false
	case "ID":
		return isText || isNumber && !strings.ContainsAny(number.String(), ".eE")
	}
	return true
}

// exactly returns the value of a number, unless its exponent is beyond all reason.
func exactly(n json.Number) (*big.Rat, bool) {
	if _, exponent, _ := strings.Cut(strings.ToLower(n.String()), "e"); len(exponent) > 4 {
		return nil, false
	}
	return new(big.Rat).SetString(n.String())
}
