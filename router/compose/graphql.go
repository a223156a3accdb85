package compose

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// This file checks a subgraph's schema against the GraphQL specification (September 2025, section 3). What it finds is
// INVALID_GRAPHQL.

// graphqlErrors collects what is wrong with one schema.
type graphqlErrors struct {
	s    *schema
	errs []Error
}

func (g *graphqlErrors) add(pos *ast.Position, format string, args ...any) {
	g.errs = append(g.errs, g.s.errorf(codeInvalidGraphQL, pos, format, args...))
}

// structure checks that fields exist once and that types stand where their kind may.
func (g *graphqlErrors) structure() {
	for _, t := range g.s.order {
		seen := map[string]bool{}
		for _, f := range t.fields {
			if seen[f.name] {
				g.add(f.pos, "Field %s already exists on %s", f.name, t.name)
			}
			seen[f.name] = true
			g.fieldKinds(f)
		}
		for _, m := range t.members {
			if o := g.s.types[m.name]; o != nil && o.kind != ast.Object {
				g.add(m.pos, "Cannot add non-object type %s as member of union type %s", m.name, t.name)
			}
		}
		for _, ref := range t.interfaces {
			if i := g.s.types[ref.name]; i != nil && i.kind != ast.Interface {
				g.add(ref.pos, "Cannot implement non-interface type %s", ref.name)
			}
		}
	}
}

// ownValues checks what is passed to the directives that the schema itself defines.
func (g *graphqlErrors) ownValues() {
	g.s.eachApplied(func(_ ast.DirectiveLocation, coordinate string, applied *[]*directive) {
		for _, d := range *applied {
			def := g.s.directives[d.name]
			if def == nil || def.builtIn {
				continue
			}
			for _, a := range d.args {
				want := def.arg(a.name)
				if want == nil || g.s.types[want.typ.Name()] == nil || a.value.Kind == ast.NullValue && want.typ.NonNull {
					continue
				}
				if !g.s.validValue(a.value, want.typ) {
					g.add(a.pos, "Invalid value for \"@%s(%s:)\" of type %q in application of \"@%s\" to %q.", d.name, a.name, want.typ, d.name, coordinate)
				}
			}
		}
	})
}

func (g *graphqlErrors) fieldKinds(f *fieldDef) {
	if f.parent.kind == ast.InputObject {
		if !g.input(f.typ) {
			g.add(f.pos, "The type of %q must be an input type but got %q.", f.coordinate(), f.typ)
		}
		return
	}
	if t := g.s.types[f.typ.Name()]; t != nil && t.kind == ast.InputObject {
		g.add(f.pos, "The type of %q must be an output type but got %q.", f.coordinate(), f.typ)
	}
	for _, a := range f.args {
		if !g.input(a.typ) {
			g.add(a.pos, "The type of \"%s(%s:)\" must be an input type but got %q.", f.coordinate(), a.name, a.typ)
		}
	}
}

// validateGraphQL checks the schema as GraphQL, whatever Federation says of it.
func (s *schema) validateGraphQL() []Error {
	g := &graphqlErrors{s: s}
	for _, t := range s.order {
		if !t.builtIn {
			g.typeDef(t)
		}
	}
	for _, d := range s.dirOrder {
		if !d.builtIn && !d.generated {
			g.directiveDef(d)
		}
	}
	g.roots()
	g.circularInputs()
	s.eachApplied(g.applied)
	return g.errs
}

func (g *graphqlErrors) name(name string, pos *ast.Position) {
	if strings.HasPrefix(name, "__") {
		g.add(pos, "Name %q must not begin with \"__\", which is reserved by GraphQL introspection.", name)
	}
}

func (g *graphqlErrors) typeDef(t *typeDef) {
	g.name(t.name, t.pos)
	switch t.kind {
	case ast.Object, ast.Interface, ast.InputObject:
		if len(t.fields) == 0 && !(g.s.root(ast.Query) == t) {
			g.add(t.pos, "Type %s must define one or more fields.", t.name)
		}
		seen := map[string]bool{}
		for _, f := range t.fields {
			if seen[f.name] {
				g.add(f.pos, "Field %s already exists on %s", f.name, t.name)
			}
			seen[f.name] = true
			g.field(f)
		}
		g.implementations(t)
		g.oneOf(t)
	case ast.Union:
		if len(t.members) == 0 {
			g.add(t.pos, "Union type %s must define one or more member types.", t.name)
		}
		seen := map[string]bool{}
		for _, m := range t.members {
			if seen[m.name] {
				g.add(m.pos, "Union type %q can only include type %q once.", t.name, m.name)
			}
			seen[m.name] = true
			if o := g.s.types[m.name]; o.kind != ast.Object {
				g.add(m.pos, "Cannot add non-object type %s as member of union type %s", m.name, t.name)
			}
		}
	case ast.Enum:
		if len(t.values) == 0 {
			g.add(t.pos, "Enum type %s must define one or more values.", t.name)
		}
		seen := map[string]bool{}
		values := t.values[:0:0]
		for _, v := range t.values {
			g.name(v.name, v.pos)
			if v.name == "true" || v.name == "false" || v.name == "null" {
				g.add(v.pos, "Enum type %s cannot include value %s.", t.name, v.name)
			}
			if !seen[v.name] {
				values = append(values, v)
			}
			seen[v.name] = true
		}
		t.values = values
	}
}

