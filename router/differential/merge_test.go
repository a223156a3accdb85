package differential_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// asking is a field with the type that it is asked of.
type asking struct {
	parent *ast.Definition
	field  *ast.Field
}

// merging checks FieldsInSetCanMerge of section 5.3.2: a second opinion, beside the library's, of what a subgraph is asked.
type merging struct {
	schema *ast.Schema
	doc    *ast.QueryDocument
}

// canMerge checks the operations of a document that is valid but for this rule.
func canMerge(schema *ast.Schema, doc *ast.QueryDocument) error {
	m := &merging{schema, doc}
	for _, op := range doc.Operations {
		root := map[ast.Operation]*ast.Definition{ast.Query: schema.Query, ast.Mutation: schema.Mutation, ast.Subscription: schema.Subscription}[op.Operation]
		fields := m.collect(root, op.SelectionSet, nil)
		if err := m.shapes(fields); err != nil {
			return err
		}
		if err := m.fields(fields); err != nil {
			return err
		}
	}
	return nil
}

// collect lists the fields of a selection set, through fragments.
func (m *merging) collect(parent *ast.Definition, set ast.SelectionSet, into []asking) []asking {
	on := func(condition string) *ast.Definition {
		if condition == "" {
			return parent
		}
		return m.schema.Types[condition]
	}
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			into = append(into, asking{parent, sel})
		case *ast.InlineFragment:
			into = m.collect(on(sel.TypeCondition), sel.SelectionSet, into)
		case *ast.FragmentSpread:
			f := m.doc.Fragments.ForName(sel.Name)
			into = m.collect(on(f.TypeCondition), f.SelectionSet, into)
		}
	}
	return into
}

// below lists the fields that are selected of fields.
func (m *merging) below(of []asking) (out []asking) {
	for _, a := range of {
		if fd := a.parent.Fields.ForName(a.field.Name); fd != nil {
			out = m.collect(m.schema.Types[fd.Type.Name()], a.field.SelectionSet, out)
		}
	}
	return out
}

func byKey(fields []asking) map[string][]asking {
	out := map[string][]asking{}
	for _, a := range fields {
		out[a.field.Alias] = append(out[a.field.Alias], a)
	}
	return out
}

// shapes is SameResponseShape of all fields under the same key, whatever types they are asked of.
func (m *merging) shapes(fields []asking) error {
	groups := byKey(fields)
	for _, key := range sortedKeys(groups) {
		group := groups[key]
		for _, a := range group[1:] {
			if x, y := m.shape(group[0]), m.shape(a); x != y {
				return fmt.Errorf("%s.%s and %s.%s under one key have the shapes %s and %s", group[0].parent.Name, group[0].field.Name, a.parent.Name, a.field.Name, x, y)
			}
		}
		if err := m.shapes(m.below(group)); err != nil {
			return err
		}
	}
	return nil
}

// shape writes a field's type with all composite types under one name.
func (m *merging) shape(a asking) string {
	fd := a.parent.Fields.ForName(a.field.Name)
	if fd == nil {
		return "String!" // __typename
	}
	name := func(t *ast.Type) string {
		if m.schema.Types[t.Name()].IsCompositeType() {
			return "{}"
		}
		return t.Name()
	}
	var write func(t *ast.Type) string
	write = func(t *ast.Type) string {
		out := ""
		if t.Elem != nil {
			out = "[" + write(t.Elem) + "]"
		} else {
			out = name(t)
		}
		if t.NonNull {
			out += "!"
		}
		return out
	}
	return write(fd.Type)
}

// fields checks that what can be asked of one object under one key is the same field with the same arguments.
func (m *merging) fields(fields []asking) error {
	groups := byKey(fields)
	for _, key := range sortedKeys(groups) {
		group := groups[key]
		parents := map[string]bool{}
		for _, a := range group {
			if a.parent.Kind == ast.Object {
				parents[a.parent.Name] = true
			}
		}
		if len(parents) == 0 {
			parents[""] = true
		}
		for _, parent := range sortedKeys(parents) {
			same := slices.DeleteFunc(slices.Clone(group), func(a asking) bool { return a.parent.Kind == ast.Object && a.parent.Name != parent })
			for _, a := range same[1:] {
				if x, y := invocation(same[0].field), invocation(a.field); x != y {
					return fmt.Errorf("%s and %s are asked under one key", x, y)
				}
			}
			if err := m.fields(m.below(same)); err != nil {
				return err
			}
		}
	}
	return nil
}

// invocation writes a field's name and arguments, these in the order of their names.
func invocation(f *ast.Field) string {
	args := slices.Clone(f.Arguments)
	slices.SortFunc(args, func(a, b *ast.Argument) int { return strings.Compare(a.Name, b.Name) })
	out := f.Name
	for _, a := range args {
		out += " " + a.Name + ":" + a.Value.String()
	}
	return out
}

// TestCanMerge holds the second opinion against examples of the specification, and against the library's.
func TestCanMerge(t *testing.T) {
	t.Parallel()
	schema, err := gqlparser.LoadSchema(&ast.Source{Input: `
		type Query { pet: Pet pets: [Pet] same: Query }
		interface Pet { name: String, friend: Pet }
		type Dog implements Pet { name: String, friend: Dog, id: ID!, age: Int, barks(loud: Boolean): Int }
		type Cat implements Pet { name: String, friend: Cat!, id: ID, age: String, meows: Int }`})
	if err != nil {
		t.Fatal(err)
	}
	for text, valid := range map[string]bool{
		`{ pet { name name } }`:                                                                                    true,
		`{ pet { name name: __typename } }`:                                                                        false,
		`{ pet { ... on Dog { x: barks } ... on Cat { x: meows } } }`:                                              true,
		`{ pet { ... on Dog { barks(loud: true) } ... on Dog { barks } } }`:                                        false,
		`{ pet { ... on Dog { age } ... on Cat { age } } }`:                                                        false,
		`{ pet { ... on Dog { id } ... on Cat { id } } }`:                                                          false,
		`{ pet { ... on Dog { friend { name } } ... on Cat { friend { name } } } }`:                                false,
		`{ same { pet { name } } same { pet { name: __typename } } }`:                                              false,
		`{ pets { ... on Dog { name } } pets { ... on Cat { name: __typename } } }`:                                false,
		`{ a: same { pet { ... on Dog { id } } } a: same { pet { ... on Cat { id } } } }`:                          false,
		`{ a: same { pet { ... on Dog { id } } } b: same { pet { ... on Cat { id } } } }`:                          true,
		`{ pet { ... on Dog { friend { age } } ... on Pet { friend { ... on Cat { age } } } } }`:                   false,
		`{ ...A ...B } fragment A on Query { pet { name } } fragment B on Query { pet { name: friend { name } } }`: false,
	} {
		_, errs := gqlparser.LoadQueryWithRules(schema, text, referenceRules())
		parsed, parseErr := parser.ParseQuery(&ast.Source{Input: text})
		if parseErr != nil {
			t.Fatal(parseErr)
		}
		if err := canMerge(schema, parsed); (err == nil) != valid || (len(errs) == 0) != valid {
			t.Errorf("%s: %v, and the library: %v", text, err, errs)
		}
	}
}
