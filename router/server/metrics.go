package server

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/lethe/lethe/router/execute"
)

// metrics are the router's figures for Prometheus.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	seconds   prometheus.Histogram
	withError prometheus.Counter
	subgraph  *prometheus.HistogramVec
	failures  *prometheus.CounterVec
	ok        prometheus.Counter // requests with status 200
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
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
	}
	m.ok = m.requests.WithLabelValues("200")
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests, m.seconds, m.withError, m.subgraph, m.failures,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lethe_router_requests_in_flight", Help: "Requests to /graphql that are under way.",
		}, func() float64 { return float64(len(s.inFlight)) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lethe_router_prepared_operations", Help: "Operations that are kept ready to run.",
		}, func() float64 { return float64(s.engine.Load().prepare.Len()) }),
	)
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
	m.seconds.Observe(took.Seconds())
}

// failed counts a request that a subgraph did not answer.
func (m *metrics) failed(subgraph string, f *execute.Failure) {
	m.failures.WithLabelValues(subgraph, f.Code).Inc()
}
