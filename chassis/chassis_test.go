package chassis_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lethe/lethe/chassis"
)

// running is a service that runs, and how it ended.
type running struct {
	url   string
	stop  context.CancelFunc
	ended chan error
}

func serve(t *testing.T, s *chassis.Service) *running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	r := &running{"http://" + ln.Addr().String(), stop, make(chan error, 1)}
	go func() { r.ended <- chassis.Serve(ctx, slog.New(slog.DiscardHandler), ln, s) }()
	return r
}

func (r *running) get(t *testing.T, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(r.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestServe(t *testing.T) {
	t.Parallel()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "things_total", Help: "Things."})
	counter.Add(3)
	var away error = errors.New("dial mongodb://app:s3cret@db: refused")
	state := make(chan error, 1)
	looped := make(chan struct{})
	r := serve(t, &chassis.Service{
		Name:    "things",
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "own "+r.URL.Path) }),
		Checks:  []chassis.Check{{Name: "mongo", Probe: func(context.Context) error { return <-state }}, {Name: "redis", Probe: func(context.Context) error { return nil }}},
		Run:     []func(context.Context) error{func(ctx context.Context) error { <-ctx.Done(); close(looped); return ctx.Err() }},
		Metrics: []prometheus.Collector{counter},
	})
	if status, text := r.get(t, "/x"); status != http.StatusOK || text != "own /x" {
		t.Errorf("its own path is answered %d %s", status, text)
	}
	if status, text := r.get(t, "/health"); status != http.StatusOK || text != `{"status":"ok"}`+"\n" {
		t.Errorf("/health is answered %d %s", status, text)
	}
	if status, text := r.get(t, "/metrics"); status != http.StatusOK || !strings.Contains(text, "things_total 3") || !strings.Contains(text, "go_goroutines") {
		t.Errorf("/metrics is answered %d %s", status, text)
	}
	for _, c := range []struct {
		err    error
		status int
		mongo  string
	}{{nil, http.StatusOK, "ok"}, {away, http.StatusServiceUnavailable, "failing"}, {nil, http.StatusOK, "ok"}} {
		state <- c.err
		status, text := r.get(t, "/ready")
		var got struct{ Checks map[string]string }
		if err := json.Unmarshal([]byte(text), &got); err != nil || status != c.status || got.Checks["mongo"] != c.mongo || got.Checks["redis"] != "ok" || strings.Contains(text, "s3cret") {
			t.Errorf("/ready is answered %d %s: %v", status, text, err)
		}
	}
	r.stop()
	if err := <-r.ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	<-looped
	if _, err := http.Get(r.url + "/health"); err == nil {
		t.Error("it answers after its end")
	}
}

// TestServeDrains stops a service while a request is under way: the request is told, and may finish.
func TestServeDrains(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	r := serve(t, &chassis.Service{Name: "things", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-chassis.Stopping(r.Context())
		if err := r.Context().Err(); err != nil {
			t.Errorf("the request was cut: %v", err)
		}
		_, _ = io.WriteString(w, "done")
	})})
	answered := make(chan string, 1)
	go func() {
		resp, err := http.Get(r.url)
		if err != nil {
			answered <- err.Error()
			return
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		answered <- string(text)
	}()
	<-begun
	r.stop()
	if got := <-answered; got != "done" {
		t.Errorf("the request under way was answered %q", got)
	}
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	if chassis.Stopping(t.Context()) != nil {
		t.Error("what is not served is stopped")
	}
}

// TestServeEndsWithALoop has a loop fail: the service ends with its error, and the other loops with it.
func TestServeEndsWithALoop(t *testing.T) {
	t.Parallel()
	broken := errors.New("the stream is gone")
	r := serve(t, &chassis.Service{Name: "things", Run: []func(context.Context) error{
		func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		func(context.Context) error { return broken },
	}})
	select {
	case err := <-r.ended:
		if !errors.Is(err, broken) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it goes on without its loop")
	}
	twice := prometheus.NewCounter(prometheus.CounterOpts{Name: "x"})
	if err := <-serve(t, &chassis.Service{Name: "things", Metrics: []prometheus.Collector{twice, twice}}).ended; err == nil || !strings.Contains(err.Error(), "register the metrics of things") {
		t.Errorf("the same metric twice: %v", err)
	}
}
