package compose

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// This file finds what does not stand in the way of composition and is yet odd about the subgraphs.

// hint gives the hints about what was merged.
func (m *merger) hint() {
	for i, s := range m.schemas {
		if implied := s.implied(); s.isFed2() && !s.version.atLeast(implied) {
			m.hintf(hintImplicitlyUpgraded, []int{i}, "Subgraph %s has been implicitly upgraded from federation %s to %s", s.name, s.version, implied)
		}
	}
	m.hintVersions()
	for _, t := range m.out.order {
		if t.builtIn {
			continue
		}
		switch t.kind {
		case ast.Object, ast.Interface:
			m.hintEntity(t)
			m.hintValueType(t)
		case ast.Union:
			m.hintMembers(t)
		}
	}
}

// hintEntity tells of types that are entities in some subgraphs only.
func (m *merger) hintEntity(t *typeDef) {
	if t.kind != ast.Object {
		return
	}
	var with, without []int
	for i, s := range m.sources[t.name] {
		switch {
		case s == nil:
		case fed(s.applied, "key") != nil:
			with = append(with, i)
		default:
			without = append(without, i)
		}
	}
	if len(with) > 0 && len(without) > 0 {
		m.hintf(hintInconsistentEntity, append(append([]int{}, with...), without...), "Type %q is declared as an entity (has a @key applied) in some but not all defining subgraphs: it has no @key in %s but has some @key in %s.", t.name, m.subgraphList(without), m.subgraphList(with))
	}
}

// hintValueType tells of fields that only some of the subgraphs have that share a type which is no entity.
func (m *merger) hintValueType(t *typeDef) {
	if m.hasInterfaceObject(t) {
		return
	}
	code, what := hintInconsistentInterfaceField, "interface type"
	if t.kind == ast.Object {
		if m.isRootName(t.name) {
			return
		}
		for _, s := range m.sources[t.name] {
			if s != nil && fed(s.applied, "key") != nil {
				return
			}
		}
		code, what = hintInconsistentObjectField, "non-entity object type"
	}
	for _, f := range t.fields {
		having, missing := m.presence(t, func(s *typeDef) bool { return s.field(f.name) != nil })
		missing = slices.DeleteFunc(missing, func(i int) bool { return m.borrowed(i, t) })
		if len(having) > 0 && len(missing) > 0 {
			m.hintf(code, having, "Field %q of %s %q is defined in some but not all subgraphs that define %q: %q is defined in %s but not in %s.", f.coordinate(), what, t.name, t.name, f.coordinate(), m.subgraphList(having), m.subgraphList(missing))
		}
	}
}

// borrowed tells whether a subgraph resolves nothing of a type, which it only has for what it requires.
func (m *merger) borrowed(i int, t *typeDef) bool {
	for _, f := range m.sources[t.name][i].fields {
		if !m.schemas[i].external(f) {
			return false
		}
	}
	return true
}

// hintVersions tells of linked specifications that are not composed and have several major versions.
func (m *merger) hintVersions() {
	majors := map[string]map[int]bool{}
	with := map[string][]int{}
	var order []string
	for i, s := range m.schemas {
		for _, l := range s.links {
			if majors[l.identity] == nil {
				order = append(order, l.identity)
				majors[l.identity] = map[int]bool{}
			}
			majors[l.identity][l.version.major] = true
			with[l.identity] = append(with[l.identity], i)
		}
	}
	for _, id := range order {
		composed := slices.ContainsFunc(m.features, func(f *mergedFeature) bool { return f.identity == id })
		if len(majors[id]) > 1 && !composed {
			m.hintf(hintDirectiveCompositionInfo, with[id], "Non-composed core feature %q has major version mismatch across subgraphs", id)
		}
	}
}

// hintMembers tells of members that a union has in some subgraphs only.
func (m *merger) hintMembers(t *typeDef) {
	for _, ref := range t.members {
		having, missing := m.presence(t, func(s *typeDef) bool {
			for _, r := range s.members {
				if r.name == ref.name {
					return true
				}
			}
			return false
		})
		if len(missing) > 0 {
			m.hintf(hintInconsistentUnionMember, having, "Union type %q includes member type %q in some but not all defining subgraphs: %q is defined in %s but not in %s.", t.name, ref.name, ref.name, m.subgraphList(having), m.subgraphList(missing))
		}
	}
}

