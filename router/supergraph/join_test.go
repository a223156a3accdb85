package supergraph_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/supergraph"
)

var update = flag.Bool("update", false, "write the expected outcomes anew")

// joinOperation crosses all subgraphs of the supergraphs in testdata/join.
const joinOperation = `{
  boxes { name shape freight inStock notes { text } }
  latest { box { name } }
  find(text: "x") { ... on Box { name } ... on Noted { notes { id } } }
}`

// TestJoinVersions reads the same graph as composition has written it over the years, from the core schemas of Federation 1 with join
// 0.1 to join 0.5. The golden beside each lists what was understood, and which fetches an operation needs by it.
func TestJoinVersions(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/join/*.graphql")
	if err != nil || len(files) != 5 {
		t.Fatal("not five versions", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".graphql"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sg, err := supergraph.Parse(string(text))
			if err != nil {
				t.Fatal(err)
			}
			doc, errs := gqlparser.LoadQueryWithRules(sg.API(), joinOperation, rules.NewDefaultRules())
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			planner, err := plan.NewPlanner(sg)
			if err != nil {
				t.Fatal(err)
			}
			p, err := planner.Plan(doc, "")
			if err != nil {
				t.Fatal(err)
			}
			got := understood(sg) + "\n" + fetches(p.String())
			golden := strings.TrimSuffix(file, ".graphql") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// fetches keeps of a plan's text where each fetch goes.
func fetches(plan string) string {
	var b strings.Builder
	for line := range strings.Lines(plan) {
		if strings.HasPrefix(line, "fetch ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// understood lists the types and fields of a supergraph with what each subgraph has of them.
func understood(sg *supergraph.Supergraph) string {
	var b strings.Builder
	name := func(g supergraph.GraphID) string { return sg.Subgraphs()[g].Name }
	for _, t := range sg.Types() {
		if t.Kind == supergraph.Scalar || t.Kind == supergraph.Enum {
			continue
		}
		fmt.Fprintf(&b, "%s:", t.Name)
		for _, m := range t.In {
			fmt.Fprintf(&b, " %s", name(m.Graph))
			for _, k := range m.Keys {
				fmt.Fprintf(&b, " by %s", k.Fields)
			}
		}
		b.WriteByte('\n')
		for _, f := range t.Fields {
			fmt.Fprintf(&b, "  %s:", f.Name)
			for _, s := range f.Sources {
				fmt.Fprintf(&b, " %s", name(s.Graph))
				if s.External {
					b.WriteString(" external")
				}
				if len(s.Requires) > 0 {
					fmt.Fprintf(&b, " requires %s", s.Requires)
				}
				if len(s.Provides) > 0 {
					fmt.Fprintf(&b, " provides %s", s.Provides)
				}
				if s.Label != "" {
					fmt.Fprintf(&b, " where %s is %v", s.Label, s.LabelActive)
				}
				for _, c := range s.Contexts {
					fmt.Fprintf(&b, " with %s from %s", c.Name, c.Context)
				}
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}
