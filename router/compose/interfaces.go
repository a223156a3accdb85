package compose

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// hasInterfaceObject tells whether some subgraph has a merged interface as an interface object.
func (m *merger) hasInterfaceObject(t *typeDef) bool {
	for _, s := range m.sources[t.name] {
		if s != nil && s.interfaceObject() {
			return true
		}
	}
	return false
}

// copyInterfaceObjectFields gives the implementations of an interface the fields that only interface objects resolve.
func (m *merger) copyInterfaceObjectFields() {
	for _, itf := range m.merging(ast.Interface) {
		if !m.hasInterfaceObject(itf) {
			continue
		}
		for _, f := range itf.fields {
			if !m.resolvedByInterfaceObject(f) {
				continue
			}
			for _, t := range m.merging(ast.Object) {
				if !t.implements(itf.name) || t.field(f.name) != nil {
					continue
				}
				c := &fieldDef{name: f.name, description: f.description, typ: f.typ}
				for _, a := range f.args {
					n := *a
					c.args = append(c.args, &n)
				}
				c.applied = append(c.applied, join("field"))
				for _, d := range f.applied {
					if d.name != "join__field" {
						c.applied = append(c.applied, d)
					}
				}
				t.addField(c)
				sources := make([]*fieldDef, len(m.schemas))
				m.fields[c.coordinate()] = sources
				m.checkSharing(c, sources, nil)
			}
		}
	}
}

// resolvedByInterfaceObject tells whether a field of an interface comes from an interface object.
func (m *merger) resolvedByInterfaceObject(f *fieldDef) bool {
	for _, s := range m.fields[f.coordinate()] {
		if s != nil && s.parent.interfaceObject() {
			return true
		}
	}
	return false
}

// checkMerged checks what only shows when all is merged: first whether interfaces are implemented, then whether what came of it is a
// schema.
func (m *merger) checkMerged() {
	for _, t := range m.out.order {
		if t.hasFields() {
			m.checkImplementations(t)
		}
	}
	m.checkTransitiveAuth()
	if len(m.c.errors) > 0 {
		return
	}
	m.checkReservedTypes()
	for _, t := range m.out.order {
		m.checkReferred(t)
	}
	m.checkDefaults()
	m.checkAppliedMerged()
}

// checkReferred demands that the interfaces and members of a type are interfaces and objects, and that it holds what its interfaces promise.
func (m *merger) checkReferred(t *typeDef) {
	invalid := func(format string, args ...any) {
		m.errorf(codeInvalidGraphQL, m.having(t.name), format, args...)
	}
	for _, ref := range t.members {
		if o := m.out.types[ref.name]; o == nil || o.kind != ast.Object {
			invalid("Cannot add non-object type %s as member of union type %s", ref.name, t.name)
		}
	}
	for _, ref := range t.interfaces {
		itf := m.out.types[ref.name]
		if itf == nil || itf.kind != ast.Interface {
			invalid("Type %s cannot implement %s, which is no interface of the supergraph", t.name, ref.name)
			continue
		}
		for _, super := range itf.interfaces {
			if !t.implements(super.name) && super.name != t.name {
				invalid("Type %s must implement %s because it is implemented by %s.", t.name, super.name, itf.name)
			}
		}
		for _, f := range itf.fields {
			if have := t.field(f.name); have != nil {
				m.checkImplementing(f, have)
			}
		}
	}
}

// checkDefaults looks for default values that have become invalid since what they name is not in all subgraphs.
func (m *merger) checkDefaults() {
	check := func(value *ast.Value, typ *ast.Type, subgraphs []int, format, coordinate string) {
		if value != nil && !m.out.validValue(value, typ) {
			m.errorf(codeInvalidGraphQL, subgraphs, "Invalid default value (got: %s) provided for "+format+" of type %s.", printValue(value), coordinate, typ)
		}
	}
	for _, t := range m.out.order {
		for _, f := range t.fields {
			check(f.value, f.typ, m.having(t.name), "input field %s", f.coordinate())
			for _, a := range f.args {
				check(a.value, a.typ, m.having(t.name), "argument %s", f.coordinate()+"("+a.name+":)")
			}
		}
	}
	for _, d := range m.definitions() {
		for _, a := range d.args {
			if m.out.types[a.typ.Name()] != nil {
				check(a.value, a.typ, nil, "argument %s", "@"+d.name+"("+a.name+":)")
			}
		}
	}
}

// definitions gives the directives that the supergraph defines, those of the link and join specifications aside.
func (m *merger) definitions() []*directiveDef {
	out := append([]*directiveDef(nil), m.out.dirOrder...)
	for _, f := range m.features {
		out = append(out, f.directives...)
	}
	return out
}

