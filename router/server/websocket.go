package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/lethe/lethe/router/execute"
)

// transportWS is the subprotocol that is spoken over WebSocket.
const transportWS = "graphql-transport-ws"

// What closes a socket, as the protocol graphql-transport-ws has it.
const (
	closeInvalid     websocket.StatusCode = 4400
	closeUnauthorise websocket.StatusCode = 4401
	closeForbidden   websocket.StatusCode = 4403
	closeSubprotocol websocket.StatusCode = 4406
	closeInitTimeout websocket.StatusCode = 4408
	closeDuplicate   websocket.StatusCode = 4409
	closeInits       websocket.StatusCode = 4429
)

// isWebSocket reports whether a request asks to go over to WebSocket.
func isWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && len(r.Header["Upgrade"]) > 0 && strings.EqualFold(r.Header["Upgrade"][0], "websocket")
}

// socket is a client's WebSocket, on which it runs operations by ids of its own.
type socket struct {
	server *Server
	config *Config
	conn   *websocket.Conn
	header http.Header // of the request that opened it
	opened *http.Request
	trail  execute.Trail
	ctx    context.Context //nolint:containedctx // the life of the socket
	cancel context.CancelCauseFunc

	// Of the goroutine that reads.
	identity  context.Context //nolint:containedctx // of those who sent connection_init; nil before
	principal Principal
	account   account  // 0 where that has no bound
	held      *holding // its share of the sockets
	initiated func()   // stops the time for connection_init

	wg sync.WaitGroup // of the operations

	mu       sync.Mutex
	running  map[string]*socketOperation
	active   int  // operations that run, those among them that the client completed
	retiring bool // the router stops: the socket closes when none is active

	writing sync.Mutex
	buf     []byte
}

// socketOperation is an operation that runs on a socket. It is a [sink].
type socketOperation struct {
	socket *socket
	id     string
	cancel context.CancelFunc
}

// sockets answers a request to go over to WebSocket.
func (s *Server) sockets(w http.ResponseWriter, r *http.Request, id string) {
	x := exchange{w: w, r: r, id: id, media: plainJSON}
	config := s.config()
	if !s.sameSite(r) {
		x.refuse(&problem{http.StatusForbidden, "CSRF_PREVENTED", "A page of another site may not open this: let its origin in with cors.origins."})
		return
	}
	p := s.opener(r, id)
	defer s.streams.sockets.Add(-1)
	if s.streams.sockets.Add(1) > kept(config.Subscriptions.Sockets, p.Kind) {
		w.Header().Set("Retry-After", "5")
		x.refuse(&problem{http.StatusServiceUnavailable, codeTooManySockets, "Too many WebSockets are open: try again in a moment."})
		return
	}
	// Who asks is known for certain only with connection_init: until then the socket is the address's.
	k := &socket{server: s, config: config, running: map[string]*socketOperation{}}
	if !k.chargeTo(r, p) {
		x.refuse(overShare(w, codeTooManySockets, "WebSockets", config.Clients.Shares.Sockets))
		return
	}
	defer func() { k.held.drop(ofSockets, 1) }()
	s.streams.open.Add(1)
	defer s.streams.open.Done()
	header := r.Header.Clone()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{transportWS}, InsecureSkipVerify: true}) // the origin was checked
	if err != nil {
		s.log.DebugContext(r.Context(), "a WebSocket was not opened", "request_id", id, "reason", err)
		return
	}
	if conn.Subprotocol() != transportWS {
		_ = conn.Close(closeSubprotocol, "Subprotocol not acceptable")
		return
	}
	conn.SetReadLimit(int64(config.Limits.BodyBytes))
	k.conn, k.header, k.opened = conn, header, r
	k.trail = execute.Trail{RequestID: id, Parent: first(header["Traceparent"]), State: first(header["Tracestate"])}
	k.ctx, k.cancel = context.WithCancelCause(context.WithoutCancel(r.Context()))
	k.serve()
}

// sameSite reports whether a browser asks from a page of the router's own, or of an origin that CORS lets in. What is no
// browser sends no Origin. A proxy in front of the router may have put another Host in the request: what the browser itself
// says in Sec-Fetch-Site, and the Host that the proxy passes on in X-Forwarded-Host, count as well. No page can set either
// on a WebSocket's handshake.
func (s *Server) sameSite(r *http.Request) bool {
	origins := r.Header["Origin"]
	if len(origins) == 0 || s.allowed(origins[0]) {
		return len(origins) <= 1
	}
	if len(origins) > 1 {
		return false
	}
	if r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return true
	}
	u, err := url.Parse(origins[0])
	if err != nil || u.Host == "" {
		return false
	}
	own := hostPort(u.Scheme, u.Host)
	for _, host := range append([]string{r.Host}, r.Header["X-Forwarded-Host"]...) {
		if strings.EqualFold(hostPort(u.Scheme, host), own) {
			return true
		}
	}
	return false
}