// oneOf checks the fields of a @oneOf input object: each may be the one that is left out (section 3.10.1).
func (g *graphqlErrors) oneOf(t *typeDef) {
	if !t.oneOf() {
		return
	}
	for _, f := range t.fields {
		switch {
		case f.typ.NonNull:
			g.add(f.pos, "Field %s of a @oneOf input object must be nullable: only one of its fields is given.", f.coordinate())
		case f.value != nil:
			g.add(f.pos, "Field %s of a @oneOf input object cannot have a default value: only one of its fields is given.", f.coordinate())
		}
	}
}

func (g *graphqlErrors) input(typ *ast.Type) bool {
	t := g.s.types[typ.Name()]
	return t == nil || t.kind == ast.Scalar || t.kind == ast.Enum || t.kind == ast.InputObject
}

func (g *graphqlErrors) field(f *fieldDef) {
	g.name(f.name, f.pos)
	if f.parent.kind == ast.InputObject {
		if !g.input(f.typ) {
			g.add(f.pos, "The type of %q must be an input type but got %q.", f.coordinate(), f.typ)
			return
		}
		if required(f.typ, f.value) && isDeprecated(f.applied) {
			g.add(f.pos, "Required input field %s cannot be deprecated.", f.coordinate())
		}
		if f.value != nil && !g.s.validValue(f.value, f.typ) {
			g.add(f.pos, "Invalid default value (got: %s) provided for input field %s of type %s.", printValue(f.value), f.coordinate(), f.typ)
		} else if f.value != nil {
			g.s.coerce(f.value, f.typ)
		}
		return
	}
	if t := g.s.types[f.typ.Name()]; t.kind == ast.InputObject {
		g.add(f.pos, "The type of %q must be an output type but got %q.", f.coordinate(), f.typ)
	}
	seen := map[string]bool{}
	args := f.args[:0:0]
	for _, a := range f.args {
		if seen[a.name] {
			continue
		}
		seen[a.name] = true
		args = append(args, a)
		g.arg(a, f.coordinate()+"("+a.name+":)")
	}
	f.args = args
}

func isDeprecated(applied []*directive) bool {
	for _, d := range applied {
		if d.name == "deprecated" {
			return true
		}
	}
	return false
}

func (g *graphqlErrors) arg(a *argDef, coordinate string) {
	g.name(a.name, a.pos)
	if !g.input(a.typ) {
		g.add(a.pos, "The type of %q must be an input type but got %q.", coordinate, a.typ)
		return
	}
	if required(a.typ, a.value) && isDeprecated(a.applied) {
		g.add(a.pos, "Required argument %s cannot be deprecated.", coordinate)
	}
	if a.value != nil && !g.s.validValue(a.value, a.typ) {
		g.add(a.pos, "Invalid default value (got: %s) provided for argument %s of type %s.", printValue(a.value), coordinate, a.typ)
	} else if a.value != nil {
		g.s.coerce(a.value, a.typ)
	}
}

func (g *graphqlErrors) directiveDef(d *directiveDef) {
	g.name(d.name, d.pos)
	for _, a := range d.args {
		g.arg(a, "@"+d.name+"("+a.name+":)")
	}
}

// roots checks that the operations have different root types.
func (g *graphqlErrors) roots() {
	seen := map[string]ast.Operation{}
	for _, op := range operations {
		n := g.s.roots[op]
		if n == "" {
			continue
		}
		if o, ok := seen[n]; ok {
			g.add(g.s.rootPos[op], "The %s and %s root types must be different, but both are %s.", o, op, n)
		}
		seen[n] = op
	}
}

// implementations checks the interfaces that a type implements (section 3.6, "Object type implementation").
func (g *graphqlErrors) implementations(t *typeDef) {
	seen := map[string]bool{}
	for _, ref := range t.interfaces {
		i := g.s.types[ref.name]
		if i.kind != ast.Interface {
			g.add(ref.pos, "Cannot implement non-interface type %s", ref.name)
			continue
		}
		if i == t {
			g.add(ref.pos, "Type %s cannot implement itself because it would create a circular reference.", t.name)
			continue
		}
		if seen[ref.name] {
			g.add(ref.pos, "Type %q can only implement %q once.", t.name, ref.name)
			continue
		}
		seen[ref.name] = true
		for _, super := range i.interfaces {
			if super.name == t.name {
				g.add(ref.pos, "Type %s cannot implement %s because it would create a circular reference.", t.name, i.name)
			} else if !t.implements(super.name) {
				g.add(ref.pos, "Type %s must implement %s because it is implemented by %s.", t.name, super.name, i.name)
			}
		}
		for _, want := range i.fields {
			have := t.field(want.name)
			if have == nil {
				g.add(t.pos, "Interface field %s expected but %s does not provide it.", want.coordinate(), t.name)
				continue
			}
			if !g.s.subtype(want.typ, have.typ) {
				g.add(have.pos, "Interface field %s expects type %s but %s of type %s is not a proper subtype.", want.coordinate(), want.typ, have.coordinate(), have.typ)
			}
			for _, a := range want.args {
				h := have.arg(a.name)
				if h == nil {
					g.add(have.pos, "Interface field argument %s(%s:) expected but %s does not provide it.", want.coordinate(), a.name, have.coordinate())
				} else if h.typ.String() != a.typ.String() {
					g.add(h.pos, "Interface field argument %s(%s:) expects type %s but %s(%s:) is type %s.", want.coordinate(), a.name, a.typ, have.coordinate(), a.name, h.typ)
				}
			}
			for _, a := range have.args {
				if required(a.typ, a.value) && want.arg(a.name) == nil {
					g.add(a.pos, "Field %s includes required argument %s that is missing from the Interface field %s.", have.coordinate(), a.name, want.coordinate())
				}
			}
		}
	}
}

