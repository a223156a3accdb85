package compose

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// enumUsage says where the supergraph uses an enum.
type enumUsage struct{ input, output bool }

// noteUsage notes that a type is used by the supergraph.
func (m *merger) noteUsage(typ *ast.Type, input bool) {
	u := m.usage[typ.Name()]
	if u == nil {
		u = &enumUsage{}
		m.usage[typ.Name()] = u
	}
	u.input = u.input || input
	u.output = u.output || !input
}

// mergeEnum merges an enum: what clients may send must be known to all subgraphs, what they receive to one.
func (m *merger) mergeEnum(t *typeDef) {
	m.typeHeader(t)
	u := m.usage[t.name]
	types := m.sources[t.name]
	var with []int
	var names []string
	seen := map[string]bool{}
	for i, s := range types {
		if s == nil || s.kind != ast.Enum {
			continue
		}
		with = append(with, i)
		for _, v := range s.values {
			if !seen[v.name] {
				seen[v.name] = true
				names = append(names, v.name)
			}
		}
	}
	if u == nil {
		u = &enumUsage{output: true}
		m.hintf(hintUnusedEnum, with, "Enum type %q is defined but unused. It will be included in the supergraph with all the values appearing in any subgraph (\"as if\" it was only used as an output type).", t.name)
	}
	for _, name := range names {
		v := &valueDef{name: name}
		var texts []string
		var applied []appliedAt
		var missing, having []int
		for _, i := range with {
			s := types[i].value(name)
			if s == nil {
				missing = append(missing, i)
				continue
			}
			having = append(having, i)
			texts = append(texts, s.description)
			applied = append(applied, appliedAt{i, s.applied})
			v.applied = append(v.applied, join("enumValue", graphArg(m.schemas[i])))
		}
		v.description = m.description(t.name+"."+name, texts)
		m.mergeApplied(&v.applied, applied, t.name+"."+name)
		if len(missing) > 0 && u.input && fed(v.applied, "inaccessible") == nil {
			if !u.output {
				m.hintf(hintInconsistentEnumInput, having, "Value %q of enum type %q will not be part of the supergraph as it is not defined in all the subgraphs defining %q: it is defined in %s but not in %s", name, t.name, t.name, m.subgraphList(having), m.subgraphList(missing))
				continue
			}
			m.errorf(codeEnumValueMismatch, append(append([]int{}, having...), missing...), "Enum type %q is used as both input type and output type, but value %q is not defined in all the subgraphs defining %q: it is defined in %s but not in %s", t.name, name, t.name, m.subgraphList(having), m.subgraphList(missing))
		} else if len(missing) > 0 && !u.input {
			m.hintf(hintInconsistentEnumOutput, having, "Value %q of enum type %q has been added to the supergraph but is only defined in a subset of the subgraphs defining %q: it is defined in %s but not in %s", name, t.name, t.name, m.subgraphList(having), m.subgraphList(missing))
		}
		t.values = append(t.values, v)
	}
	if len(t.values) == 0 {
		m.errorf(codeEmptyMergedEnum, with, "None of the values of enum type %q are defined consistently in all the subgraphs defining that type. As only values common to all subgraphs are merged, this would result in an empty type.", t.name)
	}
}
