package routertest

import (
	"fmt"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
)

// contract is what a subgraph's SDL says: a plain GraphQL schema with _entities, and what the federation directives say, by type or
// Type.field.
type contract struct {
	name     string
	schema   *ast.Schema
	keys     map[string][]ast.SelectionSet // by which objects are entered
	closed   map[string][]ast.SelectionSet // by which they are not: resolvable is false
	requires map[string]ast.SelectionSet
	external map[string]bool
	provides map[string]ast.SelectionSet
}

// newContract reads a subgraph's SDL. The directives of federation are noted and taken out, so that what is left is plain GraphQL.
func newContract(name, sdl string) (*contract, error) {
	doc, err := parser.ParseSchema(&ast.Source{Name: name, Input: sdl})
	if err != nil {
		return nil, fmt.Errorf("subgraph %s: %w", name, err)
	}
	s := &contract{
		name: name, keys: map[string][]ast.SelectionSet{}, closed: map[string][]ast.SelectionSet{}, requires: map[string]ast.SelectionSet{},
		external: map[string]bool{}, provides: map[string]ast.SelectionSet{},
	}
	roots := map[string]string{"query": "Query", "mutation": "Mutation", "subscription": "Subscription"}
	for _, sd := range append(doc.Schema, doc.SchemaExtension...) {
		for _, op := range sd.OperationTypes {
			roots[string(op.Operation)] = op.Type
		}
	}
	plain := &ast.SchemaDocument{}
	byName := map[string]*ast.Definition{}
	for _, def := range append(doc.Definitions, doc.Extensions...) {
		s.note(def)
		if old := byName[def.Name]; old != nil {
			old.Fields = append(old.Fields, def.Fields...)
			old.Types = append(old.Types, def.Types...)
			old.Interfaces = append(old.Interfaces, def.Interfaces...)
			old.EnumValues = append(old.EnumValues, def.EnumValues...)
			continue
		}
		byName[def.Name] = def
		plain.Definitions = append(plain.Definitions, def)
	}
	query := byName[roots["query"]]
	if query == nil {
		query = &ast.Definition{Kind: ast.Object, Name: roots["query"], Position: &ast.Position{Src: &ast.Source{}}}
		plain.Definitions = append(plain.Definitions, query)
	}
	entities := map[string]bool{}
	for _, def := range plain.Definitions {
		if len(s.keys[def.Name]) == 0 {
			continue
		}
		if def.Kind == ast.Object {
			entities[def.Name] = true
		}
		for _, other := range plain.Definitions {
			if other.Kind == ast.Object && slices.Contains(other.Interfaces, def.Name) {
				entities[other.Name] = true
			}
		}
	}
	at := &ast.Position{Src: &ast.Source{}}
	query.Fields = append(query.Fields, &ast.FieldDefinition{Name: "_service", Position: at, Type: ast.NonNullNamedType("String", at)})
	if len(entities) > 0 {
		union := &ast.Definition{Kind: ast.Union, Name: "_Entity", Position: at}
		for _, def := range plain.Definitions {
			if entities[def.Name] {
				union.Types = append(union.Types, def.Name)
			}
		}
		plain.Definitions = append(plain.Definitions, union, &ast.Definition{Kind: ast.Scalar, Name: "_Any", Position: at})
		query.Fields = append(query.Fields, &ast.FieldDefinition{
			Name: "_entities", Position: at, Type: ast.NonNullListType(ast.NamedType("_Entity", at), at),
			Arguments: ast.ArgumentDefinitionList{{Name: "representations", Position: at, Type: ast.NonNullListType(ast.NonNullNamedType("_Any", at), at)}},
		})
	}
	plain.Schema = ast.SchemaDefinitionList{{Position: at}}
	for op, typeName := range roots {
		if typeName == query.Name || byName[typeName] != nil {
			plain.Schema[0].OperationTypes = append(plain.Schema[0].OperationTypes, &ast.OperationTypeDefinition{Operation: ast.Operation(op), Type: typeName, Position: at})
		}
	}
	prelude, err := parser.ParseSchema(validator.Prelude)
	if err != nil {
		return nil, fmt.Errorf("subgraph %s: %w", name, err)
	}
	prelude.Merge(plain)
	if s.schema, err = validator.ValidateSchemaDocument(prelude); err != nil {
		return nil, fmt.Errorf("subgraph %s: %w", name, err)
	}
	return s, nil
}

func fieldSet(d *ast.Directive) ast.SelectionSet {
	arg := d.Arguments.ForName("fields")
	if arg == nil {
		return nil
	}
	doc, err := parser.ParseQuery(&ast.Source{Input: "{" + arg.Value.Raw + "}"})
	if err != nil {
		return nil
	}
	return doc.Operations[0].SelectionSet
}

// note remembers the federation directives of a definition and takes all directives out.
func (s *contract) note(def *ast.Definition) {
	for _, d := range def.Directives {
		if d.Name != "key" {
			continue
		}
		if closed := d.Arguments.ForName("resolvable"); closed != nil && closed.Value.Raw == "false" {
			s.closed[def.Name] = append(s.closed[def.Name], fieldSet(d))
		} else {
			s.keys[def.Name] = append(s.keys[def.Name], fieldSet(d))
		}
	}
	def.Directives = nil
	for _, f := range def.Fields {
		for _, d := range f.Directives {
			switch d.Name {
			case "external":
				s.external[def.Name+"."+f.Name] = true
			case "requires":
				s.requires[def.Name+"."+f.Name] = fieldSet(d)
			case "provides":
				s.provides[def.Name+"."+f.Name] = fieldSet(d)
			}
		}
		f.Directives = nil
		for _, a := range f.Arguments {
			a.Directives = nil
		}
	}
	for _, v := range def.EnumValues {
		v.Directives = nil
	}
}
