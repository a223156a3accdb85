package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lethe/lethe/router/http1"
)

// sse is a subscription over server-sent events.
type sse struct {
	ctx    context.Context //nolint:containedctx // the life of the subscription
	cancel context.CancelCauseFunc
	body   io.ReadCloser
	watch  *watch
	events *eventStream
	limit  int
	single time.Duration // above zero where the body is one response and no stream: how long it may take
	over   bool
	close  sync.Once
}

const eventStreamType = "text/event-stream"

// EventStream opens a subscription over server-sent events: a POST that is answered with the events next and complete.
// A subgraph that refuses may answer with one GraphQL response in JSON, which is the only event then.
func (c *Client) EventStream(ctx context.Context, q Request) (Events, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	header := q.Header.Clone()
	header.Set("Content-Type", "application/json")
	header.Set("Accept", eventStreamType)
	header.Set("Cache-Control", "no-store")
	header.Set(http1.ExchangeHeader, strconv.FormatUint(rand.Uint64(), 16))
	// The transport may still read the body when Do has returned, and it is the caller's again then.
	body := bytes.Clone(q.Body)
	req := (&http.Request{
		Method: http.MethodPost, URL: q.URL, Host: q.URL.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}).WithContext(ctx)
	late := time.AfterFunc(q.Opening, func() { cancel(ErrOpening) })
	resp, err := c.HTTP.Do(req)
	if !late.Stop() && err == nil {
		_ = resp.Body.Close()
		err = ErrOpening
	}
	if err == nil {
		if err = http1.Answers(resp.Header, header); err != nil {
			_ = resp.Body.Close()
		}
	}
	if err != nil {
		err = because(ctx, err)
		cancel(nil)
		return nil, fmt.Errorf("open an event stream: %w", err)
	}
	out := &sse{ctx: ctx, cancel: cancel, body: resp.Body, watch: newWatch(q.Heartbeat, cancel), limit: c.Limit}
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	refused := resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden
	switch {
	case err == nil && media == eventStreamType && resp.StatusCode < 300:
		out.events = newEventStream(&heard{resp.Body, out.watch}, c.Limit)
		return out, nil
	case err == nil && strings.HasSuffix(media, "json") && !refused:
		out.single = q.Opening
		return out, nil
	}
	out.Close()
	return nil, fmt.Errorf("open an event stream: %w", &StatusError{resp.StatusCode})
}

// because gives why a context ended, where that is why an error is.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %v", cause, err) //nolint:errorlint // an io.EOF in it would mean that all was told
	}
	return err
}

// heard tells a watch of everything that is read.
type heard struct {
	r     io.Reader
	watch *watch
}

// Read implements io.Reader.
func (h *heard) Read(p []byte) (int, error) {
	h.watch.begin()
	defer h.watch.end()
	return h.r.Read(p)
}

// Next gives the next event.
func (s *sse) Next(into []byte) ([]byte, error) {
	if s.over {
		return into, io.EOF
	}
	if s.single > 0 {
		s.over = true
		return s.whole(into)
	}
	for {
		name, out, err := s.events.next(into)
		switch {
		case err != nil && isEnd(err) && s.ctx.Err() == nil:
			return into, ErrLost
		case err != nil:
			return into, fmt.Errorf("read an event: %w", because(s.ctx, err))
		case string(name) == "next":
			return out, nil
		case string(name) == "complete":
			s.over = true
			return into, io.EOF
		}
	}
}

func (s *sse) whole(into []byte) ([]byte, error) {
	late := time.AfterFunc(s.single, func() { s.cancel(ErrOpening) })
	defer late.Stop()
	b, err := io.ReadAll(io.LimitReader(s.body, int64(s.limit)+1))
	if err != nil {
		return into, fmt.Errorf("read the answer: %w", because(s.ctx, ErrLost))
	}
	if len(b) > s.limit {
		return into, &TooLargeError{s.limit}
	}
	return append(into, b...), nil
}

// Close ends the subscription.
func (s *sse) Close() {
	s.close.Do(func() {
		s.cancel(ErrClosed)
		s.watch.end()
		_ = s.body.Close()
	})
}