// hostPort returns a host without the port that the scheme has anyway, which clients may leave out.
func hostPort(scheme, host string) string {
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// serve reads what the client sends until one of the two sides closes.
func (k *socket) serve() {
	defer k.wg.Wait()
	defer k.cancel(nil)
	defer func() { _ = k.conn.CloseNow() }()
	stopping := context.AfterFunc(k.server.streams.life, k.retire)
	defer stopping()
	late := time.AfterFunc(k.config.Subscriptions.initTimeout, func() { k.close(closeInitTimeout, "Connection initialisation timeout") })
	defer late.Stop()
	k.initiated = func() { late.Stop() }
	k.wg.Go(k.beat)
	for {
		kind, data, err := k.conn.Read(k.ctx)
		if err != nil {
			return
		}
		m, err := readMessage(data)
		if err != nil || kind != websocket.MessageText {
			k.close(closeInvalid, "Invalid message received")
			return
		}
		if !k.take(m) {
			return
		}
	}
}

// close closes the socket and tells the client why.
func (k *socket) close(code websocket.StatusCode, reason string) {
	const most = 123 // bytes of a reason (RFC 6455, section 5.5.1)
	_ = k.conn.Close(code, strings.ToValidUTF8(reason[:min(len(reason), most)], ""))
}

// retire closes the socket once the queries and mutations under way are answered. Subscriptions end by themselves when the
// router stops.
func (k *socket) retire() {
	k.mu.Lock()
	k.retiring = true
	active := k.active
	k.mu.Unlock()
	if active == 0 {
		k.restart()
	}
}

// restart has the client connect again, to another process.
func (k *socket) restart() { k.close(websocket.StatusServiceRestart, "Service restart") }

// done notes that an operation has ended.
func (k *socket) done() {
	k.mu.Lock()
	k.active--
	last := k.retiring && k.active == 0
	k.mu.Unlock()
	if last {
		k.restart()
	}
}

// beat shows that the connection lives, and closes it when the client does not answer.
func (k *socket) beat() {
	every := time.NewTicker(k.config.Subscriptions.heartbeat)
	defer every.Stop()
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-every.C:
			ctx, cancel := context.WithTimeout(k.ctx, k.config.Subscriptions.patience)
			err := k.conn.Ping(ctx)
			cancel()
			if err != nil {
				_ = k.conn.CloseNow()
				return
			}
		}
	}
}

// take does what a message asks and reports whether the socket stays.
func (k *socket) take(m message) bool {
	switch m.kind {
	case connectionInit:
		return k.init(m.payload)
	case pingMessage:
		return k.write(pongMessage, "", m.payload) == nil
	case subscribe:
		if k.identity == nil {
			k.close(closeUnauthorise, "Unauthorized")
			return false
		}
		return k.subscribe(m)
	case complete:
		k.mu.Lock()
		op := k.running[m.id]
		delete(k.running, m.id)
		k.mu.Unlock()
		if op != nil {
			op.cancel()
		}
	}
	return true
}

// init takes connection_init. The identity is that of the request that opened the socket, or of the Authorization in the
// payload, since a browser cannot set headers on a WebSocket.
func (k *socket) init(payload []byte) bool {
	if k.identity != nil {
		k.close(closeInits, "Too many initialisation requests")
		return false
	}
	k.initiated()
	ctx := k.ctx
	if k.server.options.Authenticator != nil {
		if token := credentials(payload); token != "" && k.header.Get("Authorization") == "" {
			k.header.Set("Authorization", token)
		}
		asked, cancel := context.WithTimeout(k.ctx, k.config.timeout)
		defer cancel()
		var err error
		if ctx, err = k.server.options.Authenticator.Authenticate(asked, k.header, k.trail.RequestID); err != nil {
			k.server.log.InfoContext(asked, "a token was refused", "request_id", k.trail.RequestID, "reason", err)
			k.close(closeForbidden, "Forbidden")
			return false
		}
	}
	if !k.chargeTo(k.opened, k.server.principal(ctx)) {
		k.close(websocket.StatusTryAgainLater, overShareMessage("WebSockets", k.config.Clients.Shares.Sockets))
		return false
	}
	var end context.CancelCauseFunc
	k.identity, end = k.server.begin(k.ctx, ctx)
	context.AfterFunc(k.identity, func() {
		if errors.Is(context.Cause(k.identity), errExpired) {
			k.close(closeForbidden, "Forbidden")
		}
		end(nil)
	})
	return k.write(connectionAck, "", nil) == nil
}

