// Package datamap derives from a supergraph's annotations which service holds which personal data, and what an erasure
// does to it. Nothing of it is kept by hand.
package datamap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/workflows"
)

// Entry is a field with personal data in one service.
type Entry struct {
	Service, Path, Category, Action, Rule, Description string
}

// Map is the data map of a supergraph.
type Map struct {
	Entries []Entry
	// Root is the service that holds the data subject's own type: it erases last.
	Root string
}

// Read reads a supergraph's SDL.
func Read(sdl string) (*Map, error) {
	doc, err := parser.ParseSchema(&ast.Source{Name: "supergraph", Input: sdl})
	if err != nil {
		return nil, fmt.Errorf("read the supergraph: %w", err)
	}
	graphs := map[string]string{} // enum value -> name
	if enum := doc.Definitions.ForName("join__Graph"); enum != nil {
		for _, v := range enum.EnumValues {
			graphs[v.Name] = argument(v.Directives.ForName("join__graph"), "name")
		}
	}
	m := &Map{}
	for _, def := range doc.Definitions {
		if def.Kind != ast.Object {
			continue
		}
		all := graphsOf(def.Directives, "join__type")
		for _, f := range def.Fields {
			personal := f.Directives.ForName("personal")
			if personal == nil {
				continue
			}
			in := resolvedIn(f, all)
			for _, g := range in {
				m.Entries = append(m.Entries, Entry{
					Service: graphs[g], Path: def.Name + "." + f.Name, Category: argument(personal, "category"),
					Action: argument(personal, "onErasure"), Rule: argument(personal, "rule"), Description: f.Description,
				})
			}
		}
		if def.Directives.ForName("dataSubject") != nil {
			m.Root = graphs[ownGraph(def, all)]
		}
	}
	slices.SortFunc(m.Entries, func(a, b Entry) int { return strings.Compare(a.Service+" "+a.Path, b.Service+" "+b.Path) })
	return m, nil
}

func argument(d *ast.Directive, name string) string {
	if d == nil {
		return ""
	}
	if a := d.Arguments.ForName(name); a != nil && a.Value.Kind != ast.NullValue {
		return a.Value.Raw
	}
	return ""
}

func graphsOf(ds ast.DirectiveList, name string) []string {
	var out []string
	for _, d := range ds.ForNames(name) {
		if g := argument(d, "graph"); g != "" && !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

// resolvedIn gives the graphs that hold a field: those of its join__field, less where it is external, or all of its type.
func resolvedIn(f *ast.FieldDefinition, all []string) []string {
	fields := f.Directives.ForNames("join__field")
	if len(fields) == 0 {
		return all
	}
	var out []string
	for _, d := range fields {
		if g := argument(d, "graph"); g != "" && argument(d, "external") != "true" {
			out = append(out, g)
		}
	}
	return out
}

// ownGraph gives the graph that holds most of the subject's own personal fields.
func ownGraph(def *ast.Definition, all []string) string {
	count := map[string]int{}
	for _, f := range def.Fields {
		if f.Directives.ForName("personal") != nil {
			for _, g := range resolvedIn(f, all) {
				count[g]++
			}
		}
	}
	best := ""
	for _, g := range all {
		if best == "" || count[g] > count[best] {
			best = g
		}
	}
	return best
}

// Services gives the services that hold personal data, sorted.
func (m *Map) Services() []string {
	var out []string
	for _, e := range m.Entries {
		if !slices.Contains(out, e.Service) {
			out = append(out, e.Service)
		}
	}
	slices.Sort(out)
	return out
}

// Manifest gives what the schema says of a service, to be compared with what the service says of itself.
func (m *Map) Manifest(service string) workflows.Manifest {
	var entries []workflows.ManifestEntry
	for _, e := range m.Entries {
		if e.Service == service {
			entries = append(entries, workflows.ManifestEntry{Path: e.Path, Category: e.Category, Action: e.Action, Rule: e.Rule})
		}
	}
	return privacy.NewManifest(service, entries)
}

// Waves gives the order in which services erase: leaves first, the data subject's own service last.
func (m *Map) Waves() [][]string {
	var leaves []string
	for _, s := range m.Services() {
		if s != m.Root {
			leaves = append(leaves, s)
		}
	}
	var out [][]string
	if len(leaves) > 0 {
		out = append(out, leaves)
	}
	if m.Root != "" {
		out = append(out, []string{m.Root})
	}
	return out
}

// Bind completes the fields that a service declares with what the schema says of them: category, action, rule. It refuses
// a field that the schema does not have as personal in this service.
func (m *Map) Bind(service string, fields []privacy.Field) ([]privacy.Field, error) {
	out := slices.Clone(fields)
	for i, f := range out {
		at := slices.IndexFunc(m.Entries, func(e Entry) bool { return e.Service == service && e.Path == f.Path })
		if at < 0 {
			return nil, fmt.Errorf("%s declares %s, which the schema does not have as personal data there: check the annotations", service, f.Path)
		}
		e := m.Entries[at]
		out[i].Category, out[i].Action, out[i].Rule = e.Category, e.Action, e.Rule
	}
	return out, nil
}
