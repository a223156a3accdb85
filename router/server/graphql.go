package server

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/lethe/lethe/router/authorise"
	"github.com/lethe/lethe/router/buffers"
	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/prepare"
	"github.com/lethe/lethe/router/upload"
)

// planHeader asks for the query plan in the response's extensions.
const planHeader = "Lethe-Query-Plan"

// exchange is one request to /graphql and its answer.
type exchange struct {
	*request
	w        http.ResponseWriter
	r        *http.Request
	id       string
	media    string
	parts    *partsForm // in which deferred parts are sent; nil where the client takes a response whole
	stream   framing    // in which subscriptions are answered; nil where the client takes none
	deadline time.Time  // when it is given up
	bytes    int        // of the response
	buffers  *buffers.List[byte]
	response []byte        // in a buffer of those; nil where it is in another
	counted  int           // bytes of it among those of requests under way
	long     *long         // where it is sent in pieces; nil else
	flight   *flight       // whose answer it is, where others may have that too
	broken   bool          // it was not sent to its end
	streamed int           // bytes that were sent as a stream
	coding   string        // in which the answer is compressed; "" for none
	codeFrom int           // bytes from which it is
	files    *upload.Files // that were sent with it; nil for none
	uploads  bool          // it counts as one of the uploads under way
	entered  int64         // how many of the requests under way it counts as
	server   *Server
	// principal is whom it is charged to.
	principal Principal
	holding   *holding          // its part of that one's share of the requests under way; nil where it is not counted
	uploaded  *holding          // and of the uploads
	prepared  *prepare.Prepared // nil where the request did not come so far
	charge    float64           // the estimated cost of the operation
	ready     bool              // nothing speaks against running it
	gauge     gauge             // measures what it really cost
	status    int
	errors    int
}

// graphql answers GraphQL over HTTP.
func (s *Server) graphql(w http.ResponseWriter, r *http.Request, id string) {
	began := time.Now()
	if isWebSocket(r) {
		s.sockets(w, r, id)
		return
	}
	if s.crossOrigin(w, r) {
		return
	}
	q, _ := requests.Get().(*request)
	x := &q.turn
	*x = exchange{request: q, w: w, r: r, id: id, buffers: s.buffers, server: s}
	s.answer(x)
	s.metrics.observe(x, time.Since(began))
	if s.config().AccessLog && len(x.batch) == 0 {
		s.record(x, time.Since(began))
	}
	q.out, q.packed = s.buffers.GiveLarge(q.out), s.buffers.GiveLarge(q.packed)
	broken := x.broken
	*x = exchange{}
	q.release()
	if broken {
		panic(http.ErrAbortHandler) // so that the client is not told that this was the end
	}
}

func (s *Server) answer(x *exchange) {
	x.negotiateCoding(&s.config().Compression)
	var ok bool
	accept := x.r.Header["Accept"]
	x.stream, x.parts = streamAccepted(accept), partsAccepted(accept)
	if x.media, ok = accepted(accept); !ok && x.stream != nil {
		x.media, ok = x.stream.single(), true
	}
	if !ok && x.parts != nil {
		x.media, ok = plainJSON, true
	}
	if !ok {
		x.media = plainJSON
		x.refuse(&problem{http.StatusNotAcceptable, "NOT_ACCEPTABLE", "Accept " + responseJSON + " or " + plainJSON + "."})
		return
	}
	if x.r.Method != http.MethodPost && x.r.Method != http.MethodGet {
		x.w.Header().Set("Allow", "GET, POST, OPTIONS")
		x.refuse(&problem{http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "GraphQL is asked with POST or GET."})
		return
	}
	if s.unasked(x.r) {
		x.refuse(&problem{http.StatusForbidden, "CSRF_PREVENTED", "A page of another site may not ask this: send the header GraphQL-Require-Preflight: 1, and let its origin in with cors.origins."})
		return
	}
	defer x.closeFiles(s)
	ctx := x.r.Context()
	form := isForm(x.r)
	if form { // what files take is charged to somebody from their first byte on
		if ctx, ok = s.identify(ctx, x); !ok {
			return
		}
	}
	if p := s.read(ctx, x, form, s.engine.Load()); p != nil {
		x.refuse(p)
		return
	}
	// Only now: a client that sends its request slowly takes nobody's place.
	defer x.leave(s)
	x.entered = int64(max(1, len(x.batch)))
	if s.inFlight.Add(x.entered) > int64(s.config().Limits.ConcurrentRequests) {
		s.overloaded(x, tooMany, "Too many requests are under way: try again in a moment.")
		return
	}
	x.deadline = time.Now().Add(s.config().timeout)
	if ctx.Done() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, x.deadline)
		defer cancel()
	}
	if !form {
		if ctx, ok = s.identify(ctx, x); !ok {
			return
		}
	}
	if !s.enter(ctx, x) {
		return
	}
	if len(x.batch) > 0 {
		s.runBatch(ctx, x, s.engine.Load())
		return
	}
	s.run(ctx, x, s.engine.Load())
}

