// Package chassis is what every process of Lethe shares: configuration from the environment, logs, health, metrics, and
// a life cycle that starts in order and stops within a bound. It knows no database and no GraphQL; connections live in
// its subpackages, so that a process links only what it uses.
package chassis

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lethe/lethe/chassis/conns"
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
	// Bounds are what its clients may take.
	Bounds Bounds
	// Stop, where not nil, says how the service stops. It is asked when it is told to.
	Stop func() Stop
	// Leave, where not nil, is called when the port has closed: what lasts as long as its client ends then, so that the
	// client goes elsewhere. [Stopping] tells handlers of the same.
	Leave func()
}

// Check is a named condition of readiness.
type Check struct {
	Name  string
	Probe func(ctx context.Context) error
}

// Serve runs s on ln until ctx is done or one of its loops fails, then stops as [Stop] says: /ready answers no, the port
// closes, requests under way have their time, and then the loops end. It closes ln. The error is nil after a stop that ctx
// asked for.
func Serve(ctx context.Context, log *slog.Logger, ln net.Listener, s *Service) error {
	log = log.With("service", s.Name)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	bounded := conns.Listen(ln, s.Bounds.Connections)
	registry.MustRegister(conns.Collectors("lethe", func(yield func(*conns.Listener) bool) { yield(bounded) })...)
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
	return run(ctx, log, bounded, mux, s)
}

// ServeHandler is Serve for a service whose handler brings its own /health, /ready and /metrics, as the router does.
func ServeHandler(ctx context.Context, log *slog.Logger, ln net.Listener, s *Service) error {
	return run(ctx, log, ln, s.Handler, s)
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
