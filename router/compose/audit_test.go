package compose

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/lethe/lethe/router/routertest/public"
)

// TestAudits composes the subgraphs of the federation audit and compares what comes out with the supergraph that the audit
// gives: the types, the fields, and what each subgraph has of them. The data lies beside the repository.
func TestAudits(t *testing.T) {
	t.Parallel()
	for _, file := range public.Audit().Files(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var suite struct {
				Supergraph string
				Subgraphs  []Subgraph
			}
			if err := json.Unmarshal(data, &suite); err != nil {
				t.Fatal(err)
			}
			result, errs := Compose(suite.Subgraphs)
			if len(errs) > 0 {
				t.Fatal(FormatText(errs))
			}
			if strings.HasPrefix(filepath.Base(file), "corrupted-") {
				return // what the audit gives is wrong on purpose
			}
			want, got := facts(t, suite.Supergraph), facts(t, result.SDL)
			for _, f := range missing(want, got) {
				t.Errorf("lacks %s", f)
			}
			for _, f := range missing(got, want) {
				t.Errorf("has %s", f)
			}
		})
	}
}

func missing(from, in []string) []string {
	has := map[string]bool{}
	for _, f := range in {
		has[f] = true
	}
	var out []string
	for _, f := range from {
		if !has[f] {
			out = append(out, f)
		}
	}
	return out
}

// facts lists what a supergraph says, one fact a line, in an order of its own. Addresses and the versions of specifications
// are left out, and so is what is the same as its absence.
func facts(t *testing.T, sdl string) []string {
	t.Helper()
	doc, err := parser.ParseSchema(&ast.Source{Input: sdl})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	add := func(parts ...string) { out = append(out, strings.Join(parts, " ")) }
	apply := func(where string, list ast.DirectiveList) {
		for _, d := range list {
			if d.Name == "join__graph" {
				add(where, "is a subgraph", d.Arguments.ForName("name").Value.Raw)
				continue
			}
			var args []string
			for _, a := range d.Arguments {
				value := a.Value.String()
				if a.Name == "resolvable" && value == "true" || (a.Name == "extension" || a.Name == "isInterfaceObject" || a.Name == "external") && value == "false" {
					continue
				}
				args = append(args, a.Name+": "+strings.Join(strings.Fields(value), " "))
			}
			sort.Strings(args)
			add(where, "@"+d.Name, strings.Join(args, ", "))
		}
	}
	for _, d := range doc.Definitions {
		if strings.HasPrefix(d.Name, "link__") || strings.HasPrefix(d.Name, "join__") && d.Name != "join__Graph" {
			continue
		}
		add(string(d.Kind), d.Name)
		apply(d.Name, d.Directives)
		for _, i := range d.Interfaces {
			add(d.Name, "implements", i)
		}
		for _, m := range d.Types {
			add(d.Name, "has member", m)
		}
		for _, v := range d.EnumValues {
			add(d.Name, "has value", v.Name)
			apply(d.Name+"."+v.Name, v.Directives)
		}
		for _, f := range d.Fields {
			where := d.Name + "." + f.Name
			add(where, "is", f.Type.String())
			apply(where, f.Directives)
			for _, a := range f.Arguments {
				add(where, "takes", a.Name, a.Type.String(), a.DefaultValue.String())
				apply(where+"("+a.Name+")", a.Directives)
			}
		}
	}
	sort.Strings(out)
	return out
}

// TestOrder composes the same subgraphs in another order.
func TestOrder(t *testing.T) {
	t.Parallel()
	a := Subgraph{Name: "a", SDL: `type Query { t: T } type T @key(fields: "id") { id: ID! x: Int }`}
	b := Subgraph{Name: "b", SDL: `extend type T @key(fields: "id") { id: ID! @external y: Int }`}
	first, errs := Compose([]Subgraph{a, b})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for range 5 {
		second, _ := Compose([]Subgraph{b, a})
		if !reflect.DeepEqual(first, second) {
			t.Fatalf("not the same:\n%s\n%s", first.SDL, second.SDL)
		}
	}
}