// identify finds who asks, and answers where that cannot be.
func (s *Server) identify(ctx context.Context, x *exchange) (context.Context, bool) {
	if s.options.Authenticator == nil {
		return ctx, true
	}
	ctx, err := s.options.Authenticator.Authenticate(ctx, x.r.Header, x.id)
	if err != nil {
		s.log.InfoContext(ctx, "a token was refused", "request_id", x.id, "reason", err)
		x.w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		x.refuse(&problem{http.StatusUnauthorized, "UNAUTHENTICATED", "The token is not valid: get a new one and send it as Authorization: Bearer."})
		return ctx, false
	}
	return ctx, true
}

// enter takes a place among the requests under way from its principal's share, and reports whether there was one.
func (s *Server) enter(ctx context.Context, x *exchange) bool {
	x.principal = s.principal(ctx)
	if x.principal.Kind == Service {
		return true
	}
	config, under := s.config(), s.inFlight.Load()
	if under > kept(config.Limits.ConcurrentRequests, x.principal.Kind) {
		s.overloaded(x, tooMany, "Too many requests are under way: try again in a moment.")
		return false
	}
	// While so few are under way nobody can have much, and they need not be counted.
	share := config.Clients.Shares.Requests
	uncounted := share / 4
	if under <= int64(uncounted) || share >= config.Limits.ConcurrentRequests {
		return true
	}
	if x.holding = s.shares.take(s.account(x.r, x.principal), ofRequests, int(x.entered), share-uncounted); x.holding == nil {
		x.refuse(overShare(x.w, codeTooManyRequests, "requests under way", share))
		return false
	}
	return true
}

// Account implements [execute.Charged].
func (x *exchange) Account() uint64 {
	if x.principal.Kind == Service {
		return 0
	}
	return uint64(x.server.account(x.r, x.principal))
}

// leave makes place for another request.
func (x *exchange) leave(s *Server) {
	s.inFlight.Add(-x.entered)
	x.holding.drop(ofRequests, int(x.entered))
	x.entered, x.holding = 0, nil
}

// run prepares and executes the operation.
func (s *Server) run(ctx context.Context, x *exchange, e *engine) {
	if s.ready(ctx, x, e); x.ready {
		s.perform(ctx, x, e)
	}
}

// ready prepares the operation and its variables, and says whether it may run; where it may not, it is answered.
func (s *Server) ready(ctx context.Context, x *exchange, e *engine) {
	if n := s.find(ctx, x.request, e); n != nil {
		x.notFound(n)
		return
	}
	prepared, err := e.prepare.Prepare(ctx, x.query, x.name)
	if err != nil {
		x.refuse(&problem{http.StatusServiceUnavailable, "TIMEOUT", "The request took too long and was given up: try again."})
		return
	}
	if len(prepared.Errors) > 0 {
		x.reject(prepared.Errors)
		return
	}
	x.prepared = prepared
	s.register(ctx, x.request)
	switch {
	case prepared.Kind == plan.Mutation && x.r.Method == http.MethodGet:
		x.w.Header().Set("Allow", "POST")
		x.refuse(&problem{http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "A mutation is sent with POST."})
		return
	case prepared.Kind == plan.Subscription:
		x.ready = true // what speaks against it stands in its stream
		return
	}
	x.values.Files = x.files
	if errs := prepared.Coerce(&x.values, x.variables); len(errs) > 0 {
		x.reject(errs)
		return
	}
	var errs gqlerror.List
	if x.charge, errs = s.charge(x.principal, e, prepared, &x.values); len(errs) > 0 {
		x.reject(errs)
		return
	}
	x.ready = true
}

