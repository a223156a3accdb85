package plan

import (
	"encoding/json"
	"fmt"
	"strings"
)

// String writes the plan for people: a block for each fetch, in the order of their numbers.
func (p *Plan) String() string {
	var b strings.Builder
	if len(p.Fetches) == 0 {
		b.WriteString("no fetch: the router answers by itself\n")
	}
	for _, f := range p.Fetches {
		fmt.Fprintf(&b, "fetch %d from %s", f.ID, f.Subgraph)
		if len(f.DependsOn) > 0 {
			fmt.Fprintf(&b, " after %s", strings.Trim(fmt.Sprint(f.DependsOn), "[]"))
		}
		if f.Batch > 0 {
			fmt.Fprintf(&b, " batch %d", f.Batch)
		}
		if len(f.Deferred) > 0 {
			fmt.Fprintf(&b, " for deferred %s", strings.Trim(fmt.Sprint(f.Deferred), "[]"))
		}
		if len(f.Guard) > 0 {
			fmt.Fprintf(&b, " if %s", p.Operation.guardText(f.Guard))
		}
		b.WriteString("\n")
		if len(f.Path) > 0 {
			fmt.Fprintf(&b, "  at %s\n", f.Path)
		}
		for _, r := range f.Representations {
			b.WriteString("  sends ")
			if len(r.Types) > 0 {
				b.WriteString(strings.Join(r.Types, "|"))
			} else {
				b.WriteString("any type")
			}
			if r.Typename != "" {
				b.WriteString(" as " + r.Typename)
			}
			b.WriteString(" ")
			p.Operation.write(&b, r.Fields, "  ", true)
			for _, c := range r.Contexts {
				fmt.Fprintf(&b, "  with $%s from %d up ", c.Variable, c.Up)
				p.Operation.write(&b, c.Fields, "  ", true)
			}
		}
		b.WriteString("  ")
		p.Operation.write(&b, f.Selections, "  ", false)
	}
	if len(p.Operation.Deferred) > 0 {
		b.WriteString("initially\n  ")
		p.Operation.write(&b, p.Operation.Selections, "  ", false)
	}
	for _, d := range p.Operation.Deferred {
		fmt.Fprintf(&b, "deferred %d", d.ID)
		if d.Label != "" {
			fmt.Fprintf(&b, " %q", d.Label)
		}
		if d.Parent >= 0 {
			fmt.Fprintf(&b, " after %d", d.Parent)
		}
		b.WriteString("\n")
		if len(d.Path) > 0 {
			fmt.Fprintf(&b, "  at %s\n", d.Path)
		}
		b.WriteString("  ")
		p.Operation.write(&b, d.Selections, "  ", false)
	}
	return b.String()
}

// String writes a path: "users.reviews.product|Book".
func (p Path) String() string {
	parts := make([]string, len(p))
	for i, e := range p {
		parts[i] = strings.ReplaceAll(e.Key, "\x00", "~")
		if len(e.Types) > 0 {
			parts[i] += "|" + strings.Join(e.Types, "|")
		}
	}
	return strings.Join(parts, ".")
}

func (o *Operation) guardText(g Guard) string {
	var masks []string
	for _, m := range g {
		var terms []string
		for bit, c := range o.Conditions {
			if m&(1<<bit) == 0 {
				continue
			}
			term := "$" + c.Variable
			if c.Label != "" {
				term = "label " + c.Label
			}
			if !c.Equals {
				term = "not " + term
			}
			terms = append(terms, term)
		}
		masks = append(masks, strings.Join(terms, " and "))
	}
	return strings.Join(masks, " or ")
}

