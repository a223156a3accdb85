package execute

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/jsontext"
	"github.com/lethe/lethe/router/plan"
)

// introspection answers __schema or __type from the API's schema (GraphQL specification, section 4). It is walked for
// each request; a response is the same bytes for the same variables.
type introspection struct {
	schema *ast.Schema
	field  *plan.Field
	sets   []guarded
}

func newIntrospection(schema *ast.Schema, field *plan.Field, sets []guarded) (*introspection, error) {
	return &introspection{schema, field, sets}, nil
}

func (in *introspection) append(dst []byte, r *run) []byte {
	w := introspector{in.schema, r}
	if in.field.Name == "__schema" {
		return w.object(dst, in.schema, in.sets)
	}
	def := in.schema.Types[w.text(in.field, "name")]
	if def == nil {
		return append(dst, "null"...)
	}
	return w.object(dst, def, in.sets)
}

type introspector struct {
	schema *ast.Schema
	run    *run
}

// argument gives the JSON value of an argument, or "".
func (w introspector) argument(f *plan.Field, name string) string {
	for _, a := range f.Arguments {
		if a.Name != name {
			continue
		}
		if v, ok := strings.CutPrefix(a.Value, "$"); ok {
			for i, d := range w.run.program.plan.Operation.Variables {
				if d.Name == v && i < len(w.run.request.Variables) {
					return string(w.run.request.Variables[i])
				}
			}
			return ""
		}
		return a.Value
	}
	return ""
}

func (w introspector) text(f *plan.Field, name string) string {
	s, err := strconv.Unquote(w.argument(f, name))
	if err != nil {
		return ""
	}
	return s
}

func (w introspector) deprecatedToo(f *plan.Field) bool {
	return w.argument(f, "includeDeprecated") == "true"
}

// object writes one introspection object: a *ast.Schema, *ast.Definition, *ast.Type, *ast.FieldDefinition,
// *ast.ArgumentDefinition, *ast.EnumValueDefinition or *ast.DirectiveDefinition.
func (w introspector) object(dst []byte, v any, sets []guarded) []byte {
	type group struct {
		field *plan.Field
		sets  []guarded
	}
	var groups []group
	var collect func(set plan.SelectionSet)
	collect = func(set plan.SelectionSet) {
		for _, s := range set {
			if s.Fragment != nil {
				if s.Fragment.Guard.Holds(w.run.mask) {
					collect(s.Fragment.Selections)
				}
				continue
			}
			if !s.Field.Guard.Holds(w.run.mask) {
				continue
			}
			i := slices.IndexFunc(groups, func(g group) bool { return g.field.Alias == s.Field.Alias })
			if i < 0 {
				i = len(groups)
				groups = append(groups, group{field: s.Field})
			}
			if known := groups[i].sets; len(s.Field.Selections) > 0 && !slices.ContainsFunc(known, func(g guarded) bool { return &g.set[0] == &s.Field.Selections[0] }) {
				groups[i].sets = append(known, guarded{set: s.Field.Selections})
			}
		}
	}
	for _, s := range sets {
		if s.guard.Holds(w.run.mask) {
			collect(s.set)
		}
	}
	dst = append(dst, '{')
	for i, g := range groups {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, jsontext.Quote(g.field.Alias)...), ':')
		dst = w.value(dst, v, g.field, g.sets)
	}
	return append(dst, '}')
}

func (w introspector) value(dst []byte, v any, f *plan.Field, sets []guarded) []byte {
	switch v := v.(type) {
	case *ast.Schema:
		return w.schemaValue(dst, v, f, sets)
	case *ast.Definition:
		return w.typeValue(dst, v, f, sets)
	case *ast.Type:
		return w.wrapped(dst, v, f, sets)
	case *ast.FieldDefinition:
		switch f.Name {
		case "args":
			return objects(w, dst, w.arguments(v.Arguments, f), sets)
		case "type":
			return w.typeRef(dst, v.Type, sets)
		}
		return w.named(dst, f, "__Field", v.Name, v.Description, v.Directives)
	case *ast.ArgumentDefinition:
		switch f.Name {
		case "type":
			return w.typeRef(dst, v.Type, sets)
		case "defaultValue":
			if v.DefaultValue == nil {
				return append(dst, "null"...)
			}
			return append(dst, jsontext.Quote(v.DefaultValue.String())...)
		}
		return w.named(dst, f, "__InputValue", v.Name, v.Description, v.Directives)
	case *ast.EnumValueDefinition:
		return w.named(dst, f, "__EnumValue", v.Name, v.Description, v.Directives)
	case *ast.DirectiveDefinition:
		switch f.Name {
		case "locations":
			dst = append(dst, '[')
			for i, l := range v.Locations {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = append(dst, jsontext.Quote(string(l))...)
			}
			return append(dst, ']')
		case "args":
			return objects(w, dst, w.arguments(v.Arguments, f), sets)
		case "isRepeatable":
			return strconv.AppendBool(dst, v.IsRepeatable)
		}
		return w.named(dst, f, "__Directive", v.Name, v.Description, nil)
	}
	return append(dst, "null"...)
}

func (w introspector) named(dst []byte, f *plan.Field, typename, name, description string, ds ast.DirectiveList) []byte {
	deprecated := ds.ForName("deprecated")
	switch f.Name {
	case "__typename":
		return append(dst, jsontext.Quote(typename)...)
	case "name":
		return append(dst, jsontext.Quote(name)...)
	case "description":
		return optional(dst, description)
	case "isDeprecated":
		return strconv.AppendBool(dst, deprecated != nil)
	case "deprecationReason":
		if deprecated == nil {
			return append(dst, "null"...)
		}
		if a := deprecated.Arguments.ForName("reason"); a != nil {
			return append(dst, jsontext.Quote(a.Value.Raw)...)
		}
		return append(dst, `"No longer supported"`...)
	}
	return append(dst, "null"...)
}

