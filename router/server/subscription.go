package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/lethe/lethe/router/authorise"
	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/prepare"
)

// Codes of what ends a subscription, as extensions.code has them, beside those of package execute.
const (
	codeTooSlow       = "SUBSCRIPTION_TOO_SLOW"
	codeTooMany       = "TOO_MANY_SUBSCRIPTIONS"
	codeNotSupported  = "SUBSCRIPTIONS_NOT_SUPPORTED"
	codeStopping      = "ROUTER_STOPPING"
	codeTokenExpired  = "TOKEN_EXPIRED"
	codeSchemaChanged = "SUBSCRIPTION_SCHEMA_CHANGED"
)

// Why subscriptions end that neither their client nor their subgraph ended.
var (
	errStopping = errors.New("the router stops")
	errExpired  = errors.New("the token has expired")
)

// Expirer is an [Authenticator] whose identities end. Subscriptions end with them.
type Expirer interface {
	// Expiry gives when the identity in ctx ends, and whether it does.
	Expiry(ctx context.Context) (time.Time, bool)
}

// streams are the subscriptions under way.
type streams struct {
	running atomic.Int64
	sockets atomic.Int64
	open    sync.WaitGroup  // of the sockets
	life    context.Context //nolint:containedctx // the life of the server, with why it ended
	stop    context.CancelCauseFunc
}

// wait waits until the WebSockets are closed, or ctx is done.
func (s *streams) wait(ctx context.Context) {
	closed := make(chan struct{})
	go func() {
		s.open.Wait()
		close(closed)
	}()
	select {
	case <-closed:
	case <-ctx.Done():
	}
}

// untilStopped returns a context that ends with ctx or when the router stops.
func (s *Server) untilStopped(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.streams.life, func() { cancel(context.Cause(s.streams.life)) })
	return ctx, func(cause error) {
		stop()
		cancel(cause)
	}
}

// begin makes the context of what a client is answered over time: that of its connection with the identity and the values of
// ctx, but not its deadline, until the identity expires.
func (s *Server) begin(connection, ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stops := []func() bool{context.AfterFunc(connection, func() { cancel(context.Cause(connection)) })}
	if e, ok := s.options.Authenticator.(Expirer); ok {
		if at, ends := e.Expiry(ctx); ends {
			stops = append(stops, time.AfterFunc(time.Until(at), func() { cancel(errExpired) }).Stop)
		}
	}
	return ctx, func(cause error) {
		for _, stop := range stops {
			stop()
		}
		cancel(cause)
	}
}

// operation is what a client asked, kept for as long as it is answered: a new schema needs it again.
type operation struct {
	query, name, variables []byte
	trail                  execute.Trail
	plan                   bool   // whether its answers hold the query plan
	cost                   bool   // whether they hold what they cost
	draw                   uint64 // decides the labels of progressive overrides, the same for all events
}

func (q *request) operation(trail execute.Trail) *operation {
	return &operation{query: bytes.Clone(q.query), name: bytes.Clone(q.name), variables: bytes.Clone(q.variables), trail: trail,
		draw: rand.Uint64()}
}

// bound is an operation with what one schema makes of it.
type bound struct {
	engine  *engine
	name    string
	hash    string // of the text
	program *execute.Program
	values  prepare.Values
	request execute.Request
	source  execute.Call
	alone   bool // there is one response: a query or mutation, or a subscription of which nothing is left
	gauge   func() gauge
}

// bind prepares an operation for the schema of an engine.
func (op *operation) bind(ctx context.Context, s *Server, e *engine) (*bound, gqlerror.List) {
	ctx, cancel := context.WithTimeout(ctx, e.config.timeout)
	defer cancel()
	prepared, err := e.prepare.Prepare(ctx, op.query, op.name)
	if err != nil {
		return nil, coded("TIMEOUT", "The request took too long and was given up: try again.")
	}
	if len(prepared.Errors) > 0 {
		return nil, prepared.Errors
	}
	b := &bound{engine: e, name: prepared.Name, hash: prepared.Hash}
	if errs := prepared.Coerce(&b.values, op.variables); len(errs) > 0 {
		return nil, errs
	}
	charge, errs := s.charge(s.principal(ctx), e, prepared, &b.values)
	if len(errs) > 0 {
		return nil, errs
	}
	if b.program, errs = prepared.For(prepare.Traits{Grants: authorise.FromContext(ctx), Values: &b.values}); len(errs) > 0 {
		return nil, errs
	}
	b.request = execute.Request{Variables: b.values.JSON, Trail: op.trail, Labels: execute.Labels{Draw: op.draw, Percent: e.config.Overrides}}
	if op.plan {
		b.request.Extensions = queryPlan(b.program.Plan())
	}
	if op.cost && e.config.Demand.on {
		b.request.Extensions = member(b.request.Extensions, costExtension(charge, true))
	}
	b.gauge = func() gauge { return s.gauge(op.cost, e, prepared, &b.values) }
	if prepared.Kind == plan.Subscription {
		b.source, err = b.program.Source(b.request, nil)
	}
	b.alone = err != nil || prepared.Kind != plan.Subscription
	return b, nil
}

