package compose

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// authDirectives are those that restrict access.
var authDirectives = []string{"authenticated", "requiresScopes", "policy"}

// checkAuth refuses access rules on interfaces: they follow from those of the implementations.
func (s *schema) checkAuth() []Error {
	var errs []Error
	for _, t := range s.order {
		for _, name := range authDirectives {
			if d := fed(t.applied, name); d != nil && (t.kind == ast.Interface || t.interfaceObject()) {
				word := "interface"
				if t.kind != ast.Interface {
					word = "interface object"
				}
				errs = append(errs, s.errorf(codeAuthOnInterface, d.pos, "Invalid use of @%s on %s %q: @%s cannot be applied on interfaces, interface objects or their fields", d.name, word, t.name, d.name))
			}
			if t.kind != ast.Interface {
				continue
			}
			for _, f := range t.fields {
				if d := fed(f.applied, name); d != nil {
					errs = append(errs, s.errorf(codeAuthOnInterface, d.pos, "Invalid use of @%s on field %q: @%s cannot be applied on interfaces, interface objects or their fields", d.name, f.coordinate(), d.name))
				}
			}
		}
	}
	return errs
}

// access is what a place of the supergraph asks of a client.
type access struct {
	authenticated bool
	scopes        clauses
	policies      clauses
}

func accessOf(applied []*directive) access {
	var a access
	for _, d := range applied {
		switch d.fed {
		case "authenticated":
			a.authenticated = true
		case "requiresScopes":
			a.scopes = a.scopes.and(requirement(d.arg("scopes")))
		case "policy":
			a.policies = a.policies.and(requirement(d.arg("policies")))
		}
	}
	return a
}

func (a access) and(b access) access {
	return access{a.authenticated || b.authenticated, a.scopes.and(b.scopes), a.policies.and(b.policies)}
}

// implies tells whether who may access a may access b too.
func (a access) implies(b access) bool {
	return (a.authenticated || !b.authenticated) && a.scopes.implies(b.scopes) && a.policies.implies(b.policies)
}

func (a access) open() bool {
	return !a.authenticated && len(a.scopes) == 0 && len(a.policies) == 0
}

// require replaces the access rules at a place of the supergraph.
func (m *merger) require(applied *[]*directive, a access) {
	out := (*applied)[:0:0]
	for _, d := range *applied {
		if d.fed != "authenticated" && d.fed != "requiresScopes" && d.fed != "policy" {
			out = append(out, d)
		}
	}
	add := func(fed string, args ...*argument) {
		out = append(out, &directive{name: m.apiName(fed), fed: fed, args: args})
	}
	if a.authenticated {
		add("authenticated")
	}
	if len(a.scopes) > 0 {
		add("requiresScopes", &argument{name: "scopes", value: a.scopes.value()})
	}
	if len(a.policies) > 0 {
		add("policy", &argument{name: "policies", value: a.policies.value()})
	}
	*applied = out
}

// propagateAuth gives interfaces what all their implementations ask for, and implementations what the interface objects
// that resolve their fields ask for.
func (m *merger) propagateAuth() {
	var interfaces []*typeDef
	for _, t := range m.out.order {
		if t.kind == ast.Interface {
			interfaces = append(interfaces, t)
		}
	}
	for _, itf := range interfaces {
		if !m.hasInterfaceObject(itf) {
			continue
		}
		for _, f := range itf.fields {
			own := accessOf(f.applied)
			if own.open() {
				continue
			}
			for _, t := range m.out.possible(itf) {
				if c := t.field(f.name); c != nil {
					m.hintAccess(c.coordinate(), [][]*directive{c.applied, f.applied})
					m.require(&c.applied, accessOf(c.applied).and(own))
				}
			}
		}
	}
	for _, itf := range interfaces {
		all := accessOf(itf.applied)
		fields := map[string]access{}
		asked := map[string][][]*directive{}
		for _, t := range m.out.possible(itf) {
			all = all.and(accessOf(t.applied))
			asked[itf.name] = append(asked[itf.name], t.applied)
			for _, f := range itf.fields {
				if c := t.field(f.name); c != nil {
					fields[f.name] = fields[f.name].and(accessOf(c.applied))
					asked[f.coordinate()] = append(asked[f.coordinate()], c.applied)
				}
			}
		}
		if !all.open() {
			m.hintAccess(itf.name, append(asked[itf.name], itf.applied))
			m.require(&itf.applied, all)
		}
		for _, f := range itf.fields {
			if a := accessOf(f.applied).and(fields[f.name]); !a.open() {
				m.hintAccess(f.coordinate(), append(asked[f.coordinate()], f.applied))
				m.require(&f.applied, a)
			}
		}
	}
}

// hintAccess tells that what several places ask of a client was merged.
func (m *merger) hintAccess(coordinate string, asked [][]*directive) {
	for _, name := range authDirectives {
		var all []*directive
		for _, applied := range asked {
			all = append(all, fedApplied(applied, name)...)
		}
		if len(distinct(all)) > 1 {
			m.hintf(hintMergedArguments, nil, "Directive @%s is applied to %q in multiple subgraphs with different arguments, which are merged.", m.apiName(name), coordinate)
		}
	}
}

// checkTransitiveAuth demands that who may see a field may see what it is computed from: the fields that it requires, or takes
// from a context.
func (m *merger) checkTransitiveAuth() {
	for _, t := range m.out.order {
		if t.kind != ast.Object {
			continue
		}
		for _, f := range t.fields {
			own := accessOf(t.applied).and(accessOf(f.applied))
			for i, s := range m.fields[f.coordinate()] {
				if s == nil {
					continue
				}
				if d := fed(s.applied, "requires"); d != nil {
					m.checkTransitive(i, s, own, s.parent, d.str("fields"), "@requires")
				}
				for _, a := range s.args {
					text, ok := contextual(a)
					if !ok {
						continue
					}
					name, sel, _ := splitContext(text)
					for _, setter := range m.schemas[i].contextSetters()[name] {
						m.checkTransitive(i, s, own, setter, sel, "@fromContext")
					}
				}
			}
		}
	}
}

func (m *merger) checkTransitive(i int, f *fieldDef, own access, parent *typeDef, text, what string) {
	set, err := m.schemas[i].parseFieldSet(parent, text, nil)
	if err != nil {
		return
	}
	var walk func(set []*selection) string
	walk = func(set []*selection) string {
		for _, n := range set {
			var needed access
			where := ""
			switch {
			case n.fragment() && n.on != nil:
				if t := m.out.types[n.on.name]; t != nil {
					needed = accessOf(t.applied)
				}
				where = sprintf("the transitive data in inline fragment type condition %q", n.on.name)
			case n.field != nil:
				if t := m.out.types[n.parent.name]; t != nil && t.field(n.name) != nil {
					needed = accessOf(t.field(n.name).applied)
				}
				if t := m.out.types[n.field.typ.Name()]; t != nil {
					needed = needed.and(accessOf(t.applied))
				}
				where = sprintf("the transitive field %q data", n.field.coordinate())
			}
			if !own.implies(needed) {
				return where
			}
			if bad := walk(n.sub); bad != "" {
				return bad
			}
		}
		return ""
	}
	if bad := walk(set); bad != "" {
		m.errorf(codeMissingTransitiveAuth, []int{i}, "[%s] Field %q does not specify necessary %s auth requirements to access %s from %s selection set.", m.schemas[i].name, f.coordinate(), "@"+strings.Join(authDirectives, ", @"), bad, what)
		m.at(map[int]*ast.Position{i: f.pos})
	}
}
