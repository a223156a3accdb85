package plan_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/routertest"
	"github.com/lethe/lethe/router/routertest/public"
	"github.com/lethe/lethe/router/supergraph"
)

// requestCounts reads how many requests each case of the public audit needs, and how many of them one after another.
func requestCounts(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/public_requests.csv")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, counts, ok := strings.Cut(strings.TrimSpace(line), ","); ok && !strings.HasPrefix(line, "#") {
			out[name] = strings.ReplaceAll(counts, ",", " ")
		}
	}
	return out
}

// TestAuditOperationsPlan plans every operation of the public federation audit that is at hand beside the repository, and holds its
// requests to what they need.
func TestAuditOperationsPlan(t *testing.T) {
	t.Parallel()
	counts := requestCounts(t)
	for _, file := range public.Audit().Files(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var suite struct {
				Supergraph string
				Subgraphs  []routertest.Subgraph
				Tests      []struct {
					Query    string
					Expected struct{ Errors bool }
				}
			}
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, &suite); err != nil {
				t.Fatal(err)
			}
			sg, err := supergraph.Parse(suite.Supergraph)
			if err != nil {
				t.Fatal(err)
			}
			p, err := plan.NewPlanner(sg)
			if err != nil {
				t.Fatal(err)
			}
			schemas := map[string]string{}
			for _, s := range suite.Subgraphs {
				schemas[s.Name] = s.SDL
			}
			requests := routertest.NewRequests(t, schemas)
			for i, c := range suite.Tests {
				doc, errs := gqlparser.LoadQueryWithRules(sg.API(), c.Query, rules.NewDefaultRules())
				if len(errs) > 0 {
					if !c.Expected.Errors {
						t.Errorf("%s: %v", c.Query, errs)
					}
					continue
				}
				got, err := p.Plan(doc, "")
				if err != nil {
					if !c.Expected.Errors {
						t.Errorf("%s: %v", c.Query, err)
					}
					continue
				}
				if err := requests.Check(got); err != nil {
					t.Errorf("%s: %v", c.Query, err)
				}
				have := fmt.Sprint(requestsOf(got))
				if want := counts[fmt.Sprintf("%s/%d", name, i)]; have != want {
					t.Errorf("case %d takes %s requests and steps one after another, want %s\n%s\n%s", i, have, want, c.Query, got)
				}
			}
		})
	}
}
