package plan

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// Directives that a schema defines for operations travel to the subgraphs, all of which define them (composition keeps no
// others). Those of a field stand on the field. Those of a fragment stand on a fragment around each field that the fragment
// selects directly, since planning takes fragments apart. A field that is selected with several sets of directives is
// written once with each, as the client has it, and is another field than the same one without, as for its arguments: a key
// of an entity is never read from a field that a directive may change.

// Variant is one way in which a field is selected: with the directives of the field and of the fragments around it.
type Variant struct {
	Directives string   // of the field, as written: "@x(a: 1) @y"
	Around     []Around // the fragments with directives, outermost first
	Variables  []string // that the directives mention
	Guard      Guard
}

// Around is a fragment with directives that selects a field. With Inline set it can be an inline fragment, otherwise it is
// a fragment of its own, that has the directives of the spread or of the definition, which may stand nowhere else.
type Around struct {
	Inline             string
	Spread, Definition string
}

// AppliedDirective is a directive of the operation itself.
type AppliedDirective struct {
	Text      string
	Variables []string
	Locations []ast.DirectiveLocation // at which it may stand
}

// key tells variants apart, whatever their guards.
func (v *Variant) key() string {
	var b strings.Builder
	b.WriteString(v.Directives)
	for _, a := range v.Around {
		b.WriteString("\x00" + a.Inline + "\x01" + a.Spread + "\x01" + a.Definition)
	}
	return b.String()
}

func (v *Variant) plain() bool { return v.Directives == "" && len(v.Around) == 0 }

// travelling returns those of the directives at one place that are meant for subgraphs, as text, with their variables. The
// router acts on the others.
func travelling(ds ast.DirectiveList, names []string) (string, []string) {
	var texts []string
	for _, d := range ds {
		if !travels(d) {
			continue
		}
		text := "@" + d.Name
		for i, a := range d.Arguments {
			if i == 0 {
				text += "("
			} else {
				text += ", "
			}
			text += a.Name + ": " + a.Value.String()
			names = variablesOf(a.Value, names)
		}
		if len(d.Arguments) > 0 {
			text += ")"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " "), names
}

func travels(d *ast.Directive) bool {
	switch d.Name {
	case "skip", "include", deferDirective:
		return false
	}
	return true
}

// inlinable reports whether all directives that travel may stand on an inline fragment.
func inlinable(ds ast.DirectiveList) bool {
	return !slices.ContainsFunc(ds, func(d *ast.Directive) bool {
		return travels(d) && (d.Definition == nil || !slices.Contains(d.Definition.Locations, ast.LocationInlineFragment))
	})
}

// wraps are the fragments with directives around what a collector reads, with the variables of the directives.
type wraps struct {
	around    []Around
	variables []string
}

// within adds the directives of a fragment: those of an inline fragment or a spread, and those of the definition.
func (w wraps) within(ds, definition ast.DirectiveList) wraps {
	out := wraps{slices.Clip(w.around), slices.Clip(w.variables)}
	for i, list := range []ast.DirectiveList{ds, definition} {
		text, variables := travelling(list, out.variables)
		if text == "" {
			continue
		}
		a := Around{Inline: text}
		switch {
		case inlinable(list):
		case i == 0:
			a = Around{Spread: text}
		default:
			a = Around{Definition: text}
		}
		out.around, out.variables = append(out.around, a), variables
	}
	return out
}

// variant returns how a field is selected within fragments.
func (w wraps) variant(f *ast.Field, guard Guard) Variant {
	if len(w.around) == 0 && len(f.Directives) == 0 {
		return Variant{Guard: guard}
	}
	text, variables := travelling(f.Directives, slices.Clip(w.variables))
	return Variant{Directives: text, Around: w.around, Variables: variables, Guard: guard}
}

// variants returns the ways in which a group's field is selected, nil where it is selected without directives alone.
func (gr *group) variants() []Variant {
	var out []Variant
	for _, v := range gr.ways {
		at := slices.IndexFunc(out, func(o Variant) bool { return o.key() == v.key() })
		if at < 0 {
			out = append(out, v)
		} else {
			out[at].Guard = out[at].Guard.or(v.Guard)
		}
	}
	if len(out) == 1 && out[0].plain() {
		return nil
	}
	return out
}

// variantsText is what distinguishes a field with directives from the same without.
func variantsText(variants []Variant) string {
	var b strings.Builder
	for i := range variants {
		b.WriteString("\x02" + variants[i].key())
	}
	return b.String()
}

// variantsUnder returns an item's variants where a guard holds.
func (it *item) variantsUnder(guard Guard) []Variant {
	if len(it.variants) == 0 {
		return nil
	}
	out := slices.Clone(it.variants)
	for i := range out {
		if out[i].Guard = out[i].Guard.and(guard); len(out) == 1 {
			out[i].Guard = guard
		}
	}
	return out
}

// applied returns the directives of an operation that travel.
func applied(ds ast.DirectiveList) []AppliedDirective {
	var out []AppliedDirective
	for _, d := range ds {
		if text, variables := travelling(ast.DirectiveList{d}, nil); text != "" && d.Definition != nil {
			out = append(out, AppliedDirective{Text: text, Variables: variables, Locations: d.Definition.Locations})
		}
	}
	return out
}

// DirectivesOf returns the directives of the operation that a request of some kind to a subgraph carries: those that may
// stand there. A mutation's requests for entities are queries.
func (o *Operation) DirectivesOf(kind OperationKind) []AppliedDirective {
	at := [...]ast.DirectiveLocation{Query: ast.LocationQuery, Mutation: ast.LocationMutation, Subscription: ast.LocationSubscription}[kind]
	var out []AppliedDirective
	for _, d := range o.Directives {
		if slices.Contains(d.Locations, at) {
			out = append(out, d)
		}
	}
	return out
}
