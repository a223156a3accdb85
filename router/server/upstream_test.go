package server_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/lethe/lethe/router/server"
)

// overWebSocket has subscriptions reach products over WebSocket.
func overWebSocket(o *server.Options) {
	o.Config.Subgraphs.Subscriptions = map[string]server.SubgraphSubscriptions{"products": {Protocol: "ws", URL: "/graphql/stream"}}
}

func TestSubgraphOverWebSocket(t *testing.T) {
	t.Parallel()
	_, tell, url := following(t, map[string]script{"stock": stock(func(id string) string { return `{"stock":` + id[1:] + `}` })}, overWebSocket, func(o *server.Options) {
		o.Outgoing = func(_ context.Context, h http.Header, subgraph string, body []byte) {
			h.Set("Identity", subgraph+string(body))
		}
	})
	const query = `subscription { productChanged(id: 1) { id stock } }`
	l := listen(t, url, query, "X-Request-Id", "request-of-test")
	up := tell.open()
	if up.path != "/graphql/stream" || up.header.Get("Identity") != "products" || up.header.Get("X-Request-Id") != "request-of-test" ||
		string(up.init) != `{"Identity":"products","X-Request-Id":"request-of-test"}` {
		t.Errorf("%s %v %s", up.path, up.header, up.init)
	}
	for _, id := range []string{"p1", "p2"} {
		up.tell <- changed(id, "")
		l.hear(`next {"data":{"productChanged":{"id":"` + id + `","stock":` + id[1:] + `}}}`)
	}
	up.raw <- `{"type":"ping"}`
	up.raw <- `{"type":"pong"}`
	up.raw <- `{"id":"other","type":"complete"}`
	up.tell <- changed("p3", "")
	l.hear(`next {"data":{"productChanged":{"id":"p3","stock":3}}}`)
	close(up.tell)
	l.hear("complete")
	l.hearEnd()

	l = listen(t, url, query)
	up = tell.open()
	l.leave()
	await(t, up.gone, "end at the subgraph")

	for frame, want := range map[string]string{
		`{"id":"1","type":"error","payload":[{"message":"no","extensions":{"code":"OUT"}}]}`: `"code":"OUT"`,
		`{"id":"1","type":"data"}`: "SUBGRAPH_INVALID_RESPONSE",
		`nonsense`:                 "SUBGRAPH_INVALID_RESPONSE",
		`{"id":"1","type":"next","payload":{"data":{"productChanged":{"id":"` + strings.Repeat("x", 9000) + `"}}}}`: "SUBGRAPH_INVALID_RESPONSE",
	} {
		_, tell, url := following(t, nil, overWebSocket, func(o *server.Options) { o.Config.Limits.SubgraphResponseBytes = 4000 })
		l := listen(t, url, `subscription { productChanged(id: 1) { id } }`)
		tell.open().raw <- frame
		l.hearPart(want)
		l.hear("complete")
		l.hearEnd()
	}

	l = listen(t, url, query)
	close(tell.open().lose)
	l.hearPart("SUBGRAPH_UNAVAILABLE")
	l.hear("complete")
}

// TestSubgraphThatIsSilent has a subgraph say nothing at all, over each protocol, where the configuration asks for a
// heartbeat.
func TestSubgraphThatIsSilent(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"sse", "ws"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			release := make(chan struct{})
			_, _, url := following(t, nil, func(o *server.Options) {
				o.Config.Subgraphs.Subscriptions = map[string]server.SubgraphSubscriptions{"products": {Protocol: protocol, Heartbeat: "5ms"}}
				o.URLs["products"] = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if protocol == "sse" {
						w.Header().Set("Content-Type", "text/event-stream")
						w.(http.Flusher).Flush()
						<-release
						return
					}
					c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"graphql-transport-ws"}})
					if err != nil {
						return
					}
					defer func() { _ = c.CloseNow() }()
					_ = c.Write(r.Context(), websocket.MessageText, []byte(`{"type":"connection_ack"}`))
					<-release
				}))
				t.Cleanup(func() { close(release) })
			})
			l := listen(t, url, `subscription { productChanged(id: 1) { name } }`)
			l.hearPart("SUBGRAPH_UNAVAILABLE")
			l.hear("complete")
		})
	}
}

// TestSubgraphThatLives has the heartbeat run many times before there is an event.
func TestSubgraphThatLives(t *testing.T) {
	t.Parallel()
	pings := make(chan struct{}, 100)
	_, tell, url := following(t, nil, func(o *server.Options) {
		o.Config.Subgraphs.Subscriptions = map[string]server.SubgraphSubscriptions{"products": {Protocol: "ws", Heartbeat: "1s"}}
	})
	tell.pings = pings
	l := listen(t, url, `subscription { productChanged(id: 1) { name } }`)
	up := tell.open()
	for range 3 {
		await(t, pings, "ping")
	}
	up.tell <- changed("p1", `,"name":"N"`)
	l.hear(`next {"data":{"productChanged":{"name":"N"}}}`)
}

func TestSubgraphThatDoesNotOpen(t *testing.T) {
	t.Parallel()
	for protocol, code := range map[string]string{"sse": "SUBGRAPH_TIMEOUT", "ws": "SUBGRAPH_TIMEOUT"} {
		release := make(chan struct{})
		_, _, url := following(t, nil, func(o *server.Options) {
			o.Config.Subgraphs.Timeout = "10ms"
			o.Config.Subgraphs.Subscriptions = map[string]server.SubgraphSubscriptions{"products": {Protocol: protocol}}
			o.URLs["products"] = serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
			t.Cleanup(func() { close(release) })
		})
		l := listen(t, url, `subscription { productChanged(id: 1) { name } }`)
		l.hearPart(code)
		l.hear("complete")
	}
}

// TestQueueIsBounded has a subgraph tell far more than its client takes: the subgraph is held back, and then the
// subscription ends with an error.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	inside, release := make(chan struct{}, 10), make(chan struct{})
	_, tell, url := following(t, map[string]script{"stock": func(asking) (int, string) {
		inside <- struct{}{}
		<-release
		return 200, `{"data":{"_entities":[{"stock":1}]}}`
	}}, func(o *server.Options) {
		o.Config.Subscriptions.Queue = 2
		o.Config.Subscriptions.Patience = "50ms"
	})
	l := listen(t, url, `subscription { productChanged(id: 1) { stock } }`)
	up := tell.open()
	up.tell <- changed("p1", "")
	await(t, inside, "question to stock")
	for range 3 { // two that wait, and one for which there is no place
		up.tell <- changed("p1", "")
	}
	await(t, up.gone, "end at the subgraph")
	close(release)
	l.hear(`next {"data":{"productChanged":{"stock":1}}}`)
	l.hearPart("SUBSCRIPTION_TOO_SLOW")
	l.hear("complete")
}

// TestLargeEventsWaitForEachOther has events that are larger than what may wait of them together: all are told.
func TestLargeEventsWaitForEachOther(t *testing.T) {
	t.Parallel()
	_, tell, url := following(t, nil)
	l := &listener{t: t}
	resp := l.post(url, `subscription { productChanged(id: 1) { name } }`, []string{"Accept", "text/event-stream"})
	defer func() { _ = resp.Body.Close() }()
	up := tell.open()
	const events, size = 4, 9 << 20
	go func() {
		for range events {
			up.tell <- changed("p1", `,"name":"`+strings.Repeat("x", size)+`"`)
		}
		close(up.tell)
	}()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n < events*size {
		t.Errorf("%d bytes, %v", n, err)
	}
}
