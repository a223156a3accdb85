package compose

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// shareable tells whether a subgraph says that others may resolve a field too: by @shareable, on the field or on the
// declaration of the type it stands in, or by making it part of a key.
func (m *merger) shareable(i int, f *fieldDef) bool {
	if fed(f.applied, "shareable") != nil {
		return true
	}
	for _, d := range f.parent.applied {
		if d.fed == "shareable" && d.decl == f.decl {
			return true
		}
	}
	return m.schemas[i].keyField(f) || m.schemas[i].provided[f] && m.schemas[i].external(f)
}

// keyField tells whether a field is part of a key of some type.
func (s *schema) keyField(f *fieldDef) bool {
	if s.keyFields == nil {
		s.keyFields = map[*fieldDef]bool{}
		for _, t := range s.order {
			for _, d := range fedApplied(t.applied, "key") {
				set, err := s.parseFieldSet(t, d.str("fields"), nil)
				if err != nil {
					continue
				}
				eachField(set, func(n *selection) { s.keyFields[n.field] = true })
			}
		}
	}
	return s.keyFields[f]
}

// checkSharing demands that a field which several subgraphs resolve is shareable in all of them.
func (m *merger) checkSharing(f *fieldDef, sources []*fieldDef, o *overriding) {
	var sharing, notSharing, all []int
	at := map[int]*ast.Position{}
	consider := func(i int, s *fieldDef) {
		if m.schemas[i].fullyExternal(s) {
			return
		}
		at[i] = s.pos
		all = append(all, i)
		if m.shareable(i, s) {
			sharing = append(sharing, i)
		} else {
			notSharing = append(notSharing, i)
		}
	}
	for i, s := range sources {
		if s == nil {
			for _, a := range m.abstracted(f, i) {
				consider(i, a)
			}
			continue
		}
		if o.overridden(i) {
			continue
		}
		consider(i, s)
	}
	if len(notSharing) == 0 || len(all) < 2 {
		return
	}
	where := "all of them"
	if len(sharing) > 0 {
		where = m.subgraphList(notSharing)
	}
	extra := ""
	for i, s := range sources {
		if s == nil {
			continue
		}
		if d := fed(s.applied, "override"); d != nil && m.byName(d.str("from")) < 0 {
			extra = sprintf(" (please note that %q has an @override directive in %q that targets an unknown subgraph so this could be due to misspelling the @override(from:) argument)", f.coordinate(), m.schemas[i].name)
		}
	}
	m.errorf(codeInvalidFieldSharing, all, "Non-shareable field %q is resolved from multiple subgraphs: it is resolved from %s and defined as non-shareable in %s%s", f.coordinate(), m.subgraphList(all), where, extra)
	m.at(at)
}

// checkSubscription refuses to share the fields of the subscription root: an event comes from one place.
func (m *merger) checkSubscription(f *fieldDef, sources []*fieldDef) {
	var with []int
	shared := false
	at := map[int]*ast.Position{}
	for i, s := range sources {
		if s == nil || m.schemas[i].external(s) {
			continue
		}
		with = append(with, i)
		at[i] = s.pos
		shared = shared || fed(s.applied, "shareable") != nil
	}
	if shared {
		m.errorf(codeInvalidFieldSharing, with, "Fields on root level subscription object cannot be marked as shareable: %q is in %s", f.coordinate(), m.subgraphList(with))
		m.at(at)
	}
}

// byName gives the number of the subgraph of a name, -1 when there is none.
func (m *merger) byName(name string) int {
	for i, s := range m.schemas {
		if s.name == name {
			return i
		}
	}
	return -1
}
