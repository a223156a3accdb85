package server

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/http1"
	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/supergraph"
)

// Outgoing adds to the headers of a request that goes to a subgraph, such as a signed identity.
type Outgoing func(ctx context.Context, header http.Header, subgraph string, body []byte)

// subgraphs sends requests to subgraphs over HTTP. It implements [execute.Caller].
type subgraphs struct {
	byName   map[string]*subgraph
	client   *http.Client
	outgoing Outgoing
	limit    int64 // of an answer, in bytes
	metrics  *metrics
}

type subgraph struct {
	name    string
	url     *url.URL // nil where none is known
	timeout time.Duration
	seconds prometheus.Observer
	gzip    bool       // whether it is asked to compress its answers
	plain   *plainHost // nil where net/http is needed: for TLS, a proxy, or credentials in the address
	follows SubgraphSubscriptions
}

var _ execute.Caller = (*subgraphs)(nil)

func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext: dialer.DialContext, MaxIdleConnsPerHost: 512, MaxIdleConns: 4096, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: 5 * time.Second, DisableCompression: true, ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment,
		WriteBufferSize: 16 << 10, ReadBufferSize: 16 << 10,
	}
}

// newSubgraphs gives the way to the subgraphs of a supergraph.
func (s *Server) newSubgraphs(graph *supergraph.Supergraph, config *Config) (*subgraphs, error) {
	out := &subgraphs{
		byName: map[string]*subgraph{}, client: s.client, outgoing: s.options.Outgoing,
		limit: int64(config.Limits.SubgraphResponseBytes), metrics: s.metrics,
	}
	for _, g := range graph.Subgraphs() {
		address := g.URL
		if u := s.options.URLs[g.Name]; u != "" {
			address = u
		} else if s.options.FindURL != nil {
			address = cmp.Or(s.options.FindURL(g.Name), address)
		}
		to := &subgraph{name: g.Name, timeout: config.Subgraphs.timeout, follows: config.subscriptionsOf(g.Name)}
		if address != "" {
			u, err := url.Parse(address)
			if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
				return nil, fmt.Errorf("the address of subgraph %s is %q: it must be an http or https URL", g.Name, address)
			}
			to.url, to.plain = u, s.hosts.plain(u)
			if to.gzip = config.Subgraphs.Compression; to.gzip || !config.http1() {
				to.plain = nil // net/http reads compressed answers
			}
		}
		out.byName[g.Name] = to
	}
	for _, to := range out.byName { // only now: a schema that is refused leaves no figures behind
		to.seconds = s.metrics.subgraph.WithLabelValues(to.name)
	}
	return out, nil
}

var (
	jsonType       = []string{plainJSON}  //nolint:gochecknoglobals // a constant
	identityCoding = []string{"identity"} //nolint:gochecknoglobals // a constant
)

// Call implements [execute.Caller].
func (s *subgraphs) Call(ctx context.Context, call execute.Call, into []byte) ([]byte, error) {
	to := s.byName[call.Subgraph]
	if to == nil || to.url == nil {
		return into, s.failure(call.Subgraph, &execute.Failure{Code: execute.CodeUnavailable, Message: "has no address: its part of the response is missing"})
	}
	began := time.Now()
	if last := began.Add(to.timeout); call.Deadline.IsZero() || last.Before(call.Deadline) {
		call.Deadline = last
	}
	var err error
	if call.Files.Within(call.Body) {
		into, err = s.sendForm(ctx, to, call, into)
	} else if to.plain != nil {
		into, err = s.post(ctx, to, call, began, into)
	} else {
		into, err = s.send(ctx, to, call, into)
	}
	to.seconds.Observe(time.Since(began).Seconds())
	if err != nil {
		return into, s.failure(to.name, classify(err))
	}
	return into, nil
}

// trailed gives a header by which a request is found again.
func trailed(t execute.Trail) http.Header {
	header := http.Header{"X-Request-Id": {t.RequestID}}
	if t.Parent != "" {
		header["Traceparent"] = []string{t.Parent}
		if t.State != "" {
			header["Tracestate"] = []string{t.State}
		}
	}
	return header
}

func (s *subgraphs) send(ctx context.Context, to *subgraph, call execute.Call, into []byte) ([]byte, error) {
	ctx, cancel := context.WithDeadline(ctx, call.Deadline)
	defer cancel()
	header := trailed(call.Trail)
	header["Content-Type"], header["Accept"] = jsonType, jsonType
	header[http1.ExchangeHeader], header["Accept-Encoding"] = []string{newID()}, identityCoding
	if to.gzip {
		header["Accept-Encoding"] = codings[gzipCoding]
	}
	if call.Kind != plan.Mutation {
		// A request that can be repeated is sent again where a connection that was kept turns out to be closed.
		header["X-Idempotency-Key"] = nil
	}
	if s.outgoing != nil {
		s.outgoing(ctx, header, to.name, call.Body)
	}
	// The transport may still read the body when Do has returned with an error, and the executor uses its buffer again.
	body := bytes.Clone(call.Body)
	req := (&http.Request{
		Method: http.MethodPost, URL: to.url, Host: to.url.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}).WithContext(ctx)
	resp, err := s.client.Do(req)
	if err != nil {
		return into, err
	}
	defer func(body io.Closer) { _ = body.Close() }(resp.Body)
	if err := http1.Answers(resp.Header, header); err != nil {
		return into, err
	}
	return s.readAnswer(into, resp, call)
}

// classify says what a client may know of why a subgraph gave no answer.
func classify(err error) *execute.Failure {
	var large *tooLargeError
	var larger *http1.TooLargeError
	var timeout net.Error
	var refused *statusError
	switch {
	case errors.As(err, &refused):
		return &execute.Failure{Code: execute.CodeUnavailable, Message: "is not available: its part of the response is missing", Cause: err, Status: refused.head.status, RetryAfter: refused.retryAfter(time.Now())}
	case errors.As(err, &large) || errors.As(err, &larger):
		return &execute.Failure{Code: execute.CodeInvalidResponse, Message: "answered with more than is taken: ask for less at once", Cause: err}
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		return &execute.Failure{Code: execute.CodeTimeout, Message: "did not answer in time: its part of the response is missing", Cause: err}
	}
	return &execute.Failure{Code: execute.CodeUnavailable, Message: "is not available: its part of the response is missing", Cause: err}
}

func (s *subgraphs) failure(name string, f *execute.Failure) error {
	s.metrics.failed(name, f)
	return f
}