// checkImplementations demands that a type has all fields of its interfaces.
func (m *merger) checkImplementations(t *typeDef) {
	for _, ref := range t.interfaces {
		itf := m.out.types[ref.name]
		if itf == nil || itf.kind != ast.Interface {
			continue
		}
		for _, f := range itf.fields {
			if t.field(f.name) != nil {
				continue
			}
			var declared, implementing []int
			at := map[int]*ast.Position{}
			for i, s := range m.fields[f.coordinate()] {
				if s != nil {
					declared = append(declared, i)
					at[i] = s.pos
				}
			}
			for i, s := range m.sources[t.name] {
				if s != nil && s.implements(itf.name) {
					implementing = append(implementing, i)
					if at[i] == nil {
						at[i] = s.pos
					}
				}
			}
			m.errorf(codeInterfaceFieldNoImplem, append(append([]int{}, declared...), implementing...), "Interface field %q is declared in %s but type %q, which implements %q only in %s does not have field %q.", f.coordinate(), m.subgraphList(declared), t.name, itf.name, m.subgraphList(implementing), f.name)
			m.at(at)
		}
	}
}

// checkImplementing demands that a merged field can stand for an interface's.
func (m *merger) checkImplementing(want, have *fieldDef) {
	if !m.subtype(want.typ, have.typ) {
		m.errorf(codeInvalidGraphQL, m.having(have.parent.name), "Interface field %s expects type %s but %s of type %s is not a proper subtype.", want.coordinate(), want.typ, have.coordinate(), have.typ)
	}
	for _, a := range want.args {
		h := have.arg(a.name)
		if h == nil {
			m.errorf(codeInvalidGraphQL, m.having(have.parent.name), "Interface field argument %s(%s:) expected but %s does not provide it.", want.coordinate(), a.name, have.coordinate())
		} else if h.typ.String() != a.typ.String() {
			m.errorf(codeInvalidGraphQL, m.having(have.parent.name), "Interface field argument %s(%s:) expects type %s but %s(%s:) is type %s.", want.coordinate(), a.name, a.typ, have.coordinate(), a.name, h.typ)
		}
	}
	for _, a := range have.args {
		if required(a.typ, a.value) && want.arg(a.name) == nil {
			m.errorf(codeInvalidGraphQL, m.having(have.parent.name), "Field %s includes required argument %s that is missing from the Interface field %s.", have.coordinate(), a.name, want.coordinate())
		}
	}
}

// checkInterfaceKeyCoverage demands that a subgraph with a resolvable key on an interface knows all implementations: it may be asked
// for any of them.
func (m *merger) checkInterfaceKeyCoverage(itf *typeDef) {
	for i, s := range m.sources[itf.name] {
		if s == nil || s.kind != ast.Interface {
			continue
		}
		var key *directive
		for _, k := range fedApplied(s.applied, "key") {
			if key == nil && isResolvable(k) {
				key = k
			}
		}
		if key == nil {
			continue
		}
		var missing []string
		with := []int{i}
		for _, t := range m.merging(ast.Object) {
			if !t.implements(itf.name) || m.schemas[i].types[t.name] != nil {
				continue
			}
			missing = append(missing, quote(t.name))
			for j, o := range m.sources[t.name] {
				if o != nil && o.implements(itf.name) && !containsInt(with, j) {
					with = append(with, j)
				}
			}
		}
		if len(missing) > 0 {
			m.errorf(codeInterfaceKeyMissingImpl, with, "[%s] Interface type %q has a resolvable key (@key(fields: %s)) in subgraph %q but that subgraph is missing some of the supergraph implementation types of %q. Subgraph %q should define %s (and have it implement %q).", m.schemas[i].name, itf.name, quote(key.str("fields")), m.schemas[i].name, itf.name, m.schemas[i].name, joined(missing), itf.name)
			m.at(map[int]*ast.Position{i: key.pos})
		}
	}
}

// checkAbstracted refuses implementations of an interface where it is an interface object: they are what it stands for.
func (m *merger) checkAbstracted(itf *typeDef) {
	for i, s := range m.sources[itf.name] {
		if s == nil || !s.interfaceObject() {
			continue
		}
		var defined []string
		for _, t := range m.merging(ast.Object) {
			if t.implements(itf.name) && m.sources[t.name][i] != nil {
				defined = append(defined, quote(t.name))
			}
		}
		if len(defined) > 0 {
			m.errorf(codeInterfaceObjectUsage, []int{i}, "[%s] Interface type %q is defined as an @interfaceObject in subgraph %q so that subgraph should not define any of the implementation types of %q, but it defines %s", m.schemas[i].name, itf.name, m.schemas[i].name, itf.name, joined(defined))
			m.at(map[int]*ast.Position{i: s.pos})
		}
	}
}

// checkReservedTypes refuses what uses a type that merging has left out.
func (m *merger) checkReservedTypes() {
	for _, t := range m.out.order {
		for _, f := range t.fields {
			if f.typ != nil && m.out.types[f.typ.Name()] == nil {
				m.errorf(codeInvalidGraphQL, nil, "Field %q has the type %q, which is not part of the supergraph", f.coordinate(), f.typ)
			}
		}
	}
}
