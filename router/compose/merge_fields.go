package compose

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// mergeFields merges an object or interface type: the union of its fields.
func (m *merger) mergeFields(t *typeDef) {
	implements := t.applied
	t.applied = nil
	m.typeHeader(t)
	t.applied = spliceImplements(t.applied, implements)
	types := m.sources[t.name]
	for _, s := range types {
		if s == nil || s.mergedKind() != t.kind {
			continue
		}
		for _, f := range s.fields {
			if t.field(f.name) == nil {
				t.addField(&fieldDef{name: f.name})
			}
		}
	}
	for _, f := range append([]*fieldDef(nil), t.fields...) {
		sources := make([]*fieldDef, len(types))
		for i, s := range types {
			if s != nil && s.mergedKind() == t.kind {
				sources[i] = s.field(f.name)
			}
		}
		m.fields[f.coordinate()] = sources
		o := m.checkOverride(f, sources)
		m.overrides[f.coordinate()] = o
		if t.name == "Subscription" {
			m.checkSubscription(f, sources)
		}
		m.mergeField(f, sources, o)
		if t.kind == ast.Object {
			m.checkSharing(f, sources, o)
		}
	}
	if len(t.fields) == 0 {
		m.out.removeType(t.name)
	}
}

// spliceImplements puts join__implements after join__type.
func spliceImplements(applied, implements []*directive) []*directive {
	i := 0
	for i < len(applied) && applied[i].name == "join__type" {
		i++
	}
	out := append([]*directive{}, applied[:i]...)
	out = append(out, implements...)
	return append(out, applied[i:]...)
}

// mergeField merges one field of an object or interface.
func (m *merger) mergeField(f *fieldDef, sources []*fieldDef, o *overriding) {
	if m.onlyExternal(f, sources) {
		var with []int
		at := map[int]*ast.Position{}
		for i, s := range sources {
			if s != nil {
				with = append(with, i)
				at[i] = s.pos
			}
		}
		m.errorf(codeExternalMissingOnBase, with, "Field %q is marked @external on all the subgraphs in which it is listed (%s).", f.coordinate(), m.subgraphList(with))
		m.at(at)
		f.typ = firstField(sources).typ
		return
	}
	own := make([]*fieldDef, len(sources))
	external := false
	for i, s := range sources {
		if s == nil {
			continue
		}
		if m.schemas[i].external(s) {
			external = true
			m.checkDirectivesOnExternal(i, s)
			continue
		}
		own[i] = s
	}
	if firstField(own) == nil {
		// Only interface objects resolve it: what the external definitions say is all that is known of the field itself.
		own = sources
	}
	var texts []string
	var applied []appliedAt
	for i, s := range own {
		if s != nil {
			texts = append(texts, s.description)
			applied = append(applied, appliedAt{i, s.applied})
		}
	}
	f.description = m.description(f.coordinate(), texts)
	m.mergeArgs(f.coordinate(), fieldArgs(own), &f.args)
	same := m.mergeType(f, own, codeFieldTypeMismatch, "field", false)
	if external {
		m.checkExternals(f, sources, same)
	}
	m.addJoinFields(f, sources, same, o)
	m.mergeApplied(&f.applied, applied, f.coordinate())
	applied = nil
	for i, s := range sources {
		if s != nil {
			applied = append(applied, appliedAt{i, s.applied})
		}
	}
	m.joinApplied(&f.applied, applied)
}

func firstField(sources []*fieldDef) *fieldDef {
	for _, s := range sources {
		if s != nil {
			return s
		}
	}
	return nil
}

// onlyExternal tells whether no subgraph resolves the field, on the type itself or through an interface object.
func (m *merger) onlyExternal(f *fieldDef, sources []*fieldDef) bool {
	for i, s := range sources {
		if s != nil {
			if !m.schemas[i].external(s) {
				return false
			}
			continue
		}
		for _, a := range m.abstracted(f, i) {
			if !m.schemas[i].external(a) {
				return false
			}
		}
	}
	return true
}

