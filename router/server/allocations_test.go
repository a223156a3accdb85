//go:build !race

// The race detector has pools lose buffers at random, so that allocations cannot be counted under it.

package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
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

// TestLargeAnswersAreNotCopied holds that an answer of 20 MB takes little more memory than the subgraphs' answers to it and
// where their values stand: neither they nor the response are copied.
func TestLargeAnswersAreNotCopied(t *testing.T) {
	whole := many(250_000, "")
	for name, send := range map[string]func(w http.ResponseWriter){
		"with a length": func(w http.ResponseWriter) { w.Header().Set("Content-Length", strconv.Itoa(len(whole))) },
		"in chunks":     func(http.ResponseWriter) {},
	} {
		products := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", plain)
			send(w)
			_, _ = io.WriteString(w, whole)
		}))
		s := newShop(t, nil, func(o *server.Options) { o.URLs["products"] = products })
		ask := func() {
			rec := sink{header: http.Header{}}
			s.ServeHTTP(&rec, post(`{"query":"`+listQuery+`"}`))
			if rec.status != 200 || rec.header.Get("Content-Length") != strconv.Itoa(len(whole)) {
				t.Fatal(rec.status, rec.header)
			}
		}
		ask()
		ask()
		const requests = 5
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range requests {
			ask()
		}
		runtime.ReadMemStats(&after)
		times := float64(after.TotalAlloc-before.TotalAlloc) / requests / float64(len(whole))
		t.Logf("%s: %.2f times the answer", name, times)
		if times > 2 {
			t.Errorf("%s: %.2f times the answer of %d bytes was allocated", name, times, len(whole))
		}
	}
}
