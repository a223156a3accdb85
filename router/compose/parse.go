package compose

import (
	"slices"
	"sort"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// maxTokens bounds the schema of one subgraph. The largest known schemas are under two million tokens.
const maxTokens = 5_000_000

// maxSubgraphs bounds how many subgraphs are composed.
const maxSubgraphs = 5_000

// builtInScalars are the scalars of the GraphQL specification, section 3.5.
var builtInScalars = []string{"Int", "Float", "String", "Boolean", "ID"}

// load reads all schemas, in the order of their names, and resolves their links.
func (c *composer) load(subgraphs []Subgraph) {
	if len(subgraphs) == 0 {
		c.errors = append(c.errors, Error{Code: codeNoQueries, Message: "There are no subgraphs to compose."})
		return
	}
	if len(subgraphs) > maxSubgraphs {
		c.errors = append(c.errors, Error{Code: codeInvalidSubgraphName, Message: sprintf("There are %d subgraphs; at most %d can be composed.", len(subgraphs), maxSubgraphs)})
		return
	}
	ordered := append([]Subgraph(nil), subgraphs...)
	sort.SliceStable(ordered, func(i, j int) bool { return ordered[i].Name < ordered[j].Name })
	for i, sub := range ordered {
		if i > 0 && ordered[i-1].Name == sub.Name {
			c.errors = append(c.errors, Error{Code: codeInvalidSubgraphName, Message: sprintf("A subgraph named %q is given twice.", sub.Name), Subgraphs: []string{sub.Name}})
			continue
		}
		s, errs := parse(sub)
		if len(errs) == 0 {
			errs = s.complete()
		}
		if len(errs) == 0 && (sub.Name == "" || sub.Name == "_") {
			errs = []Error{{Code: codeInvalidSubgraphName, Message: sprintf("Invalid name %q for a subgraph: this name is reserved", sub.Name), Subgraphs: []string{sub.Name}}}
		}
		if len(errs) == 0 {
			errs = s.validate()
		}
		c.errors = append(c.errors, errs...)
		s.index = len(c.schemas)
		c.schemas = append(c.schemas, s)
	}
	nameGraphs(c.schemas)
}

// nameGraphs gives each subgraph its value in the enum join__Graph: its name in capitals with what is no letter or digit
// replaced by an underscore. A name must not begin with a digit nor, so that the names of duplicates stay free, end with an
// underscore and digits.
func nameGraphs(schemas []*schema) {
	groups := map[string][]*schema{}
	for _, s := range schemas {
		groups[enumName(s.name)] = append(groups[enumName(s.name)], s)
	}
	for base, group := range groups {
		for i, s := range group {
			s.enum = base
			if len(group) > 1 {
				s.enum = sprintf("%s_%d", base, i+1)
			}
		}
	}
}

func enumName(name string) string {
	var b strings.Builder
	for _, c := range strings.ToUpper(name) {
		switch {
		case c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_':
			b.WriteRune(c)
		case c > 0xFFFF:
			b.WriteString("__") // two units of UTF-16
		default:
			b.WriteByte('_')
		}
	}
	out := b.String()
	if out != "" && out[0] >= '0' && out[0] <= '9' {
		out = "_" + out
	}
	trimmed := strings.TrimRight(out, "0123456789")
	if trimmed != out && strings.HasSuffix(trimmed, "_") {
		out += "_"
	}
	return out
}

// parse reads one schema.
func parse(sub Subgraph) (*schema, []Error) {
	s := &schema{name: sub.Name, url: sub.URL, types: map[string]*typeDef{}, directives: map[string]*directiveDef{}, roots: map[ast.Operation]string{}, rootPos: map[ast.Operation]*ast.Position{}}
	doc, err := parser.ParseSchemaWithLimit(&ast.Source{Name: sub.Name, Input: sub.SDL}, maxTokens)
	if err != nil {
		return s, []Error{s.errorf(codeInvalidGraphQL, nil, "%v", strings.TrimPrefix(err.Error(), "input:"))}
	}
	if len(doc.Definitions)+len(doc.Extensions)+len(doc.Directives)+len(doc.DirectiveExtensions)+len(doc.Schema)+len(doc.SchemaExtension) == 0 {
		return s, []Error{s.errorf(codeInvalidGraphQL, nil, "The schema is empty.")}
	}
	var errs []Error
	invalid := func(pos *ast.Position, format string, args ...any) {
		errs = append(errs, s.errorf(codeInvalidGraphQL, pos, format, args...))
	}
	root := func(pos *ast.Position, format string, args ...any) {
		s.rootErrs = append(s.rootErrs, s.errorf(codeInvalidGraphQL, pos, format, args...))
	}
	later := func(pos *ast.Position, format string, args ...any) {
		s.later = append(s.later, s.errorf(codeInvalidGraphQL, pos, format, args...))
	}
	for _, name := range builtInScalars {
		s.addType(&typeDef{name: name, kind: ast.Scalar, builtIn: true})
	}
	for _, d := range doc.Definitions {
		if t := s.types[d.Name]; t != nil {
			if t.builtIn && d.Kind == ast.Scalar {
				continue
			}
			invalid(d.Position, "There can be only one type named %q", d.Name)
			continue
		}
		t := &typeDef{name: d.Name, kind: d.Kind, description: d.Description, defined: true, pos: d.Position}
		s.addType(t)
		t.declare(d, 0)
	}
	extensions := map[string]int{}
	for _, d := range doc.Extensions {
		t := s.types[d.Name]
		if t == nil {
			t = &typeDef{name: d.Name, kind: d.Kind, pos: d.Position}
			s.addType(t)
		}
		if t.kind != d.Kind {
			later(d.Position, "Cannot extend non-%s type %q.", kindWord(d.Kind), d.Name)
			continue
		}
		if t.builtIn {
			later(d.Position, "Cannot extend built-in type %q", d.Name)
			continue
		}
		t.extended = true
		extensions[d.Name]++
		t.declare(d, extensions[d.Name])
	}
	for _, d := range doc.Directives {
		if s.directives[d.Name] != nil {
			invalid(d.Position, "There can be only one directive named \"@%s\".", d.Name)
			continue
		}
		s.addDirective(newDirectiveDef(d))
	}
	if len(doc.DirectiveExtensions) > 0 {
		invalid(doc.DirectiveExtensions[0].Position, "Directives cannot be extended.")
	}
	for i, d := range append(append(ast.SchemaDefinitionList{}, doc.Schema...), doc.SchemaExtension...) {
		if i < len(doc.Schema) {
			if len(d.OperationTypes) == 0 {
				invalid(d.Position, "Syntax Error: the schema definition has no root types; write `extend schema` where only directives are applied.")
			}
			s.declared = true
			s.description = d.Description
		}
		s.applied = append(s.applied, newDirectives(d.Directives, i)...)
		for _, o := range d.OperationTypes {
			s.roots[o.Operation] = o.Type
			s.rootPos[o.Operation] = o.Position
		}
	}
	for _, op := range operations {
		name := s.roots[op]
		if name == "" {
			if t := s.types[defaultRoot(op)]; t != nil && t.kind == ast.Object {
				s.roots[op] = t.name
			} else if t != nil && op == ast.Query {
				root(t.pos, "The type %s must be an object type, as it is the root of an operation.", t.name)
			}
			continue
		}
		switch t := s.types[name]; {
		case t == nil:
			root(s.rootPos[op], "Cannot set schema %s root to unknown type %s", op, name)
		case t.kind != ast.Object:
			root(s.rootPos[op], "The %s root type must be an object type, it cannot be set to %s.", op, name)
		}
	}
	return s, errs
}

var operations = []ast.Operation{ast.Query, ast.Mutation, ast.Subscription}

// defaultRoot gives the name that a root type has when nothing else is said.
func defaultRoot(op ast.Operation) string {
	switch op {
	case ast.Mutation:
		return "Mutation"
	case ast.Subscription:
		return "Subscription"
	}
	return "Query"
}

func kindWord(k ast.DefinitionKind) string {
	switch k {
	case ast.Object:
		return "object"
	case ast.Interface:
		return "interface"
	case ast.Union:
		return "union"
	case ast.Enum:
		return "enum"
	case ast.InputObject:
		return "input"
	}
	return "scalar"
}

// declare adds what a definition or an extension says.
func (t *typeDef) declare(d *ast.Definition, decl int) {
	t.applied = append(t.applied, newDirectives(d.Directives, decl)...)
	for _, i := range d.Interfaces {
		t.interfaces = append(t.interfaces, &reference{name: i, decl: decl, pos: d.Position})
	}
	for i, m := range d.Types {
		pos := d.Position
		if i < len(d.TypePositions) {
			pos = d.TypePositions[i]
		}
		t.members = append(t.members, &reference{name: m, decl: decl, pos: pos})
	}
	for _, v := range d.EnumValues {
		t.values = append(t.values, &valueDef{name: v.Name, description: v.Description, applied: newDirectives(v.Directives, decl), pos: v.Position})
	}
	for _, f := range d.Fields {
		t.addField(&fieldDef{name: f.Name, description: f.Description, typ: f.Type, args: newArgs(f.Arguments), value: f.DefaultValue, applied: newDirectives(f.Directives, decl), decl: decl, pos: f.Position})
	}
}

func newDirectives(list ast.DirectiveList, decl int) []*directive {
	var out []*directive
	for _, d := range list {
		n := &directive{name: d.Name, decl: decl, pos: d.Position}
		for _, a := range d.Arguments {
			given := &argument{name: a.Name, value: a.Value, pos: a.Position}
			if i := slices.IndexFunc(n.args, func(o *argument) bool { return o.name == a.Name }); i >= 0 {
				n.args[i] = given // of repeated arguments the last counts
			} else {
				n.args = append(n.args, given)
			}
		}
		out = append(out, n)
	}
	return out
}

func newArgs(list ast.ArgumentDefinitionList) []*argDef {
	var out []*argDef
	for _, a := range list {
		arg := &argDef{name: a.Name, description: a.Description, typ: a.Type, value: a.DefaultValue, applied: newDirectives(a.Directives, 0), pos: a.Position}
		if i := slices.IndexFunc(out, func(o *argDef) bool { return o.name == a.Name }); i >= 0 {
			out[i] = arg // of repeated definitions the last counts
		} else {
			out = append(out, arg)
		}
	}
	return out
}

func newDirectiveDef(d *ast.DirectiveDefinition) *directiveDef {
	return &directiveDef{name: d.Name, description: d.Description, args: newArgs(d.Arguments), locations: distinctLocations(d.Locations), repeatable: d.IsRepeatable, pos: d.Position}
}

func distinctLocations(list []ast.DirectiveLocation) []ast.DirectiveLocation {
	var out []ast.DirectiveLocation
	for _, l := range list {
		if !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}

// eachApplied calls f for every place of the schema that has directives, with its location in the sense of directive
// definitions, its coordinate and a pointer to the list.
func (s *schema) eachApplied(f func(at ast.DirectiveLocation, coordinate string, applied *[]*directive)) {
	f(ast.LocationSchema, "schema", &s.applied)
	for _, t := range s.order {
		if t.builtIn && t.pos == nil {
			continue // not of the schema's own text
		}
		f(ast.DirectiveLocation(t.kind), t.name, &t.applied)
		for _, fd := range t.fields {
			at := ast.LocationFieldDefinition
			if t.kind == ast.InputObject {
				at = ast.LocationInputFieldDefinition
			}
			f(at, fd.coordinate(), &fd.applied)
			for _, a := range fd.args {
				f(ast.LocationArgumentDefinition, fd.coordinate()+"("+a.name+":)", &a.applied)
			}
		}
		for _, v := range t.values {
			f(ast.LocationEnumValue, t.name+"."+v.name, &v.applied)
		}
	}
	for _, d := range s.dirOrder {
		for _, a := range d.args {
			f(ast.LocationArgumentDefinition, "@"+d.name+"("+a.name+":)", &a.applied)
		}
	}
}
