package prepare

import (
	"encoding/binary"
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// overlaps checks that fields of one response key can be merged (GraphQL specification, section 5.3.2). It asks the same
// as the specification's algorithm, which compares every pair of fields, in about linear time: fields of a key must have
// alike shapes, and those whose parents may be the same object must be the same field with the same arguments; both are
// equivalences, so that each is compared with the first alone. The two are checked by passes of their own, over the
// fields of a key at all places together.
//
// The document must be valid otherwise, with the definitions of its fields noted in it.
type overlaps struct {
	doc    *ast.QueryDocument
	schema *ast.Schema
	ids    map[*ast.Field]uint32
	seen   map[string]bool // sets of fields whose selections were checked
	key    []byte
	budget int
	errors gqlerror.List
}

// overlapBudget bounds the fields that are looked at, each as often as it is spread: that is the work.
const overlapBudget = 500_000

// maxOverlaps bounds the errors that are told.
const maxOverlaps = 20

// checkOverlaps gives what cannot be merged, or a refusal of an operation that is too complex to tell.
func checkOverlaps(schema *ast.Schema, doc *ast.QueryDocument) (gqlerror.List, *Prepared) {
	o := &overlaps{doc: doc, schema: schema, ids: map[*ast.Field]uint32{}, budget: overlapBudget}
	for _, check := range []func([]*ast.Field){o.shapes, o.parents} {
		o.seen = map[string]bool{}
		for _, op := range doc.Operations {
			check(o.collect([]ast.SelectionSet{op.SelectionSet}))
		}
	}
	if o.budget < 0 {
		return nil, refusal("OPERATION_TOO_COMPLEX", "The operation spreads its fragments too often: ask for less at once.")
	}
	return o.errors, nil
}

// collect gives the fields of selection sets, with their fragments' once each.
func (o *overlaps) collect(sets []ast.SelectionSet) []*ast.Field {
	var out []*ast.Field
	var spread map[string]bool
	var walk func(ast.SelectionSet)
	walk = func(set ast.SelectionSet) {
		for _, s := range set {
			if o.budget--; o.budget < 0 {
				return
			}
			switch s := s.(type) {
			case *ast.Field:
				out = append(out, s)
			case *ast.InlineFragment:
				walk(s.SelectionSet)
			case *ast.FragmentSpread:
				if s.Definition == nil || spread[s.Name] {
					continue
				}
				if spread == nil {
					spread = map[string]bool{}
				}
				spread[s.Name] = true
				walk(s.Definition.SelectionSet)
			}
		}
	}
	for _, set := range sets {
		walk(set)
	}
	return out
}

// byKey groups fields by response key, in their order.
func byKey(fields []*ast.Field) [][]*ast.Field {
	if allApart(fields) {
		out := make([][]*ast.Field, len(fields))
		for i := range fields {
			out[i] = fields[i : i+1 : i+1]
		}
		return out
	}
	at := make(map[string]int, len(fields))
	var out [][]*ast.Field
	for _, f := range fields {
		i, ok := at[f.Alias]
		if !ok {
			i = len(out)
			at[f.Alias] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], f)
	}
	return out
}

// fewFields are as many as are compared with one another sooner than put into a map.
const fewFields = 8

// allApart reports whether no two of a few fields have one response key.
func allApart(fields []*ast.Field) bool {
	if len(fields) > fewFields {
		return false
	}
	for i, f := range fields {
		for _, g := range fields[:i] {
			if f.Alias == g.Alias {
				return false
			}
		}
	}
	return true
}

// below gives the fields that a group of fields selects, nil where they were checked before.
func (o *overlaps) below(group []*ast.Field) []*ast.Field {
	var sets []ast.SelectionSet
	o.key = o.key[:0]
	for _, f := range group {
		if len(f.SelectionSet) == 0 {
			continue
		}
		id, ok := o.ids[f]
		if !ok {
			id = uint32(len(o.ids))
			o.ids[f] = id
		}
		o.key = binary.BigEndian.AppendUint32(o.key, id)
		sets = append(sets, f.SelectionSet)
	}
	if len(sets) == 0 || o.seen[string(o.key)] {
		return nil
	}
	o.seen[string(o.key)] = true
	return o.collect(sets)
}

func (o *overlaps) done() bool { return o.budget < 0 || len(o.errors) >= maxOverlaps }

