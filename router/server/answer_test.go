package server_test

import (
	"bytes"
	"compress/gzip"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/server"
)

// answering starts a router over one subgraph that answers with what a handler writes. With wired set the requests go over
// net/http, which asks for compressed answers.
func answering(t *testing.T, wired bool, h http.HandlerFunc) *server.Server {
	t.Helper()
	host := httptest.NewServer(h)
	t.Cleanup(host.Close)
	composed, errs := compose.Compose([]compose.Subgraph{{Name: "a", URL: host.URL, SDL: `type Query { a: Int }`}})
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	o := server.Options{Supergraph: composed.SDL, Log: slog.New(slog.DiscardHandler)}
	o.Config.Subgraphs.Compression = wired
	o.Config.Limits.SubgraphResponseBytes = 50_000
	s, err := newServer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestStatusOfASubgraph holds that a client reads with which status a subgraph did not answer, and when to ask again.
func TestStatusOfASubgraph(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status     int
		retryAfter string
		body       string
		want       string
	}{
		"unauthorised":          {401, "", "", `"http":{"status":401}`},
		"forbidden, in GraphQL": {403, "", `{"errors":[{"message":"secret"}]}`, `"http":{"status":403}`},
		"too many":              {429, "30", "slow down", `"http":{"status":429,"retryAfter":30}`},
		"unavailable":           {503, " 7 ", "<html>", `"http":{"status":503,"retryAfter":7}`},
		"long past":             {503, "Mon, 02 Jan 2006 15:04:05 GMT", "", `"http":{"status":503}`},
		"no time":               {503, "soon", "", `"http":{"status":503}`},
		"a joke":                {503, "99999999999", "", `"http":{"status":503}`},
		"negative":              {503, "-5", "", `"http":{"status":503}`},
		"a redirect":            {307, "", "", `"http":{"status":307}`},
		"server error":          {500, "", `{"error":"stack trace"}`, `"http":{"status":500}`},
	} {
		for _, wired := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := answering(t, wired, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					if c.retryAfter != "" {
						w.Header().Set("Retry-After", c.retryAfter)
					}
					w.WriteHeader(c.status)
					_, _ = w.Write([]byte(c.body))
				})
				got := ask(t, s, `{ a }`, nil).body(t)
				if want := `"code":"SUBGRAPH_UNAVAILABLE","http":` + strings.TrimPrefix(c.want, `"http":`); !strings.Contains(got, c.want) || !strings.Contains(got, "SUBGRAPH_UNAVAILABLE") || strings.Contains(got, "secret") || strings.Contains(got, "stack") {
					t.Errorf("got %s, want %s", got, want)
				}
			})
		}
	}
}

// TestUnaskedCodings holds that an answer is read in a coding that nobody asked for, within the limit.
func TestUnaskedCodings(t *testing.T) {
	t.Parallel()
	packed := func(text string) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text))
		_ = w.Close()
		return b.Bytes()
	}
	for name, c := range map[string]struct {
		status int
		coding string
		body   []byte
		want   string
	}{
		"gzip":             {200, "gzip", packed(`{"data":{"a":7}}`), `"a":7`},
		"gzip, by its old": {200, "X-GZIP", packed(`{"data":{"a":7}}`), `"a":7`},
		"identity":         {200, "identity", []byte(`{"data":{"a":7}}`), `"a":7`},
		"a bomb":           {200, "gzip", packed(`{"data":{"a":7` + strings.Repeat(" ", 5_000_000) + `}}`), "SUBGRAPH_INVALID_RESPONSE"},
		"cut off":          {200, "gzip", packed(`{"data":{"a":7}}`)[:20], "SUBGRAPH_UNAVAILABLE"},
		"not gzip":         {200, "gzip", []byte(`{"data":{"a":7}}`), "SUBGRAPH_UNAVAILABLE"},
		"unknown":          {200, "br", []byte("x"), "SUBGRAPH_UNAVAILABLE"},
		"errors":           {500, "gzip", packed(`{"errors":[{"message":"m","extensions":{"code":"THEIRS"}}]}`), "THEIRS"},
		"errors, garbled":  {503, "gzip", []byte("x"), `"status":503`},
	} {
		for _, wired := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := answering(t, wired, func(w http.ResponseWriter, r *http.Request) {
					if accepts := r.Header.Get("Accept-Encoding"); !wired && accepts != "identity" {
						t.Errorf("asked for %q", accepts)
					}
					w.Header().Set("Content-Type", "application/json")
					w.Header().Set("Content-Encoding", c.coding)
					w.WriteHeader(c.status)
					_, _ = w.Write(c.body)
				})
				if got := ask(t, s, `{ a }`, nil).body(t); !strings.Contains(got, c.want) {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		}
	}
}
