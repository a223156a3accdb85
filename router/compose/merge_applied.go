package compose

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// checkAppliedMerged checks what the merged schema applies against the definitions that it has: merging drops arguments,
// values and locations that not all subgraphs have, and what subgraphs apply may then mean nothing any more.
func (m *merger) checkAppliedMerged() {
	defs := map[string]*directiveDef{}
	for _, d := range append(m.definitions(), builtInDirectives()...) {
		// A linked specification may bring a @oneOf with further locations, as was usual before GraphQL had one.
		if d.name != oneOfDirective || defs[d.name] == nil {
			defs[d.name] = d
		}
	}
	// The types of linked specifications stand beside those of the graph.
	view := &schema{types: maps.Clone(m.out.types)}
	for _, f := range m.features {
		for _, t := range f.types {
			if view.types[t.name] == nil {
				view.types[t.name] = t
			}
		}
	}
	before := len(m.c.errors)
	m.out.eachApplied(func(at ast.DirectiveLocation, coordinate string, list *[]*directive) {
		var own []*directive
		for _, d := range *list {
			if d.name != "link" && !strings.HasPrefix(d.name, "join__") {
				d.def = defs[d.name]
				own = append(own, d)
			}
		}
		g := &graphqlErrors{s: view}
		g.applied(at, coordinate, &own)
		with := m.having(coordinateType(coordinate))
		for _, e := range g.errs {
			m.errorf(codeInvalidGraphQL, with, "%s", strings.TrimPrefix(e.Message, "[] "))
		}
	})
	if len(m.c.errors) == before {
		m.checkSlicingArguments()
		m.checkRequiredArguments()
	}
}

// checkRequiredArguments demands that the arguments which @requires passes exist in all subgraphs with the field, and that
// they all take the values: any of them may be asked.
func (m *merger) checkRequiredArguments() {
	for i, s := range m.schemas {
		for _, t := range s.order {
			for _, f := range t.fields {
				d := fed(f.applied, "requires")
				if d == nil {
					continue
				}
				set, problem := s.parseFieldSet(t, d.str("fields"), nil)
				if problem != nil {
					continue // reported for the subgraph
				}
				eachField(set, func(n *selection) {
					for _, a := range n.args {
						m.checkRequiredArgument(i, f, n, a)
					}
				})
			}
		}
	}
}

func (m *merger) checkRequiredArgument(subgraph int, f *fieldDef, n *selection, a *ast.Argument) {
	t := m.out.types[n.parent.name]
	if t == nil || !t.hasFields() || t.field(n.name) == nil {
		return
	}
	merged := t.field(n.name)
	fail := func(format string, args ...any) {
		m.errorf(codeRequiresInvalidFields, []int{subgraph}, "[%s] On field %q, for @requires: cannot provide a value for argument %q of field %q: %s", m.schemas[subgraph].name, f.coordinate(), a.Name, merged.coordinate(), sprintf(format, args...))
	}
	def := merged.arg(a.Name)
	if def != nil && !m.out.validValue(a.Value, def.typ) {
		fail("%s is no value of the type %s that it has in the supergraph", printValue(a.Value), def.typ)
	}
	if def != nil || m.takenFromContext(merged, a.Name) {
		return
	}
	for i, source := range m.fields[merged.coordinate()] {
		if source != nil && source.arg(a.Name) == nil {
			fail("the argument is not defined in subgraph %q", m.schemas[i].name)
			return
		}
	}
}

// coordinateType returns the type that a schema coordinate begins with.
func coordinateType(coordinate string) string {
	name, _, _ := strings.Cut(coordinate, ".")
	return name
}

// checkSlicingArguments demands that @listSize names arguments of the supergraph.
func (m *merger) checkSlicingArguments() {
	for _, t := range m.out.order {
		if !t.hasFields() {
			continue
		}
		for _, f := range t.fields {
			d := fed(f.applied, "listSize")
			if d == nil {
				continue
			}
			for _, name := range strings0(d.arg("slicingArguments")) {
				if f.arg(name) == nil && !m.takenFromContext(f, name) {
					m.errorf(codeListSizeSlicingArgument, m.having(t.name), "Slicing argument %q is not an argument of %q in the supergraph, since not all subgraphs with the field have it: define it in all of them, or leave it out of @listSize.", name, f.coordinate())
				}
			}
		}
	}
}

// takenFromContext reports whether some subgraph takes an argument of a field from a context: it stays out of the
// supergraph, and the subgraph's own schema has it yet.
func (m *merger) takenFromContext(f *fieldDef, name string) bool {
	return slices.ContainsFunc(m.fields[f.coordinate()], func(source *fieldDef) bool {
		if source == nil || source.arg(name) == nil {
			return false
		}
		_, contextual := contextual(source.arg(name))
		return contextual
	})
}

// mergeListSize merges @listSize: the largest assumed size, all slicing arguments and sized fields, and
// requireOneSlicingArgument only where all ask for it.
func mergeListSize(list []*directive) *directive {
	out := &directive{name: list[0].name, fed: list[0].fed}
	for _, arg := range []string{"assumedSize", "slicingArguments", "sizedFields", "requireOneSlicingArgument"} {
		var merged *ast.Value
		for _, d := range list {
			v := d.arg(arg)
			if v == nil || v.Kind == ast.NullValue {
				continue
			}
			switch {
			case merged == nil:
				merged = v
			case arg == "assumedSize":
				a, _ := strconv.Atoi(v.Raw)
				b, _ := strconv.Atoi(merged.Raw)
				if a > b {
					merged = v
				}
			case arg == "requireOneSlicingArgument":
				if v.Raw == "false" {
					merged = v
				}
			default:
				var items []*ast.Value
				seen := map[string]bool{}
				for _, s := range append(strings0(merged), strings0(v)...) {
					if !seen[s] {
						seen[s] = true
						items = append(items, stringValue(s))
					}
				}
				merged = listValue(items)
			}
		}
		if merged == nil && arg == "requireOneSlicingArgument" && len(list) > 1 {
			merged = boolValue(true)
		}
		if merged != nil {
			out.args = append(out.args, &argument{name: arg, value: merged})
		}
	}
	return out
}
