package server_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/routertest"
	"github.com/lethe/lethe/router/server"
)

// TestFederationAudit asks every case of the public federation gateway audit that lies beside the repository through
// the router's HTTP door, over subgraphs that serve what the expected answers tell.
func TestFederationAudit(t *testing.T) {
	t.Parallel()
	for _, suite := range routertest.Suites(t) {
		t.Run(suite.Name, func(t *testing.T) {
			t.Parallel()
			runSuite(t, suite)
		})
	}
}

// TestSuites asks every case of the repository's own suites in the same way, over subgraphs that hold records of their own.
func TestSuites(t *testing.T) {
	t.Parallel()
	for _, suite := range routertest.OwnSuites(t) {
		t.Run(suite.Name, func(t *testing.T) {
			t.Parallel()
			runSuite(t, suite.Public(t))
		})
	}
}

func runSuite(t *testing.T, suite *routertest.Suite) {
	router, err := newServer(server.Options{
		Supergraph: suite.Supergraph, URLs: suite.Start(t), Log: slog.New(slog.DiscardHandler),
		Config: server.Config{QueryPlans: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range suite.Tests {
		got := ask(t, router, c.Query, c.Variables)
		var want any
		if len(c.Expected.Data) > 0 {
			if err := json.Unmarshal(c.Expected.Data, &want); err != nil {
				t.Fatal(err)
			}
		}
		if len(c.Expected.Data) > 0 && !reflect.DeepEqual(got.Data, want) {
			have, _ := json.Marshal(got.Data)
			t.Errorf("%s\ngot  %s\nwant %s\nerrors %s\n%s", c.Query, have, c.Expected.Data, got.Errors, got.Extensions.QueryPlan.Text)
		}
		if c.Expected.Errors != (len(got.Errors) > 0) {
			t.Errorf("%s\nerrors %s, expected: %v\n%s", c.Query, got.Errors, c.Expected.Errors, got.Extensions.QueryPlan.Text)
		}
	}
}

// serve puts a handler on a free port.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	return routertest.Serve(t, h)
}

// response is what a client gets.
type response struct {
	Data       any
	Errors     []json.RawMessage
	Extensions struct {
		RequestID string `json:"requestId"`
		QueryPlan struct{ Text string }
	}
	status int
	header http.Header
}

func ask(t *testing.T, h http.Handler, query string, variables map[string]any) response {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Lethe-Query-Plan", "1")
	return send(t, h, r)
}

func send(t *testing.T, h http.Handler, r *http.Request) response {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	out := response{status: rec.Code, header: rec.Result().Header}
	text, err := io.ReadAll(rec.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 0 && strings.Contains(out.header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(text, &out); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	return out
}
