package server_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/lethe/lethe/router/server"
)

// asking is a request as a subgraph gets it.
type asking struct {
	Query     string
	Variables struct {
		Representations []map[string]any
		Rest            map[string]json.RawMessage
	}
	raw    string
	header http.Header
}

// shop is a router over four scripted subgraphs.
type shop struct {
	*server.Server
	mu   sync.Mutex
	logs map[string][]asking // what each subgraph was asked
}

// script answers a request to a subgraph with a status and a body.
type script func(a asking) (int, string)

// says answers always the same.
func says(body string) script { return func(asking) (int, string) { return http.StatusOK, body } }

// asRun has a router run as the tests are to be run: with LETHE_TEST_HTTP1=false on net/http alone.
func asRun(o server.Options) server.Options {
	if !withHTTP1() {
		o.Config.HTTP1 = new(bool)
	}
	return o
}

func withHTTP1() bool { return os.Getenv("LETHE_TEST_HTTP1") != "false" }

// newServer builds a router as the tests are to be run.
func newServer(o server.Options) (*server.Server, error) { return server.New(asRun(o)) }

func newShop(t *testing.T, scripts map[string]script, change ...func(*server.Options)) *shop {
	t.Helper()
	sdl, err := os.ReadFile("testdata/shop.graphql")
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{logs: map[string][]asking{}}
	o := server.Options{Supergraph: string(sdl), URLs: map[string]string{}, Log: slog.New(slog.DiscardHandler)}
	for name, answer := range scripts {
		o.URLs[name] = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			a := asking{raw: string(body), header: r.Header.Clone()}
			if err := json.Unmarshal(body, &a); err != nil {
				t.Errorf("%s was sent no JSON: %s", name, body)
			}
			if err := json.Unmarshal(body, &struct {
				Variables *map[string]json.RawMessage
			}{&a.Variables.Rest}); err != nil {
				t.Errorf("%s was sent no variables: %s", name, body)
			}
			s.mu.Lock()
			s.logs[name] = append(s.logs[name], a)
			s.mu.Unlock()
			status, text := answer(a)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}))
	}
	for _, c := range change {
		c(&o)
	}
	if s.Server, err = newServer(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// asked gives what a subgraph was asked so far.
func (s *shop) asked(name string) []asking {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]asking(nil), s.logs[name]...)
}

// products is a products subgraph of three products of which two are the same.
func products(fields string) script {
	item := func(id string) string { return `{"__typename":"Product","id":"` + id + `"` + fields + `}` }
	return says(`{"data":{"products":[` + item("p1") + `,` + item("p2") + `,` + item("p1") + `]}}`)
}

// entities answers each representation with what each gives for its id.
func entities(each func(id string) string) script {
	return func(a asking) (int, string) {
		var out []string
		for _, r := range a.Variables.Representations {
			id, _ := r["id"].(string)
			out = append(out, each(id))
		}
		return http.StatusOK, `{"data":{"_entities":[` + strings.Join(out, ",") + `]}}`
	}
}

// body gives a response as text.
func (r response) body(t *testing.T) string {
	t.Helper()
	data, err := json.Marshal(r.Data)
	if err != nil {
		t.Fatal(err)
	}
	errs, err := json.Marshal(r.Errors)
	if err != nil {
		t.Fatal(err)
	}
	return string(data) + " " + string(errs)
}
