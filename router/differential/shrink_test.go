package differential_test

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/vektah/gqlparser/v2/parser"
)

// shrink gives the smallest part of an operation found for which fails still holds.
func shrink(text string, fails func(text string) bool) string {
	for smaller := true; smaller; {
		smaller = false
		for n := 0; ; n++ {
			candidate, ok := without(text, n)
			if !ok {
				break
			}
			if candidate != text && fails(candidate) {
				text, smaller = candidate, true
				n--
			}
		}
	}
	return text
}

// without leaves out the n-th selection of an operation, or one of its directives or aliases; false where there is no n-th.
func without(text string, n int) (string, bool) {
	doc, err := parser.ParseQuery(&ast.Source{Input: text})
	if err != nil {
		return "", false
	}
	done := false
	hit := func() bool {
		n--
		if n == -1 {
			done = true
			return true
		}
		return false
	}
	var cut func(set ast.SelectionSet) ast.SelectionSet
	cut = func(set ast.SelectionSet) ast.SelectionSet {
		var out ast.SelectionSet
		for _, sel := range set {
			if len(set) > 1 && hit() {
				continue
			}
			switch sel := sel.(type) {
			case *ast.Field:
				if len(sel.Directives) > 0 && hit() {
					sel.Directives = nil
				}
				if sel.Alias != "" && sel.Alias != sel.Name && hit() {
					sel.Alias = ""
				}
				if len(sel.Arguments) > 0 && hit() {
					sel.Arguments = nil
				}
				sel.SelectionSet = cut(sel.SelectionSet)
			case *ast.InlineFragment:
				if len(sel.Directives) > 0 && hit() {
					sel.Directives = nil
				}
				if hit() {
					out = append(out, sel.SelectionSet...)
					continue
				}
				sel.SelectionSet = cut(sel.SelectionSet)
			case *ast.FragmentSpread:
				if len(sel.Directives) > 0 && hit() {
					sel.Directives = nil
				}
				if hit() {
					f := doc.Fragments.ForName(sel.Name)
					out = append(out, &ast.InlineFragment{TypeCondition: f.TypeCondition, SelectionSet: f.SelectionSet, Directives: sel.Directives})
					continue
				}
			}
			out = append(out, sel)
		}
		return out
	}
	op := doc.Operations[0]
	op.SelectionSet = cut(op.SelectionSet)
	for _, f := range doc.Fragments {
		f.SelectionSet = cut(f.SelectionSet)
	}
	if !done {
		return "", false
	}
	var kept ast.FragmentDefinitionList
	for _, f := range doc.Fragments {
		if spread(doc, op.SelectionSet, f.Name) {
			kept = append(kept, f)
		}
	}
	doc.Fragments = kept
	defs := op.VariableDefinitions
	op.VariableDefinitions = nil
	body := written(doc)
	for _, v := range defs {
		if strings.Contains(body+")", "$"+v.Variable+")") || strings.Contains(body, "$"+v.Variable+" ") || strings.Contains(body, "$"+v.Variable+",") ||
			strings.Contains(body, "$"+v.Variable+"]") || strings.Contains(body, "$"+v.Variable+"}") {
			op.VariableDefinitions = append(op.VariableDefinitions, v)
		}
	}
	return written(doc), true
}

// spread tells whether a fragment is spread in a selection set, over others too.
func spread(doc *ast.QueryDocument, set ast.SelectionSet, name string) bool {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			if spread(doc, sel.SelectionSet, name) {
				return true
			}
		case *ast.InlineFragment:
			if spread(doc, sel.SelectionSet, name) {
				return true
			}
		case *ast.FragmentSpread:
			if sel.Name == name || spread(doc, doc.Fragments.ForName(sel.Name).SelectionSet, name) {
				return true
			}
		}
	}
	return false
}

func written(doc *ast.QueryDocument) string {
	var b strings.Builder
	formatter.NewFormatter(&b, formatter.WithIndent(" ")).FormatQueryDocument(doc)
	return strings.Join(strings.Fields(b.String()), " ")
}
