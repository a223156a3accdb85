// Package authorise says what of a supergraph a request may see: it reads @authenticated, @requiresScopes and @policy
// (Federation specification, from 2.5 and 2.6) and holds them against what the request's identity is granted.
package authorise

import (
	"context"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/supergraph"
)

// Grants is what a request's identity may do. The zero value is an anonymous request.
type Grants struct {
	// Authenticated tells that the identity is known.
	Authenticated bool
	// Scopes that the identity was given, as @requiresScopes names them.
	Scopes []string
	// Policies that hold for the identity, as @policy names them.
	Policies []string
}

type contextKey struct{}

// NewContext gives a context in which a request's grants are g.
func NewContext(ctx context.Context, g Grants) context.Context {
	return context.WithValue(ctx, contextKey{}, g)
}

// FromContext gives the grants of a request: none where none were put there.
func FromContext(ctx context.Context) Grants {
	g, _ := ctx.Value(contextKey{}).(Grants)
	return g
}

// Requirement is what one application of a directive asks for.
type Requirement struct {
	// Authenticated asks for a known identity.
	Authenticated bool
	// Scopes and Policies ask for all names of one of the lists.
	Scopes   [][]string
	Policies [][]string
}

// Met reports whether an identity with these grants meets the requirement. Scopes and policies are those of a known
// identity: without one they are not met.
func (r *Requirement) Met(g Grants) bool {
	if !g.Authenticated {
		return false
	}
	return meets(r.Scopes, g.Scopes) && meets(r.Policies, g.Policies)
}

func meets(wanted [][]string, granted []string) bool {
	if wanted == nil {
		return true
	}
	return slices.ContainsFunc(wanted, func(all []string) bool {
		return !slices.ContainsFunc(all, func(one string) bool { return !slices.Contains(granted, one) })
	})
}

// Rules are the requirements of a supergraph. They are immutable.
type Rules struct {
	requirements []Requirement
	fields       map[fieldKey][]int
}

type fieldKey struct{ typ, field string }

// New reads the requirements of a supergraph.
func New(sg *supergraph.Supergraph) *Rules {
	r := &Rules{fields: map[fieldKey][]int{}}
	ofType := map[string][]int{}
	for _, t := range sg.Types() {
		ofType[t.Name] = r.read(t.Directives)
	}
	for _, t := range sg.Types() {
		if !t.IsComposite() {
			continue
		}
		for _, f := range t.Fields {
			ids := slices.Concat(ofType[t.Name], r.read(f.Directives), ofType[f.Type.Name()])
			if slices.Sort(ids); len(ids) > 0 {
				r.fields[fieldKey{t.Name, f.Name}] = slices.Compact(ids)
			}
		}
	}
	return r
}

// Empty reports whether nothing is required of anybody.
func (r *Rules) Empty() bool { return len(r.fields) == 0 }

// Of gives the requirements of a field of a type, as numbers for [Rules.Requirement]: the field's own, those of the type
// that it stands on, and those of the type that it gives.
func (r *Rules) Of(typeName, field string) []int { return r.fields[fieldKey{typeName, field}] }

// Requirement gives a requirement by its number.
func (r *Rules) Requirement(id int) *Requirement { return &r.requirements[id] }

// read numbers the requirements among the directives of one place; equal ones have one number.
func (r *Rules) read(directives []supergraph.Directive) []int {
	var out []int
	for i := range directives {
		d := &directives[i]
		var q Requirement
		switch d.Spec {
		case "https://specs.apollo.dev/authenticated":
			q.Authenticated = true
		case "https://specs.apollo.dev/requiresScopes":
			q.Scopes = lists(d.Argument("scopes"))
		case "https://specs.apollo.dev/policy":
			q.Policies = lists(d.Argument("policies"))
		default:
			continue
		}
		id := slices.IndexFunc(r.requirements, q.equal)
		if id < 0 {
			id = len(r.requirements)
			r.requirements = append(r.requirements, q)
		}
		out = append(out, id)
	}
	return out
}

func (r *Requirement) equal(o Requirement) bool {
	same := func(a, b [][]string) bool {
		return (a == nil) == (b == nil) && slices.EqualFunc(a, b, slices.Equal[[]string])
	}
	return r.Authenticated == o.Authenticated && same(r.Scopes, o.Scopes) && same(r.Policies, o.Policies)
}

// lists reads a list of lists of names. What is missing or empty is a requirement that nobody meets.
func lists(v *ast.Value) [][]string {
	out := [][]string{}
	if v == nil {
		return out
	}
	for _, all := range v.Children {
		var names []string
		for _, one := range all.Value.Children {
			names = append(names, one.Value.Raw)
		}
		if all.Value.Kind != ast.ListValue { // input coercion of a list from one value
			names = []string{all.Value.Raw}
		}
		out = append(out, names)
	}
	return out
}
