package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/lethe/lethe/router/server"
)

// patience is how long tests wait for what has to happen.
const patience = 10 * time.Second

// teller is a subgraph of which subscriptions are told by the test, over server-sent events and WebSocket.
type teller struct {
	url    string
	opened chan *telling
	pings  chan struct{} // of the router, where the test wants them
	t      *testing.T
}

// telling is one subscription at a teller.
type telling struct {
	asking
	path string
	init json.RawMessage // payload of connection_init
	tell chan string     // bodies; closed for complete
	raw  chan string     // frames as they are
	lose chan struct{}   // closed to break the connection
	gone chan struct{}   // closed when the router is
}

func newTeller(t *testing.T) *teller {
	t.Helper()
	out := &teller{opened: make(chan *telling, 16), t: t}
	out.url = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			out.socket(w, r)
			return
		}
		out.eventStream(w, r)
	}))
	return out
}

// open gives the subscription that the router opened.
func (s *teller) open() *telling {
	s.t.Helper()
	return await(s.t, s.opened, "a subscription at the subgraph")
}

func await[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

func (s *teller) begin(body []byte, r *http.Request) *telling {
	one := &telling{path: r.URL.Path, tell: make(chan string), raw: make(chan string), lose: make(chan struct{}), gone: make(chan struct{})}
	one.asking = asking{raw: string(body), header: r.Header.Clone()}
	if err := json.Unmarshal(body, &one.asking); err != nil {
		s.t.Errorf("the subgraph was sent no JSON: %s", body)
	}
	return one
}

func (s *teller) eventStream(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("Accept") != "text/event-stream" {
		s.t.Errorf("no subscription: %s, %v", body, err)
		return
	}
	one := s.begin(body, r)
	defer close(one.gone)
	w.Header().Set("Content-Type", "text/event-stream")
	write := func(format string, a ...any) {
		_, _ = fmt.Fprintf(w, format, a...)
		w.(http.Flusher).Flush()
	}
	write(":\n\n")
	s.opened <- one
	for {
		select {
		case event, ok := <-one.tell:
			if !ok {
				write("event: complete\ndata:\n\n")
				return
			}
			write("event: next\ndata: %s\n\n", strings.ReplaceAll(event, "\n", "\ndata: "))
		case frame := <-one.raw:
			write("%s", frame)
		case <-one.lose:
			panic(http.ErrAbortHandler)
		case <-r.Context().Done():
			return
		}
	}
}

func (s *teller) socket(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	ctx := context.Background()
	type message struct {
		ID, Type string
		Payload  json.RawMessage
	}
	read := func() (m message, err error) {
		_, b, err := c.Read(ctx)
		if err != nil {
			return m, err
		}
		return m, json.Unmarshal(b, &m)
	}
	write := func(format string, a ...any) {
		_ = c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, format, a...))
	}
	init, err := read()
	if err != nil || init.Type != "connection_init" {
		s.t.Errorf("a socket began with %+v, %v", init, err)
		return
	}
	write(`{"type":"connection_ack"}`)
	sub, err := read()
	if err != nil || sub.Type != "subscribe" || sub.ID == "" {
		s.t.Errorf("a socket went on with %+v, %v", sub, err)
		return
	}
	one := s.begin(sub.Payload, r)
	one.init = init.Payload
	go func() {
		defer close(one.gone)
		for {
			m, err := read()
			if err != nil || m.Type == "complete" {
				return
			}
			if m.Type == "ping" {
				if s.pings != nil {
					s.pings <- struct{}{}
				}
				write(`{"type":"pong"}`)
			}
		}
	}()
	s.opened <- one
	for {
		select {
		case event, ok := <-one.tell:
			if !ok {
				write(`{"id":%q,"type":"complete"}`, sub.ID)
				<-one.gone
				return
			}
			write(`{"id":%q,"type":"next","payload":%s}`, sub.ID, event)
		case frame := <-one.raw:
			write("%s", frame)
		case <-one.lose:
			return
		case <-one.gone:
			return
		}
	}
}

// following makes a shop whose products are told of by a teller.
func following(t *testing.T, scripts map[string]script, change ...func(*server.Options)) (*shop, *teller, string) {
	t.Helper()
	tell := newTeller(t)
	change = append([]func(*server.Options){func(o *server.Options) { o.URLs["products"] = tell.url }}, change...)
	s := newShop(t, scripts, change...)
	url := serve(t, s)
	t.Cleanup(s.Close) // before the HTTP server waits for what is under way
	return s, tell, url
}

// changed is an event of a product.
func changed(id, fields string) string {
	return `{"data":{"productChanged":{"__typename":"Product","id":"` + id + `"` + fields + `}}}`
}
