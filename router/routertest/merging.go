package routertest

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
)

// FieldsCanMerge checks the operations of a valid document by FieldsInSetCanMerge (GraphQL specification, 5.3.2), word for
// word: pair by pair, in every selection set.
func FieldsCanMerge(schema *ast.Schema, doc *ast.QueryDocument) error {
	m := merging{schema: schema, doc: doc}
	for _, op := range doc.Operations {
		root := map[ast.Operation]*ast.Definition{ast.Query: schema.Query, ast.Mutation: schema.Mutation, ast.Subscription: schema.Subscription}[op.Operation]
		if err := m.everySet(root, op.SelectionSet); err != nil {
			return err
		}
	}
	return nil
}

type merging struct {
	schema *ast.Schema
	doc    *ast.QueryDocument
}

// selectedField is a field with the type that it is selected on.
type selectedField struct {
	parent *ast.Definition
	field  *ast.Field
}

// everySet checks a selection set and all those within it.
func (m merging) everySet(parent *ast.Definition, set ast.SelectionSet) error {
	fields := m.fields(nil, parent, set)
	if err := m.canMerge(fields); err != nil {
		return err
	}
	for _, f := range fields {
		if len(f.field.SelectionSet) == 0 {
			continue
		}
		if err := m.everySet(m.typeOf(f), f.field.SelectionSet); err != nil {
			return fmt.Errorf("%s: %w", f.field.Alias, err)
		}
	}
	return nil
}

// fields lists the fields of a selection set, those of its fragments too.
func (m merging) fields(out []selectedField, parent *ast.Definition, set ast.SelectionSet) []selectedField {
	on := func(condition string) *ast.Definition {
		if condition == "" {
			return parent
		}
		return m.schema.Types[condition]
	}
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			out = append(out, selectedField{parent, s})
		case *ast.InlineFragment:
			out = m.fields(out, on(s.TypeCondition), s.SelectionSet)
		case *ast.FragmentSpread:
			def := m.doc.Fragments.ForName(s.Name)
			out = m.fields(out, on(def.TypeCondition), def.SelectionSet)
		}
	}
	return out
}

// canMerge is FieldsInSetCanMerge.
func (m merging) canMerge(set []selectedField) error {
	for i, a := range set {
		for _, b := range set[i+1:] {
			if a.field.Alias != b.field.Alias {
				continue
			}
			if err := m.sameShape(a, b); err != nil {
				return err
			}
			if a.parent != b.parent && a.parent.Kind == ast.Object && b.parent.Kind == ast.Object {
				continue
			}
			if a.field.Name != b.field.Name || !sameValues(a.field.Arguments, b.field.Arguments) {
				return fmt.Errorf("%q stands for %s.%s and for %s.%s, or has other arguments", a.field.Alias, a.parent.Name, a.field.Name, b.parent.Name, b.field.Name)
			}
			if err := m.canMerge(m.merged(a, b)); err != nil {
				return fmt.Errorf("%s: %w", a.field.Alias, err)
			}
		}
	}
	return nil
}

// sameShape is SameResponseShape.
func (m merging) sameShape(a, b selectedField) error {
	x, y := m.declared(a), m.declared(b)
	for {
		if x.NonNull != y.NonNull || (x.Elem == nil) != (y.Elem == nil) {
			return fmt.Errorf("%q has the type %s on %s and %s on %s", a.field.Alias, m.declared(a), a.parent.Name, m.declared(b), b.parent.Name)
		}
		if x.Elem == nil {
			break
		}
		x, y = x.Elem, y.Elem
	}
	p, q := m.schema.Types[x.NamedType], m.schema.Types[y.NamedType]
	if p.IsLeafType() || q.IsLeafType() {
		if p != q {
			return fmt.Errorf("%q has the type %s on %s and %s on %s", a.field.Alias, p.Name, a.parent.Name, q.Name, b.parent.Name)
		}
		return nil
	}
	set := m.merged(a, b)
	for i, a := range set {
		for _, b := range set[i+1:] {
			if a.field.Alias != b.field.Alias {
				continue
			}
			if err := m.sameShape(a, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// merged adds the selection sets of two fields.
func (m merging) merged(a, b selectedField) []selectedField {
	var out []selectedField
	for _, f := range []selectedField{a, b} {
		if len(f.field.SelectionSet) > 0 {
			out = m.fields(out, m.typeOf(f), f.field.SelectionSet)
		}
	}
	return out
}

// declared returns the type of a field.
func (m merging) declared(f selectedField) *ast.Type {
	if def := f.parent.Fields.ForName(f.field.Name); def != nil {
		return def.Type
	}
	return ast.NonNullNamedType("String", nil) // __typename
}

func (m merging) typeOf(f selectedField) *ast.Definition { return m.schema.Types[m.declared(f).Name()] }

// sameValues reports whether two lists of arguments are the same, in whatever order.
func sameValues(x, y ast.ArgumentList) bool {
	if len(x) != len(y) {
		return false
	}
	for _, a := range x {
		b := y.ForName(a.Name)
		if b == nil || a.Value.String() != b.Value.String() {
			return false
		}
	}
	return true
}
