package compose

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// schema is the schema of one subgraph. Each stage changes it in place until the merge, which only reads it.
type schema struct {
	name  string
	url   string
	enum  string // the value of join__Graph
	index int    // in the order of names

	description string
	declared    bool // whether there is a schema definition, not only extensions
	applied     []*directive
	roots       map[ast.Operation]string
	rootPos     map[ast.Operation]*ast.Position

	types      map[string]*typeDef
	order      []*typeDef
	directives map[string]*directiveDef
	dirOrder   []*directiveDef

	// later holds what does not let the schema be put together, which is reported once its links are read.
	later []Error
	// rootErrs are about the root types; they are reported together with what is wrong with definitions.
	rootErrs []Error
	links    []*link
	version  version // of the Federation specification; zero for Federation 1
	// upgraded tells that the schema was one of Federation 1.
	upgraded bool
	// used holds the fields that some @key, @requires, @provides, interface or context of the schema uses.
	used map[*fieldDef]bool
	// provided holds the external fields that some @provides mentions.
	provided map[*fieldDef]bool
	// fakeExternal holds fields marked @external that the subgraph yet resolves, as keys of extended types in Federation 1.
	fakeExternal map[*fieldDef]bool
	// keyFields holds the fields of all keys; nil until it is asked for.
	keyFields map[*fieldDef]bool
}

// typeDef is a type with all its extensions.
type typeDef struct {
	schema      *schema
	name        string
	kind        ast.DefinitionKind
	description string
	applied     []*directive
	interfaces  []*reference
	fields      []*fieldDef
	byName      map[string]*fieldDef
	members     []*reference
	values      []*valueDef
	builtIn     bool // scalars of GraphQL, and what a linked specification defines

	defined  bool // has a definition
	extended bool // has an extension
	pos      *ast.Position
}

// reference is the name of a type in a list of interfaces or members.
type reference struct {
	name string
	decl int
	pos  *ast.Position
}

// fieldDef is a field of an object, an interface or an input object.
type fieldDef struct {
	parent      *typeDef
	name        string
	description string
	typ         *ast.Type
	args        []*argDef
	value       *ast.Value // default of an input field
	applied     []*directive
	decl        int // which declaration of the type it stands in: 0 for the definition, else the number of the extension
	pos         *ast.Position
}

// argDef is an argument of a field or of a directive.
type argDef struct {
	name        string
	description string
	typ         *ast.Type
	value       *ast.Value
	applied     []*directive
	pos         *ast.Position
}

// valueDef is a value of an enum.
type valueDef struct {
	name        string
	description string
	applied     []*directive
	pos         *ast.Position
}

// directiveDef is the definition of a directive.
type directiveDef struct {
	name        string
	description string
	args        []*argDef
	locations   []ast.DirectiveLocation
	repeatable  bool
	pos         *ast.Position
	builtIn     bool
	// generated tells that the definition was added because a linked specification has it.
	generated bool
}

// directive is an applied directive.
type directive struct {
	name string // as the schema calls it
	// fed is the name that the Federation specification gives to the directive, "" for other directives.
	fed  string
	args []*argument
	decl int
	pos  *ast.Position
	def  *directiveDef
}

// argument is an argument of an applied directive.
type argument struct {
	name  string
	value *ast.Value
	pos   *ast.Position
}

func (d *directive) arg(name string) *ast.Value {
	for _, a := range d.args {
		if a.name == name {
			return a.value
		}
	}
	return nil
}

// str gives a string argument, "" when it is not given or no string.
func (d *directive) str(name string) string {
	if v := d.arg(name); v != nil && isString(v) {
		return v.Raw
	}
	return ""
}

func isString(v *ast.Value) bool { return v.Kind == ast.StringValue || v.Kind == ast.BlockValue }

// fedApplied gives the applications of a Federation directive.
func fedApplied(applied []*directive, name string) []*directive {
	var out []*directive
	for _, d := range applied {
		if d.fed == name {
			out = append(out, d)
		}
	}
	return out
}

// fed gives the first application of a Federation directive, nil when there is none.
func fed(applied []*directive, name string) *directive {
	for _, d := range applied {
		if d.fed == name {
			return d
		}
	}
	return nil
}

func (t *typeDef) field(name string) *fieldDef { return t.byName[name] }

