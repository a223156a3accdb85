// Package server is the router's face: GraphQL over HTTP, identity, limits, health and metrics.
package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/router/buffers"
	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/http1"
	"github.com/lethe/lethe/router/persisted"
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
	// FindURL, where not nil, is asked for the address of a subgraph that URLs lacks; "" leaves the supergraph's.
	FindURL func(subgraph string) string
	// Authenticator is nil where every request is anonymous.
	Authenticator Authenticator
	// Identity gives all that an answer may depend on of who asks; ok is false where it may depend on more. Without it the
	// answers of an authenticated router are never shared.
	Identity func(ctx context.Context) (identity string, ok bool)
	// Principal returns whom a request with an authenticated context is charged to; where nil, those whose grants are
	// authenticated are signed in, and told apart by their address.
	Principal func(ctx context.Context) Principal
	// Outgoing is nil where subgraphs take requests as they are.
	Outgoing Outgoing
	// Redis is where routers share persisted queries; nil where each keeps its own. Its time limits should be short.
	Redis redis.UniversalClient
	// Playground is served to browsers on /; nil for none.
	Playground http.Handler
	Config     Config
	Log        *slog.Logger
}

// Server is a router. It is an http.Handler with /graphql, /health, /ready, /metrics and the playground.
type Server struct {
	options  Options
	log      *slog.Logger
	engine   atomic.Pointer[engine]
	reloads  reloads
	mux      *http.ServeMux
	inFlight atomic.Int64 // requests
	streams  streams
	metrics  *metrics
	overload *overload
	shares   *shares
	client   *http.Client
	hosts    *hosts
	workers  *execute.Workers
	buffers  *buffers.List[byte]
	fronts   sync.Map // *http1.Listener
	bounded  sync.Map // *conns.Listener

	persisted *persisted.Store
	queries   queryCounters
	uploads   atomic.Int64 // under way
}

// New builds a router. The error says what is wrong with the supergraph or the configuration.
func New(o Options) (*Server, error) {
	config, err := o.Config.complete()
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, log: o.Log, mux: http.NewServeMux(), client: &http.Client{Transport: newTransport()}, hosts: newHosts(o.Log), workers: execute.NewWorkers(), buffers: buffers.New[byte](config.Limits.MemoryBytes)}
	s.streams.life, s.streams.stop = context.WithCancelCause(context.Background())
	s.metrics = newMetrics(s)
	s.overload, s.shares = newOverload(o.Log, s.metrics.registry), newShares(s.metrics.registry)
	var shared persisted.Shared
	if o.Redis != nil {
		shared = persisted.Redis{Client: o.Redis, TTL: func() time.Duration { return s.config().PersistedQueries.ttl }}
	}
	s.persisted, s.queries = persisted.NewStore(shared, o.Log), newQueryCounters(s.metrics.registry)
	e, err := s.build(o.Supergraph, config)
	if err == nil {
		err = config.Fits(e.graph)
	}
	if err != nil {
		return nil, err
	}
	s.engine.Store(e)
	s.mux.HandleFunc("GET /health", s.health)
	s.mux.HandleFunc("GET /ready", s.health)
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	if o.Playground != nil {
		s.mux.HandleFunc("GET /", s.playground)
	}
	s.mux.HandleFunc("/", s.elsewhere)
	return s, nil
}

// Run builds a router and serves it on ln until ctx is done; requests under way are then answered, as [Server.Stop] says.
func Run(ctx context.Context, ln net.Listener, o Options) error {
	s, err := New(o)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	defer s.Close()
	return chassis.ServeHandler(ctx, o.Log, s.Front(ln), s.Service())
}

// Service returns the router as a service with its own /health, /ready and /metrics, to which loops may be added.
func (s *Server) Service() *chassis.Service {
	return &chassis.Service{Name: "router", Handler: s, Stop: s.Stop, Leave: s.Leave, Bounds: s.config().Connections.bounds()}
}

