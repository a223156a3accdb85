package schema_test

import (
	"testing"

	"github.com/lethe/lethe/router/compose"
	personaldata "github.com/lethe/lethe/router/compose/privacy"
	"github.com/lethe/lethe/schema"
)

// TestSupergraphIsCurrent composes the subgraphs and compares with what is committed.
func TestSupergraphIsCurrent(t *testing.T) {
	t.Parallel()
	var subgraphs []compose.Subgraph
	for _, s := range schema.Subgraphs() {
		subgraphs = append(subgraphs, compose.Subgraph{Name: s.Name, URL: s.URL, SDL: s.SDL})
	}
	result, errs := compose.Compose(subgraphs, compose.WithValidation(personaldata.Validation()))
	for _, e := range errs {
		t.Errorf("%s: %s", e.Code, e.Message)
	}
	if len(errs) == 0 && result.SDL != schema.Supergraph() {
		t.Error("schema/supergraph.graphql is stale: run go generate ./schema and commit it")
	}
}