func (o *Operation) write(b *strings.Builder, set SelectionSet, indent string, reading bool) {
	b.WriteString("{\n")
	for _, s := range set {
		b.WriteString(indent + "  ")
		if s.Fragment != nil && s.Fragment.Deferred != nil {
			b.WriteString("...")
			if s.Fragment.TypeCondition != "" {
				b.WriteString(" on " + s.Fragment.TypeCondition)
			}
			fmt.Fprintf(b, " deferred %d", s.Fragment.Deferred.ID)
			if len(s.Fragment.Guard) > 0 {
				b.WriteString(" if " + o.guardText(s.Fragment.Guard))
			}
			b.WriteString("\n")
			continue
		}
		if s.Fragment != nil {
			b.WriteString("... on " + s.Fragment.TypeCondition + " ")
			o.write(b, s.Fragment.Selections, indent+"  ", reading)
			continue
		}
		f := s.Field
		switch {
		case reading && f.Alias != f.Name:
			fmt.Fprintf(b, "%s from %s", f.Name, f.Alias)
		case f.Alias != f.Name:
			fmt.Fprintf(b, "%s: %s", f.Alias, f.Name)
		default:
			b.WriteString(f.Name)
		}
		for i, a := range f.Arguments {
			if i == 0 {
				b.WriteString("(")
			} else {
				b.WriteString(", ")
			}
			b.WriteString(a.Name + ": " + a.Value)
		}
		if len(f.Arguments) > 0 {
			b.WriteString(")")
		}
		if len(f.Types) > 0 {
			b.WriteString(" of " + strings.Join(f.Types, "|"))
		}
		for _, v := range f.Variants {
			for _, a := range v.Around {
				b.WriteString(" in " + a.Inline + a.Spread + a.Definition)
			}
			if v.Directives != "" {
				b.WriteString(" " + v.Directives)
			}
		}
		if !reading && f.Key != "" && f.Key != f.Alias {
			b.WriteString(" as " + strings.ReplaceAll(f.Key, "\x00", "~"))
		}
		if len(f.Guard) > 0 {
			b.WriteString(" if " + o.guardText(f.Guard))
		}
		if len(f.Selections) == 0 {
			b.WriteString("\n")
			continue
		}
		b.WriteString(" ")
		o.write(b, f.Selections, indent+"  ", reading)
	}
	b.WriteString(indent + "}\n")
}

type printedFetch struct {
	ID              int      `json:"id"`
	Subgraph        string   `json:"subgraph"`
	Path            string   `json:"path,omitempty"`
	DependsOn       []int    `json:"dependsOn,omitempty"`
	Batch           int      `json:"batch,omitempty"`
	Deferred        []int    `json:"deferred,omitempty"`
	Condition       string   `json:"condition,omitempty"`
	Representations []string `json:"representations,omitempty"`
	Operation       string   `json:"operation"`
	Variables       []string `json:"variables,omitempty"`
}

type printedDeferred struct {
	ID         int    `json:"id"`
	Label      string `json:"label,omitempty"`
	Parent     *int   `json:"parent,omitempty"`
	Path       string `json:"path"`
	Selections string `json:"selections"`
}

// MarshalJSON writes the plan for programs.
func (p *Plan) MarshalJSON() ([]byte, error) {
	out := struct {
		Fetches  []printedFetch    `json:"fetches"`
		Deferred []printedDeferred `json:"deferred,omitempty"`
	}{Fetches: []printedFetch{}}
	for _, f := range p.Fetches {
		var op strings.Builder
		p.Operation.write(&op, f.Selections, "", false)
		pf := printedFetch{ID: f.ID, Subgraph: f.Subgraph, Path: f.Path.String(), DependsOn: f.DependsOn, Batch: f.Batch, Deferred: f.Deferred, Operation: op.String(), Variables: f.Variables}
		if len(f.Guard) > 0 {
			pf.Condition = p.Operation.guardText(f.Guard)
		}
		for _, r := range f.Representations {
			var text strings.Builder
			text.WriteString(strings.Join(r.Types, "|") + " ")
			p.Operation.write(&text, r.Fields, "", true)
			pf.Representations = append(pf.Representations, text.String())
		}
		out.Fetches = append(out.Fetches, pf)
	}
	for _, d := range p.Operation.Deferred {
		var selections strings.Builder
		p.Operation.write(&selections, d.Selections, "", false)
		pd := printedDeferred{ID: d.ID, Label: d.Label, Path: d.Path.String(), Selections: selections.String()}
		if d.Parent >= 0 {
			pd.Parent = &d.Parent
		}
		out.Deferred = append(out.Deferred, pd)
	}
	return json.Marshal(out)
}
