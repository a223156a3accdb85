package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/lethe/lethe/router/server"
)

// crowd is a router whose subgraph answers when it is let go, and counts what it is asked.
type crowd struct {
	*pager
	inside  chan struct{}
	release func()
}

func newCrowd(t *testing.T, change func(*server.Config)) *crowd {
	t.Helper()
	held := make(chan struct{})
	c := &crowd{inside: make(chan struct{}, 10_000), release: sync.OnceFunc(func() { close(held) })}
	subgraph := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stream := strings.Contains(r.Header.Get("Accept"), "event-stream")
		if stream {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = w.Write([]byte("event: next\ndata: {\"data\":{\"ticks\":[]}}\n\n"))
			_ = http.NewResponseController(w).Flush()
		}
		c.inside <- struct{}{}
		select {
		case <-held:
		case <-r.Context().Done():
		}
		if !stream {
			w.Header().Set("Content-Type", plain)
			_, _ = w.Write([]byte(`{"data":{"dear":1,"put":[]}}`))
		}
	}))
	c.pager = newPager(t, asWhom, func(o *server.Options) {
		o.URLs["pages"] = subgraph
		change(&o.Config)
	})
	t.Cleanup(c.release) // before the servers are closed
	return c
}

// answer is a response to a request of somebody.
type answer struct {
	status int
	text   string
	header http.Header
}

// from sends a request of somebody at an address.
func (c *crowd) from(address, who, body string, header ...string) answer {
	r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
	r.RemoteAddr = address
	r.Header.Set("Content-Type", plain)
	r.Header.Set("Authorization", who)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	c.ServeHTTP(rec, r)
	return answer{rec.Code, rec.Body.String(), rec.Header()}
}

const one, other = "192.0.2.1:1000", "198.51.100.1:1000"

// fill has n requests of somebody under way.
func (c *crowd) fill(t *testing.T, n int, address, who string) (answers chan answer) {
	t.Helper()
	answers = make(chan answer, n)
	for range n {
		go func() { answers <- c.from(address, who, `{"query":"{ dear }"}`) }()
	}
	for range n {
		select {
		case <-c.inside:
		case got := <-answers:
			t.Fatalf("refused: %d %s", got.status, got.text)
		}
	}
	return answers
}

func (c *crowd) refuses(t *testing.T, got answer, code string) {
	t.Helper()
	if got.status != http.StatusTooManyRequests || !strings.Contains(got.text, code) || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", got.status, got.text)
	}
}

// TestShareOfRequests holds that one client has at most its share of the requests under way, whatever it calls itself, and
// that others are answered then.
func TestShareOfRequests(t *testing.T) {
	t.Parallel()
	few := func(c *server.Config) { c.Limits.ConcurrentRequests, c.Clients.Shares.Requests = 100, 8 }
	for name, c := range map[string]struct {
		address, who  string
		again         [][2]string // that are the same client
		others        [][2]string
		unknownHeader string
	}{
		"a customer":         {one, "ann", [][2]string{{other, "ann"}, {"[2001:db8::1]:1", "ann"}}, [][2]string{{one, "bob"}, {one, ""}, {one, "staff-1"}}, ""},
		"an address":         {one, "", [][2]string{{"192.0.2.1:9", ""}, {"[::ffff:192.0.2.1]:9", ""}}, [][2]string{{other, ""}, {one, "ann"}, {"192.0.2.2:1000", ""}}, ""},
		"an IPv6 network":    {"[2001:db8:1:2::1]:1", "", [][2]string{{"[2001:db8:1:2:ffff:ffff:ffff:ffff]:2", ""}}, [][2]string{{"[2001:db8:1:3::1]:1", ""}}, ""},
		"a header of a liar": {one, "", [][2]string{{"192.0.2.1:9", ""}}, nil, "203.0.113.9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newCrowd(t, few)
			s.fill(t, 8, c.address, c.who)
			for _, same := range append(c.again, [2]string{c.address, c.who}) {
				s.refuses(t, s.from(same[0], same[1], `{"query":"{ dear }"}`, "X-Forwarded-For", c.unknownHeader), "TOO_MANY_REQUESTS")
				s.refuses(t, s.from(same[0], same[1], `[{"query":"{ dear }"},{"query":"{ dear }"}]`), "TOO_MANY_REQUESTS")
			}
			for _, o := range c.others {
				if got := s.from(o[0], o[1], `{"query":"{ __typename }"}`); got.status != http.StatusOK || !strings.Contains(got.text, `"data"`) {
					t.Errorf("%v: %d %s", o, got.status, got.text)
				}
			}
			if text := s.do(t, http.MethodGet, "/metrics", ""); !strings.Contains(text, `lethe_router_shares_refused_total{resource="requests"} `) {
				t.Error("it is not counted")
			}
		})
	}
}

