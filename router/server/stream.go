package server

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/prepare"
)

// framing is how a transport over HTTP writes a stream of responses. Its methods append to dst.
type framing interface {
	contentType() []string
	// single gives the media type of an answer that is one response, for a client that takes nothing else.
	single() string
	// begin writes what stands before all.
	begin(dst []byte) []byte
	// next writes a response.
	next(dst, response []byte) []byte
	// alive writes what shows that the connection lives.
	alive(dst []byte) []byte
	// failed writes why the stream ends; errs is a JSON list.
	failed(dst, errs []byte) []byte
	// complete writes that all was told.
	complete(dst []byte) []byte
	// stopping writes that the router stops, so that the client subscribes elsewhere.
	stopping(dst []byte) []byte
}

// streamAccepted gives the first framing for subscriptions that a client takes, nil where it takes none.
func streamAccepted(accept []string) framing {
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		if !strings.Contains(part, eventStreamType) && !strings.Contains(part, multipartType) {
			continue // the most of what is accepted is not parsed for this
		}
		media, params, err := mime.ParseMediaType(part)
		switch {
		case err != nil || params["q"] == "0":
		case media == eventStreamType:
			return eventFraming{}
		case media == multipartType && params["subscriptionspec"] != "":
			return multipartFraming{}
		}
	}
	return nil
}

// httpStream is a client that reads a stream of responses over HTTP. It is a [sink].
type httpStream struct {
	framing
	w        http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration // how long a client may take over what it is sent
	buf      []byte
	sent     int
}

func (h *httpStream) open() error {
	header := h.w.Header()
	header["Content-Type"] = h.contentType()
	header["Cache-Control"] = []string{"no-cache, no-transform"}
	header["X-Accel-Buffering"] = []string{"no"} // proxies in front of us pass on what they get
	h.w.WriteHeader(http.StatusOK)
	return h.write(h.framing.begin(h.buf[:0]))
}

func (h *httpStream) write(b []byte) error {
	h.buf = b[:0]
	if cap(b) > maxKept {
		h.buf = nil
	}
	// Not every writer has deadlines; those of net/http's own server do.
	if err := h.control.SetWriteDeadline(time.Now().Add(h.patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	n, err := h.w.Write(b)
	h.sent += n
	if err != nil {
		return err
	}
	return h.control.Flush()
}

func (h *httpStream) next(response []byte) error { return h.write(h.framing.next(h.buf[:0], response)) }
func (h *httpStream) alive() error               { return h.write(h.framing.alive(h.buf[:0])) }

// end tells the client why its subscription ended, where that is something to be told.
func (h *httpStream) end(err error) error {
	var ended *endedError
	switch {
	case err == nil:
	case errors.As(err, &ended):
		return h.fail(ended.errors)
	case errors.Is(err, errExpired):
		return h.fail(coded(codeTokenExpired, "The token has expired: get a new one and subscribe again."))
	case errors.Is(err, errStopping):
		return h.write(h.framing.stopping(h.buf[:0]))
	default:
		return err
	}
	return h.write(h.framing.complete(h.buf[:0]))
}

func (h *httpStream) fail(errs gqlerror.List) error {
	list, err := json.Marshal(errs)
	if err != nil {
		return err
	}
	return h.write(h.framing.complete(h.framing.failed(h.buf[:0], list)))
}

// stream answers a subscription over HTTP.
func (s *Server) stream(ctx context.Context, x *exchange, e *engine) {
	if x.stream == nil {
		x.reject(coded(codeNotSupported, "A subscription is answered as a stream: accept "+eventStreamType+" or "+multipartType+`;subscriptionSpec="1.0", or ask over WebSocket.`))
		return
	}
	op := x.operation(execute.Trail{RequestID: x.id, Parent: first(x.r.Header["Traceparent"]), State: first(x.r.Header["Tracestate"])})
	op.plan = e.config.QueryPlans && x.r.Header.Get(planHeader) != ""
	op.cost = first(x.r.Header[costHeader]) == "1"
	b, errs := op.bind(ctx, s, e)
	if len(errs) > 0 {
		x.reject(errs)
		return
	}
	x.leave(s)
	defer s.streams.running.Add(-1)
	if s.streams.running.Add(1) > kept(e.config.Subscriptions.Streams, x.principal.Kind) {
		x.w.Header().Set("Retry-After", "5")
		x.refuse(&problem{http.StatusServiceUnavailable, codeTooMany, "Too many subscriptions are under way: try again in a moment."})
		return
	}
	share := e.config.Clients.Shares.Subscriptions
	held := s.shares.take(account(x.Account()), ofSubscriptions, 1, share)
	if held == nil {
		x.refuse(overShare(x.w, codeTooMany, "subscriptions under way", share))
		return
	}
	defer held.drop(ofSubscriptions, 1)
	// What stays of the operation is for the log: its schema must be free to go while the subscription runs.
	x.status, x.prepared = http.StatusOK, &prepare.Prepared{Name: x.prepared.Name, Hash: x.prepared.Hash}
	to := &httpStream{framing: x.stream, w: x.w, control: http.NewResponseController(x.w), patience: e.config.Subscriptions.patience}
	ctx, end := s.begin(x.r.Context(), ctx)
	defer end(nil)
	err := to.open()
	if err == nil {
		err = to.end(s.follow(ctx, op, b, to))
	}
	x.streamed = to.sent
	if err != nil {
		s.log.DebugContext(ctx, "a subscription ended", "request_id", x.id, "reason", err)
	}
}
