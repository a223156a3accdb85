package plan

import (
	"fmt"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// maxDeferred is how many deferred fragments an operation may have, after fragments are spread.
const maxDeferred = 64

// maxLabel bounds a label, in bytes: it is sent again for each object.
const maxLabel = 512

const deferDirective = "defer"

// Deferred is a fragment with an active @defer: a part of the answer that is delivered after the part around it, once for
// each object that it applies to.
type Deferred struct {
	ID    int // its index in the operation's Deferred
	Label string
	// Parent is the ID of the deferred fragment that this one stands in, -1 where that is the initial answer.
	Parent int
	// Path leads to the objects that it applies to.
	Path Path
	// Type is the API's type of the selection set that the fragment stands in.
	Type string
	// Selections are all of the fragment's, also those that an earlier part has too, without the deferred ones among them.
	Selections SelectionSet
}

// DeferError says why an operation may not defer a fragment where it does.
type DeferError struct {
	Message  string
	Position *ast.Position
}

// Error implements error.
func (e *DeferError) Error() string { return e.Message }

// Deferral says what an operation defers.
type Deferral struct {
	// Always tells that fragments are deferred whatever the variables.
	Always bool
	// Variables decide on others, in the order of their first use: a fragment is deferred unless its variable is false.
	Variables []string
}

// FindDeferral tells what an operation defers. The error is a [DeferError].
func FindDeferral(doc *ast.QueryDocument, op *ast.OperationDefinition) (Deferral, error) {
	d := &deferSearch{doc: doc, op: op, spread: map[string]bool{}, labels: map[string]bool{}, met: map[*ast.Directive]bool{}}
	err := d.set(op.SelectionSet, true)
	return d.found, err
}

// deferSearch looks through an operation for @defer.
type deferSearch struct {
	doc    *ast.QueryDocument
	op     *ast.OperationDefinition
	spread map[string]bool
	labels map[string]bool
	met    map[*ast.Directive]bool
	found  Deferral
}

// set looks through a selection set; root tells that it is one of the operation's root type.
func (d *deferSearch) set(set ast.SelectionSet, root bool) error {
	for _, s := range set {
		var err error
		switch s := s.(type) {
		case *ast.Field:
			err = d.set(s.SelectionSet, false)
		case *ast.InlineFragment:
			if err = d.fragment(s.Directives, root); err == nil {
				err = d.set(s.SelectionSet, root)
			}
		case *ast.FragmentSpread:
			if err = d.fragment(s.Directives, root); err != nil {
				break
			}
			mark := fmt.Sprint(s.Name, root)
			if def := d.doc.Fragments.ForName(s.Name); def != nil && !d.spread[mark] {
				d.spread[mark] = true
				err = d.set(def.SelectionSet, root)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fragment notes the @defer of a fragment.
func (d *deferSearch) fragment(ds ast.DirectiveList, root bool) error {
	dir := ds.ForName(deferDirective)
	if dir == nil {
		return nil
	}
	variable, never := deferCondition(dir)
	refuse := func(text string) error { return &DeferError{Message: text, Position: dir.Position} }
	switch {
	case never:
		return nil
	case d.op.Operation == ast.Subscription && variable == "":
		return refuse("@defer cannot be used in a subscription: leave it out, or switch it off with if: false.")
	case d.op.Operation == ast.Subscription:
		return nil // every event is one answer
	case d.op.Operation == ast.Mutation && root:
		return refuse("@defer cannot be used on the fields of Mutation, which run one after another: defer what is selected below them.")
	}
	if label := dir.Arguments.ForName("label"); label != nil && !d.met[dir] {
		switch {
		case label.Value.Kind == ast.Variable:
			return refuse("The label of @defer cannot be a variable: write it as text.")
		case len(label.Value.Raw) > maxLabel:
			return refuse(fmt.Sprintf("A label of @defer has %d bytes: at most %d are taken.", len(label.Value.Raw), maxLabel))
		case label.Value.Kind != ast.NullValue && d.labels[label.Value.Raw]:
			return refuse(fmt.Sprintf("Two fragments are deferred under the label %q: give each one of its own.", label.Value.Raw))
		}
		d.labels[label.Value.Raw] = label.Value.Kind != ast.NullValue
	}
	d.met[dir] = true
	switch {
	case variable == "":
		d.found.Always = true
	case !slices.Contains(d.found.Variables, variable):
		d.found.Variables = append(d.found.Variables, variable)
	}
	return nil
}

// deferCondition gives the variable that decides on a @defer, "" for none; never tells that it is written as false.
func deferCondition(dir *ast.Directive) (variable string, never bool) {
	arg := dir.Arguments.ForName("if")
	switch {
	case arg == nil || arg.Value == nil:
		return "", false
	case arg.Value.Kind == ast.Variable:
		return arg.Value.Raw, false
	}
	return "", arg.Value.Kind == ast.BooleanValue && arg.Value.Raw == "false"
}

// deferred gives the part that a fragment with these directives begins within another, or that other one where it is not
// deferred.
func (c *collector) deferred(ds ast.DirectiveList, guard Guard, within *Deferred, t *typeNode, types typeSet) (*Deferred, error) {
	dir := ds.ForName(deferDirective)
	if dir == nil || c.n.options.Defer == nil || c.n.op.Kind == Subscription {
		return within, nil
	}
	if variable, never := deferCondition(dir); never || !c.n.options.Defer(variable) {
		return within, nil
	}
	id := len(c.n.op.Deferred)
	if id >= maxDeferred {
		return nil, &LimitError{What: "deferred fragments", Limit: maxDeferred}
	}
	out := &Deferred{ID: id, Parent: -1, Path: slices.Clone(c.n.path), Type: c.static.name}
	if within != nil {
		out.Parent = within.ID
	}
	if label := dir.Arguments.ForName("label"); label != nil && label.Value.Kind != ast.NullValue {
		out.Label = label.Value.Raw
	}
	if len(out.Path) > 0 && len(types) < len(c.all) {
		out.Path[len(out.Path)-1].Types = c.n.g.names(types)
	}
	c.n.op.Deferred = append(c.n.op.Deferred, out)
	c.begun = append(c.begun, begun{deferred: out, within: within, on: t, types: types, guard: guard})
	return out, nil
}

// begun is a deferred fragment that stands in a selection set.
type begun struct {
	deferred, within *Deferred
	on               *typeNode
	types            typeSet
	guard            Guard
}

// share is what one part of the answer has of a selection set; the initial answer is nil.
type share struct {
	part *Deferred
	set  SelectionSet
}

type shares []share

// of gives what a part has.
func (s shares) of(part *Deferred) SelectionSet {
	for i := range s {
		if s[i].part == part {
			return s[i].set
		}
	}
	return nil
}

func (s shares) with(part *Deferred, set ...Selection) shares {
	for i := range s {
		if s[i].part == part {
			s[i].set = append(s[i].set, set...)
			return s
		}
	}
	return append(s, share{part, set})
}

// sharedField is a group's field as one part of the answer has it.
type sharedField struct {
	part  *Deferred
	turn  int
	until int // the last of the turns that follow each other
	field *Field
	set   SelectionSet // the field under the conditions that it takes
}

// shares gives each part the fields that it has, in the order in which it selects them, and the deferred fragments that
// stand in it.
func (c *collector) shares(fields []sharedField) shares {
	slices.SortStableFunc(fields, func(a, b sharedField) int { return a.turn - b.turn })
	var out shares
	for _, f := range fields {
		out = out.with(f.part, f.set...)
	}
	for _, b := range c.begun {
		out = out.with(b.within, c.marker(b)...)
	}
	for _, b := range c.begun {
		b.deferred.Selections = out.of(b.deferred)
	}
	return out
}

// marker stands in a selection set for a deferred fragment, for the types that it applies to.
func (c *collector) marker(b begun) SelectionSet {
	switch {
	case b.types.equal(c.all):
		return SelectionSet{{Fragment: &Fragment{Guard: b.guard, Deferred: b.deferred}}}
	case b.on.visible.intersect(c.all).equal(b.types):
		return SelectionSet{{Fragment: &Fragment{TypeCondition: b.on.name, Guard: b.guard, Deferred: b.deferred}}}
	}
	var out SelectionSet
	for _, id := range b.types {
		out = append(out, Selection{Fragment: &Fragment{TypeCondition: c.n.g.types[id].name, Guard: b.guard, Deferred: b.deferred}})
	}
	return out
}

// deferredGroup is the set of parts that a field is first answered in, as bits by their IDs: 0 for the initial answer, and
// else without those that come after another of the set (a deferred fragment in a deferred fragment).
type deferredGroup uint64

// groupOf gives the group of a field that is selected in some parts.
func (op *Operation) groupOf(parts []*Deferred) deferredGroup {
	var g deferredGroup
	for _, d := range parts {
		if d == nil {
			return 0
		}
		g |= 1 << d.ID
	}
	return op.outermost(g)
}

// outermost drops of a group the parts that stand in others of it.
func (op *Operation) outermost(g deferredGroup) deferredGroup {
	out := g
	for _, d := range op.Deferred {
		if g&(1<<d.ID) == 0 {
			continue
		}
		for up := d.Parent; up >= 0; up = op.Deferred[up].Parent {
			if g&(1<<up) != 0 {
				out &^= 1 << d.ID
			}
		}
	}
	return out
}

// ids lists the parts of a group.
func (g deferredGroup) ids() []int {
	var out []int
	for i := range maxDeferred {
		if g&(1<<i) != 0 {
			out = append(out, i)
		}
	}
	return out
}