// abstracted gives the fields by which subgraph i has the field of an object type through interface objects.
func (m *merger) abstracted(f *fieldDef, i int) []*fieldDef {
	if f.parent.kind != ast.Object || m.schemas[i].types[f.parent.name] != nil {
		return nil
	}
	var out []*fieldDef
	for _, ref := range f.parent.interfaces {
		if t := m.schemas[i].types[ref.name]; t != nil && t.interfaceObject() {
			if a := t.field(f.name); a != nil {
				out = append(out, a)
			}
		}
	}
	return out
}

// subgraphList names subgraphs in a message.
func (m *merger) subgraphList(list []int) string {
	var names []string
	for _, i := range list {
		names = append(names, quote(m.schemas[i].name))
	}
	if len(names) == 1 {
		return "subgraph " + names[0]
	}
	return "subgraphs " + joined(names)
}

// checkDirectivesOnExternal refuses what would be merged from a definition that is not: an external one.
func (m *merger) checkDirectivesOnExternal(i int, f *fieldDef) {
	for _, d := range f.applied {
		if m.carried[i][d.name] != nil {
			m.errorf(codeMergedDirectiveOnExternal, []int{i}, "[%s] Cannot apply merged directive @%s to external field %q", m.schemas[i].name, d.name, f.coordinate())
			m.at(map[int]*ast.Position{i: d.pos})
		}
	}
}

// mergeType merges the types of a field: the most general for output, the most specific for input. It tells whether all
// subgraphs have the same.
func (m *merger) mergeType(f *fieldDef, sources []*fieldDef, code, what string, input bool) bool {
	types := make([]*ast.Type, len(sources))
	at := map[int]*ast.Position{}
	for i, s := range sources {
		if s != nil {
			types[i] = s.typ
			at[i] = s.pos
		}
	}
	typ, same := m.mergeTypes(f.coordinate(), types, at, code, what, input)
	f.typ = typ
	m.noteUsage(typ, input)
	return same
}

func (m *merger) mergeTypes(coordinate string, types []*ast.Type, at map[int]*ast.Position, code, what string, input bool) (merged *ast.Type, same bool) {
	same = true
	compatible := true
	for _, t := range types {
		switch {
		case t == nil:
		case merged == nil:
			merged = t
		case merged.String() == t.String():
		case m.subtype(merged, t):
			same = false
			if input {
				merged = t
			}
		case m.subtype(t, merged):
			same = false
			if !input {
				merged = t
			}
		default:
			compatible, same = false, false
		}
	}
	if same {
		return merged, true
	}
	var with []int
	groups := map[string][]int{}
	var order []string
	for i, t := range types {
		if t == nil {
			continue
		}
		with = append(with, i)
		if groups[t.String()] == nil {
			order = append(order, t.String())
		}
		groups[t.String()] = append(groups[t.String()], i)
	}
	text := ""
	for i, t := range order {
		if i > 0 {
			text += " but "
		}
		text += sprintf("type %q in %s", t, m.subgraphList(groups[t]))
	}
	if !compatible {
		m.errorf(code, with, "Type of %s %q is incompatible across subgraphs: it has %s", what, coordinate, text)
		m.at(at)
		return merged, false
	}
	hint := hintInconsistentFieldType
	if what == "argument" {
		hint = hintInconsistentArgumentType
	}
	m.hintf(hint, with, "Type of %s %q is inconsistent but compatible across subgraphs: it has %s. The supergraph uses type %q.", what, coordinate, text, merged)
	return merged, false
}

// subtype tells whether have may stand where want is expected, by the merged types.
func (m *merger) subtype(want, have *ast.Type) bool { return m.out.subtype(want, have) }

