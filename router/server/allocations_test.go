//go:build !race

// The race detector has pools lose buffers at random, so that allocations cannot be counted under it.

package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestPersistedQueryIsCheap holds that naming a query takes no more allocations than sending it.
func TestPersistedQueryIsCheap(t *testing.T) {
	s := newShop(t, nil)
	const query = `query T { __typename }`
	measure := func(body string) float64 {
		reader := strings.NewReader(body)
		r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
		r.Header.Set("Content-Type", plain)
		return testing.AllocsPerRun(200, func() {
			reader.Reset(body)
			r.Body = readCloser{reader}
			rec := sink{header: http.Header{}}
			s.ServeHTTP(&rec, r)
			if rec.status != 200 {
				t.Fatal(rec.status)
			}
		})
	}
	send(t, s, post(registration(t, query, hashed(query)))).is(t, "")
	text, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	if sent, named := measure(string(text)), measure(registration(t, "", hashed(query))); named > sent {
		t.Errorf("%v allocations for a query by its hash, %v for its text", named, sent)
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// sink is a ResponseWriter that keeps the status alone.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