// perform executes an operation that is ready.
func (s *Server) perform(ctx context.Context, x *exchange, e *engine) {
	prepared := x.prepared
	if prepared.Kind == plan.Subscription {
		s.stream(ctx, x, e)
		return
	}
	program, errs := prepared.For(prepare.Traits{Grants: authorise.FromContext(ctx), Parts: x.parts != nil, Values: &x.values})
	if len(errs) > 0 {
		x.reject(errs)
		return
	}
	req := execute.Request{Variables: x.values.JSON, Files: x.files, Deadline: x.deadline, Charged: x, Labels: execute.Labels{Draw: rand.Uint64(), Percent: e.config.Overrides}, Trail: execute.Trail{
		RequestID: x.id, Parent: first(x.r.Header["Traceparent"]), State: first(x.r.Header["Tracestate"]),
	}}
	if s.config().QueryPlans && x.r.Header.Get(planHeader) != "" {
		req.Extensions = queryPlan(program.Plan())
	}
	x.gauge = s.gauge(first(x.r.Header[costHeader]) == "1", e, prepared, &x.values)
	if x.gauge.asked {
		req.Extensions = member(req.Extensions, costExtension(x.charge, !program.Incremental()))
	}
	if program.Incremental() {
		s.sendParts(ctx, x, e, program, req)
		return
	}
	req.Buffer = x
	defer x.giveBack(e)
	if x.media != eventStreamType && !x.gauge.asked {
		req.Stream = (*pieces)(x)
		defer s.abandoned(x)
	}
	var body []byte
	var outcome execute.Outcome
	if s.shareable(ctx, x, e, prepared, &req) {
		body, outcome = s.share(ctx, x, e, program, req)
	} else {
		body, outcome = e.execute.Execute(ctx, program, req, nil)
		x.response = body
	}
	switch {
	case outcome.Crowded:
		s.overload.shed(noRoom)
		x.refuse(overShare(x.w, codeTooManyRequests, "requests that wait for memory", e.config.Clients.Shares.Waiting))
		return
	case outcome.Refused:
		s.overloaded(x, noRoom, "Too many large requests are under way: try again in a moment.")
		return
	}
	x.errors = outcome.Errors
	if outcome.Streamed {
		x.gauge.end(s.metrics)
		x.finish(outcome.Err)
	} else {
		x.gauge.measure(s.metrics, body)
		x.send(http.StatusOK, body)
		x.bytes = len(body)
	}
}

// Take implements [execute.Buffer].
func (x *exchange) Take(bytes int) []byte {
	x.counted = bytes
	return x.buffers.Take(max(bytes, buffers.Least)) // of a size that is kept
}

// giveBack gives back what a response was written to.
func (x *exchange) giveBack(e *engine) {
	if x.counted > 0 {
		e.execute.Written(x.counted)
	}
	x.buffers.Give(x.response)
	x.counted, x.response = 0, nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// queryPlan gives the member of the response's extensions that holds the plan.
func queryPlan(p *plan.Plan) []byte {
	doc, err := json.Marshal(struct {
		Text string     `json:"text"`
		Plan *plan.Plan `json:"plan"`
	}{p.String(), p})
	if err != nil {
		return nil
	}
	return append([]byte(`"queryPlan":`), doc...)
}

// member adds a member to those of an object.
func member(members, one []byte) []byte {
	if len(members) > 0 {
		members = append(members, ',')
	}
	return append(members, one...)
}

// send writes the answer.
func (x *exchange) send(status int, body []byte) {
	if x.media == eventStreamType {
		x.sendEvent(body)
		return
	}
	if len(body) >= longFrom && status == http.StatusOK {
		x.flight = nil
		p := (*pieces)(x)
		p.Begin(len(body))
		_, err := p.Write(body)
		x.finish(err)
		return
	}
	x.status = status
	body = x.compress(body)
	if front, ok := x.w.(frontWriter); ok {
		front.WriteWhole(status, contentTypes[x.media][0], body)
		return
	}
	h := x.w.Header()
	h["Content-Type"] = contentTypes[x.media]
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body) // a client that went away needs no answer
}

// reject answers a GraphQL request that has errors and was not executed: 400 to those who take the newer media type, and
// 200 to older clients (GraphQL over HTTP, section 6.4).
func (x *exchange) reject(errs gqlerror.List) {
	status := http.StatusOK
	if x.media == responseJSON {
		status = http.StatusBadRequest
	}
	x.errors = len(errs)
	x.sendErrors(status, errs)
}

// refuse answers what is no GraphQL request, or may not be asked.
func (x *exchange) refuse(p *problem) {
	x.errors = 1
	if x.media == eventStreamType {
		x.media = plainJSON
	}
	x.sendErrors(p.status, gqlerror.List{{Message: p.message, Extensions: map[string]any{"code": p.code}}})
}

func (x *exchange) sendErrors(status int, errs gqlerror.List) {
	body, err := json.Marshal(struct {
		Errors     gqlerror.List     `json:"errors"`
		Extensions map[string]string `json:"extensions"`
	}{errs, map[string]string{"requestId": x.id}})
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"errors":[{"message":"Something went wrong here."}]}`)
	}
	x.send(status, body)
}

// record writes the access log: nothing that a client wrote but the operation's name.
func (s *Server) record(x *exchange, took time.Duration) {
	name, hash := "", ""
	if x.prepared != nil {
		name, hash = x.prepared.Name, x.prepared.Hash
	}
	s.log.InfoContext(x.r.Context(), "request", "request_id", x.id, "method", x.r.Method, "status", x.status, "operation", name,
		"hash", hash, "errors", x.errors, "bytes", x.bytes+len(x.out)+x.streamed, "ms", float64(took.Microseconds())/1000)
}
