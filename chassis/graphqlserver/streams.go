package graphqlserver

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	gqltransport "github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/lethe/lethe/chassis"
)

// Times of streams.
const (
	// keepAlive is how long a stream is silent at most: shorter than proxies and NATs cut what is silent.
	keepAlive = 15 * time.Second
	// initWithin is how soon a WebSocket must begin with connection_init.
	initWithin = 10 * time.Second
)

// webSocket serves the graphql-transport-ws protocol to the router. The identity is that of the request which opens the
// socket, signed over an empty body.
func webSocket() graphql.Transport {
	return untilStopped{gqltransport.Websocket{InitTimeout: initWithin, PingPongInterval: keepAlive}}
}

// untilStopped is a transport over WebSocket whose connections end when the service stops: a socket lasts as long as its
// client. To cancel the request's context would end the operations as if they were complete; so the client is told to
// connect again, and the connection is cut.
type untilStopped struct{ graphql.Transport }

// Do implements [graphql.Transport].
func (u untilStopped) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	left := make(chan struct{})
	defer close(left)
	u.Transport.Do(&cutWriter{ResponseWriter: w, stopping: chassis.Stopping(r.Context()), left: left}, r, exec)
}

// cutWriter is a response whose connection, once it is taken over, is cut when the service stops.
type cutWriter struct {
	http.ResponseWriter
	stopping, left <-chan struct{}
}

// serviceRestart is a WebSocket's close frame with the code 1012 (RFC 6455, sections 5.5.1 and 7.4; registered with IANA).
const serviceRestart = "\x88\x02\x03\xf4"

// Hijack implements [http.Hijacker].
func (c *cutWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(c.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("take over the connection: %w", err)
	}
	go func() {
		select {
		case <-c.stopping:
			// Frames are written whole, and a control frame may stand between those of a message.
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = io.WriteString(conn, serviceRestart)
			_ = conn.Close()
		case <-c.left:
		}
	}()
	return conn, rw, nil
}

// eventStream serves operations as server-sent events: the distinct connections mode of the GraphQL over SSE protocol, a
// POST for each stream. gqlgen's own writes the bodies that it cannot read to the log, where they do not belong.
type eventStream struct{}

var _ graphql.Transport = eventStream{}

// Supports implements [graphql.Transport].
func (eventStream) Supports(r *http.Request) bool {
	if r.Method != http.MethodPost {
		return false
	}
	for accepted := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		if media, _, err := mime.ParseMediaType(accepted); err == nil && media == "text/event-stream" {
			return true
		}
	}
	return false
}

// Do implements [graphql.Transport]. A stream that is cut because the service stops has no complete event, so that the
// router knows to ask again.
func (eventStream) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	params, ok := readParams(w, r)
	if !ok {
		return
	}
	op, errs := exec.CreateOperationContext(ctx, params)
	within := graphql.WithOperationContext(ctx, op)
	var respond graphql.ResponseHandler
	if errs != nil {
		respond = graphql.OneShot(exec.DispatchError(within, errs))
	} else {
		respond, within = exec.DispatchOperation(within, op)
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-cache")
	header.Set("X-Accel-Buffering", "no")
	s := &stream{w: w, control: http.NewResponseController(w)}
	if s.send(":\n\n") != nil {
		return
	}
	s.follow(ctx, func() *graphql.Response { return respond(within) }, chassis.Stopping(r.Context()))
}

// stream writes events.
type stream struct {
	w       io.Writer
	control *http.ResponseController
}

func (s *stream) send(text string) error {
	if _, err := io.WriteString(s.w, text); err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	return nil
}

// follow writes each response as it comes, and something in between where none does, until there are no more, the client
// has gone or the service stops.
func (s *stream) follow(ctx context.Context, respond func() *graphql.Response, stopping <-chan struct{}) {
	events := make(chan string)
	go func() {
		defer close(events)
		// A response is good until the next is asked for: so it is written out here.
		for r := respond(); r != nil; r = respond() {
			select {
			case events <- event(r):
			case <-ctx.Done():
				return
			}
		}
	}()
	silence := time.NewTicker(keepAlive)
	defer silence.Stop()
	for {
		text, more := ":\n\n", true
		select {
		case <-ctx.Done():
			return
		case <-stopping:
			return
		case <-silence.C:
		case text, more = <-events:
			silence.Reset(keepAlive)
		}
		if !more {
			text = "event: complete\ndata:\n\n"
		}
		if err := s.send(text); err != nil || !more {
			return
		}
	}
}

// event gives a response as an event.
func event(r *graphql.Response) string {
	b, err := json.Marshal(r)
	if err != nil {
		b = []byte(`{"data":null,"errors":[{"message":"` + errInternal.Message + `","extensions":{"code":"` + errInternal.Code + `"}}]}`)
	}
	return "event: next\ndata: " + string(b) + "\n\n"
}

// bounds keeps queries and mutations within their time, and subscriptions within their number: these last as long as their
// clients.
type bounds struct{ slots chan struct{} }

func newBounds(streams int) *bounds { return &bounds{make(chan struct{}, streams)} }

func (b *bounds) around(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	if graphql.GetOperationContext(ctx).Operation.Operation != ast.Subscription {
		ctx, cancel := context.WithTimeout(ctx, Timeout)
		respond := next(ctx)
		return func(ctx context.Context) *graphql.Response {
			defer cancel()
			return respond(ctx)
		}
	}
	select {
	case b.slots <- struct{}{}:
	default:
		return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{{Message: errFull.Message, Extensions: map[string]any{"code": errFull.Code}}}})
	}
	context.AfterFunc(ctx, func() { <-b.slots })
	return next(ctx)
}
