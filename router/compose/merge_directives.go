package compose

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// appliedAt is what one subgraph applies at a place.
type appliedAt struct {
	subgraph int
	list     []*directive
}

// appliedDirective is one application in one subgraph.
type appliedDirective struct {
	subgraph  int
	directive *directive
}

// mergeApplied merges the directives that subgraphs apply at one place into out.
func (m *merger) mergeApplied(out *[]*directive, sources []appliedAt, coordinate string) {
	groups := map[string][]*directive{}
	carried := map[string]*carriedDirective{}
	var order []string
	each := map[string][]appliedDirective{}
	for _, s := range sources {
		for _, d := range s.list {
			c := m.carried[s.subgraph][d.name]
			if c == nil {
				continue
			}
			if carried[c.name] == nil {
				carried[c.name] = c
				order = append(order, c.name)
			}
			n := &directive{name: c.name, fed: c.fed, args: orderedArgs(c.def, d.args), pos: d.pos}
			if c.fed == "context" {
				n.args = []*argument{{name: "name", value: stringValue(m.schemas[s.subgraph].name + "__" + d.str("name"))}}
			}
			groups[c.name] = append(groups[c.name], n)
			each[c.name] = append(each[c.name], appliedDirective{s.subgraph, n})
		}
	}
	for _, name := range order {
		c, list := carried[name], groups[name]
		if c.fed == "requiresScopes" || c.fed == "policy" || c.fed == "cost" || c.fed == "listSize" {
			m.hintMergedArguments(name, coordinate, each[name])
		}
		switch {
		case c.fed == "requiresScopes" || c.fed == "policy":
			arg := "scopes"
			if c.fed == "policy" {
				arg = "policies"
			}
			alternatives := 1
			for _, d := range list {
				if alternatives *= max(1, len(d.arg(arg).Children)); alternatives > maxClauses {
					m.errorf(codeDirectiveComposition, nil, "The alternatives of @%s on %q cannot be merged: together they are more than %d.", name, coordinate, maxClauses)
					list = list[:1]
					break
				}
			}
			value := given(list[0].arg(arg))
			if len(list) > 1 {
				value = mergeRequirements(list, arg)
			}
			*out = append(*out, &directive{name: name, fed: c.fed, args: []*argument{{name: arg, value: value}}})
		case c.fed == "cost":
			*out = append(*out, maxWeight(list))
		case c.fed == "listSize":
			*out = append(*out, mergeListSize(list))
		case c.repeatable:
			*out = append(*out, distinct(list)...)
		case repeatedIn(each[name]) >= 0:
			// A subgraph's own version of the specification may allow what that of the supergraph does not.
			m.errorf(codeInvalidGraphQL, []int{repeatedIn(each[name])}, "The directive \"@%s\" is applied more than once to %q, and is not repeatable in the supergraph: the latest version of its specification that is linked defines it so.", name, coordinate)
		default:
			chosen := mostFrequent(list)
			m.hintArguments(name, coordinate, chosen, each[name])
			*out = append(*out, chosen)
		}
	}
}

// repeatedIn returns a subgraph that applies a directive more than once, -1 when none does.
func repeatedIn(list []appliedDirective) int {
	for i, d := range list {
		if i > 0 && list[i-1].subgraph == d.subgraph {
			return d.subgraph
		}
	}
	return -1
}

// orderedArgs returns arguments in the order of the definition in the supergraph, and after them those that it does not
// have, for [merger.checkAppliedMerged] to refuse.
func orderedArgs(def *directiveDef, args []*argument) []*argument {
	var out []*argument
	for _, a := range def.args {
		for _, g := range args {
			if g.name == a.name {
				out = append(out, g)
				break
			}
		}
	}
	for _, g := range args {
		if def.arg(g.name) == nil {
			out = append(out, g)
		}
	}
	return out
}

func distinct(list []*directive) []*directive {
	var out []*directive
next:
	for _, d := range list {
		for _, o := range out {
			if sameArgs(o.args, d.args) {
				continue next
			}
		}
		out = append(out, d)
	}
	return out
}

// mostFrequent gives the application that most subgraphs make, of equally frequent ones the first.
func mostFrequent(list []*directive) *directive {
	best, most := list[0], 0
	for _, d := range distinct(list) {
		n := 0
		for _, o := range list {
			if sameArgs(d.args, o.args) {
				n++
			}
		}
		if n > most {
			best, most = d, n
		}
	}
	return best
}

func maxWeight(list []*directive) *directive {
	best := list[0]
	for _, d := range list[1:] {
		a, _ := strconv.Atoi(d.arg("weight").Raw)
		b, _ := strconv.Atoi(best.arg("weight").Raw)
		if a > b {
			best = d
		}
	}
	return best
}

// maxClauses bounds how far requirements are multiplied out.
const maxClauses = 2_000

// mergeRequirements merges scopes or policies, which are alternatives of sets that are all needed: what each subgraph asks
// for has to be met.
func mergeRequirements(list []*directive, arg string) *ast.Value {
	merged := requirement(list[0].arg(arg))
	for _, d := range list[1:] {
		merged = merged.and(requirement(d.arg(arg)))
	}
	return merged.value()
}

// clauses is a disjunction of conjunctions: any of the sets of names suffices.
type clauses [][]string

// given gives a requirement as it was written, but for lists that were left out around single values.
func given(v *ast.Value) *ast.Value {
	if isString(v) {
		return listValue([]*ast.Value{listValue([]*ast.Value{v})})
	}
	var items []*ast.Value
	for _, c := range v.Children {
		if isString(c.Value) {
			items = append(items, listValue([]*ast.Value{c.Value}))
		} else {
			items = append(items, c.Value)
		}
	}
	return listValue(items)
}