// TestSharesAreGivenBack holds that what has ended counts no more, however it ended.
func TestSharesAreGivenBack(t *testing.T) {
	t.Parallel()
	s := newCrowd(t, func(c *server.Config) { c.Limits.ConcurrentRequests, c.Clients.Shares.Requests = 100, 8 })
	answers := s.fill(t, 8, one, "ann")
	s.refuses(t, s.from(one, "ann", `{"query":"{ dear }"}`), "TOO_MANY_REQUESTS")
	s.release()
	for range 8 {
		if got := <-answers; got.status != http.StatusOK {
			t.Errorf("%d %s", got.status, got.text)
		}
	}
	for _, body := range []string{`{"query":"{ dear }"}`, `{"query":"{ nothing }"}`, `{"query":`, `[{"query":"{ dear }"},{"query":"{"}]`, asJSON(t, `{ page(first: 9999) { nodes { id } } }`, "")} {
		for range 30 {
			if got := s.from(one, "ann", body); strings.Contains(got.text, "TOO_MANY") {
				t.Fatalf("%s: %d %s", body, got.status, got.text)
			}
		}
	}
}

// TestTrustedProxies holds whose address counts behind proxies: the last that none of them wrote.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	s := newCrowd(t, func(c *server.Config) {
		c.Limits.ConcurrentRequests, c.Clients.Shares.Requests = 100, 8
		c.Clients.TrustedProxies = []string{"192.0.2.1", "10.0.0.0/8"}
	})
	answers := make(chan answer, 8)
	for i := range 8 {
		go func() {
			answers <- s.from(one, "", `{"query":"{ dear }"}`, "X-Forwarded-For", fmt.Sprintf("203.0.113.%d, 198.51.100.7, 10.1.2.3", i))
		}()
		<-s.inside
	}
	for header, same := range map[string]bool{
		"198.51.100.7": true, "203.0.113.200,198.51.100.7": true, "198.51.100.7:4711, 10.9.9.9": true, "203.0.113.1": false, "198.51.100.8": false, "198.51.100.7, 203.0.113.1": false,
	} {
		got := s.from(one, "", `{"query":"{ __typename }"}`, "X-Forwarded-For", header)
		if strings.Contains(got.text, "TOO_MANY_REQUESTS") != same {
			t.Errorf("%s: %s", header, got.text)
		}
	}
	if got := s.from(other, "", `{"query":"{ __typename }"}`, "X-Forwarded-For", "198.51.100.7"); got.status != http.StatusOK {
		t.Errorf("who is no proxy speaks for another: %s", got.text)
	}
}

// TestShareForStaff holds that staff is answered while everybody else has all that they may.
func TestShareForStaff(t *testing.T) {
	t.Parallel()
	s := newCrowd(t, func(c *server.Config) {
		c.Limits.ConcurrentRequests, c.Clients.Shares.Requests = 100, 100
		c.Limits.QueueLength, c.Clients.Shares.Waiting = 100, 100
	})
	for range 90 { // some of them wait for memory
		go s.from(one, "", `{"query":"{ dear }"}`)
	}
	s.figure(t, "lethe_router_requests_in_flight 90")
	if got := s.from(other, "ann", `{"query":"{ __typename }"}`); got.status != http.StatusServiceUnavailable || !strings.Contains(got.text, "OVERLOADED") {
		t.Errorf("%d %s", got.status, got.text)
	}
	if got := s.from(one, "staff-1", `{"query":"{ __typename }"}`); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.text)
	}
}

// figure waits until a line stands among the metrics.
func (c *crowd) figure(t *testing.T, line string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && t.Context().Err() == nil; runtime.Gosched() {
		if strings.Contains(c.do(t, http.MethodGet, "/metrics", ""), "\n"+line+"\n") {
			return
		}
	}
	t.Fatalf("%s is not among the metrics", line)
}

