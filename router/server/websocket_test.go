package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/lethe/lethe/router/server"
)

// caller is a client on a WebSocket.
type caller struct {
	t    *testing.T
	ctx  context.Context
	conn *websocket.Conn
}

func dial(t *testing.T, url string, header http.Header, protocols ...string) (*caller, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	conn, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: protocols, HTTPHeader: header})
	if err != nil {
		return nil, resp, err
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &caller{t, ctx, conn}, resp, nil
}

// connect opens a WebSocket and sends connection_init.
func connect(t *testing.T, url string, payload string) *caller {
	t.Helper()
	c, _, err := dial(t, url, nil, "graphql-transport-ws")
	if err != nil {
		t.Fatal(err)
	}
	c.say(`{"type":"connection_init"` + payload + `}`)
	c.hear(`{"type":"connection_ack"}`)
	return c
}

func (c *caller) say(text string) {
	c.t.Helper()
	if err := c.conn.Write(c.ctx, websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *caller) subscribe(id, query string) {
	c.t.Helper()
	c.say(fmt.Sprintf(`{"id":%q,"type":"subscribe","payload":{"query":%q}}`, id, query))
}

// hear reads a message, which has to hold all of parts.
func (c *caller) hear(parts ...string) {
	c.t.Helper()
	_, got, err := c.conn.Read(c.ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	if !json.Valid(got) {
		c.t.Errorf("no JSON: %s", got)
	}
	for _, want := range parts {
		if !strings.Contains(string(got), want) {
			c.t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

// hearClose waits until the router closes.
func (c *caller) hearClose(code websocket.StatusCode, reason string) {
	c.t.Helper()
	_, got, err := c.conn.Read(c.ctx)
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || closed.Reason != reason {
		c.t.Errorf("want %d %s, got %s %v", code, reason, got, err)
	}
}

func TestWebSocketSubscription(t *testing.T) {
	t.Parallel()
	_, tell, url := following(t, map[string]script{"stock": stock(func(id string) string { return `{"stock":` + id[1:] + `}` })})
	c := connect(t, url, `,"payload":{}`)
	c.say(`{"type":"ping","payload":{"n":1}}`)
	c.hear(`{"type":"pong","payload":{"n":1}}`)
	const query = `subscription { productChanged(id: 1) { id stock } }`
	c.subscribe("a", query)
	a := tell.open()
	c.subscribe("b", query)
	b := tell.open()
	a.tell <- changed("p1", "")
	c.hear(`{"id":"a","type":"next","payload":{"data":{"productChanged":{"id":"p1","stock":1}}}}`)
	b.tell <- changed("p2", "")
	c.hear(`{"id":"b","type":"next","payload":{"data":{"productChanged":{"id":"p2","stock":2}}}}`)
	close(a.tell)
	c.hear(`{"id":"a","type":"complete"}`)
	c.say(`{"id":"b","type":"complete"}`)
	await(t, b.gone, "end at the subgraph")
	c.say(`{"id":"b","type":"complete"}`) // again, and of what is not known
	c.say(`{"id":"c","type":"complete"}`)
	c.subscribe("b", query) // an id that is free again
	b = tell.open()
	close(b.lose)
	c.hear(`{"id":"b","type":"error","payload":[{"message":`, "SUBGRAPH_UNAVAILABLE")
	c.subscribe("b", query)
	b = tell.open()
	if err := c.conn.CloseNow(); err != nil {
		t.Error(err)
	}
	await(t, b.gone, "end at the subgraph")
}

func TestWebSocketQueries(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{"products": func(a asking) (int, string) {
		if strings.HasPrefix(a.Query, "mutation") {
			return 200, `{"data":{"rename":{"id":"p1"}}}`
		}
		return 200, `{"data":{"product":{"name":"N"}}}`
	}})
	c := connect(t, serve(t, s), "")
	t.Cleanup(s.Close)
	for query, want := range map[string]string{
		`{ product(id: 1) { name } }`:                  `"type":"next","payload":{"data":{"product":{"name":"N"}}}}`,
		`mutation { rename(id: 1, name: "x") { id } }`: `"type":"next","payload":{"data":{"rename":{"id":"p1"}}}}`,
		`{ nothing }`: `"type":"error","payload":[{"message":`,
		`{`:           "GRAPHQL_PARSE_FAILED",
		` `:           "QUERY_NEEDED",
	} {
		c.subscribe("x", query)
		c.hear(`{"id":"x",`, want)
		if strings.Contains(want, "next") {
			c.hear(`{"id":"x","type":"complete"}`)
		}
	}
}

// TestWebSocketCloses holds the protocol's codes and reasons.
func TestWebSocketCloses(t *testing.T) {
	t.Parallel()
	_, _, url := following(t, nil, func(o *server.Options) {
		o.Authenticator = authenticator{}
		o.Config.Limits.BodyBytes = 2000
	})
	const init, invalid = `{"type":"connection_init"}`, "Invalid message received"
	for name, c := range map[string]struct {
		say    []string
		code   websocket.StatusCode
		reason string
	}{
		"no JSON":                 {[]string{"x"}, 4400, invalid},
		"a list":                  {[]string{"[]"}, 4400, invalid},
		"no type":                 {[]string{"{}"}, 4400, invalid},
		"a type of the server's":  {[]string{init, `{"type":"connection_ack"}`}, 4400, invalid},
		"an unknown type":         {[]string{init, `{"type":"start"}`}, 4400, invalid},
		"subscribe without id":    {[]string{init, `{"type":"subscribe","payload":{"query":"{__typename}"}}`}, 4400, invalid},
		"subscribe without more":  {[]string{init, `{"id":"1","type":"subscribe"}`}, 4400, invalid},
		"subscribe without query": {[]string{init, `{"id":"1","type":"subscribe","payload":{}}`}, 4400, invalid},
		"variables in a list":     {[]string{init, `{"id":"1","type":"subscribe","payload":{"query":"{__typename}","variables":[]}}`}, 4400, invalid},
		"a query that is null":    {[]string{init, `{"id":"1","type":"subscribe","payload":{"query":null}}`}, 4400, invalid},
		"payload as text":         {[]string{`{"type":"connection_init","payload":"x"}`}, 4400, invalid},
		"complete without id":     {[]string{init, `{"type":"complete"}`}, 4400, invalid},
		"before the init":         {[]string{`{"id":"1","type":"subscribe","payload":{"query":"{__typename}"}}`}, 4401, "Unauthorized"},
		"two inits":               {[]string{init, init}, 4429, "Too many initialisation requests"},
		"a bad token":             {[]string{`{"type":"connection_init","payload":{"Authorization":"Bearer bad"}}`}, 4403, "Forbidden"},
		"a bad token in headers":  {[]string{`{"type":"connection_init","payload":{"headers":{"authorization":"Bearer bad"}}}`}, 4403, "Forbidden"},
		"an id twice": {[]string{init, `{"id":"1","type":"subscribe","payload":{"query":"subscription { productChanged(id: 1) { name } }"}}`,
			`{"id":"1","type":"subscribe","payload":{"query":"{ __typename }"}}`}, 4409, "Subscriber for 1 already exists"},
		"too large": {[]string{init, `{"id":"` + strings.Repeat("x", 3000) + `","type":"complete"}`}, websocket.StatusMessageTooBig, "read limited at 2001 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, _, err := dial(t, url, nil, "graphql-transport-ws")
			if err != nil {
				t.Fatal(err)
			}
			for i, text := range c.say {
				client.say(text)
				if i == 0 && text == init {
					client.hear("connection_ack")
				}
			}
			client.hearClose(c.code, c.reason)
		})
	}
}

func TestWebSocketHandshake(t *testing.T) {
	t.Parallel()
	_, _, url := following(t, nil, func(o *server.Options) {
		o.Config.CORS.Origins = []string{"https://shop.example"}
		o.Config.Subscriptions.InitTimeout = "1ms"
	})
	own := strings.TrimSuffix(url, "/graphql")
	for origin, let := range map[string]bool{"": true, own: true, "https://shop.example": true, "https://evil.example": false, "null": false} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		c, resp, err := dial(t, url, header, "graphql-transport-ws")
		if (err == nil) != let {
			t.Errorf("%q: %v", origin, err)
		}
		if !let && resp.StatusCode != http.StatusForbidden {
			t.Errorf("%q: %d", origin, resp.StatusCode)
		}
		if let {
			c.hearClose(4408, "Connection initialisation timeout")
		}
	}
	for _, protocols := range [][]string{nil, {"graphql-ws"}} {
		c, _, err := dial(t, url, nil, protocols...)
		if err != nil {
			t.Fatal(err)
		}
		c.hearClose(4406, "Subprotocol not acceptable")
	}
}

func TestWebSocketLimits(t *testing.T) {
	t.Parallel()
	_, tell, url := following(t, nil, func(o *server.Options) {
		o.Config.Subscriptions.Sockets, o.Config.Subscriptions.PerSocket = 1, 1
	})
	c := connect(t, url, "")
	if _, resp, err := dial(t, url, nil, "graphql-transport-ws"); err == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a second socket: %v", err)
	}
	c.subscribe("a", `subscription { productChanged(id: 1) { name } }`)
	up := tell.open()
	c.subscribe("b", `{ __typename }`)
	c.hear(`{"id":"b","type":"error"`, "TOO_MANY_SUBSCRIPTIONS")
	close(up.tell)
	c.hear(`{"id":"a","type":"complete"}`)
	c.subscribe("b", `{ __typename }`)
	c.hear(`{"id":"b","type":"next","payload":{"data":{"__typename":"Query"}}}`)
	c.hear(`{"id":"b","type":"complete"}`)
}

// expiring is an authenticator whose identities end when the test says so.
type expiring struct {
	authenticator
	at time.Time
}

func (e expiring) Expiry(context.Context) (time.Time, bool) { return e.at, true }

func TestWebSocketIdentity(t *testing.T) {
	t.Parallel()
	_, tell, url := following(t, nil, func(o *server.Options) {
		o.Authenticator = expiring{at: time.Now().Add(time.Hour)}
		o.Outgoing = func(ctx context.Context, h http.Header, _ string, _ []byte) {
			who, _ := ctx.Value(subject{}).(string)
			h.Set("Identity", who)
		}
	})
	for payload, want := range map[string]string{
		`,"payload":{"Authorization":"Bearer a"}`:                  "Bearer a",
		`,"payload":{"headers":{"Authorization":"Bearer \u0061"}}`: "Bearer a",
		`,"payload":null`: "",
	} {
		c := connect(t, url, payload)
		c.subscribe("a", `subscription { productChanged(id: 1) { name } }`)
		if got := tell.open().header.Get("Identity"); got != want {
			t.Errorf("%s: identity %q", payload, got)
		}
	}
}

func TestExpiryEndsSubscriptions(t *testing.T) {
	t.Parallel()
	_, _, url := following(t, nil, func(o *server.Options) { o.Authenticator = expiring{at: time.Now()} })
	c, _, err := dial(t, url, nil, "graphql-transport-ws")
	if err != nil {
		t.Fatal(err)
	}
	c.say(`{"type":"connection_init"}`)
	for err == nil {
		_, _, err = c.conn.Read(c.ctx) // the acknowledgement may come before
	}
	if websocket.CloseStatus(err) != 4403 {
		t.Error(err)
	}
	l := listen(t, url, `subscription { productChanged(id: 1) { name } }`)
	l.hearPart("TOKEN_EXPIRED")
	l.hear("complete")
	l.hearEnd()
}

func TestStopClosesSockets(t *testing.T) {
	t.Parallel()
	s, tell, url := following(t, nil)
	c := connect(t, url, "")
	c.subscribe("a", `subscription { productChanged(id: 1) { name } }`)
	up := tell.open()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.Close()
	}()
	c.hearClose(websocket.StatusServiceRestart, "Service restart")
	await(t, stopped, "end of the router")
	await(t, up.gone, "end at the subgraph")
}

