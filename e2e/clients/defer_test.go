package clients

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// deferred is a state of an answer that a client shows.
type deferred struct {
	Of     int // which of the operations
	Data   json.RawMessage
	More   bool
	Errors []struct {
		Message string
		Path    []any
	}
}

// held is a shop of which the stock answers only when it is released, and not for p2 where it is to fail.
func held(t *testing.T, failing bool) (url, release string) {
	t.Helper()
	gate := make(chan struct{})
	free := sync.OnceFunc(func() { close(gate) })
	t.Cleanup(free)
	subgraphs := shop()
	subgraphs[1].entities["Product"] = func(rep object) (object, error) {
		<-gate
		if failing && rep["id"] == "p2" {
			return object{"id": rep["id"]}, nil // nobody has counted
		}
		return object{"id": rep["id"], "stock": 7}, nil
	}
	r := newRouter(t, subgraphs)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { free() }))
	t.Cleanup(s.Close)
	return r.URL, s.URL
}

// same compares JSON by value.
func same(t *testing.T, what string, got json.RawMessage, want string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got, &a); err != nil || fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("%s: got %s, want %s (%v)", what, got, want, err)
	}
}

// TestDeferInClients holds that clients show the initial answer while the deferred part is held back, and then the whole.
func TestDeferInClients(t *testing.T) {
	t.Parallel()
	const (
		product = `{"__typename":"Product","id":"p1","name":"Table"%s},{"__typename":"Product","id":"p2","name":"Chair"%s},{"__typename":"Product","id":"p3","name":"Lamp"%s}`
		stock   = `,"stock":7`
	)
	some := func(a, b, c string) string { return fmt.Sprintf(`{"products":[`+product+`]}`, a, b, c) }
	tests := []struct {
		name, operation string
		failing         bool
		first, last     string // first is empty where it depends on what comes when
		errors          string // their paths
	}{
		{
			name: "a fragment", operation: `query Page { products { id name ...Stock @defer(label: "stock") } } fragment Stock on Product { id stock }`,
			first: some("", "", ""), last: some(stock, stock, stock),
		},
		{
			name: "nested", operation: `query Page { products { id ... @defer { name ... @defer { stock } } } }`,
			last: some(stock, stock, stock),
		},
		{
			name: "of the root", operation: `query Page { __typename first: product(id: "p1") { id name } ... @defer { products { id name stock } } }`,
			first: `{"__typename":"Query","first":{"__typename":"Product","id":"p1","name":"Table"}}`,
			last:  `{"__typename":"Query","first":{"__typename":"Product","id":"p1","name":"Table"},` + some(stock, stock, stock)[1:],
		},
		{
			name: "one of the parts fails", operation: `query Page { products { id name ... @defer { stock } } }`, failing: true,
			first: some("", "", ""), last: some(stock, "", stock), errors: "[products 1 stock]",
		},
	}
	for _, client := range []string{"apollo-2022", "apollo-alpha9", "urql"} {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			args := []string{client}
			for _, test := range tests {
				url, release := held(t, test.failing)
				args = append(args, url, release, test.operation)
			}
			states := make([][]deferred, len(tests))
			for _, s := range runNode[deferred](t, "defer.mjs", args...) {
				states[s.Of] = append(states[s.Of], s)
			}
			for i, test := range tests {
				of := states[i]
				if len(of) < 2 || !of[0].More || of[len(of)-1].More {
					t.Errorf("%s: %+v", test.name, of)
					continue
				}
				if test.first != "" {
					same(t, test.name+" at first", of[0].Data, test.first)
				}
				last := of[len(of)-1]
				same(t, test.name+" at last", last.Data, test.last)
				at := ""
				for _, e := range last.Errors {
					at += fmt.Sprint(e.Path)
				}
				if at != test.errors {
					t.Errorf("%s: errors at %s, want %s", test.name, at, test.errors)
				}
			}
		})
	}
}

// TestDeferInRelay holds that Relay keeps the initial answer while the deferred part is held back, and then each product's.
func TestDeferInRelay(t *testing.T) {
	t.Parallel()
	url, release := held(t, false)
	states := runNode[deferred](t, "relay-defer.mjs", url, release, t.TempDir())
	if len(states) < 2 {
		t.Fatalf("%+v", states)
	}
	same(t, "at first", states[0].Data, `[{"id":"p1","name":"Table"},{"id":"p2","name":"Chair"},{"id":"p3","name":"Lamp"}]`)
	same(t, "at last", states[len(states)-1].Data, `[{"id":"p1","name":"Table","stock":7},{"id":"p2","name":"Chair","stock":7},{"id":"p3","name":"Lamp","stock":7}]`)
}