// checkExternals compares external definitions with what they refer to.
func (m *merger) checkExternals(f *fieldDef, sources []*fieldDef, same bool) {
	var types, missing, badArgs, defaults []int
	at := map[int]*ast.Position{}
	note := func(list *[]int, i int) {
		if n := len(*list); n == 0 || (*list)[n-1] != i {
			*list = append(*list, i)
		}
	}
	for i, s := range sources {
		if s == nil || !m.schemas[i].external(s) {
			continue
		}
		at[i] = s.pos
		equal := f.typ.String() == s.typ.String()
		if !equal && (same || !m.subtype(f.typ, s.typ)) {
			note(&types, i)
		}
		for _, a := range f.args {
			e := s.arg(a.name)
			if e == nil {
				note(&missing, i)
				continue
			}
			if e.typ.String() != a.typ.String() && !m.subtype(e.typ, a.typ) {
				note(&badArgs, i)
			}
			if !sameDefault(e.value, a.value) {
				note(&defaults, i)
			}
		}
	}
	report := func(code string, list []int, what string) {
		if len(list) == 0 {
			return
		}
		m.errorf(code, list, "Field %q has %s in %s where it is marked @external, unlike where it is defined", f.coordinate(), what, m.subgraphList(list))
		places := map[int]*ast.Position{}
		for _, i := range list {
			places[i] = at[i]
		}
		m.at(places)
	}
	report(codeExternalTypeMismatch, types, "another type")
	report(codeExternalArgMissing, missing, "fewer arguments")
	report(codeExternalArgTypeMismatch, badArgs, "an argument of another type")
	report(codeExternalArgDefaultMismatch, defaults, "an argument with another default")
}

// needsJoinField tells whether what each subgraph has of a field does not follow from its having the type.
func (m *merger) needsJoinField(f *fieldDef, sources []*fieldDef, same bool, o *overriding) bool {
	if !same || o.partial() {
		return true
	}
	for i, s := range sources {
		if s == nil || o.dropped(i) {
			if m.schemas[i].types[f.parent.name] != nil {
				return true
			}
			continue
		}
		if m.schemas[i].external(s) || fed(s.applied, "provides") != nil || fed(s.applied, "requires") != nil {
			return true
		}
		for _, a := range s.args {
			if _, ok := contextual(a); ok {
				return true
			}
		}
	}
	return false
}

// addJoinFields writes what each subgraph has of a field, where it is needed.
func (m *merger) addJoinFields(f *fieldDef, sources []*fieldDef, same bool, o *overriding) {
	if !m.needsJoinField(f, sources, same, o) {
		return
	}
	for i, s := range sources {
		if s == nil || o.dropped(i) {
			continue
		}
		d := join("field", graphArg(m.schemas[i]))
		text := func(name, value string) {
			if value != "" {
				d.args = append(d.args, &argument{name: name, value: stringValue(value)})
			}
		}
		if r := fed(s.applied, "requires"); r != nil {
			text("requires", r.str("fields"))
		}
		if p := fed(s.applied, "provides"); p != nil {
			text("provides", p.str("fields"))
		}
		if !same {
			text("type", s.typ.String())
		}
		if m.schemas[i].external(s) {
			d.args = append(d.args, &argument{name: "external", value: boolValue(true)})
		}
		if ov := fed(s.applied, "override"); ov != nil {
			text("override", ov.str("from"))
		}
		if o.usedIn(i) {
			d.args = append(d.args, &argument{name: "usedOverridden", value: boolValue(true)})
		}
		text("overrideLabel", o.label(i))
		if c := m.contextArguments(i, s); c != nil {
			d.args = append(d.args, &argument{name: "contextArguments", value: c})
		}
		f.applied = append(f.applied, d)
	}
}

// contextArguments writes the arguments of a field that are taken from contexts.
func (m *merger) contextArguments(i int, f *fieldDef) *ast.Value {
	var items []*ast.Value
	for _, a := range f.args {
		text, ok := contextual(a)
		if !ok {
			continue
		}
		name, sel, _ := splitContext(text)
		v := &ast.Value{Kind: ast.ObjectValue}
		add := func(name string, value *ast.Value) {
			v.Children = append(v.Children, &ast.ChildValue{Name: name, Value: value})
		}
		add("context", stringValue(m.schemas[i].name+"__"+name))
		add("name", stringValue(a.name))
		add("type", stringValue(a.typ.String()))
		add("selection", stringValue(sel))
		items = append(items, v)
	}
	if items == nil {
		return nil
	}
	return listValue(items)
}