// TestStopAnswersOnSockets has a mutation and a subscription under way on a socket when the router stops: the mutation is
// answered before the socket closes, and what is asked meanwhile is not begun.
func TestStopAnswersOnSockets(t *testing.T) {
	t.Parallel()
	inside, release := make(chan struct{}), make(chan struct{})
	s, tell, url := following(t, map[string]script{"reviews": func(asking) (int, string) {
		close(inside)
		<-release
		return 200, `{"data":{"review":{"id":"r1"}}}`
	}})
	c := connect(t, url, "")
	c.subscribe("a", `subscription { productChanged(id: 1) { name } }`)
	up := tell.open()
	c.subscribe("b", `mutation { review(id: 1, body: "x") { id } }`)
	<-inside
	s.Leave()
	await(t, up.gone, "end at the subgraph")
	idle, _, err := dial(t, url, nil, "graphql-transport-ws") // net/http still takes it: it is the listener that a process closes
	if err != nil {
		t.Fatal(err)
	}
	idle.hearClose(websocket.StatusServiceRestart, "Service restart")
	c.subscribe("c", `{ __typename }`)
	c.hear(`{"id":"c","type":"error"`, "ROUTER_STOPPING")
	close(release)
	c.hear(`{"id":"b","type":"next"`, `"r1"`)
	c.hear(`{"id":"b","type":"complete"}`)
	c.hearClose(websocket.StatusServiceRestart, "Service restart")
}