func optional(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return append(dst, jsontext.Quote(s)...)
}

func (w introspector) schemaValue(dst []byte, s *ast.Schema, f *plan.Field, sets []guarded) []byte {
	root := func(d *ast.Definition) []byte {
		if d == nil {
			return append(dst, "null"...)
		}
		return w.object(dst, d, sets)
	}
	switch f.Name {
	case "__typename":
		return append(dst, `"__Schema"`...)
	case "description":
		return optional(dst, s.Description)
	case "queryType":
		return root(s.Query)
	case "mutationType":
		return root(s.Mutation)
	case "subscriptionType":
		return root(s.Subscription)
	case "types":
		names := make([]string, 0, len(s.Types))
		for name := range s.Types {
			names = append(names, name)
		}
		slices.Sort(names)
		defs := make([]*ast.Definition, len(names))
		for i, name := range names {
			defs[i] = s.Types[name]
		}
		return objects(w, dst, defs, sets)
	case "directives":
		names := make([]string, 0, len(s.Directives))
		for name := range s.Directives {
			names = append(names, name)
		}
		slices.Sort(names)
		defs := make([]*ast.DirectiveDefinition, len(names))
		for i, name := range names {
			defs[i] = s.Directives[name]
		}
		return objects(w, dst, defs, sets)
	}
	return append(dst, "null"...)
}

func objects[T any](w introspector, dst []byte, list []T, sets []guarded) []byte {
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = w.object(dst, v, sets)
	}
	return append(dst, ']')
}

func (w introspector) arguments(list ast.ArgumentDefinitionList, f *plan.Field) []*ast.ArgumentDefinition {
	var out []*ast.ArgumentDefinition
	for _, a := range list {
		if a.Directives.ForName("deprecated") == nil || w.deprecatedToo(f) {
			out = append(out, a)
		}
	}
	return out
}

func (w introspector) typeValue(dst []byte, d *ast.Definition, f *plan.Field, sets []guarded) []byte {
	switch f.Name {
	case "__typename":
		return append(dst, `"__Type"`...)
	case "kind":
		return append(dst, jsontext.Quote(string(d.Kind))...)
	case "name":
		return append(dst, jsontext.Quote(d.Name)...)
	case "description":
		return optional(dst, d.Description)
	case "specifiedByURL":
		if by := d.Directives.ForName("specifiedBy"); by != nil && by.Arguments.ForName("url") != nil {
			return append(dst, jsontext.Quote(by.Arguments.ForName("url").Value.Raw)...)
		}
	case "isOneOf":
		if d.Kind == ast.InputObject {
			return strconv.AppendBool(dst, d.Directives.ForName("oneOf") != nil)
		}
	case "fields":
		if d.Kind == ast.Object || d.Kind == ast.Interface {
			var fields []*ast.FieldDefinition
			for _, fd := range d.Fields {
				if !strings.HasPrefix(fd.Name, "__") && (fd.Directives.ForName("deprecated") == nil || w.deprecatedToo(f)) {
					fields = append(fields, fd)
				}
			}
			return objects(w, dst, fields, sets)
		}
	case "inputFields":
		if d.Kind == ast.InputObject {
			var inputs []*ast.ArgumentDefinition
			for _, fd := range d.Fields {
				if fd.Directives.ForName("deprecated") == nil || w.deprecatedToo(f) {
					inputs = append(inputs, &ast.ArgumentDefinition{
						Name: fd.Name, Description: fd.Description, Type: fd.Type, DefaultValue: fd.DefaultValue, Directives: fd.Directives,
					})
				}
			}
			return objects(w, dst, inputs, sets)
		}
	case "interfaces":
		if d.Kind == ast.Object || d.Kind == ast.Interface {
			var defs []*ast.Definition
			for _, name := range d.Interfaces {
				if i := w.schema.Types[name]; i != nil {
					defs = append(defs, i)
				}
			}
			return objects(w, dst, defs, sets)
		}
	case "possibleTypes":
		if d.Kind == ast.Interface || d.Kind == ast.Union {
			return objects(w, dst, w.schema.GetPossibleTypes(d), sets)
		}
	case "enumValues":
		if d.Kind == ast.Enum {
			var values []*ast.EnumValueDefinition
			for _, v := range d.EnumValues {
				if v.Directives.ForName("deprecated") == nil || w.deprecatedToo(f) {
					values = append(values, v)
				}
			}
			return objects(w, dst, values, sets)
		}
	}
	return append(dst, "null"...)
}

// typeRef writes a type with its wrappers.
func (w introspector) typeRef(dst []byte, t *ast.Type, sets []guarded) []byte {
	if !t.NonNull && t.Elem == nil {
		if d := w.schema.Types[t.NamedType]; d != nil {
			return w.object(dst, d, sets)
		}
		return append(dst, "null"...)
	}
	return w.object(dst, t, sets)
}

// wrapped writes a field of a non-null or list type.
func (w introspector) wrapped(dst []byte, t *ast.Type, f *plan.Field, sets []guarded) []byte {
	switch f.Name {
	case "__typename":
		return append(dst, `"__Type"`...)
	case "kind":
		if t.NonNull {
			return append(dst, `"NON_NULL"`...)
		}
		return append(dst, `"LIST"`...)
	case "ofType":
		if t.NonNull {
			inner := *t
			inner.NonNull = false
			return w.typeRef(dst, &inner, sets)
		}
		return w.typeRef(dst, t.Elem, sets)
	}
	return append(dst, "null"...)
}
