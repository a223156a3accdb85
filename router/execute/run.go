package execute

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lethe/lethe/router/buffers"
	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/upload"
)

// Request is one request for a program.
type Request struct {
	// Variables are the coerced values of the operation's variables as JSON, in their order; nil where there is none.
	Variables [][]byte
	// Labels decide the labels of progressive overrides.
	Labels Labels
	// Buffer, where not nil, gives what the response is appended to, once all subgraphs have answered.
	Buffer Buffer
	// Stream, where not nil, takes the response in its place where that is long.
	Stream Stream
	// Deadline is when subgraphs are no longer waited for; zero leaves that to the context.
	Deadline time.Time
	// Trail goes with the request to every subgraph.
	Trail Trail
	// Files are those that were sent with the request; nil for none.
	Files *upload.Files
	// Charged, where not nil, says whom the request is charged to, should it have to wait for memory.
	Charged Charged
	// Extensions are members of the response's extensions, as JSON without the braces: `"queryPlan":{...}`.
	Extensions []byte
}

// Charged is whom requests are charged to.
type Charged interface {
	// Account returns a number that stands for it; 0 for nobody in particular.
	Account() uint64
}

// Buffer gives a buffer when it is needed: while subgraphs are waited for, nobody holds it.
type Buffer interface {
	// Take gives a buffer, with room for a response of so many bytes where it is as large as those before it. What it holds
	// counts as memory of requests under way until [Executor.Written] is told the same number.
	Take(bytes int) []byte
}

// Trail is how a request is found again in logs and traces.
type Trail struct {
	RequestID string // also stands in the extensions of a response with errors
	Parent    string // the traceparent header of W3C Trace Context
	State     string // and its tracestate
}

// Call is one request to a subgraph.
type Call struct {
	Subgraph string
	Kind     plan.OperationKind
	Body     []byte
	Trail    Trail
	Deadline time.Time // zero for none but the context's
	// Files holds those whose marks stand in the body, and maybe others; nil for none.
	Files *upload.Files
	// Buffers is where an answer that does not fit is read to.
	Buffers *buffers.List[byte]
	// Expected is how many bytes those before it had at most.
	Expected int
}

// Caller sends a request to a subgraph and appends the answer's body to into. A failure that a client is to be told of in
// particular words is a *[Failure]. Body and into are the executor's again when Call returns, and what it
// returns, too.
type Caller interface {
	Call(ctx context.Context, call Call, into []byte) ([]byte, error)
}

// Outcome is what became of a request.
type Outcome struct {
	Errors int // in the response
	// Refused tells that nothing was asked of any subgraph and there is no response: memory is short, and too many requests
	// wait for it already.
	Refused bool
	// Crowded tells, of a request that is refused, that as many of its account wait already as may.
	Crowded bool
	// Streamed tells that the response went to the request's stream, and Err why not to its end.
	Streamed bool
	Err      error
}

// Options shape an executor.
type Options struct {
	// MaskErrors replaces the messages of subgraphs' errors, and leaves of their extensions only the code.
	MaskErrors bool
	// ErrorExtensions are the keys of the extensions of subgraphs' errors that clients get beside the code; nil for all.
	ErrorExtensions []string
	// NameSubgraphs has every error of a subgraph say in extensions.service which it is.
	NameSubgraphs bool
	// Workers may be shared by several executors; nil starts a goroutine for each fetch.
	Workers *Workers
	// MemoryBudget bounds, in bytes, what the subgraphs' answers to all requests under way take together with the responses:
	// requests beyond it wait. 0 is no bound.
	MemoryBudget int64
	// QueueLength bounds the requests that wait for memory, and QueueTime how long: those beyond it are refused. 0 is no
	// bound.
	QueueLength int
	QueueTime   time.Duration
	// QueueShare bounds those that wait of one account. 0 is no bound.
	QueueShare int
	// StreamFrom is the bytes of a response from which it goes to a request's stream: 256 KiB where it is 0.
	StreamFrom int
	// Buffers may be shared with others; nil makes some.
	Buffers *buffers.List[byte]
	Log     *slog.Logger
}

// Executor runs programs.
type Executor struct {
	caller  Caller
	options Options
	pool    sync.Pool
	gate    gate
	slots   *buffers.List[slot]
}

// keptBuffers bounds the bytes that wait for a request where there is no budget.
const keptBuffers = 64 << 20