// shapes checks that the fields of a key give values of one shape, whatever objects they are of.
func (o *overlaps) shapes(fields []*ast.Field) {
	for _, group := range byKey(fields) {
		if o.done() {
			return
		}
		first := group[0]
		for _, f := range group[1:] {
			if a, b := typeOf(first), typeOf(f); a != nil && b != nil && !o.alike(a, b) {
				o.conflict(first, f, fmt.Sprintf("they return conflicting types %q and %q", a, b))
				break
			}
		}
		if sub := o.below(group); sub != nil {
			o.shapes(sub)
		}
	}
}

// typeOf returns the type of a field, nil where it has no definition. The library has __typename as a String that may be
// null, and it is a String! (section 4.1).
func typeOf(f *ast.Field) *ast.Type {
	switch {
	case f.Definition == nil:
		return nil
	case f.Name == "__typename":
		return ast.NonNullNamedType("String", nil)
	}
	return f.Definition.Type
}

// alike reports whether values of two types have one shape: the same lists and nulls, and the same scalar or enum, or
// objects both.
func (o *overlaps) alike(a, b *ast.Type) bool {
	if a.NonNull != b.NonNull || (a.Elem == nil) != (b.Elem == nil) {
		return false
	}
	if a.Elem != nil {
		return o.alike(a.Elem, b.Elem)
	}
	if a.NamedType == b.NamedType {
		return true
	}
	x, y := o.schema.Types[a.NamedType], o.schema.Types[b.NamedType]
	return x != nil && y != nil && x.IsCompositeType() && y.IsCompositeType()
}

// parents checks that the fields of a key that may be of the same object are the same field with the same arguments.
func (o *overlaps) parents(fields []*ast.Field) {
	for _, group := range byKey(fields) {
		for _, same := range byParent(group) {
			if o.done() {
				return
			}
			first := same[0]
			for _, f := range same[1:] {
				if f.Name != first.Name {
					o.conflict(first, f, fmt.Sprintf("%q and %q are different fields", first.Name, f.Name))
					break
				}
				if !sameArguments(first.Arguments, f.Arguments) {
					o.conflict(first, f, "they have differing arguments")
					break
				}
			}
			if sub := o.below(same); sub != nil {
				o.parents(sub)
			}
		}
	}
}

// byParent groups fields of one key by the object type that they are of; those of interfaces and unions may be of any.
func byParent(fields []*ast.Field) [][]*ast.Field {
	if len(fields) == 1 {
		return [][]*ast.Field{fields}
	}
	var abstract []*ast.Field
	var names []string
	concrete := map[string][]*ast.Field{}
	for _, f := range fields {
		if f.ObjectDefinition == nil || f.ObjectDefinition.Kind != ast.Object {
			abstract = append(abstract, f)
			continue
		}
		name := f.ObjectDefinition.Name
		if concrete[name] == nil {
			names = append(names, name)
		}
		concrete[name] = append(concrete[name], f)
	}
	if len(names) == 0 {
		return [][]*ast.Field{abstract}
	}
	out := make([][]*ast.Field, len(names))
	for i, name := range names {
		out[i] = append(concrete[name], abstract...)
	}
	return out
}

func sameArguments(a, b ast.ArgumentList) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		y := b.ForName(x.Name)
		if y == nil || !sameValue(x.Value, y.Value) {
			return false
		}
	}
	return true
}

// sameValue reports whether two literals are the same value: the fields of an input object have no order.
func sameValue(a, b *ast.Value) bool {
	if a.Kind == ast.BlockValue && b.Kind == ast.StringValue || a.Kind == ast.StringValue && b.Kind == ast.BlockValue {
		return a.Raw == b.Raw
	}
	if a.Kind != b.Kind || a.Raw != b.Raw || len(a.Children) != len(b.Children) {
		return false
	}
	for i, x := range a.Children {
		y := b.Children[i].Value
		if a.Kind == ast.ObjectValue {
			y = b.Children.ForName(x.Name)
		}
		if y == nil || !sameValue(x.Value, y) {
			return false
		}
	}
	return true
}

func (o *overlaps) conflict(a, b *ast.Field, reason string) {
	err := &gqlerror.Error{Message: fmt.Sprintf("Fields %q conflict because %s. Use different aliases on the fields to fetch both if this was intentional.", a.Alias, reason)}
	for _, f := range []*ast.Field{a, b} {
		if f.Position != nil {
			err.Locations = append(err.Locations, gqlerror.Location{Line: f.Position.Line, Column: f.Position.Column})
		}
	}
	o.errors = append(o.errors, err)
}
