package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/lethe/lethe/router/execute"
)

// Outgoing adds to the headers of a request that goes to a subgraph, such as a signed identity.
type Outgoing func(ctx context.Context, header http.Header, subgraph string, body []byte)

// subgraphs sends requests to subgraphs over HTTP. It implements [execute.Caller].
type subgraphs struct {
	urls     map[string]string
	client   *http.Client
	outgoing Outgoing
	timeout  time.Duration
	limit    int64 // of an answer, in bytes
	log      *slog.Logger
}

var _ execute.Caller = (*subgraphs)(nil)

func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext: dialer.DialContext, MaxIdleConnsPerHost: 512, MaxIdleConns: 4096, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: 0, DisableCompression: true, ForceAttemptHTTP2: true,
	}
}

// Call implements [execute.Caller].
func (s *subgraphs) Call(ctx context.Context, subgraph string, body, into []byte) ([]byte, error) {
	url := s.urls[subgraph]
	if url == "" {
		return into, &execute.Failure{Code: execute.CodeUnavailable, Message: "has no address: its part of the response is missing"}
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return into, s.failure(ctx, subgraph, err)
	}
	req.Header["Content-Type"] = jsonType
	req.Header["Accept"] = jsonType
	if id := requestID(ctx); id != "" {
		req.Header["X-Request-Id"] = []string{id}
	}
	if s.outgoing != nil {
		s.outgoing(ctx, req.Header, subgraph, body)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return into, s.failure(ctx, subgraph, err)
	}
	defer func() { _ = resp.Body.Close() }()
	into, err = readAll(into, resp, s.limit)
	if err != nil {
		return into, s.failure(ctx, subgraph, err)
	}
	// A subgraph may answer GraphQL errors with any status; what is no JSON object is none of its answers.
	if resp.StatusCode >= 300 && (len(into) == 0 || bytes.TrimSpace(into)[0] != '{') {
		return into, s.failure(ctx, subgraph, fmt.Errorf("status %d", resp.StatusCode))
	}
	return into, nil
}

var jsonType = []string{"application/json"} //nolint:gochecknoglobals // a constant

func readAll(into []byte, resp *http.Response, limit int64) ([]byte, error) {
	if n := resp.ContentLength; n > limit {
		return into, fmt.Errorf("the answer has %d bytes, more than %d", n, limit)
	} else if n > 0 && int64(cap(into)) < n {
		into = make([]byte, 0, n+64)
	}
	for {
		if len(into) == cap(into) {
			into = append(into, 0)[:len(into)]
		}
		n, err := resp.Body.Read(into[len(into):cap(into)])
		into = into[:len(into)+n]
		if int64(len(into)) > limit {
			return into, fmt.Errorf("the answer has more than %d bytes", limit)
		}
		if errors.Is(err, io.EOF) {
			return into, nil
		}
		if err != nil {
			return into, err
		}
	}
}

func (s *subgraphs) failure(ctx context.Context, subgraph string, err error) error {
	s.log.WarnContext(ctx, "subgraph failed", "subgraph", subgraph, "request_id", requestID(ctx), "error", err)
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return &execute.Failure{Code: execute.CodeTimeout, Message: "did not answer in time: its part of the response is missing", Cause: err}
	}
	return &execute.Failure{Code: execute.CodeUnavailable, Message: "is not available: its part of the response is missing", Cause: err}
}
