package supergraph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// FieldSet is a parsed field set, as in @key(fields:), @requires, @provides and contextArguments.
type FieldSet []Selection

// Selection is a field with what is selected below it, or, when Field is "", an inline fragment on the type On.
type Selection struct {
	Field      string
	Arguments  []FieldSetArgument
	On         string
	Selections FieldSet
}

// FieldSetArgument is an argument given inside a field set; Value is a GraphQL literal.
type FieldSetArgument struct {
	Name  string
	Value string
}

// String writes the field set in a canonical form: equal sets of equal order have equal strings.
func (s FieldSet) String() string {
	var b strings.Builder
	s.write(&b)
	return b.String()
}

func (s FieldSet) write(b *strings.Builder) {
	for i, sel := range s {
		if i > 0 {
			b.WriteByte(' ')
		}
		if sel.Field == "" {
			b.WriteString("... on ")
			b.WriteString(sel.On)
		}
		b.WriteString(sel.Field)
		if len(sel.Arguments) > 0 {
			b.WriteByte('(')
			for j, a := range sel.Arguments {
				if j > 0 {
					b.WriteString(", ")
				}
				b.WriteString(a.Name + ": " + a.Value)
			}
			b.WriteByte(')')
		}
		if len(sel.Selections) > 0 {
			b.WriteString(" { ")
			sel.Selections.write(b)
			b.WriteString(" }")
		}
	}
}

// maxFieldSetDepth bounds nesting in field sets; real ones rarely pass five.
const maxFieldSetDepth = 64

// ParseFieldSet parses a field set, with or without braces around it. It does not look at any schema.
func ParseFieldSet(text string) (FieldSet, error) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return nil, fmt.Errorf("an empty field set")
	}
	if !strings.HasPrefix(trimmed, "{") {
		trimmed = "{" + trimmed + "\n}"
	}
	doc, err := parser.ParseQuery(&ast.Source{Name: "field set", Input: trimmed})
	if err != nil {
		return nil, fmt.Errorf("field set %q: %w", text, err)
	}
	if len(doc.Operations) != 1 || len(doc.Fragments) > 0 {
		return nil, fmt.Errorf("field set %q: want one selection", text)
	}
	set, err := convertFieldSet(doc.Operations[0].SelectionSet, 0)
	if err != nil {
		return nil, fmt.Errorf("field set %q: %w", text, err)
	}
	return set, nil
}

func convertFieldSet(selections ast.SelectionSet, depth int) (FieldSet, error) {
	if depth > maxFieldSetDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxFieldSetDepth)
	}
	out := make(FieldSet, 0, len(selections))
	for _, s := range selections {
		switch s := s.(type) {
		case *ast.Field:
			sel := Selection{Field: s.Name}
			for _, a := range s.Arguments {
				sel.Arguments = append(sel.Arguments, FieldSetArgument{Name: a.Name, Value: a.Value.String()})
			}
			var err error
			if len(s.SelectionSet) > 0 {
				if sel.Selections, err = convertFieldSet(s.SelectionSet, depth+1); err != nil {
					return nil, err
				}
			}
			out = append(out, sel)
		case *ast.InlineFragment:
			nested, err := convertFieldSet(s.SelectionSet, depth+1)
			if err != nil {
				return nil, err
			}
			if s.TypeCondition == "" {
				out = append(out, nested...)
				continue
			}
			out = append(out, Selection{On: s.TypeCondition, Selections: nested})
		default:
			return nil, fmt.Errorf("a fragment spread has no place in a field set")
		}
	}
	return out, nil
}

// over returns the set, which a subgraph wrote for its own types, as it reads over the supergraph's. A subgraph may have a field
// of a narrower type than the supergraph has, and select what only that type has: there the set gets a condition on the type.
func (s FieldSet) over(sg *Supergraph, t *Type, g GraphID) FieldSet {
	if len(s) == 0 {
		return s
	}
	out := make(FieldSet, len(s))
	for i, sel := range s {
		out[i] = sel
		if sel.Field == "" {
			if on := sg.types[sel.On]; on != nil {
				out[i].Selections = sel.Selections.over(sg, on, g)
			}
			continue
		}
		f := t.Field(sel.Field)
		if f == nil || len(sel.Selections) == 0 {
			continue
		}
		wide := sg.types[f.Type.Name()]
		own := wide
		if source := f.Source(g); source != nil {
			own = sg.types[source.Type.Name()]
		}
		if own == nil || wide == nil {
			continue
		}
		below := sel.Selections.over(sg, own, g)
		if own != wide && slices.ContainsFunc(below, func(b Selection) bool { return b.Field != "" && b.Field != "__typename" && wide.Field(b.Field) == nil }) {
			below = FieldSet{{On: own.Name, Selections: below}}
		}
		out[i].Selections = below
	}
	return out
}

// check verifies that every field of the set exists on the type it is selected on.
func (s FieldSet) check(sg *Supergraph, t *Type) error {
	for _, sel := range s {
		if sel.Field == "" {
			on := sg.types[sel.On]
			if on == nil || !on.IsComposite() {
				return fmt.Errorf("there is no type %q to condition on", sel.On)
			}
			if err := sel.Selections.check(sg, on); err != nil {
				return err
			}
			continue
		}
		if sel.Field == "__typename" {
			continue
		}
		f := t.Field(sel.Field)
		if f == nil {
			return fmt.Errorf("type %s has no field %q", t.Name, sel.Field)
		}
		out := sg.types[f.Type.Name()]
		composite := out != nil && out.IsComposite()
		if composite != (len(sel.Selections) > 0) {
			return fmt.Errorf("field %s.%s: a composite field needs a selection and a leaf has none", t.Name, sel.Field)
		}
		if composite {
			if err := sel.Selections.check(sg, out); err != nil {
				return err
			}
		}
	}
	return nil
}
