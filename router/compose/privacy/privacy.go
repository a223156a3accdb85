// Package privacy checks that a supergraph says of every piece of data that belongs to a person what it is and what an
// erasure does to it. It belongs to the specification https://lethe.dev/privacy/v1.0, whose directives (@dataSubject,
// @belongsToSubject, @personal, @notPersonal) subgraphs link and compose. Supergraphs that do not link it are not looked at.
//
// The default is to deny: what is not annotated does not compose. These types belong to a person, and each of their fields
// that is a scalar or an enum carries exactly one of @personal and @notPersonal:
//
//   - types with @dataSubject or @belongsToSubject;
//   - value objects of theirs: object types without a key that only such types refer to, like an address of a customer.
//     A type that others refer to as well (money, of orders and of products) is nobody's. @notPersonal on the type itself,
//     with a reason, takes it out.
//
// Pages and answers need no annotation. A wrapper is an object type without a key whose only fields that are scalars or enums
// are `cursor` and `totalCount`, if it has any: connections, edges, payloads. They belong to nobody, need not say whose they
// are, and what they hold counts as referred to by whoever refers to them: through `edges`, `nodes` and `node` of pages, and
// all fields but `userErrors` of payloads. So PageInfo and errors are nobody's, and a customer's page of addresses still
// holds addresses of the customer.
package privacy

import (
	"fmt"
	"sort"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/compose"
)

// Identity is the address of the specification, without its version.
const Identity = "https://lethe.dev/privacy"

// The codes of what is wrong.
const (
	// CodeUnannotated: a field of a person's type carries neither @personal nor @notPersonal.
	CodeUnannotated = "PERSONAL_DATA_UNANNOTATED"
	// CodeAnnotatedTwice: a field carries both, or a type says that it is and is not a person's.
	CodeAnnotatedTwice = "PERSONAL_DATA_ANNOTATED_TWICE"
	// CodeRuleMissing: RETAIN without the rule that demands it.
	CodeRuleMissing = "PERSONAL_DATA_RULE_MISSING"
	// CodeFunctionMissing: GENERALISE without the function that does it.
	CodeFunctionMissing = "PERSONAL_DATA_FUNCTION_MISSING"
	// CodeFreeTextKept: free text, which can hold anything, that is neither deleted nor removed.
	CodeFreeTextKept = "PERSONAL_DATA_FREE_TEXT_KEPT"
	// CodeUnsetNonNull: a field that is removed and must not be null.
	CodeUnsetNonNull = "PERSONAL_DATA_UNSET_NON_NULL"
	// CodeOwnerMissing: a type refers to a data subject and does not say whether it belongs to it.
	CodeOwnerMissing = "PERSONAL_DATA_OWNER_MISSING"
	// CodeWithoutSubject: @personal on a type that belongs to nobody, so that no erasure would find it.
	CodeWithoutSubject = "PERSONAL_DATA_WITHOUT_SUBJECT"
	// CodePathInvalid: the path of @belongsToSubject, or the key of @dataSubject, does not exist.
	CodePathInvalid = "PERSONAL_DATA_PATH_INVALID"
	// CodeNotComposed: a subgraph applies a directive of the specification and does not compose it.
	CodeNotComposed = "PERSONAL_DATA_NOT_COMPOSED"
)

// Validation gives the check for [compose.WithValidation].
func Validation() compose.Validation {
	return compose.Validation{Identity: Identity, Check: check}
}

// checker carries what the checks of one supergraph share.
type checker struct {
	graph  *compose.Merged
	errors []compose.Error
	// owned holds the types whose data belongs to a person.
	owned map[*compose.MergedType]bool
}

func check(graph *compose.Merged) []compose.Error {
	c := &checker{graph: graph, owned: map[*compose.MergedType]bool{}}
	for _, u := range graph.Uncomposed(Identity) {
		c.add(CodeNotComposed, []string{u.Subgraph}, nil, "Subgraph %q applies @%s of %s, but does not compose it, so that it would be lost. Add @composeDirective(name: \"@%s\") to its schema.", u.Subgraph, u.Directive, Identity, u.Directive)
	}
	c.own()
	for _, t := range graph.Types() {
		if t.Kind != ast.Object {
			continue
		}
		c.checkType(t)
		for _, f := range t.Fields {
			c.checkField(t, f)
		}
	}
	return c.errors
}

func (c *checker) add(code string, subgraphs []string, at []compose.Location, format string, args ...any) {
	c.errors = append(c.errors, compose.Error{Code: code, Message: fmt.Sprintf(format, args...), Subgraphs: subgraphs, Locations: at})
}

func directive(list []compose.MergedDirective, name string) *compose.MergedDirective {
	return compose.Directive(list, Identity, name)
}

func isSubject(t *compose.MergedType) bool { return directive(t.Directives, "dataSubject") != nil }

