package graphqlserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/graphqlserver/graphqltest"
	"github.com/lethe/lethe/chassis/identity"
)

// schema is a subgraph's schema whose fields are answered by hand.
type schema struct {
	parsed *ast.Schema
	ticks  chan int // the events of the subscription
}

const sdl = `
scalar _Any
type Query { hello: String, secret: String, mine: String, panics: String, slow: String, _entities(representations: [_Any!]!): [String] }
type Subscription { ticks: Int }`

func newSchema() *schema {
	return &schema{parsed: gqlparser.MustLoadSchema(&ast.Source{Input: sdl}), ticks: make(chan int)}
}

func (s *schema) Schema() *ast.Schema { return s.parsed }

func (s *schema) Complexity(_ context.Context, _, field string, child int, _ map[string]any) (int, bool) {
	if field == "slow" {
		return maxComplexity + 1, true
	}
	return child + 1, true
}

func (s *schema) Exec(ctx context.Context) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	if op.Operation.Operation == ast.Subscription {
		return func(ctx context.Context) *graphql.Response {
			select {
			case n, ok := <-s.ticks:
				if !ok {
					return nil
				}
				return &graphql.Response{Data: []byte(`{"ticks":` + strconv.Itoa(n) + `}`)}
			case <-ctx.Done():
				return nil
			}
		}
	}
	return graphql.OneShot(s.exec(ctx, op))
}

func (s *schema) exec(ctx context.Context, op *graphql.OperationContext) *graphql.Response {
	field := op.Operation.SelectionSet[0].(*ast.Field)
	value, err := `"world"`, error(nil)
	func() {
		defer func() {
			if v := recover(); v != nil {
				value, err = "null", op.Recover(ctx, v)
			}
		}()
		switch field.Name {
		case "mine":
			value = strconv.Quote(identity.FromContext(ctx).Subject)
		case "secret":
			value, err = "null", errors.New("the password of jane@example.com is wrong")
		case "panics":
			panic("jane@example.com")
		}
	}()
	if err != nil {
		graphql.AddError(ctx, err)
	}
	return &graphql.Response{Data: []byte(`{"` + field.Name + `":` + value + `}`)}
}

// serve serves the schema, and gives what is logged.
func serve(t *testing.T, s *schema, streams int) (*graphqltest.Subgraph, *logged) {
	t.Helper()
	l := &logged{}
	return graphqltest.Serve(t, "things", func(gate *identity.Gate) http.Handler {
		return newHandler(s, gate, slog.New(slog.NewTextHandler(l, nil)), streams)
	}), l
}

// logged takes a log.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestErrors(t *testing.T) {
	t.Parallel()
	s, log := serve(t, newSchema(), 1)
	representations := make([]any, maxRepresentations+1)
	for i := range representations {
		representations[i] = map[string]any{"__typename": "Thing"}
	}
	for name, c := range map[string]struct {
		query     string
		variables map[string]any
		code, say string
	}{
		"a fault is told by nothing but a code": {query: `{ secret }`, code: "INTERNAL", say: errInternal.Message},
		"so is a panic":                         {query: `{ panics }`, code: "INTERNAL", say: errInternal.Message},
		"what does not parse":                   {query: `{ hello`, code: "GRAPHQL_PARSE_FAILED", say: "Expected Name, found <EOF>"},
		"what the schema does not have":         {query: `{ nothing }`, code: "GRAPHQL_VALIDATION_FAILED", say: `Cannot query field "nothing" on type "Query".`},
		"too much":                              {query: `{ slow }`, code: "COMPLEXITY_LIMIT_EXCEEDED", say: "operation has complexity 50001, which exceeds the limit of 50000"},
		"too many tokens":                       {query: `{ ` + strings.Repeat("hello ", maxTokens+1) + `}`, code: "GRAPHQL_PARSE_FAILED", say: "exceeded token limit of 15000"},
		"too many entities": {
			query: `query($r: [_Any!]!) { _entities(representations: $r) }`, variables: map[string]any{"r": representations},
			code: "TOO_MANY_ENTITIES", say: "The request asks for 2001 entities at once: ask for at most 2000.",
		},
		"a subscription without a stream": {query: `subscription { ticks }`, code: "NOT_ACCEPTABLE", say: "A subscription is answered as a stream: accept text/event-stream, or send it over a WebSocket."},
	} {
		errs := s.Ask(t, graphqltest.Support(), c.query, c.variables, nil)
		if graphqltest.Codes(errs) != c.code || len(errs) != 1 || errs[0].Message != c.say {
			t.Errorf("%s: %+v, want %s %q", name, errs, c.code, c.say)
		}
	}
	if text := log.String(); !strings.Contains(text, "request_id=req") || strings.Count(text, "resolver panicked") != 1 {
		t.Errorf("the log does not say what happened in which request:\n%s", text)
	}
}