// presence splits the subgraphs that have a type by what has tells of it there.
func (m *merger) presence(t *typeDef, has func(*typeDef) bool) (having, missing []int) {
	for i, s := range m.sources[t.name] {
		switch {
		case s == nil:
		case has(s):
			having = append(having, i)
		default:
			missing = append(missing, i)
		}
	}
	return having, missing
}

// hintArguments tells that a directive is applied with different arguments where only one application can stay.
func (m *merger) hintArguments(name, coordinate string, chosen *directive, list []appliedDirective) {
	var with, others []int
	text := ""
	for _, a := range list {
		with = append(with, a.subgraph)
		if !sameArgs(a.directive.args, chosen.args) {
			others = append(others, a.subgraph)
			text += sprintf(" In subgraph %q they are %s.", m.schemas[a.subgraph].name, printArgs(a.directive.args))
		}
	}
	if len(others) > 0 {
		m.hintf(hintInconsistentArguments, with, "Non-repeatable directive @%s is applied to %q in multiple subgraphs but with incompatible arguments. The supergraph will use arguments %s.%s", name, coordinate, printArgs(chosen.args), text)
	}
}

// hintMergedArguments tells that the arguments of a directive were merged.
func (m *merger) hintMergedArguments(name, coordinate string, list []appliedDirective) {
	var with []int
	differ := false
	for _, a := range list {
		with = append(with, a.subgraph)
		differ = differ || !sameArgs(a.directive.args, list[0].directive.args)
	}
	if differ {
		m.hintf(hintMergedArguments, with, "Directive @%s is applied to %q in multiple subgraphs with different arguments, which are merged.", name, coordinate)
	}
}

func printArgs(args []*argument) string {
	var parts []string
	for _, a := range args {
		parts = append(parts, a.name+": "+printValue(a.value))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// implied is the version of Federation that the links of a schema need.
func (s *schema) implied() version {
	var out version
	for _, l := range s.links {
		for _, spec := range knownSpecs() {
			if v := (version{2, spec.federation}); l.identity == apolloSpecs+spec.name && spec.federation > 0 && knownElements(l) != nil && v.atLeast(out) {
				out = v
			}
		}
	}
	return out
}

// hintExecutable tells why a directive for operations is not quite in the supergraph as in the subgraphs.
func (m *merger) hintExecutable(name string, sources []*directiveDef, merged []ast.DirectiveLocation) {
	var having, missing []int
	each := ""
	differ, repeatable, once := false, false, false
	for i, d := range sources {
		if d == nil {
			missing = append(missing, i)
			continue
		}
		having = append(having, i)
		repeatable, once = repeatable || d.repeatable, once || !d.repeatable
		var own []string
		for _, l := range d.locations {
			if executable(l) {
				own = append(own, string(l))
			}
		}
		differ = differ || len(own) != len(merged)
		if each != "" {
			each += ", "
		}
		each += sprintf("%s in subgraph %q", strings.Join(own, " | "), m.schemas[i].name)
	}
	switch {
	case len(missing) > 0:
		m.hintf(hintExecutablePresence, having, "Executable directive \"@%s\" will not be part of the supergraph as it does not appear in all subgraphs: it is defined in %s but not in %s.", name, m.subgraphList(having), m.subgraphList(missing))
		return
	case len(merged) == 0:
		m.hintf(hintExecutableNoLocation, having, "Executable directive \"@%s\" has no location that is common to all subgraphs: it will not appear in the supergraph. It has %s.", name, each)
		return
	case differ:
		m.hintf(hintExecutableLocations, having, "Executable directive \"@%s\" has inconsistent locations across subgraphs and will use those common to all in the supergraph, but has %s.", name, each)
	}
	if repeatable && once {
		m.hintf(hintExecutableRepeatable, having, "Executable directive \"@%s\" will not be marked repeatable in the supergraph as it is inconsistently marked repeatable in subgraphs.", name)
	}
}
