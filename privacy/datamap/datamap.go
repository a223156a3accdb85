// Package datamap derives from a supergraph's annotations which service holds which personal data, what an erasure does to
// it, and in which order. Nothing of it is kept by hand.
package datamap

import (
	"errors"
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
	// edges lead from a service to those through which its data leads to the subject.
	edges map[string][]string
}

// Read reads a supergraph's SDL.
func Read(sdl string) (*Map, error) {
	if strings.TrimSpace(sdl) == "" {
		return nil, errors.New("read the supergraph: it is empty")
	}
	doc, err := parser.ParseSchema(&ast.Source{Name: "supergraph", Input: sdl})
	if err != nil {
		return nil, fmt.Errorf("read the supergraph: %w", err)
	}
	r := reader{doc: doc, graphs: map[string]string{}}
	if enum := doc.Definitions.ForName("join__Graph"); enum != nil {
		for _, v := range enum.EnumValues {
			r.graphs[v.Name] = argument(v.Directives.ForName("join__graph"), "name")
		}
	}
	m := &Map{edges: map[string][]string{}}
	for _, def := range doc.Definitions {
		if def.Kind != ast.Object {
			continue
		}
		for _, f := range def.Fields {
			m.Entries = append(m.Entries, r.entries(def, f)...)
		}
		if def.Directives.ForName("dataSubject") == nil {
			continue
		}
		if m.Root != "" {
			return nil, fmt.Errorf("read the supergraph: %s is a second data subject, and there can be one", def.Name)
		}
		m.Root = r.owner(def)
	}
	slices.SortFunc(m.Entries, func(a, b Entry) int { return strings.Compare(a.Service+" "+a.Path, b.Service+" "+b.Path) })
	if len(m.Entries) > 0 && m.Root == "" {
		return nil, errors.New("read the supergraph: it has personal data and no type with @dataSubject")
	}
	return m, r.edges(m)
}

// reader reads a parsed supergraph.
type reader struct {
	doc    *ast.SchemaDocument
	graphs map[string]string // enum value -> name
}

// entries gives what a field holds in each service that has it.
func (r reader) entries(def *ast.Definition, f *ast.FieldDefinition) []Entry {
	personal := f.Directives.ForName("personal")
	if personal == nil {
		return nil
	}
	var out []Entry
	for _, g := range resolvedIn(f, graphsOf(def.Directives, "join__type")) {
		out = append(out, Entry{
			Service: r.graphs[g], Path: def.Name + "." + f.Name, Category: argument(personal, "category"),
			Action: argument(personal, "onErasure"), Rule: argument(personal, "rule"), Description: f.Description,
		})
	}
	return out
}

// edges reads the ways from types to the subject: a service whose type leads to the subject through another's type erases
// before that one.
func (r reader) edges(m *Map) error {
	for _, service := range m.Services() {
		if service != m.Root {
			m.edges[service] = append(m.edges[service], m.Root)
		}
	}
	for _, def := range r.doc.Definitions {
		d := def.Directives.ForName("belongsToSubject")
		if d == nil {
			continue
		}
		own := r.names(graphsOf(def.Directives, "join__type"))
		at := def
		for _, name := range strings.Split(argument(d, "path"), ".") {
			f := at.Fields.ForName(name)
			if f == nil {
				return fmt.Errorf("read the supergraph: %s has no field %s, which its path to the subject goes through", at.Name, name)
			}
			next := r.doc.Definitions.ForName(f.Type.Name())
			if next == nil || next.Kind != ast.Object {
				break // the key itself
			}
			for _, from := range own {
				if to := r.owner(next); to != from && from != m.Root && !slices.Contains(own, to) {
					m.edges[from] = append(m.edges[from], to)
				}
			}
			at = next
		}
	}
	_, err := m.Waves()
	return err
}

func (r reader) names(graphs []string) []string {
	out := make([]string, len(graphs))
	for i, g := range graphs {
		out[i] = r.graphs[g]
	}
	return out
}

// owner gives the service that holds most of a type's personal data.
func (r reader) owner(def *ast.Definition) string {
	all := graphsOf(def.Directives, "join__type")
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
	return r.graphs[best]
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

// Waves gives the order in which services erase: those farthest from the data subject first, the data subject's own
// service last; those of one wave at once. Ways that lead in a circle are an error.
func (m *Map) Waves() ([][]string, error) {
	depth := map[string]int{}
	var visit func(service string, path []string) (int, error)
	visit = func(service string, path []string) (int, error) {
		if slices.Contains(path, service) {
			return 0, fmt.Errorf("the ways to the data subject lead in a circle: %s", strings.Join(append(path, service), " -> "))
		}
		if d, ok := depth[service]; ok {
			return d, nil
		}
		d := 0
		for _, next := range m.edges[service] {
			n, err := visit(next, append(path, service))
			if err != nil {
				return 0, err
			}
			d = max(d, n+1)
		}
		depth[service] = d
		return d, nil
	}
	var out [][]string
	for _, s := range m.Services() {
		d, err := visit(s, nil)
		if err != nil {
			return nil, err
		}
		for len(out) <= d {
			out = append(out, nil)
		}
		out[d] = append(out[d], s)
	}
	out = slices.DeleteFunc(out, func(wave []string) bool { return len(wave) == 0 })
	slices.Reverse(out)
	return out, nil
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