// TestShareOfTheQueue holds that one client cannot have the whole queue for memory: where it has its share, others still
// wait their turn, and are answered.
func TestShareOfTheQueue(t *testing.T) {
	t.Parallel()
	s := newCrowd(t, func(c *server.Config) {
		c.Limits.ConcurrentRequests, c.Clients.Shares.Requests = 90, 90
		c.Limits.QueueLength, c.Clients.Shares.Waiting = 20, 5
		c.Limits.QueueTime, c.Timeout = "5m", "10m"
	})
	var all sync.WaitGroup
	refused, waiting := 0, 0
	answers := make(chan answer, 90)
	for refused == 0 {
		all.Go(func() { answers <- s.from(one, "ann", `{"query":"{ dear }"}`) })
		// It is with the subgraph, or refused, or waits.
		for settled := false; !settled; runtime.Gosched() {
			select {
			case <-s.inside:
				settled = true
			case got := <-answers:
				s.refuses(t, got, "TOO_MANY_REQUESTS")
				refused, settled = refused+1, true
			default:
				if strings.Contains(s.do(t, http.MethodGet, "/metrics", ""), fmt.Sprintf("\nlethe_router_requests_waiting %d\n", waiting+1)) {
					waiting, settled = waiting+1, true
				}
			}
		}
	}
	if waiting != 5 {
		t.Errorf("%d wait", waiting)
	}
	bobs := make(chan answer, 1)
	all.Go(func() { bobs <- s.from(one, "bob", `{"query":"{ dear }"}`) })
	s.figure(t, "lethe_router_requests_waiting 6")
	s.release()
	if got := <-bobs; got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.text)
	}
	all.Wait()
}

// TestShareOfUploads holds the same of files, from their first byte on.
func TestShareOfUploads(t *testing.T) {
	t.Parallel()
	s := newCrowd(t, func(c *server.Config) { c.Clients.Shares.Uploads = 2 })
	const form = "--x\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n" +
		`{"query":"mutation($file: Upload) { put(file: $file) { id } }","variables":{"file":null}}` +
		"\r\n--x\r\nContent-Disposition: form-data; name=\"map\"\r\n\r\n{\"0\":[\"variables.file\"]}\r\n--x\r\nContent-Disposition: form-data; name=\"0\"; filename=\"a\"\r\n\r\ntext\r\n--x--\r\n"
	send := func(who string) answer {
		return s.from(one, who, form, "Content-Type", "multipart/form-data; boundary=x", "GraphQL-Require-Preflight", "1")
	}
	for range 2 {
		go send("ann")
		<-s.inside
	}
	s.refuses(t, send("ann"), "TOO_MANY_UPLOADS")
	go send("bob")
	<-s.inside
}

// dialAs opens a WebSocket, on which somebody is who it says with connection_init.
func (c *crowd) dialAs(t *testing.T, who string) (*websocket.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, c.url, &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	if err := wsjson.Write(ctx, conn, map[string]any{"type": "connection_init", "payload": map[string]any{"Authorization": who}}); err != nil {
		return nil, err
	}
	_, _, err = conn.Read(ctx)
	return conn, err
}

// TestShareOfSubscriptions has one customer open as many sockets and subscriptions as it may, and more: the next customer,
// at the same address, subscribes as if nothing were.
func TestShareOfSubscriptions(t *testing.T) {
	t.Parallel()
	s := newCrowd(t, func(c *server.Config) {
		c.Subscriptions.Streams, c.Subscriptions.Sockets, c.Subscriptions.PerSocket = 60, 60, 10
		c.Clients.Shares.Subscriptions, c.Clients.Shares.Sockets = 20, 4
	})
	var conns []*websocket.Conn
	for range 4 {
		conn, err := s.dialAs(t, "ann")
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	var closed websocket.CloseError
	if _, err := s.dialAs(t, "ann"); !errors.As(err, &closed) || closed.Code != websocket.StatusTryAgainLater {
		t.Errorf("a socket too many: %v", err)
	}
	begun, refused := 0, 0
	for _, conn := range conns {
		for i := range 10 {
			if err := wsjson.Write(t.Context(), conn, map[string]any{"id": fmt.Sprint(i), "type": "subscribe", "payload": map[string]any{"query": "subscription { ticks(first: 1) { id } }"}}); err != nil {
				t.Fatal(err)
			}
			var got struct {
				Type    string
				Payload json.RawMessage
			}
			if err := wsjson.Read(t.Context(), conn, &got); err != nil {
				t.Fatal(err)
			}
			switch {
			case got.Type == "next":
				begun++
			case got.Type == "error" && strings.Contains(string(got.Payload), "TOO_MANY_SUBSCRIPTIONS"):
				refused++
			default:
				t.Fatalf("%s %s", got.Type, got.Payload)
			}
		}
	}
	if begun != 20 || refused != 20 {
		t.Errorf("%d begun, %d refused", begun, refused)
	}
	s.refuses(t, s.from(other, "ann", `{"query":"subscription { ticks(first: 1) { id } }"}`, "Accept", "text/event-stream"), "TOO_MANY_SUBSCRIPTIONS")
	conn, err := s.dialAs(t, "bob")
	if err != nil {
		t.Fatal(err)
	}
	if err := wsjson.Write(t.Context(), conn, map[string]any{"id": "1", "type": "subscribe", "payload": map[string]any{"query": "subscription { ticks(first: 1) { id } }"}}); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.Read(t.Context()); err != nil || !strings.Contains(string(got), `"next"`) {
		t.Errorf("%s %v", got, err)
	}
}