// TestWebSocketTakesDocuments holds that trusted documents and persisted queries are over WebSocket what they are over
// HTTP.
func TestWebSocketTakesDocuments(t *testing.T) {
	t.Parallel()
	const text = `query Products { products { id } }`
	scripts := map[string]script{"products": says(`{"data":{"products":[]}}`)}
	listed := newShop(t, scripts, func(o *server.Options) {
		o.Config.TrustedDocuments = server.TrustedDocuments{Files: []string{manifest(t, `{"one":"`+text+`"}`)}, Mode: "require"}
	})
	c := connect(t, serve(t, listed), "")
	t.Cleanup(listed.Close)
	request := func(payload string) { c.say(`{"id":"x","type":"subscribe","payload":` + payload + `}`) }
	answered := func() {
		t.Helper()
		c.hear(`{"id":"x","type":"next","payload":{"data":{"products":[]}}}`)
		c.hear(`{"id":"x","type":"complete"}`)
	}
	request(`{"documentId":"one"}`)
	answered()
	request(`{"query":"{ products { id name } }"}`)
	c.hear(`{"id":"x","type":"error"`, "DOCUMENT_NOT_TRUSTED")

	open := newShop(t, scripts)
	c = connect(t, serve(t, open), "")
	t.Cleanup(open.Close)
	request(registration(t, "", hashed(text)))
	c.hear(`{"id":"x","type":"error"`, "PERSISTED_QUERY_NOT_FOUND")
	request(registration(t, text, hashed(text)))
	answered()
	request(registration(t, "", hashed(text)))
	answered()
	request(registration(t, text, hashed("{ other }")))
	c.hear(`{"id":"x","type":"error"`, "BAD_REQUEST")
}
