package server

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/lethe/lethe/router/execute"
)

// metrics are the router's figures for Prometheus.
type metrics struct {
	serves    func(subgraph string) bool // whether the schema in use has a subgraph
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	seconds   prometheus.Histogram
	withError prometheus.Counter
	subgraph  *prometheus.HistogramVec
	failures  *prometheus.CounterVec
	reloads   *prometheus.CounterVec
	refused   *prometheus.GaugeVec
	ok        prometheus.Counter // requests with status 200

	subscriptions prometheus.Gauge
	events        prometheus.Counter

	estimated, actual *costHistogram
	expensive         [len(kinds)]prometheus.Counter // by kind
	answers           atomic.Uint64                  // of which one in so many is measured
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		serves:   func(subgraph string) bool { return s.engine.Load().callers.byName[subgraph] != nil },
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lethe_router_requests_total", Help: "Requests to /graphql by the status of the answer.",
		}, []string{"status"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "lethe_router_request_seconds", Help: "How long requests to /graphql took.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}),
		withError: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lethe_router_responses_with_errors_total", Help: "Responses to /graphql with errors.",
		}),
		subgraph: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lethe_router_subgraph_request_seconds", Help: "How long requests to a subgraph took.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"subgraph"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lethe_router_subgraph_failures_total", Help: "Requests to a subgraph that it did not answer, by the code that the client got.",
		}, []string{"subgraph", "code"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lethe_router_reloads_total", Help: "Schemas and configurations that came while the router ran, by what became of them: taken or refused.",
		}, []string{"what", "outcome"}),
		refused: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "lethe_router_reload_refused", Help: "1 while the newest schema or configuration is refused and an older one is served, else 0.",
		}, []string{"what"}),
	}
	for _, what := range []string{schemaReload, configReload} {
		m.refused.WithLabelValues(what).Set(0)
		for _, outcome := range []string{"taken", "refused"} {
			m.reloads.WithLabelValues(what, outcome)
		}
	}
	m.subscriptions = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "lethe_router_subscriptions", Help: "Subscriptions of clients that are under way.",
	})
	m.events = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "lethe_router_subscription_events_total", Help: "Events of subscriptions that were answered to clients.",
	})
	m.estimated = newCostHistogram("lethe_router_operation_estimated_cost", "What operations were estimated to cost before they were executed, or refused.")
	m.actual = newCostHistogram("lethe_router_operation_actual_cost", "What operations really cost, by the objects in their answers, of those that were measured.")
	expensive := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lethe_router_operations_too_expensive_total", Help: "Operations and batches that were refused for their cost, by who asked: anonymous, signedIn or service.",
	}, []string{"identity"})
	for kind, name := range kinds {
		m.expensive[kind] = expensive.WithLabelValues(name)
	}
	m.registry.MustRegister(m.estimated, m.actual, expensive)
	m.ok = m.requests.WithLabelValues("200")
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests, m.seconds, m.withError, m.subgraph, m.failures, m.reloads, m.refused, m.subscriptions, m.events,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lethe_router_sockets", Help: "WebSockets of clients that are open.",
		}, func() float64 { return float64(s.streams.sockets.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lethe_router_requests_in_flight", Help: "Requests to /graphql that are under way.",
		}, func() float64 { return float64(s.inFlight.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lethe_router_requests_waiting", Help: "Requests to /graphql that wait for memory.",
		}, func() float64 { return float64(s.engine.Load().execute.Waiting()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lethe_router_prepared_operations", Help: "Operations that are kept ready to run.",
		}, func() float64 { return float64(s.engine.Load().prepare.Len()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lethe_router_prepared_bytes", Help: "Bytes that the operations kept ready take with their plans, as far as they are counted.",
		}, func() float64 { return float64(s.engine.Load().prepare.Bytes()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lethe_router_schema_since_seconds", Help: "When the schema that is served was taken, in seconds since 1970.",
		}, func() float64 { return float64(s.engine.Load().since.Unix()) }),
	)
	m.registry.MustRegister(s.connectionMetrics()...)
	return m
}

// observe counts one exchange.
func (m *metrics) observe(x *exchange, took time.Duration) {
	if x.status == 200 {
		m.ok.Inc()
	} else {
		m.requests.WithLabelValues(strconv.Itoa(x.status)).Inc()
	}
	if x.errors > 0 {
		m.withError.Inc()
	}
	if x.streamed == 0 { // a subscription takes as long as its client likes
		m.seconds.Observe(took.Seconds())
	}
}

// failed counts a request that a subgraph did not answer.
func (m *metrics) failed(subgraph string, f *execute.Failure) {
	if m.serves(subgraph) { // it may have left while the request was under way
		m.failures.WithLabelValues(subgraph, f.Code).Inc()
	}
}

// reloaded counts a schema or a configuration that came while the router ran.
func (m *metrics) reloaded(what string, taken bool) {
	outcome, refused := "taken", 0.0
	if !taken {
		outcome, refused = "refused", 1
	}
	m.reloads.WithLabelValues(what, outcome).Inc()
	m.refused.WithLabelValues(what).Set(refused)
}

// forget drops the figures of a subgraph that is gone.
func (m *metrics) forget(subgraph string) {
	gone := prometheus.Labels{"subgraph": subgraph}
	m.subgraph.DeletePartialMatch(gone)
	m.failures.DeletePartialMatch(gone)
}
