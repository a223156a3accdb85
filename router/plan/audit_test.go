package plan_test

import (
	"encoding/json"
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

// TestAuditOperationsPlan plans every operation of the public federation audit that is at hand beside the repository.
func TestAuditOperationsPlan(t *testing.T) {
	t.Parallel()
	for _, file := range public.Audit().Files(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
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
			for _, c := range suite.Tests {
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
				t.Logf("%s\n%s", c.Query, got)
			}
		})
	}
}
