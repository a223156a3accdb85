package compose

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// This file checks that the API is still a schema when what is @inaccessible is taken out of it.

func inaccessible(applied []*directive) bool { return fed(applied, "inaccessible") != nil }

// checkInaccessible finds what is visible and needs what is not.
func (m *merger) checkInaccessible() {
	if q := m.out.types["Query"]; q != nil && inaccessible(q.applied) {
		m.errorf(codeQueryRootInaccessible, m.having("Query"), "Type \"Query\" is @inaccessible but is the root query type, which must be in the API schema.")
	}
	for _, t := range m.out.order {
		if t.builtIn || inaccessible(t.applied) {
			continue
		}
		m.checkVisibleType(t)
	}
	for _, d := range m.definitions() {
		for _, a := range d.args {
			m.checkVisibleArg("@"+d.name+"("+a.name+":)", a)
		}
	}
}

// having lists the subgraphs that have a type.
func (m *merger) having(name string) []int {
	var out []int
	for i, s := range m.sources[name] {
		if s != nil {
			out = append(out, i)
		}
	}
	return out
}

func (m *merger) hidden(typ *ast.Type) bool {
	t := m.out.types[typ.Name()]
	return t != nil && inaccessible(t.applied)
}

func (m *merger) checkVisibleType(t *typeDef) {
	children, visible := 0, 0
	count := func(hidden bool) {
		children++
		if !hidden {
			visible++
		}
	}
	for _, f := range t.fields {
		gone := inaccessible(f.applied)
		count(gone)
		if gone {
			m.checkHiddenField(t, f)
			continue
		}
		m.checkVisibleField(t, f)
	}
	for _, ref := range t.members {
		count(inaccessible(m.out.types[ref.name].applied))
	}
	for _, v := range t.values {
		count(inaccessible(v.applied))
	}
	if children > 0 && visible == 0 {
		m.errorf(codeOnlyInaccessibleChildren, m.having(t.name), "Type %q is in the API schema but all of its %s are @inaccessible.", t.name, childWord(t.kind))
	}
}

func childWord(k ast.DefinitionKind) string {
	switch k {
	case ast.Union:
		return "members"
	case ast.Enum:
		return "values"
	}
	return "fields"
}

// checkHiddenField checks a field that is taken away.
func (m *merger) checkHiddenField(t *typeDef, f *fieldDef) {
	if t.kind == ast.InputObject {
		if required(f.typ, f.value) {
			m.errorf(codeRequiredInaccessible, m.having(t.name), "Input field %q is @inaccessible but is a required input field of its type.", f.coordinate())
		}
		return
	}
	for _, ref := range t.interfaces {
		itf := m.out.types[ref.name]
		if itf == nil || inaccessible(itf.applied) {
			continue
		}
		if want := itf.field(f.name); want != nil && !inaccessible(want.applied) {
			m.errorf(codeImplementedByInaccessible, m.having(t.name), "Field %q is @inaccessible but implements the interface field %q, which is in the API schema.", f.coordinate(), want.coordinate())
		}
	}
}

// checkVisibleField checks a field that stays.
func (m *merger) checkVisibleField(t *typeDef, f *fieldDef) {
	if m.hidden(f.typ) {
		m.errorf(codeReferencedInaccessible, m.having(t.name), "Type %q is @inaccessible but is referenced by %q, which is in the API schema.", f.typ.Name(), f.coordinate())
	}
	if f.value != nil && m.valueHidden(f.value, f.typ) {
		m.errorf(codeDefaultValueInaccessible, m.having(t.name), "The default value %s of %q uses what is @inaccessible, but it is in the API schema.", printValue(f.value), f.coordinate())
	}
	for _, a := range f.args {
		where := f.coordinate() + "(" + a.name + ":)"
		if !inaccessible(a.applied) {
			m.checkVisibleArg(where, a)
			continue
		}
		if required(a.typ, a.value) {
			m.errorf(codeRequiredInaccessible, m.having(t.name), "Argument %q is @inaccessible but is a required argument of its field.", where)
		}
		for _, ref := range t.interfaces {
			itf := m.out.types[ref.name]
			if itf == nil || inaccessible(itf.applied) {
				continue
			}
			want := itf.field(f.name)
			if want == nil || inaccessible(want.applied) {
				continue
			}
			if wa := want.arg(a.name); wa != nil && !inaccessible(wa.applied) {
				m.errorf(codeImplementedByInaccessible, m.having(t.name), "Argument %q is @inaccessible but implements the interface argument \"%s(%s:)\", which is in the API schema.", where, want.coordinate(), a.name)
			}
		}
	}
}

func (m *merger) checkVisibleArg(where string, a *argDef) {
	if m.hidden(a.typ) {
		m.errorf(codeReferencedInaccessible, nil, "Type %q is @inaccessible but is referenced by %q, which is in the API schema.", a.typ.Name(), where)
	}
	if a.value != nil && m.valueHidden(a.value, a.typ) {
		m.errorf(codeDefaultValueInaccessible, nil, "The default value %s of %q uses what is @inaccessible, but it is in the API schema.", printValue(a.value), where)
	}
}

// valueHidden tells whether a literal uses an enum value or an input field that is not visible.
func (m *merger) valueHidden(v *ast.Value, typ *ast.Type) bool {
	if v.Kind == ast.NullValue {
		return false
	}
	if v.Kind == ast.ListValue {
		under := typ
		if typ.Elem != nil {
			under = typ.Elem
		}
		for _, c := range v.Children {
			if m.valueHidden(c.Value, under) {
				return true
			}
		}
		return false
	}
	t := m.out.types[typ.Name()]
	if t == nil {
		return false
	}
	switch t.kind {
	case ast.Enum:
		if e := t.value(v.Raw); e != nil {
			return inaccessible(e.applied)
		}
	case ast.InputObject:
		for _, c := range v.Children {
			f := t.field(c.Name)
			if f != nil && (inaccessible(f.applied) || m.valueHidden(c.Value, f.typ)) {
				return true
			}
		}
	}
	return false
}
