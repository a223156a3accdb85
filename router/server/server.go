// Package server is the router's face: GraphQL over HTTP, identity, limits, health and metrics.
package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/prepare"
	"github.com/lethe/lethe/router/supergraph"
)

// Authenticator puts the identity of a request into its context, under the request id. An error refuses the request.
type Authenticator interface {
	Authenticate(ctx context.Context, header http.Header, requestID string) (context.Context, error)
}

// Options of a router.
type Options struct {
	Supergraph string // SDL
	// URLs override the addresses of subgraphs in the supergraph, by name.
	URLs map[string]string
	// Authenticator is nil where every request is anonymous.
	Authenticator Authenticator
	// Outgoing is nil where subgraphs take requests as they are.
	Outgoing Outgoing
	// Playground is served to browsers on /; nil for none.
	Playground http.Handler
	Config     Config
	Log        *slog.Logger
}

// Server is a router. It is an http.Handler with /graphql, /health, /ready, /metrics and the playground.
type Server struct {
	options  Options
	config   Config
	log      *slog.Logger
	engine   atomic.Pointer[engine]
	broken   atomic.Pointer[string] // why the last reload was refused
	mux      *http.ServeMux
	inFlight chan struct{}
	metrics  *metrics
	client   *http.Client
}

// engine is all that belongs to one schema. A request keeps the engine that it began with.
type engine struct {
	prepare *prepare.Preparer
	execute *execute.Executor
	graph   *supergraph.Supergraph
	since   time.Time
}

// New builds a router. The error says what is wrong with the supergraph or the configuration.
func New(o Options) (*Server, error) {
	config, err := o.Config.complete()
	if err != nil {
		return nil, err
	}
	s := &Server{
		options: o, config: config, log: o.Log, mux: http.NewServeMux(), metrics: newMetrics(),
		inFlight: make(chan struct{}, config.Limits.ConcurrentRequests), client: &http.Client{Transport: newTransport()},
	}
	if err := s.Reload(o.Supergraph); err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), s.metrics.requests, s.metrics.seconds)
	s.mux.HandleFunc("/graphql", s.graphql)
	s.mux.HandleFunc("GET /health", s.health)
	s.mux.HandleFunc("GET /ready", s.health)
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	if o.Playground != nil {
		s.mux.Handle("GET /", o.Playground)
	}
	return s, nil
}

// Reload takes a new supergraph. Requests under way finish on the old one. Where the new one is not right the old one
// stays, and /health says so.
func (s *Server) Reload(sdl string) error {
	e, err := s.build(sdl)
	if err != nil {
		reason := err.Error()
		s.broken.Store(&reason)
		return err
	}
	s.broken.Store(nil)
	s.engine.Store(e)
	return nil
}

func (s *Server) build(sdl string) (*engine, error) {
	graph, err := supergraph.Parse(sdl)
	if err != nil {
		return nil, fmt.Errorf("read the supergraph: %w", err)
	}
	p, err := prepare.New(graph, s.config.operationLimits())
	if err != nil {
		return nil, fmt.Errorf("read the supergraph: %w", err)
	}
	urls := map[string]string{}
	for _, g := range graph.Subgraphs() {
		urls[g.Name] = g.URL
		if u := s.options.URLs[g.Name]; u != "" {
			urls[g.Name] = u
		}
	}
	return &engine{prepare: p, graph: graph, since: time.Now(), execute: execute.New(&subgraphs{
		urls: urls, client: s.client, outgoing: s.options.Outgoing, timeout: s.config.Subgraphs.timeout,
		limit: int64(s.config.Limits.SubgraphResponseBytes), log: s.log,
	})}, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Request-Id")
	if !sane(id) {
		id = rand.Text()
	}
	w.Header().Set("X-Request-Id", id)
	defer func() {
		if v := recover(); v != nil {
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			s.log.ErrorContext(r.Context(), "panic", "request_id", id, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			refuse(w, r, http.StatusInternalServerError, "INTERNAL", "Something went wrong here: try again, and if it stays so tell us the request id.", id)
		}
	}()
	s.mux.ServeHTTP(w, r.WithContext(withRequestID(r.Context(), id)))
}

// sane tells a request id that can be taken over: short, and nothing but letters, digits, hyphens and underscores.
func sane(id string) bool {
	if len(id) < 8 || len(id) > 64 {
		return false
	}
	return strings.IndexFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
	}) < 0
}

type idKey struct{}

func withRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, idKey{}, id)
}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(idKey{}).(string)
	return id
}

type metrics struct {
	requests *prometheus.CounterVec
	seconds  prometheus.Histogram
}

func newMetrics() *metrics {
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lethe_router_requests_total", Help: "Requests to /graphql by the status of the answer."}, []string{"status"}),
		seconds:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "lethe_router_request_seconds", Help: "How long requests to /graphql took.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15)}),
	}
}
