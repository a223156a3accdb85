package supergraph

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
)

// apiSchema strips the machinery of federation, the directives of linked specifications and everything @inaccessible.
func apiSchema(doc *ast.SchemaDocument, sg *Supergraph, names *resolver) (*ast.Schema, error) {
	a := &apiBuilder{sg: sg, names: names}
	out := &ast.SchemaDocument{}
	for _, def := range doc.Definitions {
		if t := sg.types[def.Name]; t != nil && !t.Inaccessible {
			out.Definitions = append(out.Definitions, a.definition(t, def))
		}
	}
	for _, d := range doc.Directives {
		if a.executable(d) {
			out.Directives = append(out.Directives, a.directiveDefinition(d))
		}
	}
	schema := &ast.SchemaDefinition{Position: &ast.Position{Src: &ast.Source{Name: "API schema"}}}
	for _, s := range doc.Schema {
		schema.Description = s.Description
	}
	for _, op := range []ast.Operation{ast.Query, ast.Mutation, ast.Subscription} {
		if t := sg.Root(op); t != nil && !t.Inaccessible {
			schema.OperationTypes = append(schema.OperationTypes, &ast.OperationTypeDefinition{Operation: op, Type: t.Name, Position: schema.Position})
		}
	}
	out.Schema = ast.SchemaDefinitionList{schema}
	full := validator.PreludeDocument()
	if d := full.Directives.ForName("defer"); d != nil {
		// The library has the condition as one that may be null (incremental delivery, "@defer").
		d.Arguments.ForName("if").Type = ast.NonNullNamedType("Boolean", nil)
	}
	full.Merge(out)
	return validator.ValidateSchemaDocument(full)
}

type apiBuilder struct {
	sg    *Supergraph
	names *resolver
}

func (a *apiBuilder) definition(t *Type, def *ast.Definition) *ast.Definition {
	d := *def
	d.Directives = a.kept(def.Directives, ast.DirectiveLocation(def.Kind))
	d.Interfaces, d.Types, d.Fields, d.EnumValues, d.TypePositions = nil, nil, nil, nil, nil
	for _, name := range def.Interfaces {
		if a.visible(name) {
			d.Interfaces = append(d.Interfaces, name)
		}
	}
	for i, name := range def.Types {
		if !a.visible(name) {
			continue
		}
		d.Types = append(d.Types, name)
		if len(def.TypePositions) == len(def.Types) {
			d.TypePositions = append(d.TypePositions, def.TypePositions[i])
		}
	}
	for i, v := range def.EnumValues {
		if !t.Values[i].Inaccessible {
			value := *v
			value.Directives = a.kept(v.Directives, ast.LocationEnumValue)
			d.EnumValues = append(d.EnumValues, &value)
		}
	}
	for _, f := range def.Fields {
		if model := t.byName[f.Name]; model != nil && !model.Inaccessible && a.visible(f.Type.Name()) {
			d.Fields = append(d.Fields, a.field(model, f))
		}
	}
	return &d
}

func (a *apiBuilder) field(model *Field, def *ast.FieldDefinition) *ast.FieldDefinition {
	f := *def
	f.Directives = a.kept(def.Directives, ast.LocationFieldDefinition)
	f.Arguments = nil
	for i, arg := range def.Arguments {
		if model.Arguments[i].Inaccessible || !a.visible(arg.Type.Name()) {
			continue
		}
		kept := *arg
		kept.Directives = a.kept(arg.Directives, ast.LocationArgumentDefinition)
		f.Arguments = append(f.Arguments, &kept)
	}
	return &f
}

func (a *apiBuilder) visible(name string) bool {
	t := a.sg.types[name]
	return t == nil || !t.Inaccessible
}

// kept returns the applied directives that mean something to clients at a location: those of GraphQL itself, where GraphQL
// has them and with the argument that it gives them. A supergraph may define them otherwise.
func (a *apiBuilder) kept(ds ast.DirectiveList, at ast.DirectiveLocation) ast.DirectiveList {
	var out ast.DirectiveList
	for _, d := range ds {
		argument := ""
		switch {
		case out.ForName(d.Name) != nil:
			continue
		case d.Name == "deprecated" && deprecable(at):
			argument = "reason"
		case d.Name == "specifiedBy" && at == ast.LocationScalar && d.Arguments.ForName("url") != nil:
			argument = "url"
		case d.Name == "oneOf" && at == ast.LocationInputObject:
		default:
			continue
		}
		own := *d
		own.Arguments = nil
		if given := d.Arguments.ForName(argument); given != nil {
			own.Arguments = ast.ArgumentList{given}
		}
		out = append(out, &own)
	}
	return out
}

// deprecable reports whether what stands at a location of a schema can be deprecated.
func deprecable(at ast.DirectiveLocation) bool {
	switch at {
	case ast.LocationFieldDefinition, ast.LocationEnumValue, ast.LocationArgumentDefinition, ast.LocationInputFieldDefinition:
		return true
	}
	return false
}

// executable reports whether clients may use a directive of the supergraph in their operations.
func (a *apiBuilder) executable(d *ast.DirectiveDefinition) bool {
	switch d.Name {
	case "skip", "include", "deprecated", "specifiedBy", "oneOf", "defer":
		return false
	}
	if identity, _ := a.names.directive(d.Name); identity != "" {
		return false
	}
	for _, l := range d.Locations {
		switch l {
		case ast.LocationQuery, ast.LocationMutation, ast.LocationSubscription, ast.LocationField,
			ast.LocationFragmentDefinition, ast.LocationFragmentSpread, ast.LocationInlineFragment, ast.LocationVariableDefinition:
			return true
		}
	}
	return false
}

func (a *apiBuilder) directiveDefinition(def *ast.DirectiveDefinition) *ast.DirectiveDefinition {
	d := *def
	d.Arguments = nil
	for _, arg := range def.Arguments {
		kept := *arg
		kept.Directives = a.kept(arg.Directives, ast.LocationArgumentDefinition)
		d.Arguments = append(d.Arguments, &kept)
	}
	return &d
}
