package plan_test

import (
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/routertest"
	"github.com/lethe/lethe/router/supergraph"
)

// TestSuitesNeedNoMoreRequests plans the cases of the repository's suites and holds how many requests each takes, and how many of
// them one after another, to what its file says by reasoning on the schemas.
func TestSuitesNeedNoMoreRequests(t *testing.T) {
	t.Parallel()
	for _, suite := range routertest.OwnSuites(t) {
		t.Run(suite.Name, func(t *testing.T) {
			t.Parallel()
			sg, err := supergraph.Parse(suite.Compose(t, nil))
			if err != nil {
				t.Fatal(err)
			}
			planner, err := plan.NewPlanner(sg)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range suite.Cases {
				if c.Requests == 0 {
					continue // it is not valid, or the requests depend on variables
				}
				doc, errs := gqlparser.LoadQueryWithRules(sg.API(), c.Query, rules.NewDefaultRules())
				if len(errs) > 0 {
					t.Errorf("%s: %v", c.Name, errs)
					continue
				}
				p, err := planner.Plan(doc, "")
				if err != nil {
					t.Errorf("%s: %v", c.Name, err)
					continue
				}
				if requests, depth := requestsOf(p); requests != c.Requests || depth != c.Depth {
					t.Errorf("%s: %d requests, %d deep, want %d and %d\n%s\n%s", c.Name, requests, depth, c.Requests, c.Depth, c.Query, p)
				}
			}
		})
	}
}

// requestsOf returns how many requests a plan takes, those of a batch as one, and how many of them one after another.
func requestsOf(p *plan.Plan) (requests, depth int) {
	batches := map[int]int{} // how deep each batch stands
	deep := make([]int, len(p.Fetches))
	for _, f := range p.Fetches {
		for _, d := range f.DependsOn {
			deep[f.ID] = max(deep[f.ID], deep[d])
		}
		deep[f.ID]++
		depth = max(depth, deep[f.ID])
		if f.Batch == 0 || batches[f.Batch] == 0 {
			requests++
		}
		batches[f.Batch] = deep[f.ID]
	}
	return requests, depth
}
