package differential_test

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/vektah/gqlparser/v2/parser"
)

// kind is what sort of difference an error is: its first words, without numbers and what has a place in a response. What is
// made smaller has to stay of a kind.
func kind(err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	line = strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return -1
		}
		return c
	}, line)
	words := slices.DeleteFunc(strings.Fields(line), func(w string) bool { return strings.ContainsAny(w, "[].{}") })
	return strings.Join(words[:min(3, len(words))], " ")
}

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

// shrinkGraphs drops from drafts all without which fails still holds.
func (g *generator) shrinkGraphs(fails func() bool) {
	for smaller := true; smaller; {
		smaller = false
		for n := 0; ; n++ {
			kept := g.subs
			g.subs = copied(kept)
			if !g.drop(n) {
				g.subs = kept
				break
			}
			g.tidy()
			if fails() {
				smaller = true
				n--
			} else {
				g.subs = kept
			}
		}
	}
}

// drop leaves out the n-th thing of the drafts: a subgraph, a type, a field, a directive; false where there is no n-th.
func (g *generator) drop(n int) bool {
	hit := func() bool { n--; return n == -1 }
	for i, d := range g.subs {
		if len(g.subs) > 1 && hit() {
			g.subs = slices.Delete(g.subs, i, i+1)
			return true
		}
		for _, name := range sortedKeys(d.types) {
			t := d.types[name]
			if name == "In0" || name == "Eb" || name == "Ei" {
				continue // operations may give values of them
			}
			if hit() {
				delete(d.types, name)
				return true
			}
			if hit() {
				for _, o := range g.subs {
					delete(o.types, name)
				}
				return true
			}
			for _, list := range []*[]string{&t.directives, &t.implements, &t.members} {
				for k := range *list {
					if hit() {
						*list = slices.Delete(*list, k, k+1)
						return true
					}
				}
			}
			for k, f := range t.fields {
				if t.kind == "input" {
					break
				}
				if hit() {
					t.fields = slices.Delete(t.fields, k, k+1)
					return true
				}
				if hit() {
					for _, o := range g.subs {
						if own := o.types[name]; own != nil {
							own.fields = slices.DeleteFunc(own.fields, func(of *fieldDraft) bool { return of.name == f.name })
						}
					}
					return true
				}
				if f.args != "" && hit() {
					for _, o := range g.subs {
						if own := o.types[name].field(f.name); own != nil {
							own.args = ""
						}
					}
					return true
				}
				if bare := strings.Trim(f.typ, "[]!"); f.typ != bare && !strings.Contains(f.typ, " ") && hit() {
					f.typ = bare
					return true
				}
				for x, dir := range f.directives {
					if hit() {
						f.directives = slices.Delete(f.directives, x, x+1)
						return true
					}
					for _, smaller := range smallerSets(dir) {
						if hit() {
							f.directives[x] = smaller
							return true
						}
					}
				}
			}
		}
	}
	return false
}

// tidy takes out external fields that nothing in their subgraph needs, and what is of a type that is gone.
func (g *generator) tidy() {
	for _, d := range g.subs {
		for changed := true; changed; {
			changed = false
			var used strings.Builder
			for _, t := range d.types {
				used.WriteString(strings.Join(t.directives, " "))
				for _, f := range t.fields {
					used.WriteString(strings.Join(f.directives, " "))
				}
			}
			words := strings.FieldsFunc(used.String(), func(c rune) bool { return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z') })
			for name, t := range d.types {
				before := len(t.fields)
				t.fields = slices.DeleteFunc(t.fields, func(f *fieldDraft) bool {
					out := strings.Trim(strings.Fields(f.typ)[0], "[]!")
					gone := d.types[out] == nil && !slices.Contains([]string{"Int", "String", "Float", "Boolean", "ID"}, out)
					return gone || slices.Contains(f.directives, "@external") && !slices.Contains(words, f.name)
				})
				t.members = slices.DeleteFunc(t.members, func(m string) bool { return t.kind == "union" && d.types[m] == nil })
				t.implements = slices.DeleteFunc(t.implements, func(m string) bool { return d.types[m] == nil })
				if len(t.fields) == 0 && before > 0 || t.kind == "union" && len(t.members) == 0 {
					delete(d.types, name)
				}
				changed = changed || len(t.fields) < before || d.types[name] == nil
			}
		}
	}
}

// smallerSets gives a directive with parts of its field set left out.
func smallerSets(directive string) []string {
	head, rest, ok := strings.Cut(directive, `(fields: "`)
	if !ok {
		return nil
	}
	set, tail, _ := strings.Cut(rest, `"`)
	doc, err := parser.ParseQuery(&ast.Source{Input: "{" + set + "}"})
	if err != nil {
		return nil
	}
	var out []string
	for n := 0; ; n++ {
		smaller, ok := without(written(doc), n)
		if !ok {
			return out
		}
		out = append(out, head+`(fields: "`+strings.TrimSuffix(strings.TrimPrefix(smaller, "{ "), " }")+`"`+tail)
	}
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