// New gives an executor that reaches subgraphs through caller.
func New(caller Caller, options Options) *Executor {
	options.StreamFrom = cmp.Or(options.StreamFrom, streamFrom)
	most := keptBuffers
	if options.MemoryBudget > 0 {
		most = int(options.MemoryBudget)
	}
	if options.Buffers == nil {
		options.Buffers = buffers.New[byte](most)
	}
	return &Executor{caller: caller, options: options, slots: buffers.New[slot](most), gate: gate{
		budget: options.MemoryBudget, little: options.MemoryBudget / littlePart, length: options.QueueLength, patience: options.QueueTime, share: options.QueueShare,
	}}
}

// A request is taken to hold one part in so many of the budget while its operation was never executed, and never waits where
// it holds one in so many at most.
const (
	unknownPart = 64
	littlePart  = 1024
)

// Waiting gives how many requests wait for memory.
func (e *Executor) Waiting() int { return e.gate.waits() }

// run is the state of one request. It is reused.
type run struct {
	walk
	spilling
	ctx      context.Context //nolint:containedctx // the state of one request
	executor *Executor
	request  Request
	event    []byte // what a subscription's source told; nil for another operation
	waits    []atomic.Int32
	left     sync.WaitGroup

	mu     sync.Mutex
	errors []responseError
	// dropped counts the errors beyond the most that there may be.
	dropped int
	path    []pathElement // of what is being written
	copying
	completing

	place    place
	delivery *delivery // nil where the response is sent whole
}

// Execute runs a program and appends the response, a whole JSON document, to dst. Where the request has a stream, dst must be
// empty. The requests of a program are one executor's alone.
func (e *Executor) Execute(ctx context.Context, p *Program, req Request, dst []byte) ([]byte, Outcome) {
	return e.execute(ctx, p, req, nil, dst)
}

func (e *Executor) execute(ctx context.Context, p *Program, req Request, event, dst []byte) ([]byte, Outcome) {
	c, response := e.takes(p)
	c.must = event != nil // of a subscription: its client could not ask for it again
	c.charged = req.Charged
	if !e.gate.enter(ctx, req.Deadline, &p.queue, c) {
		return dst, Outcome{Refused: true, Crowded: e.gate.crowded(c)}
	}
	r := e.runOf(ctx, p, req)
	r.event, r.place = event, place{gate: &e.gate, queue: &p.queue, weight: c.weight}
	defer r.end()
	r.prepare(len(p.fetches))
	r.start()
	r.left.Wait()
	p.weigh(r.answers[:len(p.fetches)])
	if req.Buffer != nil {
		dst, r.place.response = req.Buffer.Take(int(response)), response
	}
	var out Outcome
	dst, out.Streamed, out.Err = r.respondTo(dst)
	out.Errors = len(r.errors)
	remember(&p.response, int64(max(len(dst), r.executor.piece(out.Streamed))))
	return dst, out
}

// piece gives the bytes of the buffer that a response which is sent in pieces is written to.
func (e *Executor) piece(streamed bool) int {
	if !streamed {
		return 0
	}
	return e.options.StreamFrom + pieceSize
}

// runOf gives a run for a request.
func (e *Executor) runOf(ctx context.Context, p *Program, req Request) *run {
	r, _ := e.pool.Get().(*run)
	if r == nil {
		r = &run{}
	}
	r.spilling.keep()
	r.ctx, r.executor, r.program, r.request = ctx, e, p, req
	r.mask = p.mask(req)
	return r
}

// end ends a request.
func (r *run) end() {
	at := r.place
	r.release(r.executor)
	at.leave()
}

// Written tells that the buffer of a response of so many bytes is not used any more: see [Buffer].
func (e *Executor) Written(bytes int) { e.gate.wrote(int64(bytes)) }

// besides is what a request takes beside its answers and its response, in bytes.
const besides = 4 << 10

// takes gives what a request will take, and how many bytes of it for its response.
func (e *Executor) takes(p *Program) (c claim, response int64) {
	answers, response := p.answers.Load(), p.response.Load()
	if c.guessed = answers == 0; c.guessed {
		answers = e.gate.budget / unknownPart / 2
		response = answers
	}
	c.weight = answers
	if answers > e.gate.little { // a response seldom has what no answer had
		c.weight += response + besides
	}
	return c, response
}