// subtype tells whether have may stand where want is expected.
func (s *schema) subtype(want, have *ast.Type) bool {
	if want.NonNull && !have.NonNull {
		return false
	}
	if want.Elem != nil {
		return have.Elem != nil && s.subtype(want.Elem, have.Elem)
	}
	if have.Elem != nil {
		return false
	}
	if want.NamedType == have.NamedType {
		return true
	}
	w, h := s.types[want.NamedType], s.types[have.NamedType]
	if w == nil || h == nil {
		return false
	}
	switch w.kind {
	case ast.Interface:
		return h.hasFields() && h.implements(w.name)
	case ast.Union:
		for _, m := range w.members {
			if m.name == h.name {
				return true
			}
		}
	}
	return false
}

// circularInputs looks for input objects that can hold no finite value.
func (g *graphqlErrors) circularInputs() {
	const (
		unseen = iota
		active
		done
	)
	state := map[*typeDef]int{}
	var visit func(t *typeDef)
	visit = func(t *typeDef) {
		state[t] = active
		for _, f := range t.fields {
			if !f.typ.NonNull || f.typ.Elem != nil {
				continue
			}
			n := g.s.types[f.typ.NamedType]
			if n.kind != ast.InputObject {
				continue
			}
			switch state[n] {
			case unseen:
				visit(n)
			case active:
				g.add(f.pos, "Cannot reference Input Object %q within itself through a series of non-null fields: %q.", n.name, f.name)
			}
		}
		state[t] = done
	}
	for _, t := range g.s.order {
		if t.kind == ast.InputObject && state[t] == unseen {
			visit(t)
		}
	}
}

// applied checks the directives at one place.
func (g *graphqlErrors) applied(at ast.DirectiveLocation, coordinate string, list *[]*directive) {
	seen := map[string]bool{}
	for _, d := range *list {
		if d.def == nil {
			g.add(d.pos, "Unknown directive \"@%s\".%s", d.name, g.s.suggestion(d.name))
			continue
		}
		if !locatedAt(d.def, at) {
			g.add(d.pos, "Directive \"@%s\" may not be used on %s.", d.name, at)
		}
		if seen[d.name] && !d.def.repeatable {
			g.add(d.pos, "The directive \"@%s\" can only be used once at this location.", d.name)
		}
		seen[d.name] = true
		given := map[string]bool{}
		for _, a := range d.args {
			given[a.name] = true
			def := d.def.arg(a.name)
			if def == nil {
				g.add(a.pos, "Unknown argument %q on directive \"@%s\".", a.name, d.name)
				continue
			}
			if a.value.Kind == ast.NullValue && def.typ.NonNull {
				continue // the published composition takes null for "not given"
			}
			if g.input(def.typ) && !g.s.validValue(a.value, def.typ) {
				g.add(a.pos, "Invalid value for \"@%s(%s:)\" of type %q in application of \"@%s\" to %q.", d.name, a.name, def.typ, d.name, coordinate)
			} else if g.input(def.typ) {
				g.s.coerce(a.value, def.typ)
			}
		}
		for _, a := range d.def.args {
			if required(a.typ, a.value) && !given[a.name] {
				g.add(d.pos, "Directive \"@%s\" argument %q of type %q is required, but it was not provided.", d.name, a.name, a.typ)
			}
		}
	}
}

func locatedAt(d *directiveDef, at ast.DirectiveLocation) bool {
	for _, l := range d.locations {
		if l == at {
			return true
		}
	}
	return false
}

// suggestion says what an author probably meant with a directive that does not exist.
func (s *schema) suggestion(name string) string {
	for _, f := range features() {
		if f.name != name {
			continue
		}
		if !s.isFed2() {
			return sprintf(" If you meant the \"@%s\" directive of Federation 2, note that this schema is one of Federation 1: link the specification with `extend schema @link(url: \"%s/%s\", import: [\"@%s\"])`.", name, federationIdentity, maxFederation, name)
		}
		return sprintf(" If you meant the \"@%s\" directive of Federation, use its full name \"@%s\" or add it to the `import` of the @link to Federation.", name, s.fedName(name))
	}
	return ""
}
