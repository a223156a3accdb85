package plan_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/routertest"
	"github.com/lethe/lethe/router/supergraph"
)

var update = flag.Bool("update", false, "write the plans in testdata anew")

// section is a part of a golden file: a line "=== kind title" and what follows it.
type section struct{ kind, title, text string }

func readSections(t *testing.T, file string) []section {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []section
	for _, part := range strings.Split("\n"+string(raw), "\n=== ")[1:] {
		head, text, _ := strings.Cut(part, "\n")
		kind, title, _ := strings.Cut(head, " ")
		out = append(out, section{kind, title, strings.Trim(text, "\n")})
	}
	return out
}

// federationLink spares the golden files the link that every subgraph of Federation 2 begins with.
const federationLink = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@requires", "@provides", "@external",
  "@shareable", "@override", "@interfaceObject", "@inaccessible", "@context", "@fromContext"])
`

// TestGoldens plans the operations in testdata and compares the plans with those written there. Each file holds one
// topic: subgraphs, then operations with their plans, or with the reason why there is none. A section "why" says what makes the plan the
// right one.
func TestGoldens(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no goldens", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			golden(t, file)
		})
	}
}

func golden(t *testing.T, file string) {
	sections := readSections(t, file)
	var subgraphs []compose.Subgraph
	for _, s := range sections {
		if s.kind == "subgraph" {
			subgraphs = append(subgraphs, compose.Subgraph{Name: s.title, URL: "http://" + s.title, SDL: federationLink + s.text})
		}
	}
	result, errs := compose.Compose(subgraphs)
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	sg, err := supergraph.Parse(result.SDL)
	if err != nil {
		t.Fatal(err)
	}
	planner, err := plan.NewPlanner(sg)
	if err != nil {
		t.Fatal(err)
	}
	requests := routertest.NewRequests(t, sdls(subgraphs))
	var out strings.Builder
	got := ""
	for _, s := range sections {
		switch s.kind {
		case "operation":
			got = planText(t, sg, planner, requests, s.text)
			for range 3 {
				if again := planText(t, sg, planner, requests, s.text); again != got {
					t.Errorf("%s: planned twice, two plans:\n%s\n%s", s.title, got, again)
				}
			}
		case "plan":
			if !*update && s.text != got {
				t.Errorf("the plan differs from the one in %s; got\n%s\nwant\n%s", file, got, s.text)
			}
			continue
		}
		out.WriteString(strings.TrimSpace("=== "+s.kind+" "+s.title) + "\n" + s.text + "\n\n")
		if s.kind == "operation" {
			out.WriteString("=== plan\n" + got + "\n\n")
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.TrimRight(out.String(), "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func planText(t *testing.T, sg *supergraph.Supergraph, planner *plan.Planner, requests *routertest.Requests, text string) string {
	t.Helper()
	doc, errs := gqlparser.LoadQueryWithRules(sg.API(), text, rules.NewDefaultRules())
	if len(errs) > 0 {
		t.Fatalf("%s\n%v", text, errs)
	}
	if _, err := plan.FindDeferral(doc, doc.Operations[0]); err != nil {
		return "refused: " + err.Error()
	}
	// Where @defer(if: $off) is written nothing is deferred.
	p, err := planner.PlanFor(doc, "", plan.Options{Defer: func(variable string) bool { return variable != "off" }})
	if err != nil {
		return "refused: " + err.Error()
	}
	if err := requests.Check(p); err != nil {
		t.Errorf("%s\n%v", text, err)
	}
	return strings.TrimSpace(p.String())
}

// sdls returns the schemas of subgraphs by name.
func sdls(subgraphs []compose.Subgraph) map[string]string {
	out := map[string]string{}
	for _, s := range subgraphs {
		out[s.Name] = s.SDL
	}
	return out
}