// weigh notes what the answers to a request took, for the next ones.
func (p *Program) weigh(answers []answer) {
	size := 0
	for i := range answers {
		size += slotSize * cap(answers[i].slots)
		if !answers[i].shared {
			size += cap(answers[i].body)
		}
	}
	remember(&p.answers, int64(max(size, 1)))
}

// remember notes a size: the most of them counts, and is forgotten slowly.
func remember(most *atomic.Int64, size int64) {
	before := most.Load()
	if size = max(size, before-before/16); size != before {
		most.Store(size)
	}
}

// maxListed bounds the places of objects that a run keeps room for, in each list.
const maxListed = 4 << 10

// release keeps a run for another request. Its large buffers are anybody's.
func (r *run) release(e *Executor) {
	fetches := len(r.program.fetches)
	r.ctx, r.executor, r.program, r.request, r.event = nil, nil, nil, Request{}, nil
	clear(r.errors)
	r.errors, r.refs, r.vals, r.path, r.copying = r.errors[:0], r.refs[:0], r.vals[:0], r.path[:0], copying{}
	r.dropped, r.completing = 0, completing{}
	for i := range min(fetches, len(r.answers)) {
		a := &r.answers[i]
		if a.shared {
			a.body, a.shared = nil, false
		}
		a.body, a.slots = e.options.Buffers.GiveLarge(a.body), e.slots.GiveLarge(a.slots)
		for j := range a.lists {
			if cap(a.lists[j]) > maxListed {
				a.lists[j] = nil
			}
		}
	}
	e.pool.Put(r)
}

// room gives the answer to a fetch room for as many slots as the last ones took.
func (e *Executor) room(f *fetch, ans *answer) {
	ans.slots = e.slots.Room(ans.slots[:0], int(f.slots.Load()))
}

func (r *run) prepare(fetches int) {
	for len(r.answers) < fetches {
		r.answers = append(r.answers, answer{})
	}
	for i := range fetches {
		r.answers[i].reset()
	}
	units := r.program.units
	if len(r.waits) < len(units) {
		r.waits = make([]atomic.Int32, len(units))
	}
	for i, u := range units {
		r.waits[i].Store(u.waits)
	}
}

// start runs the units that wait for nothing, the last of them on this goroutine.
func (r *run) start() {
	r.left.Add(len(r.program.units))
	var last *unit
	for _, u := range r.program.units {
		if u.waits > 0 {
			continue
		}
		if last != nil {
			r.executor.options.Workers.start(r, last)
		}
		last = u
	}
	if last != nil {
		r.unit(last)
	}
}

// unit runs one unit and then those that waited for it alone: each as soon as its own inputs are there.
func (r *run) unit(u *unit) {
	for u != nil {
		r.guarded(u)
		if r.delivery != nil {
			r.delivery.done(u)
		}
		var next *unit
		for _, id := range u.dependants {
			if r.waits[id].Add(-1) > 0 {
				continue
			}
			if next != nil {
				r.executor.options.Workers.start(r, next)
			}
			next = r.program.units[id]
		}
		r.left.Done()
		u = next
	}
}

// guarded performs a unit so that a fault in the router itself costs that unit, and not the process: no caller stands
// above this goroutine who could recover.
func (r *run) guarded(u *unit) {
	defer func() {
		if fault := recover(); fault != nil {
			r.executor.options.Log.ErrorContext(r.ctx, "a fetch panicked", "subgraph", u.subgraph, "request_id", r.request.Trail.RequestID,
				"panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
			for _, f := range u.fetches {
				r.answers[f.id].fail()
			}
			r.addError(responseError{message: "Something went wrong in the router.", extensions: extensionsOf(CodeInternal, ""), fetch: u.fetches[0].id})
		}
	}()
	if f := u.fetches[0]; len(u.fetches) == 1 && len(f.contexts) == 0 {
		if f.guard.Holds(r.mask) {
			r.perform(f)
		}
		return
	}
	r.performTogether(u)
}

// mask says which of the program's conditions hold for a request.
func (p *Program) mask(req Request) uint64 {
	var mask uint64
	for bit, c := range p.conditions {
		on := false
		switch {
		case c.label != nil:
			on = c.label.active(req.Labels) == c.equals
		case c.variable >= 0 && c.variable < len(req.Variables):
			on = (string(req.Variables[c.variable]) == "true") == c.equals
		}
		if on {
			mask |= 1 << bit
		}
	}
	return mask
}
