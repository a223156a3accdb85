package supergraph

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// Parse reads supergraph SDL. It refuses SDL that links an unknown specification for EXECUTION or SECURITY, and SDL
// whose join directives do not hold together; the error says where.
func Parse(sdl string) (*Supergraph, error) {
	doc, err := parser.ParseSchema(&ast.Source{Name: "supergraph", Input: sdl})
	if err != nil {
		return nil, fmt.Errorf("parsing supergraph SDL: %w", err)
	}
	linked, err := links(doc)
	if err != nil {
		return nil, fmt.Errorf("reading links: %w", err)
	}
	r := &reader{
		sg:    &Supergraph{types: map[string]*Type{}, links: linked},
		names: resolver{links: linked},
		enums: map[string]GraphID{}, graphs: map[string]GraphID{},
	}
	if !r.joins() {
		return nil, errors.New("this is not a supergraph: it does not link the join specification (https://specs.apollo.dev/join); give the SDL that composition produces, not a subgraph's")
	}
	if len(doc.Extensions) > 0 {
		return nil, fmt.Errorf("type extension of %s: a supergraph has none", doc.Extensions[0].Name)
	}
	if err := r.readGraphs(doc); err != nil {
		return nil, err
	}
	if err := r.readTypes(doc); err != nil {
		return nil, err
	}
	if err := r.readRoots(doc); err != nil {
		return nil, err
	}
	if err := r.link(); err != nil {
		return nil, err
	}
	r.settleFieldSets()
	if r.first {
		r.markProvided()
	}
	if err := r.checkFieldSets(); err != nil {
		return nil, err
	}
	if r.sg.api, err = apiSchema(doc, r.sg, &r.names); err != nil {
		return nil, fmt.Errorf("building the API schema: %w", err)
	}
	return r.sg, nil
}

const joinSpec = apolloSpecs + "join"

// reader carries what Parse's steps share.
type reader struct {
	sg     *Supergraph
	names  resolver
	enums  map[string]GraphID // by value of join__Graph
	graphs map[string]GraphID // by name
	first  bool               // join 0.1: value types carry no join__type
}

func (r *reader) joins() bool {
	for i := range r.sg.links {
		if r.sg.links[i].Identity == joinSpec {
			r.first = r.sg.links[i].Version == "v0.1"
			return true
		}
	}
	return false
}

// join tells the local name of a directive of the join specification, or "".
func (r *reader) join(d *ast.Directive) string {
	if identity, local := r.names.directive(d.Name); identity == joinSpec {
		return local
	}
	return ""
}

func (r *reader) readGraphs(doc *ast.SchemaDocument) error {
	for _, def := range doc.Definitions {
		identity, local := r.names.typ(def.Name)
		if identity != joinSpec || local != "Graph" || def.Kind != ast.Enum {
			continue
		}
		for _, v := range def.EnumValues {
			g := Subgraph{ID: GraphID(len(r.sg.subgraphs)), Enum: v.Name, Name: v.Name}
			for _, d := range v.Directives {
				if r.join(d) == "graph" {
					g.Name, g.URL = stringArgument(d, "name"), stringArgument(d, "url")
				}
			}
			if _, twice := r.graphs[g.Name]; twice || g.Name == "" {
				return fmt.Errorf("enum %s: value %s: the subgraph's name %q is empty or not unique", def.Name, v.Name, g.Name)
			}
			r.enums[v.Name], r.graphs[g.Name] = g.ID, g.ID
			r.sg.subgraphs = append(r.sg.subgraphs, g)
		}
	}
	if len(r.sg.subgraphs) == 0 {
		return errors.New("the supergraph names no subgraph: enum join__Graph is missing or empty")
	}
	return nil
}

func (r *reader) graph(d *ast.Directive) (GraphID, error) {
	name := stringArgument(d, "graph")
	id, ok := r.enums[name]
	if !ok {
		return 0, fmt.Errorf("@%s(graph: %s): there is no such subgraph", d.Name, name)
	}
	return id, nil
}

// machinery reports whether a type belongs to federation itself and not to the graph.
func (r *reader) machinery(name string) bool {
	identity, _ := r.names.typ(name)
	switch identity {
	case joinSpec, apolloSpecs + "link", apolloSpecs + "core":
		return true
	}
	return strings.HasPrefix(name, "link__")
}

func (r *reader) readTypes(doc *ast.SchemaDocument) error {
	for _, def := range doc.Definitions {
		if r.machinery(def.Name) {
			continue
		}
		if r.sg.types[def.Name] != nil {
			return fmt.Errorf("type %s is defined twice", def.Name)
		}
		t := &Type{Name: def.Name, byName: map[string]*Field{}}
		switch def.Kind {
		case ast.Scalar:
			t.Kind = Scalar
		case ast.Object:
			t.Kind = Object
		case ast.Interface:
			t.Kind = Interface
		case ast.Union:
			t.Kind = Union
		case ast.Enum:
			t.Kind = Enum
		case ast.InputObject:
			t.Kind = InputObject
		default:
			return fmt.Errorf("type %s has the unknown kind %q", def.Name, def.Kind)
		}
		if err := r.readType(t, def); err != nil {
			return fmt.Errorf("type %s: %w", def.Name, err)
		}
		r.sg.types[t.Name] = t
		r.sg.order = append(r.sg.order, t)
	}
	return nil
}

