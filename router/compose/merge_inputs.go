package compose

import (
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// mergeInput merges an input object: the fields that all subgraphs that have the type have.
func (m *merger) mergeInput(t *typeDef) {
	m.typeHeader(t)
	types := m.sources[t.name]
	for _, s := range types {
		if s == nil || s.kind != ast.InputObject {
			continue
		}
		for _, f := range s.fields {
			if t.field(f.name) == nil {
				t.addField(&fieldDef{name: f.name})
			}
		}
	}
	var with []int
	for i, s := range types {
		if s != nil {
			with = append(with, i)
		}
	}
	oneOf := m.mergeOneOf(t, with)
	for _, f := range append([]*fieldDef(nil), t.fields...) {
		sources := make([]*fieldDef, len(types))
		var missing, having, needed []int
		for _, i := range with {
			var s *fieldDef
			if types[i].kind == ast.InputObject {
				s = types[i].field(f.name)
			}
			sources[i] = s
			if s == nil {
				missing = append(missing, i)
				continue
			}
			having = append(having, i)
			if required(s.typ, s.value) {
				needed = append(needed, i)
			}
		}
		m.fields[f.coordinate()] = sources
		m.mergeInputField(f, sources)
		if len(missing) == 0 || fed(f.applied, "inaccessible") != nil {
			continue
		}
		if len(needed) > 0 {
			m.errorf(codeRequiredInputMissing, needed, "Input object field %q is required in some subgraphs but does not appear in all subgraphs: it is required in %s but does not appear in %s", f.coordinate(), m.subgraphList(needed), m.subgraphList(missing))
			at := map[int]*ast.Position{}
			for _, i := range having {
				at[i] = sources[i].pos
			}
			m.at(at)
		} else {
			m.hintf(hintInconsistentInputField, having, "Input object field %q will not be added to %q in the supergraph as it does not appear in all subgraphs: it is defined in %s but not in %s", f.name, t.name, m.subgraphList(having), m.subgraphList(missing))
		}
		t.removeField(f.name)
	}
	if oneOf {
		m.checkOneOf(t, with)
	}
	if len(t.fields) == 0 {
		m.errorf(codeEmptyMergedInput, with, "None of the fields of input object type %q are consistently defined in all the subgraphs defining that type. As only fields common to all subgraphs are merged, this would result in an empty type.", t.name)
	}
}

func (m *merger) mergeInputField(f *fieldDef, sources []*fieldDef) {
	var texts []string
	var applied []appliedAt
	values := make([]*ast.Value, len(sources))
	has := make([]bool, len(sources))
	at := map[int]*ast.Position{}
	for i, s := range sources {
		if s == nil {
			continue
		}
		texts = append(texts, s.description)
		applied = append(applied, appliedAt{i, s.applied})
		values[i], has[i], at[i] = s.value, true, s.pos
	}
	f.description = m.description(f.coordinate(), texts)
	same := m.mergeType(f, sources, codeFieldTypeMismatch, "input field", true)
	m.addJoinFields(f, sources, same, nil)
	m.mergeApplied(&f.applied, applied, f.coordinate())
	f.value = m.mergeDefault(f.coordinate(), "Input field", codeInputFieldDefaultMismatch, has, values, at)
}

// oneOf reports whether an input object takes exactly one of its fields (GraphQL specification, September 2025, section
// 3.10.1). A schema may define the directive itself, as those did that are older than the specification of it.
func (t *typeDef) oneOf() bool {
	return t.kind == ast.InputObject && slices.ContainsFunc(t.applied, func(d *directive) bool { return d.name == oneOfDirective })
}

// mergeOneOf makes an input object take exactly one field where some subgraph says so: what it takes then, all take.
func (m *merger) mergeOneOf(t *typeDef, with []int) bool {
	var say, silent []int
	for _, i := range with {
		if m.sources[t.name][i].oneOf() {
			say = append(say, i)
		} else {
			silent = append(silent, i)
		}
	}
	if len(say) == 0 {
		return false
	}
	if len(silent) > 0 {
		m.hintf(hintInconsistentOneOf, with, "Input object %q takes exactly one of its fields in the supergraph, since it has @oneOf in %s, although it has none in %s.", t.name, m.subgraphList(say), m.subgraphList(silent))
	}
	if !t.oneOf() { // a linked specification may carry it already
		t.applied = append(t.applied, &directive{name: oneOfDirective})
	}
	return true
}

// checkOneOf demands that all fields of a @oneOf input object can be left out: a subgraph that has the type without the
// directive may want some of them.
func (m *merger) checkOneOf(t *typeDef, with []int) {
	for _, f := range t.fields {
		if f.typ != nil && f.typ.NonNull {
			m.errorf(codeInvalidGraphQL, with, "Field %q of the @oneOf input object %q must be nullable in all subgraphs, since only one of its fields is given: make it nullable, or take @oneOf off the type.", f.coordinate(), t.name)
		}
	}
}
