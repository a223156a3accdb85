package server

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/jsontext"
	"github.com/lethe/lethe/router/upstream"
)

var _ execute.Subscriber = (*subgraphs)(nil)

// subscriptionsOf says how subscriptions reach a subgraph.
func (c *Config) subscriptionsOf(name string) SubgraphSubscriptions {
	if sub, ok := c.Subgraphs.Subscriptions[name]; ok {
		return sub
	}
	return SubgraphSubscriptions{Protocol: protocolSSE}
}

// stream gives where subscriptions are taken, nil where no address is known.
func (s *subgraph) stream() *url.URL {
	to := s.follows.url
	switch {
	case to == nil || s.url == nil && !to.IsAbs():
		return s.url
	case to.IsAbs():
		return to
	}
	return s.url.ResolveReference(to)
}

// route names the way to a subgraph's subscriptions: a running one can stay where it is the same after a reload.
func (s *subgraphs) route(name string) string {
	to := s.byName[name]
	if to == nil || to.stream() == nil {
		return ""
	}
	return to.follows.Protocol + " " + to.stream().String()
}

// Subscribe implements [execute.Subscriber].
func (s *subgraphs) Subscribe(ctx context.Context, call execute.Call) (execute.Events, error) {
	to := s.byName[call.Subgraph]
	if to == nil || to.stream() == nil {
		return nil, s.failure(call.Subgraph, &execute.Failure{Code: execute.CodeUnavailable, Message: "has no address: what it tells cannot be followed"})
	}
	q := upstream.Request{
		URL: to.stream(), Header: trailed(call.Trail), Body: call.Body, Opening: to.timeout, Heartbeat: to.follows.heartbeat,
	}
	signed := call.Body
	if to.follows.Protocol == protocolWS {
		signed = nil // a handshake has no body
	}
	if s.outgoing != nil {
		s.outgoing(ctx, q.Header, to.name, signed)
	}
	client := upstream.Client{HTTP: s.client, Limit: int(s.limit)}
	open := client.EventStream
	if to.follows.Protocol == protocolWS {
		q.Init = headersAsObject(q.Header) // not every server shows its resolvers the handshake
		open = client.WebSocket
	}
	events, err := open(ctx, q)
	if err != nil {
		return nil, s.failure(to.name, lost(err))
	}
	return &heardEvents{events, s, to.name}, nil
}

// headersAsObject gives headers as a JSON object of strings.
func headersAsObject(h http.Header) []byte {
	out := []byte{'{'}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(jsontext.AppendString(out, name), ':')
		out = jsontext.AppendString(out, strings.Join(h[name], ", "))
	}
	return append(out, '}')
}

// heardEvents say of what ends a subscription what a client may know.
type heardEvents struct {
	upstream.Events
	subgraphs *subgraphs
	name      string
}

// Next implements [execute.Events].
func (e *heardEvents) Next(into []byte) ([]byte, error) {
	into, err := e.Events.Next(into)
	switch {
	case err == nil || errors.Is(err, io.EOF) || errors.Is(err, upstream.ErrClosed):
		return into, err
	default:
		return into, e.subgraphs.failure(e.name, lost(err))
	}
}

// lost says what a client may know of why a subscription ended at a subgraph.
func lost(err error) *execute.Failure {
	var large *upstream.TooLargeError
	var status *upstream.StatusError
	switch {
	case errors.As(err, &large):
		return &execute.Failure{Code: execute.CodeInvalidResponse, Message: "told more at once than is taken: subscribe to less", Cause: err}
	case errors.Is(err, upstream.ErrProtocol):
		return &execute.Failure{Code: execute.CodeInvalidResponse, Message: "told something that cannot be understood", Cause: err}
	case errors.Is(err, upstream.ErrOpening) || errors.Is(err, context.DeadlineExceeded):
		return &execute.Failure{Code: execute.CodeTimeout, Message: "did not take the subscription in time: subscribe again", Cause: err}
	case errors.As(err, &status) && status.Status < http.StatusInternalServerError:
		return &execute.Failure{Code: execute.CodeUnavailable, Message: "does not take subscriptions", Cause: err, Status: status.Status}
	case errors.As(err, &status):
		return &execute.Failure{Code: execute.CodeUnavailable, Message: "is not available any more: subscribe again", Cause: err, Status: status.Status}
	}
	return &execute.Failure{Code: execute.CodeUnavailable, Message: "is not available any more: subscribe again", Cause: err}
}
