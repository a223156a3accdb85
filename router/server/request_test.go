package server

import (
	"encoding/json"
	"testing"
)

// FuzzRequest holds the reader of requests against encoding/json for what both take.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"query":"{ a }","variables":{"x":[1]},"operationName":"A","extensions":null}`))
	f.Add([]byte(`{"query":"\u007b a }\n\"","query":"{ b }"}`))
	f.Add([]byte(`{"query":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var q request
		if p := q.parse(body); p != nil {
			if p.status != 400 || p.message == "" {
				t.Fatalf("%q: %+v", body, p)
			}
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatalf("%q was taken: %v", body, err)
		}
		var query string
		if err := json.Unmarshal(members["query"], &query); err == nil && query != string(q.query) {
			t.Fatalf("%q: query %q, want %q", body, q.query, query)
		}
		if len(q.variables) > 0 && !json.Valid(q.variables) {
			t.Fatalf("%q: variables %q", body, q.variables)
		}
	})
}