// declared tells whether a type says that it belongs to a person.
func declared(t *compose.MergedType) bool {
	return isSubject(t) || directive(t.Directives, "belongsToSubject") != nil
}

// wrapper tells whether a type only wraps others: a page, an edge, or the answer of a mutation.
func wrapper(t *compose.MergedType) bool {
	if t.Kind != ast.Object || t.Root || t.Entity || declared(t) {
		return false
	}
	composite := false
	for _, f := range t.Fields {
		if f.Leaf && f.Name != "cursor" && f.Name != "totalCount" {
			return false
		}
		composite = composite || !f.Leaf
	}
	return composite
}

// wraps tells whether a wrapper holds what one of its fields leads to, rather than machinery of pages and answers.
func wraps(t *compose.MergedType, f *compose.MergedField) bool {
	for _, o := range t.Fields {
		if o.Name == "edges" || o.Name == "nodes" || o.Name == "node" {
			return f.Name == "edges" || f.Name == "nodes" || f.Name == "node"
		}
	}
	return f.Name != "userErrors"
}

// own finds the types that belong to a person.
func (c *checker) own() {
	referrers := c.referrers()
	candidates := map[*compose.MergedType]bool{}
	var reach func(t *compose.MergedType)
	reach = func(t *compose.MergedType) {
		for _, f := range t.Fields {
			if f.Leaf || wrapper(t) && !wraps(t, f) {
				continue
			}
			for _, o := range objects(f.Type) {
				if wrapper(o) {
					if !candidates[o] {
						candidates[o] = true
						reach(o)
					}
					continue
				}
				if o.Root || o.Entity || declared(o) || candidates[o] || directive(o.Directives, "notPersonal") != nil {
					continue
				}
				candidates[o] = true
				reach(o)
			}
		}
	}
	for _, t := range c.graph.Types() {
		if declared(t) {
			c.owned[t] = true
			reach(t)
		}
	}
	// What others refer to as well is nobody's; nor is then what only it refers to.
	for changed := true; changed; {
		changed = false
		for t := range candidates {
			if wrapper(t) {
				continue
			}
			for r := range referrers[t] {
				if !c.owned[r] && !candidates[r] {
					delete(candidates, t)
					changed = true
					break
				}
			}
		}
	}
	for t := range candidates {
		if !wrapper(t) {
			c.owned[t] = true
		}
	}
}

// objects gives the object types that a value of a type may be.
func objects(t *compose.MergedType) []*compose.MergedType {
	if t.Kind == ast.Object {
		return []*compose.MergedType{t}
	}
	return t.Members
}

// referrers gives, for each type, the types that have it, with wrappers looked through. Roots are none: from them
// everything is reached.
func (c *checker) referrers() map[*compose.MergedType]map[*compose.MergedType]bool {
	direct := map[*compose.MergedType]map[*compose.MergedType]bool{}
	for _, t := range c.graph.Types() {
		if t.Kind != ast.Object || t.Root {
			continue
		}
		for _, f := range t.Fields {
			if f.Leaf || wrapper(t) && !wraps(t, f) {
				continue
			}
			for _, o := range objects(f.Type) {
				if direct[o] == nil {
					direct[o] = map[*compose.MergedType]bool{}
				}
				direct[o][t] = true
			}
		}
	}
	out := map[*compose.MergedType]map[*compose.MergedType]bool{}
	for _, t := range c.graph.Types() {
		found := map[*compose.MergedType]bool{}
		seen := map[*compose.MergedType]bool{}
		var up func(t *compose.MergedType)
		up = func(t *compose.MergedType) {
			for r := range direct[t] {
				if !wrapper(r) {
					found[r] = true
				} else if !seen[r] {
					seen[r] = true
					up(r)
				}
			}
		}
		up(t)
		out[t] = found
	}
	return out
}

func (c *checker) checkType(t *compose.MergedType) {
	not := directive(t.Directives, "notPersonal")
	if not != nil && declared(t) {
		c.add(CodeAnnotatedTwice, t.Subgraphs, t.Locations, "Type %q bears @notPersonal and says that it belongs to a data subject. Take one of the two away.", t.Name)
	}
	if d := directive(t.Directives, "dataSubject"); d != nil {
		key := text(d, "key", "id")
		if f := field(t, key); f == nil || !f.Leaf {
			c.add(CodePathInvalid, t.Subgraphs, t.Locations, "@dataSubject of type %q names the key %q, but the type has no such field that is a scalar.", t.Name, key)
		}
	}
	if d := directive(t.Directives, "belongsToSubject"); d != nil {
		c.checkPath(t, text(d, "path", ""))
	}
	if c.owned[t] || not != nil || t.Root || wrapper(t) {
		return
	}
	for _, f := range t.Fields {
		if f.Leaf {
			continue
		}
		for _, o := range objects(f.Type) {
			if isSubject(o) {
				c.add(CodeOwnerMissing, t.Subgraphs, f.Locations, "Type %q has the field %q of the data subject's type %q (in %s), but does not say whether it belongs to it. Add @belongsToSubject(path: \"%s.%s\"), or @notPersonal with the reason.", t.Name, f.Name, o.Name, list(f.Subgraphs), f.Name, subjectKey(o))
				return
			}
		}
	}
}

