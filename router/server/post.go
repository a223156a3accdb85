package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/http1"
	"github.com/lethe/lethe/router/plan"
)

// hosts are the connections to subgraphs that are spoken to over plain HTTP/1.1. They outlive a schema.
type hosts struct {
	log     *slog.Logger
	mu      sync.Mutex
	byHost  map[string]*http1.Client // by host and port as URLs have them
	proxied func(*http.Request) (*url.URL, error)
}

// plainHost is a subgraph's address there.
type plainHost struct {
	client *http1.Client
	head   []byte // the request line and the header lines that are always the same
}

func newHosts(log *slog.Logger) *hosts {
	return &hosts{log: log, byHost: map[string]*http1.Client{}, proxied: http.ProxyFromEnvironment}
}

// plain gives the way to a URL, or nil where net/http is needed to go it.
func (h *hosts) plain(u *url.URL) *plainHost {
	proxy, err := h.proxied(&http.Request{URL: u})
	if u.Scheme != "http" || u.User != nil || proxy != nil || err != nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	client := h.byHost[u.Host]
	if client == nil {
		port := u.Port()
		if port == "" {
			port = "80"
		}
		client = http1.NewClient(net.JoinHostPort(u.Hostname(), port), func(reason error) {
			h.log.Warn("a subgraph's host sent what nobody asked for: for five minutes each request to it goes over a connection of its own", "host", u.Host, "reason", reason)
		})
		h.byHost[u.Host] = client
	}
	head := "POST " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host + "\r\nUser-Agent: lethe-router\r\nContent-Type: " + plainJSON + "\r\nAccept: " + plainJSON + "\r\nAccept-Encoding: identity\r\n"
	return &plainHost{client: client, head: []byte(head)}
}

// keep closes the connections to all but the hosts of a schema.
func (h *hosts) keep(used map[string]bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for host, client := range h.byHost {
		if !used[host] {
			client.Close()
			delete(h.byHost, host)
		}
	}
}

// posting is what a request to a subgraph needs while it runs. It is used again for another.
type posting struct {
	request http1.Request
	header  http.Header // for what Outgoing adds
}

var postings = sync.Pool{New: func() any { return &posting{header: http.Header{}} }} //nolint:gochecknoglobals // a pool

var errHeaderValue = errors.New("a header for the subgraph has a line break in it")

// post sends a request over plain HTTP/1.1.
func (s *subgraphs) post(ctx context.Context, to *subgraph, call execute.Call, began time.Time, into []byte) ([]byte, error) {
	p, _ := postings.Get().(*posting)
	defer postings.Put(p)
	deadline := call.Deadline
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	head := append(p.request.Head[:0], to.plain.head...)
	head = appendHeader(head, "X-Request-Id", call.Trail.RequestID)
	if call.Trail.Parent != "" {
		head = appendHeader(head, "Traceparent", call.Trail.Parent)
		if call.Trail.State != "" {
			head = appendHeader(head, "Tracestate", call.Trail.State)
		}
	}
	if s.outgoing != nil {
		clear(p.header)
		s.outgoing(ctx, p.header, to.name, call.Body)
		for name, values := range p.header {
			for _, v := range values {
				if strings.ContainsAny(v, "\r\n\x00") {
					return into, errHeaderValue
				}
				head = appendHeader(head, name, v)
			}
		}
	}
	p.request = http1.Request{Head: head, Body: call.Body, Repeatable: call.Kind != plan.Mutation, Deadline: deadline, At: began, Limit: s.limit, Buffers: call.Buffers, Expected: call.Expected}
	resp, err := to.plain.client.Post(ctx, &p.request, into)
	p.request.Body, p.request.Buffers = nil, nil
	if err != nil {
		return resp.Body, err
	}
	body, unread := resp.Body, false
	if resp.ContentEncoding != "" && resp.ContentEncoding != "identity" {
		plain, err := inflated(body[len(into):], resp.ContentEncoding, s.limit)
		if unread = err != nil; unread && resp.Status < http.StatusMultipleChoices {
			return body, err
		}
		body = append(body[:len(into)], plain...)
	}
	return body, acceptable(answerHead{resp.Status, resp.ContentType, resp.RetryAfter}, body, unread)
}

func appendHeader(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}