// TestPresent says what clients are told of the errors that a resolver may give.
func TestPresent(t *testing.T) {
	t.Parallel()
	for code, err := range map[string]error{
		"UNAUTHENTICATED": ErrSignIn,
		"FORBIDDEN":       errors.Join(errors.New("who asked"), ErrForbidden),
		"BAD_USER_INPUT":  BadInput("`first` is %d.", -1),
		"TIMEOUT":         context.DeadlineExceeded,
		"CANCELLED":       context.Canceled,
		"INTERNAL":        io.ErrUnexpectedEOF,
	} {
		got := present(t.Context(), slog.New(slog.DiscardHandler), err)
		if got.Extensions["code"] != code || strings.Contains(got.Message, "who asked") || strings.Contains(got.Message, "EOF") {
			t.Errorf("%v is told as %v %q, want %s", err, got.Extensions, got.Message, code)
		}
	}
}

func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	s, log := serve(t, newSchema(), 1)
	send := func(method, accept, body, signed string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(identity.Header, s.Signer.Value(graphqltest.Support(), s.Name, []byte(signed)))
		req.Header.Set("Lethe-Exchange", "1-2")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if got := resp.Header.Get("Lethe-Exchange"); got != "1-2" {
			t.Errorf("the mark of a request came back as %q", got)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	const private = `{"query": "jane@example.com`
	for _, accept := range []string{"application/json", "text/event-stream"} {
		if status, text := send(http.MethodPost, accept, private, private); status != http.StatusBadRequest || !strings.Contains(text, `"code":"BAD_REQUEST"`) || strings.Contains(text, "jane") {
			t.Errorf("a body that is no JSON is answered %d %s", status, text)
		}
		if status, text := send(http.MethodPost, accept, `{"query":"{ hello }"}`, `{"query":"{ secret }"}`); status != http.StatusUnauthorized || !strings.Contains(text, "UNAUTHENTICATED") {
			t.Errorf("a body that the router did not sign is answered %d %s", status, text)
		}
	}
	large := `{"query":"{ hello }","variables":{"x":"` + strings.Repeat("x", 4<<20) + `"}}`
	if status, text := send(http.MethodPost, "application/json", large, large); status != http.StatusRequestEntityTooLarge || !strings.Contains(text, "PAYLOAD_TOO_LARGE") {
		t.Errorf("a large body is answered %d %s", status, text)
	}
	if status, _ := send(http.MethodGet, "application/json", "", ""); status != http.StatusBadRequest {
		t.Errorf("a GET is answered %d", status)
	}
	if text := log.String(); strings.Contains(text, "jane") {
		t.Errorf("the log holds what was sent:\n%s", text)
	}
}

func TestEventStream(t *testing.T) {
	t.Parallel()
	things := newSchema()
	s, _ := serve(t, things, 1)
	stream := s.Follow(t, graphqltest.Support(), `subscription { ticks }`, nil)
	for n := range 100 {
		things.ticks <- n
		var out struct{ Ticks int }
		if errs, more := stream.Next(t, &out); errs != nil || !more || out.Ticks != n {
			t.Fatalf("event %d is %d, %v", n, out.Ticks, errs)
		}
	}
	// There is room for one stream.
	full := s.Follow(t, graphqltest.Support(), `subscription { ticks }`, nil)
	if errs, more := full.Next(t, nil); !more || graphqltest.Codes(errs) != "TOO_MANY_SUBSCRIPTIONS" {
		t.Errorf("a second stream is answered %v", errs)
	}
	if _, more := full.Next(t, nil); more {
		t.Error("the refused stream goes on")
	}
	close(things.ticks)
	if _, more := stream.Next(t, nil); more {
		t.Error("the stream goes on after its end")
	}
	// Queries are answered as streams too.
	var hello struct{ Hello string }
	single := s.Follow(t, graphqltest.Support(), `{ hello }`, nil)
	if errs, _ := single.Next(t, &hello); errs != nil || hello.Hello != "world" {
		t.Errorf("answered %v %v", hello, errs)
	}
	if _, more := single.Next(t, nil); more {
		t.Error("a query's stream goes on")
	}
	if errs, _ := s.Follow(t, graphqltest.Support(), `subscription { nothing }`, nil).Next(t, nil); graphqltest.Codes(errs) != "GRAPHQL_VALIDATION_FAILED" {
		t.Errorf("an invalid subscription is answered %v", errs)
	}
}

// TestStreamsGiveTheirPlacesBack hangs up again and again where there is room for one stream.
func TestStreamsGiveTheirPlacesBack(t *testing.T) {
	t.Parallel()
	things := newSchema()
	s, _ := serve(t, things, 1)
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() {
		for n := 0; ; n++ {
			select {
			case things.ticks <- n:
			case <-done:
				return
			}
		}
	}()
	for range 5 {
		for taken := false; !taken; {
			stream := s.Follow(t, graphqltest.Support(), `subscription { ticks }`, nil)
			errs, _ := stream.Next(t, nil)
			if code := graphqltest.Codes(errs); code != "" && code != "TOO_MANY_SUBSCRIPTIONS" {
				t.Fatalf("refused with %q", code)
			}
			taken = errs == nil
			stream.Close()
		}
	}
}

// TestStop stops the service while a stream is open: it breaks off at once, without being completed.
func TestStop(t *testing.T) {
	t.Parallel()
	things := newSchema()
	key := bytes.Repeat([]byte("k"), 32)
	gate, err := identity.NewGate("things", key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := identity.NewSigner(map[string][]byte{"things": key})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	log := slog.New(slog.DiscardHandler)
	go func() {
		ended <- chassis.Serve(ctx, log, ln, &chassis.Service{Name: "things", Handler: New(things, gate, log)})
	}()
	s := &graphqltest.Subgraph{URL: "http://" + ln.Addr().String() + "/graphql", Name: "things", Signer: signer}
	stream := s.Follow(t, graphqltest.Support(), `subscription { ticks }`, nil)
	things.ticks <- 1
	stream.Next(t, nil)
	socket, _, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{
		Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{identity.Header: {signer.Value(graphqltest.Support(), "things", nil)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	for _, text := range []string{`{"type":"connection_init"}`, `{"type":"subscribe","id":"a","payload":{"query":"subscription { ticks }"}}`} {
		if err := socket.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	things.ticks <- 2 // to the one or the other
	stop()
	for {
		_, text, err := socket.Read(t.Context())
		if strings.Contains(string(text), "complete") {
			t.Errorf("the socket is told %s: the router would not ask again", text)
		}
		if err != nil {
			if code := websocket.CloseStatus(err); code != websocket.StatusServiceRestart {
				t.Errorf("the socket ends with %v", err)
			}
			break
		}
	}
	if !stream.Broken(t) {
		t.Error("the stream was completed: the router would not ask again")
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestSilence looks at a stream without events: something is written now and then, and no time runs out.
func TestSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &written{header: http.Header{}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		s := &stream{w: w, control: http.NewResponseController(w)}
		s.follow(ctx, func() *graphql.Response {
			<-ctx.Done()
			return nil
		}, nil)
		if want := int(time.Hour/keepAlive) - 1; strings.Count(w.String(), ":\n\n") < want {
			t.Errorf("%d signs of life in an hour, want %d", strings.Count(w.String(), ":\n\n"), want)
		}
	})
}

type written struct {
	bytes.Buffer
	header http.Header
}

func (w *written) Header() http.Header { return w.header }
func (w *written) WriteHeader(int)     {}
func (w *written) Flush()              {}

// TestTimes has a query and a subscription wait: only the query runs out of time.
func TestTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wait := func(ctx context.Context) graphql.ResponseHandler {
			return func(context.Context) *graphql.Response {
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(24 * time.Hour):
					return &graphql.Response{}
				}
			}
		}
		for kind, lasts := range map[ast.Operation]time.Duration{ast.Query: Timeout, ast.Mutation: Timeout, ast.Subscription: 24 * time.Hour} {
			ctx, cancel := context.WithCancel(t.Context())
			ctx = graphql.WithOperationContext(ctx, &graphql.OperationContext{Operation: &ast.OperationDefinition{Operation: kind}})
			began := time.Now()
			newBounds(1).around(ctx, wait)(ctx)
			if took := time.Since(began); took != lasts {
				t.Errorf("a %s has %s, want %s", kind, took, lasts)
			}
			cancel()
		}
	})
}

// TestWebSocket follows over graphql-transport-ws, as somebody and as nobody.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	things := newSchema()
	s, _ := serve(t, things, 1)
	dial := func(header http.Header) (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: header})
	}
	if _, resp, err := dial(nil); err == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Fatalf("an unsigned socket: %v", err)
	}
	as := graphqltest.Customer("cus_1")
	c, _, err := dial(http.Header{identity.Header: {s.Signer.Value(as, s.Name, nil)}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	type payload struct {
		Query string `json:"query,omitempty"`
		Data  *struct {
			Mine  string
			Ticks int
		} `json:"data,omitempty"`
	}
	type message struct {
		Type    string   `json:"type"`
		ID      string   `json:"id,omitempty"`
		Payload *payload `json:"payload,omitempty"`
	}
	say := func(m message) {
		t.Helper()
		if err := wsjson.Write(t.Context(), c, m); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(kind, id string) message {
		t.Helper()
		for {
			var m message
			if err := wsjson.Read(t.Context(), c, &m); err != nil {
				t.Fatal(err)
			}
			if m.Type == "ping" {
				continue
			}
			if m.Type != kind || m.ID != id {
				t.Fatalf("heard %+v, want %s of %s", m, kind, id)
			}
			return m
		}
	}
	say(message{Type: "connection_init"})
	hear("connection_ack", "")
	say(message{Type: "subscribe", ID: "1", Payload: &payload{Query: `{ mine }`}})
	if m := hear("next", "1"); m.Payload == nil || m.Payload.Data == nil || m.Payload.Data.Mine != "cus_1" {
		t.Errorf("heard %+v", m.Payload)
	}
	hear("complete", "1")
	say(message{Type: "subscribe", ID: "2", Payload: &payload{Query: `subscription { ticks }`}})
	for n := 1; n <= 10; n++ {
		things.ticks <- n
		if m := hear("next", "2"); m.Payload == nil || m.Payload.Data == nil || m.Payload.Data.Ticks != n {
			t.Errorf("heard %+v", m.Payload)
		}
	}
	say(message{Type: "complete", ID: "2"})
	hear("complete", "2")
}
