package cost

import "github.com/vektah/gqlparser/v2/ast"

// wholeSchema is what reading every element of the schema once costs, however large it is: introspection asks no subgraph,
// and tools that read a large schema must not be refused for its size.
const wholeSchema = 200

// introspection adds the fields of the introspection types. Their lists have the mean lengths of those of this schema, so
// that what leads in circles (fields, their types, the fields of those) costs as much as it answers.
func (m *Model) introspection() {
	s := m.schema
	var types, fields, arguments, values, inputs, interfaces, members float64
	for _, t := range s.Types {
		types++
		interfaces += float64(len(t.Interfaces))
		values += float64(len(t.EnumValues))
		if t.Kind == ast.Interface || t.Kind == ast.Union {
			members += float64(len(s.GetPossibleTypes(t)))
		}
		if t.Kind == ast.InputObject {
			inputs += float64(len(t.Fields))
			continue
		}
		fields += float64(len(t.Fields))
		for _, f := range t.Fields {
			arguments += float64(len(f.Arguments))
		}
	}
	directives, parameters, locations := 0.0, 0.0, 0.0
	for _, d := range s.Directives {
		directives++
		parameters += float64(len(d.Arguments))
		locations += float64(len(d.Locations))
	}
	weight := wholeSchema / (types + fields + arguments + values + inputs + directives + parameters + 1)
	lengths := map[string]map[string]float64{
		"__Schema":    {"types": types, "directives": directives},
		"__Type":      {"fields": fields / types, "interfaces": interfaces / types, "possibleTypes": members / types, "enumValues": values / types, "inputFields": inputs / types},
		"__Field":     {"args": arguments / max(1, fields)},
		"__Directive": {"args": parameters / max(1, directives), "locations": locations / max(1, directives)},
	}
	for _, name := range []string{"__Schema", "__Type", "__Field", "__InputValue", "__EnumValue", "__Directive"} {
		def := s.Types[name]
		if def == nil {
			continue
		}
		m.fields[name] = map[string]*field{}
		for _, fd := range def.Fields {
			f := &field{def: fd, weighted: true, assumed: lengths[name][fd.Name]}
			if fd.Type.Elem != nil {
				f.levels = 1
			}
			if t := s.Types[fd.Type.Name()]; t != nil && t.Kind == ast.Object {
				f.weight = weight
			}
			m.fields[name][fd.Name] = f
		}
	}
	if s.Query == nil || m.fields[s.Query.Name] == nil {
		return
	}
	for name, of := range map[string]string{"__schema": "__Schema", "__type": "__Type"} {
		m.fields[s.Query.Name][name] = &field{def: &ast.FieldDefinition{Name: name, Type: ast.NamedType(of, nil)}, weighted: true, weight: weight}
	}
}