func (t *typeDef) composite() bool {
	return t.kind == ast.Object || t.kind == ast.Interface || t.kind == ast.Union
}

func (t *typeDef) hasFields() bool { return t.kind == ast.Object || t.kind == ast.Interface }

func (t *typeDef) implements(name string) bool {
	for _, i := range t.interfaces {
		if i.name == name {
			return true
		}
	}
	return false
}

func (t *typeDef) addField(f *fieldDef) {
	f.parent = t
	t.fields = append(t.fields, f)
	if t.byName == nil {
		t.byName = map[string]*fieldDef{}
	}
	if t.byName[f.name] == nil {
		t.byName[f.name] = f
	}
}

func (t *typeDef) removeField(name string) {
	delete(t.byName, name)
	for i, f := range t.fields {
		if f.name == name {
			t.fields = append(t.fields[:i:i], t.fields[i+1:]...)
			return
		}
	}
}

// interfaceObject tells whether the type is an object that stands for an interface of other subgraphs.
func (t *typeDef) interfaceObject() bool {
	return t.kind == ast.Object && fed(t.applied, "interfaceObject") != nil
}

// mergedKind is the kind of the type that the type becomes a part of.
func (t *typeDef) mergedKind() ast.DefinitionKind {
	if t.interfaceObject() {
		return ast.Interface
	}
	return t.kind
}

// coordinate names the field as the specification does: "Type.field".
func (f *fieldDef) coordinate() string { return f.parent.name + "." + f.name }

func (f *fieldDef) arg(name string) *argDef {
	for _, a := range f.args {
		if a.name == name {
			return a
		}
	}
	return nil
}

func (d *directiveDef) arg(name string) *argDef {
	for _, a := range d.args {
		if a.name == name {
			return a
		}
	}
	return nil
}

// required tells that a value must be given: the type is non-null and there is no default.
func required(typ *ast.Type, value *ast.Value) bool { return typ.NonNull && value == nil }

// root gives the name of the root type of an operation, "" when there is none.
func (s *schema) root(op ast.Operation) *typeDef {
	if n := s.roots[op]; n != "" {
		return s.types[n]
	}
	return nil
}

// isRoot tells whether a type is a root type.
func (s *schema) isRoot(t *typeDef) bool {
	for _, n := range s.roots {
		if n == t.name {
			return true
		}
	}
	return false
}

// possible gives the object types that a value of a composite type may be, in the order of the schema.
func (s *schema) possible(t *typeDef) []*typeDef {
	switch t.kind {
	case ast.Object:
		return []*typeDef{t}
	case ast.Union:
		var out []*typeDef
		for _, m := range t.members {
			if o := s.types[m.name]; o != nil {
				out = append(out, o)
			}
		}
		return out
	case ast.Interface:
		var out []*typeDef
		for _, o := range s.order {
			if o.kind == ast.Object && o.implements(t.name) {
				out = append(out, o)
			}
		}
		return out
	}
	return nil
}

func (s *schema) addType(t *typeDef) {
	t.schema = s
	s.types[t.name] = t
	s.order = append(s.order, t)
}

func (s *schema) removeType(name string) {
	delete(s.types, name)
	for i, t := range s.order {
		if t.name == name {
			s.order = append(s.order[:i:i], s.order[i+1:]...)
			return
		}
	}
}

func (s *schema) addDirective(d *directiveDef) {
	s.directives[d.name] = d
	s.dirOrder = append(s.dirOrder, d)
}

// isFed2 tells whether the schema links Federation 2.
func (s *schema) isFed2() bool { return s.version.major >= 2 }

// errorf makes an error of this subgraph, named at the start of the message as Apollo does.
func (s *schema) errorf(code string, pos *ast.Position, format string, args ...any) Error {
	e := Error{Code: code, Message: "[" + s.name + "] " + sprintf(format, args...), Subgraphs: []string{s.name}}
	if l, ok := s.location(pos); ok {
		e.Locations = []Location{l}
	}
	return e
}

// location turns a parser's position into a place in this subgraph.
func (s *schema) location(pos *ast.Position) (Location, bool) {
	if pos == nil || pos.Line == 0 {
		return Location{}, false
	}
	return Location{Subgraph: s.name, Line: pos.Line, Column: pos.Column}, true
}
