// Package supergraph reads supergraph SDL, as Federation composition writes it (join specification 0.1 to 0.5), into an
// immutable model: the subgraphs, what each of them knows of every type and field, and the API schema that clients see.
//
// A [Supergraph] and all that is reached from it may be read by any number of goroutines and must not be changed.
package supergraph

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// GraphID identifies a subgraph within one supergraph: its index in [Supergraph.Subgraphs].
type GraphID int

// Subgraph is one of the services that a supergraph is composed of.
type Subgraph struct {
	ID GraphID
	// Enum is the value of the enum join__Graph that stands for the subgraph in the SDL.
	Enum string
	Name string
	URL  string
}

// Kind is the kind of a type.
type Kind uint8

// The kinds of types of the GraphQL specification, section 3.4.
const (
	Scalar Kind = iota
	Object
	Interface
	Union
	Enum
	InputObject
)

// Type is a type of the supergraph.
type Type struct {
	Name string
	Kind Kind
	// In says which subgraphs know the type, in the order of the subgraphs.
	In []Membership
	// Fields of objects, interfaces and input objects, in the order of the SDL.
	Fields []*Field
	// Implements says which interfaces an object or interface implements, and in which subgraph.
	Implements []Implementation
	// Members of a union, per subgraph.
	Members []Member
	// Values of an enum.
	Values []EnumValue
	// Possible holds the object types that a value of this output type may have anywhere in the supergraph, sorted; for an
	// object it is the type itself.
	Possible []*Type
	// Contexts are the names (as in contextArguments) that the type sets with @context.
	Contexts     []string
	Inaccessible bool
	Directives   []Directive

	byName map[string]*Field
}

// Membership is what one subgraph knows of a type.
type Membership struct {
	Graph GraphID
	Keys  []Key
	// InterfaceObject tells that the subgraph has this interface as an object type (@interfaceObject).
	InterfaceObject bool
	// Extension tells that the subgraph extends the type in the way of Federation 1.
	Extension bool
}

// Key is a @key of a type in a subgraph.
type Key struct {
	Fields     FieldSet
	Resolvable bool
}

// Implementation tells that a type implements Interface in the subgraph Graph.
type Implementation struct {
	Graph     GraphID
	Interface string
}

// Member tells that a union has the object type Type in the subgraph Graph.
type Member struct {
	Graph GraphID
	Type  string
}

// EnumValue is a value of an enum and the subgraphs that know it.
type EnumValue struct {
	Name         string
	Graphs       []GraphID
	Inaccessible bool
	Directives   []Directive
}

// Field is a field of an object, interface or input object.
type Field struct {
	Name         string
	Type         *ast.Type
	Arguments    []*Argument
	Inaccessible bool
	Directives   []Directive
	// Sources says what each subgraph that knows the field does with it, in the order of the subgraphs. It is empty when
	// the field reaches its type only through an interface object.
	Sources []Source
}

// Argument is an argument of a field.
type Argument struct {
	Name         string
	Type         *ast.Type
	Default      *ast.Value
	Inaccessible bool
	Directives   []Directive
}

// Source is one subgraph's part in a field.
type Source struct {
	Graph GraphID
	// Type is the field's type in this subgraph, which may be narrower than in the supergraph.
	Type *ast.Type
	// External fields are known to the subgraph and not resolved by it, but for @requires and @provides.
	External bool
	Requires FieldSet
	Provides FieldSet
	// Overridden tells that another subgraph has taken the field away for good.
	Overridden bool
	// Label is the label of a progressive @override that touches this source, or "". The source resolves the field
	// only in requests for which the label's being active equals LabelActive.
	Label       string
	LabelActive bool
	// Contexts are the arguments that the subgraph takes from ancestors by @fromContext.
	Contexts []ContextArgument
}

// ContextArgument is an argument filled from an ancestor by @fromContext.
type ContextArgument struct {
	Name    string
	Type    string
	Context string
	// Selection is read on the ancestor that sets Context; it leads to exactly one leaf for each of its types.
	Selection FieldSet
}

// Resolves reports whether the subgraph answers the field by itself, given what it requires.
func (s *Source) Resolves() bool {
	return !s.Overridden && (!s.External || len(s.Requires) > 0)
}

// Directive is a directive applied in the supergraph, under its own name in its specification whatever the SDL
// renames it to.
type Directive struct {
	// Spec is the identity of the linked specification, e.g. "https://specs.apollo.dev/tag"; "" for a directive of none.
	Spec      string
	Name      string
	Arguments []DirectiveArgument
}

// DirectiveArgument is an argument of an applied directive.
type DirectiveArgument struct {
	Name  string
	Value *ast.Value
}

// Argument gives the value of an argument, nil when it is not given.
func (d *Directive) Argument(name string) *ast.Value {
	for i := range d.Arguments {
		if d.Arguments[i].Name == name {
			return d.Arguments[i].Value
		}
	}
	return nil
}

// Supergraph is the model of a supergraph.
type Supergraph struct {
	subgraphs []Subgraph
	types     map[string]*Type
	order     []*Type
	roots     [3]*Type
	api       *ast.Schema
	links     []Link
	// directives are the applied directives of the schema itself.
	directives []Directive
}

// Subgraphs lists the subgraphs; a [GraphID] is an index in it.
func (s *Supergraph) Subgraphs() []Subgraph { return s.subgraphs }

// Types lists all types of the supergraph but those of the join, link and core specifications, in the order of the SDL.
func (s *Supergraph) Types() []*Type { return s.order }

// Type gives a type by name, nil when there is none.
func (s *Supergraph) Type(name string) *Type { return s.types[name] }

// Root gives the root type of an operation, nil when the supergraph has none for it.
func (s *Supergraph) Root(operation ast.Operation) *Type {
	switch operation {
	case ast.Query:
		return s.roots[0]
	case ast.Mutation:
		return s.roots[1]
	case ast.Subscription:
		return s.roots[2]
	}
	return nil
}

// API gives the schema that clients see: the supergraph without the machinery of federation and without what is
// @inaccessible. It is built once and serves validation and introspection.
func (s *Supergraph) API() *ast.Schema { return s.api }

// Links lists the specifications that the supergraph links.
func (s *Supergraph) Links() []Link { return s.links }

// Field gives a field by name, nil when the type has none of this name.
func (t *Type) Field(name string) *Field { return t.byName[name] }

// IsComposite tells whether the type has subfields to select.
func (t *Type) IsComposite() bool {
	return t.Kind == Object || t.Kind == Interface || t.Kind == Union
}

// IsAbstract tells whether the type is an interface or a union.
func (t *Type) IsAbstract() bool { return t.Kind == Interface || t.Kind == Union }

// Membership gives what the subgraph knows of the type, nil when it does not know it.
func (t *Type) Membership(g GraphID) *Membership {
	for i := range t.In {
		if t.In[i].Graph == g {
			return &t.In[i]
		}
	}
	return nil
}

// Directives gives the applications of a directive among ds: name as its specification calls it, spec the identity of
// that specification or "" for any.
func Directives(ds []Directive, spec, name string) []Directive {
	var out []Directive
	for _, d := range ds {
		if d.Name == name && (spec == "" || d.Spec == spec) {
			out = append(out, d)
		}
	}
	return out
}

// Source gives the subgraph's part in the field, nil when it has none.
func (f *Field) Source(g GraphID) *Source {
	for i := range f.Sources {
		if f.Sources[i].Graph == g {
			return &f.Sources[i]
		}
	}
	return nil
}