// Stop returns how the configuration in force has the router stop. The notice is [chassis.NoNotice] where it does not say it.
func (s *Server) Stop() chassis.Stop {
	c := s.config()
	return chassis.Stop{Notice: c.Shutdown.notice, Timeout: c.Shutdown.timeout}
}

// drain is how long requests under way may take when the router is closed.
const drain = 1500 * time.Millisecond

// Leave ends the subscriptions and closes the WebSockets, so that their clients go elsewhere. Queries and mutations under
// way on a socket are answered before it closes.
func (s *Server) Leave() { s.streams.stop(errStopping) }

// Close ends the subscriptions under way, so that their clients go elsewhere, and closes the connections to subgraphs that
// no request uses.
func (s *Server) Close() {
	s.streams.stop(errStopping)
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	s.fronts.Range(func(l, _ any) bool {
		if front, ok := l.(*http1.Listener); ok {
			front.Drain(ctx)
		}
		return true
	})
	s.streams.wait(ctx)
	s.overload.close()
	s.client.CloseIdleConnections()
	s.hosts.keep(nil)
	s.workers.Close()
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := first(r.Header["X-Request-Id"])
	if !sane(id) {
		id = newID()
	}
	if front, ok := w.(frontWriter); ok {
		front.AddField("X-Request-Id", id)
	} else {
		w.Header()["X-Request-Id"] = []string{id}
	}
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(v)
		}
		s.log.ErrorContext(r.Context(), "a request panicked", "request_id", id, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		x := exchange{w: w, r: r, id: id, media: plainJSON}
		x.refuse(&problem{http.StatusInternalServerError, "INTERNAL", "Something went wrong here: try again, and if it stays so tell us the request id."})
	}()
	if r.URL.Path == "/graphql" {
		s.graphql(w, r, id)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// playground serves the playground while the configuration has it on.
func (s *Server) playground(w http.ResponseWriter, r *http.Request) {
	if !s.config().playground() {
		s.elsewhere(w, r)
		return
	}
	s.options.Playground.ServeHTTP(w, r)
}

// elsewhere tells a client that asks where nothing is served, above all one that posts a query to the root, where it is. A
// page of an origin that is let in can read that.
func (s *Server) elsewhere(w http.ResponseWriter, r *http.Request) {
	if s.crossOrigin(w, r) {
		return
	}
	x := exchange{w: w, r: r, id: w.Header().Get("X-Request-Id"), media: plainJSON}
	x.refuse(&problem{http.StatusNotFound, "NOT_FOUND", "Nothing is served here: GraphQL is asked at /graphql."})
}

// frontWriter is what the router's own listener gives for a response: what stands in every one needs no map of headers.
type frontWriter interface {
	AddField(name, value string)
	WriteWhole(status int, contentType string, body []byte)
}

// idLetters are those of base 32 (RFC 4648, section 6).
const idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// newID gives an id for a request: 120 random bits. Nothing rests on its not being guessed.
func newID() string {
	var text [24]byte
	for half := range 2 {
		bits := rand.Uint64()
		for i := range 12 {
			text[12*half+i] = idLetters[bits&31]
			bits >>= 5
		}
	}
	return string(text[:])
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

// health answers 200 while the router serves, and says of the schema since when, and whether a newer one was refused.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	e := s.engine.Load()
	out := struct {
		Status    string    `json:"status"`
		Schema    time.Time `json:"schemaSince"`
		Subgraphs []string  `json:"subgraphs"`
		Refused   string    `json:"refusedSchema,omitempty"`
		Config    string    `json:"refusedConfig,omitempty"`
	}{Status: "ok", Schema: e.since}
	for _, g := range e.graph.Subgraphs() {
		out.Subgraphs = append(out.Subgraphs, g.Name)
	}
	out.Refused, out.Config = s.reloads.refusals()
	w.Header().Set("Content-Type", plainJSON)
	if err := json.NewEncoder(w).Encode(out); err != nil {
		s.log.DebugContext(r.Context(), "the health was not read to its end", "error", err)
	}
}