func (r *reader) readType(t *Type, def *ast.Definition) error {
	owner := GraphID(-1)
	for _, d := range def.Directives {
		if err := r.readTypeDirective(t, d, &owner); err != nil {
			return err
		}
	}
	if len(t.In) == 0 {
		// Join 0.1 says nothing about value types, and nothing about root types: they may be anywhere.
		for i := range r.sg.subgraphs {
			t.In = append(t.In, Membership{Graph: GraphID(i)})
		}
	}
	sort.SliceStable(t.In, func(i, j int) bool { return t.In[i].Graph < t.In[j].Graph })
	r.readRelations(t, def)
	for _, v := range def.EnumValues {
		value := EnumValue{Name: v.Name}
		for _, d := range v.Directives {
			if r.join(d) == "enumValue" {
				g, err := r.graph(d)
				if err != nil {
					return err
				}
				value.Graphs = append(value.Graphs, g)
				continue
			}
			value.Directives, value.Inaccessible = r.apply(value.Directives, value.Inaccessible, d)
		}
		t.Values = append(t.Values, value)
	}
	for _, fd := range def.Fields {
		if t.byName[fd.Name] != nil {
			return fmt.Errorf("field %s is defined twice", fd.Name)
		}
		f, err := r.readField(t, fd, owner)
		if err != nil {
			return fmt.Errorf("field %s: %w", fd.Name, err)
		}
		t.Fields = append(t.Fields, f)
		t.byName[f.Name] = f
	}
	return nil
}

func (r *reader) readTypeDirective(t *Type, d *ast.Directive, owner *GraphID) error {
	switch r.join(d) {
	case "type":
		g, err := r.graph(d)
		if err != nil {
			return err
		}
		m := t.Membership(g)
		if m == nil {
			t.In = append(t.In, Membership{Graph: g})
			m = &t.In[len(t.In)-1]
		}
		m.InterfaceObject = m.InterfaceObject || boolArgument(d, "isInterfaceObject")
		m.Extension = m.Extension || boolArgument(d, "extension")
		if key := stringArgument(d, "key"); key != "" {
			set, err := ParseFieldSet(key)
			if err != nil {
				return fmt.Errorf("key of subgraph %s: %w", r.sg.subgraphs[g].Name, err)
			}
			m.Keys = append(m.Keys, Key{Fields: set, Resolvable: stringArgument(d, "resolvable") != "false"})
		}
	case "owner":
		g, err := r.graph(d)
		if err != nil {
			return err
		}
		*owner = g
	case "implements":
		g, err := r.graph(d)
		if err != nil {
			return err
		}
		t.Implements = append(t.Implements, Implementation{Graph: g, Interface: stringArgument(d, "interface")})
	case "unionMember":
		g, err := r.graph(d)
		if err != nil {
			return err
		}
		t.Members = append(t.Members, Member{Graph: g, Type: stringArgument(d, "member")})
	case "":
		t.Directives, t.Inaccessible = r.apply(t.Directives, t.Inaccessible, d)
		if identity, local := r.names.directive(d.Name); identity == apolloSpecs+"context" && local == "context" {
			t.Contexts = append(t.Contexts, stringArgument(d, "name"))
		}
	}
	return nil
}

// readRelations fills in the implements and union members that the SDL leaves to the plain definition (join 0.1, 0.2).
func (r *reader) readRelations(t *Type, def *ast.Definition) {
	if len(t.Implements) == 0 {
		for _, m := range t.In {
			for _, name := range def.Interfaces {
				t.Implements = append(t.Implements, Implementation{Graph: m.Graph, Interface: name})
			}
		}
	}
	if len(t.Members) == 0 {
		for _, m := range t.In {
			for _, name := range def.Types {
				t.Members = append(t.Members, Member{Graph: m.Graph, Type: name})
			}
		}
	}
}

// apply adds an applied directive of no concern to the join specification.
func (r *reader) apply(ds []Directive, inaccessible bool, d *ast.Directive) ([]Directive, bool) {
	identity, local := r.names.directive(d.Name)
	out := Directive{Spec: identity, Name: local}
	for _, a := range d.Arguments {
		out.Arguments = append(out.Arguments, DirectiveArgument{Name: a.Name, Value: a.Value})
	}
	hide := local == "inaccessible" && (identity == apolloSpecs+"inaccessible" || identity == "")
	return append(ds, out), inaccessible || hide
}

func (r *reader) readRoots(doc *ast.SchemaDocument) error {
	names := [3]string{"Query", "Mutation", "Subscription"}
	explicit := false
	for _, def := range append(append(ast.SchemaDefinitionList{}, doc.Schema...), doc.SchemaExtension...) {
		for _, d := range def.Directives {
			r.sg.directives, _ = r.apply(r.sg.directives, false, d)
		}
		for _, op := range def.OperationTypes {
			if !explicit {
				explicit, names = true, [3]string{}
			}
			switch op.Operation {
			case ast.Query:
				names[0] = op.Type
			case ast.Mutation:
				names[1] = op.Type
			case ast.Subscription:
				names[2] = op.Type
			}
		}
	}
	for i, name := range names {
		if name == "" {
			continue
		}
		t := r.sg.types[name]
		if t == nil {
			if explicit {
				return fmt.Errorf("the schema names %s as a root type, and there is no such type", name)
			}
			continue
		}
		if t.Kind != Object {
			return fmt.Errorf("the root type %s is not an object type", name)
		}
		r.sg.roots[i] = t
	}
	if r.sg.roots[0] == nil {
		return errors.New("the supergraph has no query type")
	}
	return nil
}
