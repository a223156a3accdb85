// Package chassis is what every process of Lethe shares: configuration from the environment, logs, health, metrics, and
// a life cycle that starts in order and stops within a bound. It knows no database and no GraphQL; connections live in
// its subpackages, so that a process links only what it uses.
package chassis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Service is one process's worth of work: what it serves over HTTP, what it runs beside that, and what it needs to be
// ready. A constructor of a service gives one; [Serve] runs it.
type Service struct {
	// Name stands in logs and metrics: "catalogue".
	Name string
	// Handler serves the service's own paths. /health, /ready and /metrics are added by Serve and never reach it. Nil for
	// a service that only runs.
	Handler http.Handler
	// Checks tell whether the service can do its work now; all of them must pass for /ready to answer 200.
	Checks []Check
	// Run are the loops beside HTTP: workers, sweepers, consumers. Each returns nil soon after ctx is done; an error from
	// any of them stops the service.
	Run []func(ctx context.Context) error
	// Metrics are exposed on /metrics beside those of the process.
	Metrics []prometheus.Collector
}

// Check is a named condition of readiness.
type Check struct {
	Name  string
	Probe func(ctx context.Context) error
}

// drain is how long requests under way may take once a service is told to stop.
const drain = 1500 * time.Millisecond

// Serve runs s on ln until ctx is done or one of its loops fails, then stops: no new requests, those under way get a
// moment to finish, then the loops end. It closes ln. The error is nil after a stop that ctx asked for.
func Serve(ctx context.Context, log *slog.Logger, ln net.Listener, s *Service) error {
	log = log.With("service", s.Name)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, c := range s.Metrics {
		if err := registry.Register(c); err != nil {
			return fmt.Errorf("register the metrics of %s: %w", s.Name, err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { writeStatus(w, http.StatusOK, status{Status: "ok"}) })
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) { ready(w, r, log, s.Checks) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	if s.Handler != nil {
		mux.Handle("/", s.Handler)
	}
	return run(ctx, log, ln, mux, s.Run)
}

// ServeHandler is Serve for a handler that brings its own /health, /ready and /metrics, as the router does.
func ServeHandler(ctx context.Context, log *slog.Logger, ln net.Listener, h http.Handler, loops ...func(context.Context) error) error {
	return run(ctx, log, ln, h, loops)
}

func run(ctx context.Context, log *slog.Logger, ln net.Listener, h http.Handler, loops []func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stopping := ctx.Done()
	server := &http.Server{
		Handler: h,
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), stoppingKey{}, stopping)
		},
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first error
	)
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = err
		}
		cancel()
	}
	for _, loop := range loops {
		wg.Go(func() {
			if err := loop(ctx); err != nil && !errors.Is(err, context.Canceled) {
				fail(err)
			}
		})
	}
	wg.Go(func() {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			fail(fmt.Errorf("serve HTTP on %s: %w", ln.Addr(), err))
		}
	})
	<-ctx.Done()
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer done()
	if err := server.Shutdown(stop); err != nil {
		_ = server.Close()
	}
	wg.Wait()
	return first
}

type stoppingKey struct{}

// Stopping gives a channel that is closed when the service that serves a request is told to stop: what would last for ever
// ends then, while other requests have a moment to finish. It is nil, and never ready, outside [Serve].
func Stopping(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return c
}

type status struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks,omitempty"`
}

func ready(w http.ResponseWriter, r *http.Request, log *slog.Logger, checks []Check) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	out, code := status{Status: "ready", Checks: map[string]string{}}, http.StatusOK
	for _, c := range checks {
		out.Checks[c.Name] = "ok"
		if err := c.Probe(ctx); err != nil {
			log.Warn("not ready", "check", c.Name, "error", err)
			out.Status, out.Checks[c.Name], code = "not ready", "failing", http.StatusServiceUnavailable
		}
	}
	writeStatus(w, code, out)
}

func writeStatus(w http.ResponseWriter, code int, s status) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(s)
}
