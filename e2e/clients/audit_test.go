package clients

import "testing"

// TestGraphQLOverHTTP runs the audit of the GraphQL over HTTP specification, as the npm package graphql-http has it: no
// requirement and no recommendation may fail.
func TestGraphQLOverHTTP(t *testing.T) {
	t.Parallel()
	type result struct{ ID, Name, Status, Reason string }
	results := runNode[result](t, "audit.mjs", newRouter(t, shop()).URL)
	if len(results) < 50 {
		t.Errorf("only %d audits were run", len(results))
	}
	for _, r := range results {
		if r.Status != "ok" {
			t.Errorf("%s: %s %s: %s", r.Status, r.ID, r.Name, r.Reason)
		}
	}
}
