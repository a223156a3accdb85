package server_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"testing"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/server"
)

// TestProgressiveOverride checks that a field moves for as many requests as its label says: one that is a percentage, and
// one that the configuration sets, which changes while the router runs.
func TestProgressiveOverride(t *testing.T) {
	t.Parallel()
	const head = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.7", import: ["@key", "@override"]) `
	answers := func(i int) string {
		return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"data":{"x":%d}}`, i)
		}))
	}
	result, errs := compose.Compose([]compose.Subgraph{
		{Name: "old", URL: answers(0), SDL: head + `type Query { some: Int named: Int }`},
		{Name: "new", URL: answers(1), SDL: head + `type Query { some: Int @override(from: "old", label: "percent(25)") named: Int @override(from: "old", label: "moved") }`},
	})
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	s, err := newServer(server.Options{Supergraph: result.SDL, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	const requests = 2000
	moved := func(query string) int {
		n := 0
		for range requests {
			got := ask(t, s, query, nil)
			if len(got.Errors) > 0 {
				t.Fatal(got.body(t))
			}
			if got.body(t) == `{"x":1} null` {
				n++
			}
		}
		return n
	}
	// Six standard deviations from what is expected of 2,000 requests.
	if n := moved("{ x: some }"); n < 384 || n > 616 {
		t.Errorf("%d of %d requests asked the new subgraph, want about a quarter", n, requests)
	}
	if n := moved("{ x: named }"); n != 0 {
		t.Errorf("%d of %d requests asked the new subgraph, want none", n, requests)
	}
	for percent, want := range map[float64][2]int{100: {requests, requests}, 50: {866, 1134}, 0: {0, 0}} {
		if err := s.Configure(server.Config{Overrides: map[string]float64{"moved": percent}}); err != nil {
			t.Fatal(err)
		}
		if n := moved("{ x: named }"); n < want[0] || n > want[1] {
			t.Errorf("%d of %d requests asked the new subgraph at %v percent", n, requests, percent)
		}
	}
	if err := s.Configure(server.Config{Overrides: map[string]float64{"moved": 101}}); err == nil {
		t.Error("101 percent are taken")
	}
}
