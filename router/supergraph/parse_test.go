package supergraph_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/routertest/public"
	"github.com/lethe/lethe/router/supergraph"
)

func TestParseAudit(t *testing.T) {
	t.Parallel()
	for _, file := range public.Audit().Files(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var suite struct {
				Supergraph string
				Tests      []struct {
					Query    string
					Expected struct{ Errors bool }
				}
			}
			if err := json.Unmarshal(raw, &suite); err != nil {
				t.Fatal(err)
			}
			sg, err := supergraph.Parse(suite.Supergraph)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range suite.Tests {
				if _, errs := gqlparser.LoadQueryWithRules(sg.API(), c.Query, rules.NewDefaultRules()); errs != nil && !c.Expected.Errors {
					t.Errorf("%s: %v", c.Query, errs)
				}
			}
		})
	}
}