// opener returns who opens a socket, as far as the request shows it: browsers send their token later.
func (s *Server) opener(r *http.Request, id string) Principal {
	if s.options.Authenticator == nil || len(r.Header["Authorization"]) == 0 {
		return Principal{}
	}
	ctx, err := s.options.Authenticator.Authenticate(r.Context(), r.Header, id)
	if err != nil {
		return Principal{} // connection_init is answered with that
	}
	return s.principal(ctx)
}

// chargeTo counts the socket as one of a principal's, in place of whose it was, and reports whether it may have one more.
func (k *socket) chargeTo(r *http.Request, p Principal) bool {
	k.principal = p
	to := account(0)
	if p.Kind != Service {
		to = k.server.account(r, p)
	}
	if k.held != nil && to == k.account {
		return true
	}
	held := k.server.shares.take(to, ofSockets, 1, k.config.Clients.Shares.Sockets)
	if held == nil {
		return false
	}
	k.held.drop(ofSockets, 1)
	k.held, k.account = held, to
	return true
}

// Account implements [execute.Charged].
func (k *socket) Account() uint64 { return uint64(k.account) }

// subscribe begins an operation.
func (k *socket) subscribe(m message) bool {
	q, _ := requests.Get().(*request)
	problem := q.parse(m.payload)
	if !asksFor(q, m.payload) || problem != nil && problem.code == "BAD_REQUEST" {
		q.release()
		k.close(closeInvalid, "Invalid message received")
		return false
	}
	ctx, cancel := context.WithCancel(k.identity)
	op := &socketOperation{socket: k, id: m.id, cancel: cancel}
	k.mu.Lock()
	before, many, retiring := k.running[m.id], len(k.running) >= k.config.Subscriptions.PerSocket, k.retiring
	if before == nil {
		k.running[m.id] = op
	}
	runs := before == nil && !many && !retiring && problem == nil
	if runs {
		k.active++
	}
	k.mu.Unlock()
	switch {
	case before != nil:
		cancel()
		q.release()
		k.close(closeDuplicate, fmt.Sprintf("Subscriber for %s already exists", m.id))
		return false
	case many:
		q.release()
		op.end(coded(codeTooMany, "Too many operations are under way on this WebSocket: complete some first."))
	case retiring:
		q.release()
		op.end(coded(codeStopping, "This router stops, and did not begin with the operation: connect again, to another."))
	case problem != nil:
		q.release()
		op.end(coded(problem.code, problem.message))
	case runs:
		k.wg.Go(func() {
			defer k.done()
			defer cancel()
			k.run(ctx, op, q)
		})
	}
	return true
}

// asksFor reports whether the payload of subscribe has what it must have: a query, or the name of one.
func asksFor(q *request, payload []byte) bool {
	value, err := memberOf(payload, "query")
	return err == nil && (len(value) > 0 && value[0] == '"' || q.persisted.id() != nil)
}

// prepare reads the operation that a request asks for, or names. It releases q.
func (k *socket) prepare(ctx context.Context, q *request, e *engine) (*operation, *bound, gqlerror.List) {
	defer q.release()
	limited, cancel := context.WithTimeout(ctx, e.config.timeout)
	defer cancel()
	if n := k.server.find(limited, q, e); n != nil {
		if n.problem != nil {
			return nil, nil, coded(n.problem.code, n.problem.message)
		}
		return nil, nil, n.errors
	}
	op := q.operation(k.trail)
	op.cost = first(k.header[costHeader]) == "1"
	b, errs := op.bind(ctx, k.server, e)
	if len(errs) == 0 {
		k.server.register(limited, q)
	}
	return op, b, errs
}