// sameSource reports whether two schemas have a subscription's events come from the same request to the same place.
func (b *bound) sameSource(other *bound) bool {
	return b.alone == other.alone && b.source.Subgraph == other.source.Subgraph && bytes.Equal(b.source.Body, other.source.Body) &&
		b.engine.callers.route(b.source.Subgraph) == other.engine.callers.route(b.source.Subgraph)
}

// sink is where a client reads a subscription. Its methods are called one after the other; an error says that the client
// is gone, or takes too long.
type sink interface {
	// next sends a whole response.
	next(response []byte) error
	// alive shows that the connection lives.
	alive() error
}

// endedError is why a subscription ended before its subgraph completed it, in words for its client.
type endedError struct{ errors gqlerror.List }

func (e *endedError) Error() string { return e.errors.Error() }

// follow answers an operation, a subscription until it is complete, which is no error. An [endedError] is for the client; any other error
// says why there is nobody to be told, or that the router stops.
func (s *Server) follow(ctx context.Context, op *operation, b *bound, to sink) error {
	f := &follower{server: s, op: op, bound: b, to: to}
	if b.alone {
		return f.answer(ctx, nil)
	}
	s.metrics.subscriptions.Inc()
	defer s.metrics.subscriptions.Dec()
	ctx, leave := s.untilStopped(ctx)
	defer leave(nil)
	var err error
	if f.feed, err = s.open(ctx, b); err != nil {
		return err
	}
	defer func() { f.feed.close() }()
	beat := time.NewTicker(b.engine.config.Subscriptions.heartbeat)
	defer beat.Stop()
	for {
		select {
		case event, ok := <-f.feed.queue:
			if !ok {
				return f.feed.end(ctx)
			}
			err = f.take(ctx, event)
		case <-f.bound.engine.replaced:
			err = f.rebind(ctx, nil)
		case <-beat.C:
			err = to.alive()
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// follower is a running subscription.
type follower struct {
	server *Server
	op     *operation
	bound  *bound
	feed   *feed
	to     sink
	out    []byte
}

// answer answers one event.
func (f *follower) answer(ctx context.Context, event []byte) error {
	b := f.bound
	limited, cancel := context.WithTimeout(ctx, b.engine.config.timeout)
	defer cancel()
	f.out, _ = b.engine.execute.Event(limited, b.program, b.request, event, f.out[:0])
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	g := b.gauge()
	g.measure(f.server.metrics, f.out)
	if !b.alone {
		f.server.metrics.events.Inc()
	}
	err := f.to.next(f.out)
	if cap(f.out) > maxKept {
		f.out = nil
	}
	return err
}

// take answers an event: by the schema in use, where that has events from the same source.
func (f *follower) take(ctx context.Context, event []byte) error {
	select {
	case <-f.bound.engine.replaced:
		return f.rebind(ctx, event)
	default:
		return f.answerAndReuse(ctx, event)
	}
}

// answerAndReuse answers an event, nil for none, and gives its buffer back.
func (f *follower) answerAndReuse(ctx context.Context, event []byte) error {
	if event == nil {
		return nil
	}
	defer f.feed.reuse(event)
	return f.answer(ctx, event)
}

// rebind goes over to the schema in use, and answers an event that was taken before, nil for none. Where the new schema has
// the events come from elsewhere, the new source is opened before the old one is closed: an event at that moment may be told
// twice, but none is lost.
func (f *follower) rebind(ctx context.Context, event []byte) error {
	fresh, errs := f.op.bind(ctx, f.server, f.server.engine.Load())
	if len(errs) == 0 && f.bound.sameSource(fresh) {
		f.bound = fresh
		return f.answerAndReuse(ctx, event)
	}
	if err := f.answerAndReuse(ctx, event); err != nil {
		return err
	}
	if len(errs) > 0 {
		return &endedError{append(coded(codeSchemaChanged, "The schema has changed, and the subscription is not valid any more: subscribe anew."), errs...)}
	}
	if fresh.alone {
		return &endedError{coded(codeSchemaChanged, "The schema has changed, and nothing is told of the subscription any more: subscribe anew.")}
	}
	feed, err := f.server.open(ctx, fresh)
	if err != nil {
		return err
	}
	old := f.feed
	f.feed = feed
	defer old.close()
	old.events.Close()
	for event := range old.queue {
		if err := f.answer(ctx, event); err != nil {
			return err
		}
		old.reuse(event)
	}
	f.bound = fresh
	return nil
}

// feed is what a subgraph tells of a subscription, read ahead by a few events.
type feed struct {
	events   execute.Events
	subgraph string
	server   *Server
	queue    chan []byte // closed at the end, when err holds why
	free     chan []byte
	waiting  atomic.Int64  // bytes in the queue
	taken    chan struct{} // told of every event that is taken
	done     chan struct{}
	patience time.Duration
	err      error
}

// open opens a subscription at its subgraph. The error is an [endedError].
func (s *Server) open(ctx context.Context, b *bound) (*feed, error) {
	config := b.engine.config.Subscriptions
	f := &feed{
		subgraph: b.source.Subgraph, server: s, queue: make(chan []byte, config.Queue), free: make(chan []byte, config.Queue+1),
		taken: make(chan struct{}, 1), done: make(chan struct{}), patience: config.patience,
	}
	var err error
	if f.events, err = b.engine.callers.Subscribe(ctx, b.source); err != nil {
		return nil, s.lostSource(ctx, b.source.Subgraph, err)
	}
	go f.read()
	return f, nil
}

// lostSource says why a subscription's source is not there, or not any more.
func (s *Server) lostSource(ctx context.Context, subgraph string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	failure := &execute.Failure{Code: execute.CodeUnavailable, Message: "is not available any more: subscribe again", Cause: err}
	errors.As(err, &failure)
	s.log.WarnContext(ctx, "a subscription lost its subgraph", "subgraph", subgraph, "code", failure.Code, "cause", failure.Cause)
	return &endedError{gqlerror.List{{
		Message: "Service " + subgraph + " " + failure.Message + ".", Extensions: map[string]any{"code": failure.Code, "service": subgraph},
	}}}
}

// errBehind is a subscription whose queue stayed full.
var errBehind = errors.New("the events are not taken in time")

// read puts what the subgraph tells into the queue. While that is full the subgraph is not read.
func (f *feed) read() {
	defer close(f.queue)
	for {
		var buffer []byte
		select {
		case buffer = <-f.free:
		default:
		}
		event, err := f.events.Next(buffer[:0])
		if err != nil {
			f.err = err
			return
		}
		if f.err = f.put(event); f.err != nil {
			if errors.Is(f.err, errBehind) {
				f.drop()
				f.events.Close()
			}
			return
		}
	}
}

// maxWaiting bounds the bytes of a subscription's events that wait, of which one alone may have more.
const maxWaiting = 16 << 20

// put waits for a place in the queue.
func (f *feed) put(event []byte) error {
	var late *time.Timer
	for {
		queue, size := f.queue, int64(len(event))
		if waiting := f.waiting.Load(); waiting > 0 && waiting+size > maxWaiting {
			queue = nil
		}
		select {
		case queue <- event:
			f.waiting.Add(size)
			return nil
		default:
		}
		if late == nil {
			late = time.NewTimer(f.patience)
			defer late.Stop()
		}
		select {
		case queue <- event:
			f.waiting.Add(size)
			return nil
		case <-f.taken:
		case <-f.done:
			return io.EOF
		case <-late.C:
			return errBehind
		}
	}
}

// drop empties the queue of a subscription that fell behind: what waits would only keep the client from being told.
func (f *feed) drop() {
	for {
		select {
		case <-f.queue:
		default:
			return
		}
	}
}

// reuse takes back the buffer of an event that was answered.
func (f *feed) reuse(buffer []byte) {
	f.waiting.Add(-int64(len(buffer)))
	select {
	case f.taken <- struct{}{}:
	default:
	}
	if cap(buffer) > maxKept/8 {
		return
	}
	select {
	case f.free <- buffer:
	default:
	}
}

// end gives what the end of the events means to the client.
func (f *feed) end(ctx context.Context) error {
	switch {
	case errors.Is(f.err, io.EOF):
		return nil
	case errors.Is(f.err, errBehind):
		f.server.log.WarnContext(ctx, "a subscription fell behind", "subgraph", f.subgraph)
		return &endedError{coded(codeTooSlow, "More happens than is taken in time: subscribe again, to less, or read faster.")}
	}
	return f.server.lostSource(ctx, f.subgraph, f.err)
}

// close ends the subscription at the subgraph. What is in the queue stays there, and the queue ends.
func (f *feed) close() {
	select {
	case <-f.done:
	default:
		close(f.done)
	}
	f.events.Close()
}