// subjectKey gives the field that identifies a data subject.
func subjectKey(t *compose.MergedType) string {
	return text(directive(t.Directives, "dataSubject"), "key", "id")
}

// checkPath demands that the path of @belongsToSubject leads to the key of a data subject.
func (c *checker) checkPath(t *compose.MergedType, path string) {
	at := t
	names := strings.Split(path, ".")
	for i, name := range names {
		f := field(at, name)
		if f == nil {
			c.add(CodePathInvalid, t.Subgraphs, t.Locations, "The path %q of @belongsToSubject on type %q does not exist: type %q has no field %q.", path, t.Name, at.Name, name)
			return
		}
		last := i == len(names)-1
		switch {
		case last && (!f.Leaf || !isSubject(at) || name != subjectKey(at)):
			c.add(CodePathInvalid, t.Subgraphs, t.Locations, "The path %q of @belongsToSubject on type %q does not lead to the key of a data subject.", path, t.Name)
			return
		case last:
		case f.Leaf || f.Type.Kind == ast.Union:
			c.add(CodePathInvalid, t.Subgraphs, t.Locations, "The path %q of @belongsToSubject on type %q goes on after %q, which has no fields.", path, t.Name, name)
			return
		default:
			at = f.Type
		}
	}
}

func (c *checker) checkField(t *compose.MergedType, f *compose.MergedField) {
	personal, not := directive(f.Directives, "personal"), directive(f.Directives, "notPersonal")
	where := t.Name + "." + f.Name
	if personal != nil && not != nil {
		c.add(CodeAnnotatedTwice, f.Subgraphs, f.Locations, "Field %q (in %s) bears @personal and @notPersonal. Take one of the two away.", where, list(f.Subgraphs))
		return
	}
	if personal != nil {
		c.checkPersonal(t, f, personal)
		return
	}
	if c.owned[t] && f.Leaf && not == nil {
		c.add(CodeUnannotated, f.Subgraphs, f.Locations, "Field %q (in %s) is of a type whose data belongs to a person, but says neither what personal data it holds (@personal) nor why it holds none (@notPersonal).", where, list(f.Subgraphs))
	}
}

func (c *checker) checkPersonal(t *compose.MergedType, f *compose.MergedField, d *compose.MergedDirective) {
	where := t.Name + "." + f.Name
	action := text(d, "onErasure", "")
	switch action {
	case "RETAIN":
		if text(d, "rule", "") == "" {
			c.add(CodeRuleMissing, f.Subgraphs, f.Locations, "Field %q (in %s) is retained by an erasure, but names no rule that demands it. Add `rule`, the name of a retention rule.", where, list(f.Subgraphs))
		}
	case "GENERALISE":
		if text(d, "with", "") == "" {
			c.add(CodeFunctionMissing, f.Subgraphs, f.Locations, "Field %q (in %s) is generalised by an erasure, but names no function that does it. Add `with`.", where, list(f.Subgraphs))
		}
	case "UNSET":
		if f.NonNull {
			c.add(CodeUnsetNonNull, f.Subgraphs, f.Locations, "Field %q (in %s) is removed by an erasure, but its type says that it is never null. Make it nullable.", where, list(f.Subgraphs))
		}
	}
	if text(d, "category", "") == "FREE_TEXT" && action != "DELETE" && action != "UNSET" {
		c.add(CodeFreeTextKept, f.Subgraphs, f.Locations, "Field %q (in %s) holds free text, which may say anything of anyone: an erasure can only DELETE or UNSET it.", where, list(f.Subgraphs))
	}
	if !c.owned[t] && !wrapper(t) && !t.Root {
		c.add(CodeWithoutSubject, f.Subgraphs, f.Locations, "Field %q (in %s) holds personal data, but type %q does not say whose: no erasure would find it. Add @belongsToSubject to the type.", where, list(f.Subgraphs), t.Name)
	}
}

func field(t *compose.MergedType, name string) *compose.MergedField {
	for _, f := range t.Fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// text gives an argument of a directive as text, or a default.
func text(d *compose.MergedDirective, name, otherwise string) string {
	if v := d.Arguments[name]; v != nil && v.Kind != ast.NullValue {
		return v.Raw
	}
	return otherwise
}

func list(names []string) string {
	sorted := append([]string(nil), names...)
	sort.Strings(sorted)
	if len(sorted) == 1 {
		return "subgraph " + sorted[0]
	}
	return "subgraphs " + strings.Join(sorted, ", ")
}