// recovered has a fault in the router cost one operation, and not the process: nobody stands above its goroutine.
func (k *socket) recovered(op *socketOperation) {
	if fault := recover(); fault != nil {
		k.server.log.Error("an operation panicked", "request_id", k.trail.RequestID, "panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
		op.end(coded(execute.CodeInternal, "Something went wrong here: try again, and if it stays so tell us the request id."))
	}
}

// enter takes a place for an operation among all that are under way and among its client's, or says why there is none.
// Leave is to be called in either case.
func (k *socket) enter(b *bound) (leave func(), errs gqlerror.List) {
	s, config, of := k.server, b.engine.config, ofSubscriptions
	under, most, refusal := &s.streams.running, config.Subscriptions.Streams, coded(codeTooMany, "Too many subscriptions are under way: try again in a moment.")
	share, code, what := config.Clients.Shares.Subscriptions, codeTooMany, "subscriptions under way"
	if b.alone {
		of = ofRequests
		under, most, refusal = &s.inFlight, config.Limits.ConcurrentRequests, coded(codeOverloaded, "Too many requests are under way: try again in a moment.")
		share, code, what = config.Clients.Shares.Requests, codeTooManyRequests, "requests under way"
		b.request.Charged = k
	}
	if under.Add(1) > kept(most, k.principal.Kind) {
		if b.alone {
			s.overload.shed(tooMany)
		}
		return func() { under.Add(-1) }, refusal
	}
	held := s.shares.take(k.account, of, 1, share)
	if held == nil {
		return func() { under.Add(-1) }, coded(code, overShareMessage(what, share))
	}
	return func() { under.Add(-1); held.drop(of, 1) }, nil
}

// run answers an operation.
func (k *socket) run(ctx context.Context, op *socketOperation, q *request) {
	defer k.recovered(op)
	began, s := time.Now(), k.server
	e := s.engine.Load()
	asked, b, errs := k.prepare(ctx, q, e)
	if len(errs) > 0 {
		op.end(errs)
		return
	}
	leave, errs := k.enter(b)
	defer leave()
	if len(errs) > 0 {
		op.end(errs)
		return
	}
	name, hash, accessLog := b.name, b.hash, e.config.AccessLog // and not the engine, which must be free to go
	err := s.follow(ctx, asked, b, op)
	var ended *endedError
	switch {
	case err == nil:
		op.end(nil)
	case errors.As(err, &ended):
		op.end(ended.errors)
	}
	if accessLog {
		s.log.InfoContext(ctx, "operation", "request_id", k.trail.RequestID, "transport", transportWS, "operation", name, "hash", hash,
			"ended", fmt.Sprint(err), "ms", float64(time.Since(began).Microseconds())/1000)
	}
}

// write sends a message.
func (k *socket) write(kind, id string, payload []byte) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	return k.send(appendMessage(k.buf[:0], kind, id, payload))
}

// send sends the text of a message; writing is held.
func (k *socket) send(text []byte) error {
	k.buf = text[:0]
	if cap(text) > maxKept/8 {
		k.buf = nil
	}
	ctx, cancel := context.WithTimeout(k.ctx, k.config.Subscriptions.patience)
	defer cancel()
	return k.conn.Write(ctx, websocket.MessageText, text)
}

// current reports whether an operation still runs: a client that completed it hears nothing more of it.
func (op *socketOperation) current() bool {
	op.socket.mu.Lock()
	defer op.socket.mu.Unlock()
	return op.socket.running[op.id] == op
}

// next implements [sink].
func (op *socketOperation) next(response []byte) error {
	k := op.socket
	k.writing.Lock()
	defer k.writing.Unlock()
	if !op.current() {
		return context.Canceled
	}
	return k.send(appendMessage(k.buf[:0], nextMessage, op.id, response))
}

// alive implements [sink]: the socket shows that it lives.
func (op *socketOperation) alive() error { return nil }

// end tells the client that an operation is complete, or why it ended.
func (op *socketOperation) end(errs gqlerror.List) {
	k := op.socket
	k.writing.Lock()
	defer k.writing.Unlock()
	k.mu.Lock()
	current := k.running[op.id] == op
	if current {
		delete(k.running, op.id)
	}
	k.mu.Unlock()
	op.cancel()
	if !current {
		return
	}
	kind, payload := complete, []byte(nil)
	if len(errs) > 0 {
		list, err := json.Marshal(errs)
		if err != nil {
			list = []byte(`[{"message":"Something went wrong here."}]`)
		}
		kind, payload = errorMessage, list
	}
	if err := k.send(appendMessage(k.buf[:0], kind, op.id, payload)); err != nil {
		_ = k.conn.CloseNow()
	}
}
