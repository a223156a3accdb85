package server_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
)

// short is a router with so little memory that one request at a time has room, and a subgraph that answers when it is told.
type short struct {
	*shop
	log             bytes.Buffer // to be read when the router is closed
	inside, release chan struct{}
}

func newShort(t *testing.T, change func(*server.Limits)) *short {
	t.Helper()
	s := &short{inside: make(chan struct{}), release: make(chan struct{})}
	s.shop = newShop(t, map[string]script{"products": func(asking) (int, string) {
		s.inside <- struct{}{}
		<-s.release
		return 200, `{"data":{"products":[{"id":"` + strings.Repeat("7", 8<<10) + `"}]}}`
	}}, func(o *server.Options) {
		o.Config.Limits.MemoryBytes = 4 << 10
		o.Config.Timeout = "20m" // longer than what any test has a request wait for memory
		change(&o.Config.Limits)
		o.Log = slog.New(slog.NewTextHandler(&s.log, nil))
	})
	first := s.begin(t) // so that it is known what they take
	s.release <- struct{}{}
	s.answered(t, <-first)
	s.answered(t, ask(t, s, `{ __typename }`, nil))
	return s
}

func (s *short) ask(t *testing.T) chan response {
	t.Helper()
	got := make(chan response, 1)
	go func() { got <- ask(t, s, `{ products { id } }`, nil) }()
	return got
}

// begin asks and waits until the subgraph was asked.
func (s *short) begin(t *testing.T) chan response {
	t.Helper()
	got := s.ask(t)
	<-s.inside
	return got
}

func (s *short) answered(t *testing.T, got response) {
	t.Helper()
	if got.status != http.StatusOK || len(got.Errors) > 0 {
		t.Errorf("%d %s", got.status, got.body(t))
	}
}

func (s *short) refused(t *testing.T, got response) {
	t.Helper()
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.body(t), "OVERLOADED") {
		t.Errorf("%d %s", got.status, got.body(t))
	}
}

// figures waits until a line stands among the metrics.
func (s *short) figures(t *testing.T, line string) {
	t.Helper()
	for t.Context().Err() == nil {
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if strings.Contains(rec.Body.String(), "\n"+line+"\n") {
			return
		}
	}
}

// TestShedByLength holds that as many requests wait for memory as may, that others are refused at once, and that requests
// which need next to none are answered meanwhile.
func TestShedByLength(t *testing.T) {
	t.Parallel()
	s := newShort(t, func(l *server.Limits) { l.QueueLength, l.QueueTime = 1, "10m" })
	under := s.begin(t)
	waiting := s.ask(t)
	s.figures(t, "lethe_router_requests_waiting 1")
	for range 3 {
		s.refused(t, ask(t, s, `{ products { id } }`, nil))
	}
	s.answered(t, ask(t, s, `{ __typename }`, nil))
	s.release <- struct{}{}
	s.answered(t, <-under)
	<-s.inside
	s.release <- struct{}{}
	s.answered(t, <-waiting)
	s.figures(t, `lethe_router_requests_shed_total{reason="memory"} 3`)
	s.figures(t, `lethe_router_requests_shed_total{reason="concurrency"} 0`)
	s.figures(t, "lethe_router_requests_waiting 0")
	s.Close()
	if text := s.log.String(); strings.Count(text, "requests are refused") != 1 || !strings.Contains(text, "reason=memory") ||
		strings.Count(text, "no longer refused") != 1 || !strings.Contains(text, "refused=3") {
		t.Error(text)
	}
}

// TestShedByTime holds that a request which has waited for long enough is refused, and that nothing was asked for it.
func TestShedByTime(t *testing.T) {
	t.Parallel()
	s := newShort(t, func(l *server.Limits) { l.QueueTime = "1ms" })
	under := s.begin(t)
	for range 2 {
		s.refused(t, <-s.ask(t))
	}
	s.release <- struct{}{}
	s.answered(t, <-under)
	if n := len(s.asked("products")); n != 2 {
		t.Errorf("the subgraph was asked %d times", n)
	}
	again := s.begin(t)
	s.release <- struct{}{}
	s.answered(t, <-again)
}

// TestShedWhileSharing holds that nobody gets another's refusal for an answer.
func TestShedWhileSharing(t *testing.T) {
	t.Parallel()
	s := &short{inside: make(chan struct{}), release: make(chan struct{})}
	s.shop = newShop(t, map[string]script{"products": func(asking) (int, string) {
		s.inside <- struct{}{}
		<-s.release
		return 200, `{"data":{"products":[]}}`
	}}, func(o *server.Options) {
		o.Config.ShareInFlight, o.Config.Limits.MemoryBytes, o.Config.Limits.QueueTime = true, 64, "1ms"
	})
	under := make(chan response, 1)
	go func() { under <- ask(t, s, `{ products { name } }`, nil) }()
	<-s.inside
	s.release <- struct{}{}
	<-under
	under = s.ask(t)
	<-s.inside
	s.release <- struct{}{}
	<-under
	go func() { under <- ask(t, s, `{ products { name } }`, nil) }()
	<-s.inside
	first, second := s.ask(t), s.ask(t)
	s.refused(t, <-first)
	s.refused(t, <-second)
	s.release <- struct{}{}
	if got := <-under; got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body(t))
	}
}