func requirement(v *ast.Value) clauses {
	var out clauses
	if v == nil {
		return nil
	}
	for _, c := range given(v).Children {
		set := map[string]bool{}
		for _, n := range strings0(c.Value) {
			set[n] = true
		}
		out = append(out, sortedKeys(set))
	}
	return out.minimal()
}

// and gives the clauses that meet both.
func (a clauses) and(b clauses) clauses {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	if len(a)*len(b) > maxClauses {
		// Never less than what is asked for: all of it at once.
		set := map[string]bool{}
		for _, c := range append(append(clauses{}, a...), b...) {
			for _, n := range c {
				set[n] = true
			}
		}
		return clauses{sortedKeys(set)}
	}
	var out clauses
	for _, x := range a {
		for _, y := range b {
			set := map[string]bool{}
			for _, n := range x {
				set[n] = true
			}
			for _, n := range y {
				set[n] = true
			}
			out = append(out, sortedKeys(set))
		}
	}
	return out.minimal()
}

// minimal drops clauses that another one makes needless.
func (a clauses) minimal() clauses {
	var out clauses
	for i, x := range a {
		needed := true
		for j, y := range a {
			if i != j && subset(y, x) && (len(y) < len(x) || j < i) {
				needed = false
				break
			}
		}
		if needed {
			out = append(out, x)
		}
	}
	return out
}

// subset tells whether a sorted list holds all of another.
func subset(small, large []string) bool {
	i := 0
	for _, s := range small {
		for i < len(large) && large[i] < s {
			i++
		}
		if i == len(large) || large[i] != s {
			return false
		}
	}
	return true
}

func (a clauses) value() *ast.Value {
	var items []*ast.Value
	for _, c := range a {
		var names []*ast.Value
		for _, n := range c {
			names = append(names, stringValue(n))
		}
		items = append(items, listValue(names))
	}
	return listValue(items)
}

// implies tells whether meeting a meets b too.
func (a clauses) implies(b clauses) bool {
	if len(b) == 0 || slices.ContainsFunc(b, func(c []string) bool { return len(c) == 0 }) {
		return true
	}
	if len(a) == 0 {
		return false
	}
	for _, x := range a {
		met := false
		for _, y := range b {
			met = met || subset(y, x)
		}
		if !met {
			return false
		}
	}
	return true
}

// executable tells whether operations can use a directive at a location.
func executable(l ast.DirectiveLocation) bool {
	switch l {
	case ast.LocationQuery, ast.LocationMutation, ast.LocationSubscription, ast.LocationField, ast.LocationFragmentDefinition,
		ast.LocationFragmentSpread, ast.LocationInlineFragment, ast.LocationVariableDefinition:
		return true
	}
	return false
}

// mergeExecutableDirectives carries the directives that clients may use: those that all subgraphs define, at the
// locations that all allow.
func (m *merger) mergeExecutableDirectives() {
	seen := map[string]bool{}
	for _, s := range m.schemas {
		for _, d := range s.dirOrder {
			if !seen[d.name] && !d.builtIn && !d.generated {
				seen[d.name] = true
				m.mergeExecutable(d.name)
			}
		}
	}
}

// ownDirective reports whether a directive is one of GraphQL itself, or of the specifications that a supergraph is written
// in: subgraphs may define it, and cannot change it.
func ownDirective(name string) bool {
	if name == "defer" || name == "stream" || name == "link" || strings.HasPrefix(name, "link__") || strings.HasPrefix(name, "join__") {
		return true
	}
	return slices.ContainsFunc(builtInDirectives(), func(d *directiveDef) bool { return d.name == name })
}

func (m *merger) mergeExecutable(name string) {
	if ownDirective(name) {
		return
	}
	sources := make([]*directiveDef, len(m.schemas))
	args := make([][]*argDef, len(m.schemas))
	out := &directiveDef{name: name}
	var texts []string
	counts := map[ast.DirectiveLocation]int{}
	var order []ast.DirectiveLocation
	out.repeatable = true
	found := 0
	for i, s := range m.schemas {
		if m.carried[i][name] != nil {
			return
		}
		d := s.directives[name]
		if d == nil || d.generated {
			continue
		}
		n := 0
		for _, l := range d.locations {
			if !executable(l) {
				continue
			}
			n++
			if counts[l] == 0 {
				order = append(order, l)
			}
			counts[l]++
		}
		found += min(n, 1)
		sources[i] = d
		args[i] = d.args
		if args[i] == nil {
			args[i] = []*argDef{}
		}
		texts = append(texts, d.description)
		out.repeatable = out.repeatable && d.repeatable
	}
	if found == 0 {
		return
	}
	for _, l := range order {
		if counts[l] == len(m.schemas) {
			out.locations = append(out.locations, l)
		}
	}
	m.hintExecutable(name, sources, out.locations)
	if len(texts) < len(m.schemas) || len(out.locations) == 0 {
		return
	}
	out.description = m.description("@"+name, texts)
	m.mergeArgs("@"+name, args, &out.args)
	m.out.addDirective(out)
}

// apiName gives the name of a Federation directive in the supergraph, "" when it does not carry it.
func (m *merger) apiName(fed string) string {
	for _, f := range m.features {
		for _, i := range f.imports {
			if i.name == "@"+fed {
				return strings.TrimPrefix(i.as, "@")
			}
		}
	}
	return fed
}
