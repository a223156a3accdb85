package server_test

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/server"
)

// sockets counts the open connections to a server, and lets a test wait for a count.
type sockets struct {
	mu      sync.Mutex
	changed *sync.Cond
	open    int
}

func newSockets() *sockets {
	s := &sockets{}
	s.changed = sync.NewCond(&s.mu)
	return s
}

func (s *sockets) note(_ net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.open++
	case http.StateClosed, http.StateHijacked:
		s.open--
	}
	s.changed.Broadcast()
}

// atMost waits until no more than n are open, and tells whether that came to be.
func (s *sockets) atMost(n int, within time.Duration) bool {
	expired := false
	timer := time.AfterFunc(within, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		expired = true
		s.changed.Broadcast()
	})
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.open > n && !expired {
		s.changed.Wait()
	}
	return s.open <= n
}

// churn is a supergraph in which the n-th version has a subgraph and fields of its own, served by one of some hosts.
func churn(t *testing.T, n int, hosts []string) string {
	t.Helper()
	const head = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])` + "\n"
	result, errs := compose.Compose([]compose.Subgraph{
		{Name: "steady", URL: hosts[0], SDL: head + `type Query { thing: Thing } type Thing @key(fields: "id") { id: ID! name: String }`},
		{Name: fmt.Sprintf("passing%d", n), URL: hosts[1+n%(len(hosts)-1)],
			SDL: head + fmt.Sprintf(`type Thing @key(fields: "id") { id: ID! size: Int extra%d: Int }`, n)},
	})
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	return result.SDL
}

// TestAThousandReloads checks that nothing piles up while the schema changes again and again under requests: no memory,
// no goroutines, no connections, no metrics. It is alone, since it measures the whole process.
func TestAThousandReloads(t *testing.T) { //nolint:paralleltest // it measures the process
	connections := newSockets()
	extra := regexp.MustCompile(`extra\d+`)
	var hosts []string
	for range 9 {
		h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			w.Header().Set("Content-Type", "application/json")
			text := `{"data":{"thing":{"__typename":"Thing","id":"1","name":"n"}}}`
			if strings.Contains(string(body), "_entities") {
				text = `{"data":{"_entities":[{"__typename":"Thing","size":3` + extra.ReplaceAllString(extra.FindString(string(body)), `,"$0":4`) + `}]}}`
			}
			_, _ = io.WriteString(w, text)
		}))
		h.Config.ConnState = connections.note
		h.Start()
		t.Cleanup(h.Close)
		hosts = append(hosts, h.URL)
	}
	s, err := newServer(server.Options{Supergraph: churn(t, 0, hosts), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	reloads := 0
	until := func(n int) {
		for ; reloads < n; reloads++ {
			if err := s.Reload(churn(t, reloads+1, hosts)); err != nil {
				t.Fatal(err)
			}
			for _, query := range []string{"{ thing { name size } }", fmt.Sprintf("{ thing { name extra%d } }", reloads+1)} {
				if got := ask(t, s, query, nil); got.status != http.StatusOK || len(got.Errors) > 0 {
					t.Fatalf("reload %d: %s", reloads, got.body(t))
				}
			}
			if reloads%10 == 0 && s.Reload("type Query {") == nil {
				t.Fatal("a broken schema was taken")
			}
		}
	}
	type state struct {
		heap, goroutines, series int
	}
	measure := func(most int) state {
		if !connections.atMost(2, 10*time.Second) {
			t.Errorf("after %d reloads more connections are open than one to each subgraph", reloads)
		}
		s.Close() // those that are left have goroutines, more or fewer
		if !connections.atMost(0, 10*time.Second) {
			t.Error("connections stay open")
		}
		tick := time.NewTicker(time.Millisecond) // the ends of goroutines cannot be awaited
		defer tick.Stop()
		for range 10_000 {
			if runtime.NumGoroutine() <= most {
				break
			}
			<-tick.C
		}
		for range 3 { // pools let go of what they hold in two rounds
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return state{int(m.HeapAlloc), runtime.NumGoroutine(), strings.Count(rec.Body.String(), "\n")}
	}
	until(200)
	early := measure(math.MaxInt)
	until(1000)
	late := measure(early.goroutines)
	t.Logf("after 200 reloads %+v, after 1000 %+v", early, late)
	if grown := late.heap - early.heap; grown > 256<<10 {
		t.Errorf("the heap grew by %d bytes in 800 reloads", grown)
	}
	if late.goroutines > early.goroutines {
		t.Errorf("%d goroutines after 200 reloads, %d after 1000", early.goroutines, late.goroutines)
	}
	if late.series != early.series {
		t.Errorf("%d lines of metrics after 200 reloads, %d after 1000", early.series, late.series)
	}
}
