package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
)

// listener is a client that follows a stream over HTTP.
type listener struct {
	t      *testing.T
	status int
	header http.Header
	events chan string // server-sent ones as "name data"
	leave  context.CancelFunc
}

// listen asks for server-sent events.
func listen(t *testing.T, url, query string, header ...string) *listener {
	t.Helper()
	l := &listener{t: t, events: make(chan string, 100)}
	resp := l.post(url, query, append([]string{"Accept", "text/event-stream"}, header...))
	go func() {
		defer close(l.events)
		defer func() { _ = resp.Body.Close() }()
		in := bufio.NewScanner(resp.Body)
		name := ""
		for in.Scan() {
			field, value, _ := strings.Cut(in.Text(), ":")
			switch field {
			case "event":
				name = strings.TrimSpace(value)
			case "data":
				l.events <- strings.TrimSpace(name + value)
			}
		}
	}()
	return l
}

func (l *listener) post(url, query string, header []string) *http.Response {
	l.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l.leave = cancel
	l.t.Cleanup(cancel)
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		l.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(body)))
	if err != nil {
		l.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	l.status, l.header = resp.StatusCode, resp.Header
	return resp
}

// hear waits for the next event, which has to be want.
func (l *listener) hear(want string) {
	l.t.Helper()
	if got := await(l.t, l.events, "event "+want); got != want {
		l.t.Fatalf("got  %s\nwant %s", got, want)
	}
}

// hearPart waits for the next event, which has to hold all of parts.
func (l *listener) hearPart(parts ...string) {
	l.t.Helper()
	got := await(l.t, l.events, "event")
	for _, want := range parts {
		if !strings.Contains(got, want) {
			l.t.Fatalf("got  %s\nwant %s in it", got, want)
		}
	}
}

// hearEnd waits for the end of the stream.
func (l *listener) hearEnd() {
	l.t.Helper()
	if got := await(l.t, l.events, "end"); got != "" {
		l.t.Fatalf("after the end came %s", got)
	}
}

// firstEvent gives the first response of a subscription at subgraphs that answer it like a query: with one event.
func firstEvent(t *testing.T, h http.Handler, query string, variables map[string]any) response {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	_, event, _ := strings.Cut(rec.Body.String(), "event: next\ndata: ")
	event, _, _ = strings.Cut(event, "\n")
	var out response
	if err := json.Unmarshal([]byte(event), &out); err != nil {
		t.Fatalf("%v: %s", err, rec.Body)
	}
	return out
}

func stock(of func(id string) string) script { return entities(of) }

func TestSubscriptionAsksOtherSubgraphsForEachEvent(t *testing.T) {
	t.Parallel()
	s, tell, url := following(t, map[string]script{
		"stock": stock(func(id string) string { return `{"stock":` + id[1:] + `}` }),
		"reviews": entities(func(string) string {
			return `{"reviews":[{"body":"good","author":{"__typename":"User","id":"u1"}}]}`
		}),
		"people": entities(func(string) string { return `{"name":"Ada"}` }),
	}, func(o *server.Options) {
		o.Outgoing = func(_ context.Context, h http.Header, subgraph string, body []byte) {
			h.Set("Identity", subgraph+string(body[:9]))
		}
	})
	l := listen(t, url, `subscription S { productChanged(id: 1) { id name stock reviews { body author { name } } } }`,
		"X-Request-Id", "request-of-test", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if l.status != 200 || l.header.Get("Content-Type") != "text/event-stream; charset=utf-8" || l.header.Get("X-Request-Id") != "request-of-test" {
		t.Errorf("%d %v", l.status, l.header)
	}
	up := tell.open()
	for header, want := range map[string]string{"X-Request-Id": "request-of-test", "Identity": `products{"query":`, "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"} {
		if up.header.Get(header) != want {
			t.Errorf("%s is %q, want %q", header, up.header.Get(header), want)
		}
	}
	for _, id := range []string{"p1", "p2", "p3"} {
		up.tell <- changed(id, `,"name":"N"`)
		l.hear(`next {"data":{"productChanged":{"id":"` + id + `","name":"N","stock":` + id[1:] + `,"reviews":[{"body":"good","author":{"name":"Ada"}}]}}}`)
	}
	if n := len(s.asked("stock")); n != 3 {
		t.Errorf("stock was asked %d times", n)
	}
	up.tell <- `{"data":{"productChanged":null}}`
	l.hear(`next {"data":{"productChanged":null}}`)
	close(up.tell)
	l.hear("complete")
	l.hearEnd()
}

func TestSubscriptionKeepsTheOrder(t *testing.T) {
	t.Parallel()
	_, tell, url := following(t, map[string]script{"stock": stock(func(string) string { return `{"stock":1}` })})
	l := listen(t, url, `subscription { productChanged(id: 1) { name stock } }`)
	up := tell.open()
	const letters = "abcdefghijklmnopqrstuvwxyz"
	for _, c := range letters {
		up.tell <- changed("p1", `,"name":"`+string(c)+`"`)
	}
	for _, c := range letters {
		l.hear(`next {"data":{"productChanged":{"name":"` + string(c) + `","stock":1}}}`)
	}
}

func TestSubscriptionErrors(t *testing.T) {
	t.Parallel()
	fails := false
	_, tell, url := following(t, map[string]script{"stock": func(a asking) (int, string) {
		if fails = !fails; fails {
			return http.StatusBadGateway, ""
		}
		return stock(func(string) string { return `{"shipping":5}` })(a)
	}})
	l := listen(t, url, `subscription { productChanged(id: 1) { name shipping } }`)
	up := tell.open()
	event := changed("p1", `,"name":"N","price":1`)
	up.tell <- event
	l.hearPart(`"data":{"productChanged":{"name":"N","shipping":null}}`, `"path":["productChanged","shipping"]`, "SUBGRAPH_UNAVAILABLE")
	up.tell <- event
	l.hear(`next {"data":{"productChanged":{"name":"N","shipping":5}}}`)
	up.tell <- `{"data":{"productChanged":null},"errors":[{"message":"no such","path":["productChanged"],"extensions":{"code":"GONE"}}]}`
	l.hearPart(`"data":{"productChanged":null}`, `{"message":"no such","path":["productChanged"],"extensions":{"code":"GONE"}}`)
	up.tell <- `{"data":7}`
	l.hearPart(`"data":{"productChanged":null}`, "SUBGRAPH_INVALID_RESPONSE")
	close(up.lose)
	l.hearPart(`next {"errors":[{"message":"Service products is not available any more: subscribe again."`, "SUBGRAPH_UNAVAILABLE")
	l.hear("complete")
	l.hearEnd()
}

func TestSubscriptionThatASubgraphRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status            int
		contentType, body string
		want              string
	}{
		"errors in JSON": {200, "application/json", `{"errors":[{"message":"no","extensions":{"code":"OUT"}}]}`, `"code":"OUT"`},
		"bad request":    {400, "application/json", `{"errors":[{"message":"no","extensions":{"code":"OUT"}}]}`, `"code":"OUT"`},
		"a page":         {404, "text/html", `<html>`, `"SUBGRAPH_UNAVAILABLE"`},
		"unauthorised":   {401, "application/json", `{"errors":[{"message":"secret"}]}`, `"SUBGRAPH_UNAVAILABLE"`},
		"at once over":   {200, "text/event-stream", "", `"SUBGRAPH_UNAVAILABLE"`},
		"too large":      {200, "text/event-stream", "event: next\ndata: " + strings.Repeat("x", 5000), `"SUBGRAPH_INVALID_RESPONSE"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, url := following(t, nil, func(o *server.Options) {
				o.Config.Limits.SubgraphResponseBytes = 4000
				o.URLs["products"] = serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", c.contentType)
					w.WriteHeader(c.status)
					_, _ = w.Write([]byte(c.body))
				}))
			})
			l := listen(t, url, `subscription { productChanged(id: 1) { name } }`)
			l.hearPart(c.want)
			l.hear("complete")
			l.hearEnd()
		})
	}
}

func TestClientThatGoesClosesTheUpstream(t *testing.T) {
	t.Parallel()
	_, tell, url := following(t, nil)
	l := listen(t, url, `subscription { productChanged(id: 1) { name } }`)
	up := tell.open()
	l.leave()
	await(t, up.gone, "end at the subgraph")
}

func TestStopEndsSubscriptions(t *testing.T) {
	t.Parallel()
	s, tell, url := following(t, nil)
	l := listen(t, url, `subscription { productChanged(id: 1) { name } }`)
	up := tell.open()
	s.Close()
	l.hearEnd() // without complete, so that the client subscribes elsewhere
	await(t, up.gone, "end at the subgraph")
}

func TestEventStreamOfAQuery(t *testing.T) {
	t.Parallel()
	_, _, url := following(t, nil, func(o *server.Options) {
		o.URLs["products"] = serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"data":{"products":[]}}`))
		}))
	})
	for query, want := range map[string]string{
		`{ products { id } }`:                    `next {"data":{"products":[]}}`,
		`{ nothing }`:                            "GRAPHQL_VALIDATION_FAILED",
		`{`:                                      "GRAPHQL_PARSE_FAILED",
		`subscription { productChanged { id } }`: "GRAPHQL_VALIDATION_FAILED",
		`subscription($i: ID!) { productChanged(id: $i) {id}}`: "$i",
	} {
		l := listen(t, url, query)
		if l.status != 200 {
			t.Errorf("%s: %d", query, l.status)
		}
		l.hearPart(want)
		l.hear("complete")
		l.hearEnd()
	}
}

// TestConditionalSubscriptionIsRefused holds that no stream opens for a subscription whose root field may be left out.
func TestConditionalSubscriptionIsRefused(t *testing.T) {
	t.Parallel()
	_, _, url := following(t, nil)
	l := listen(t, url, `subscription($on: Boolean! = true) { productChanged(id: 1) @include(if: $on) { name } }`)
	l.hearPart(`"code":"GRAPHQL_VALIDATION_FAILED"`, "@include")
	l.hear("complete")
	l.hearEnd()
}

func TestSubscriptionLimit(t *testing.T) {
	t.Parallel()
	_, tell, url := following(t, nil, func(o *server.Options) { o.Config.Subscriptions.Streams = 1 })
	const query = `subscription { productChanged(id: 1) { name } }`
	first := listen(t, url, query)
	up := tell.open()
	if l := listen(t, url, query); l.status != http.StatusServiceUnavailable || l.header.Get("Retry-After") == "" {
		t.Errorf("%d %v", l.status, l.header)
	}
	close(up.tell)
	first.hear("complete")
	first.hearEnd()
}

// TestSubscriptionsThroughTheFront holds that what stands before net/http lets streams and sockets through, also on a
// connection that it has answered on before.
func TestSubscriptionsThroughTheFront(t *testing.T) {
	t.Parallel()
	s, tell, _ := following(t, nil)
	front := httptest.NewUnstartedServer(s)
	front.Listener = s.Front(front.Listener)
	front.Start()
	t.Cleanup(front.Close)
	t.Cleanup(s.Close)
	at := front.URL + "/graphql"
	for range 2 {
		before := &listener{t: t}
		resp := before.post(at, `{ __typename }`, nil)
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp.StatusCode, err)
		}
		_ = resp.Body.Close()
		l := listen(t, at, `subscription { productChanged(id: 1) { name } }`)
		up := tell.open()
		up.tell <- changed("p1", `,"name":"N"`)
		l.hear(`next {"data":{"productChanged":{"name":"N"}}}`)
		l.leave()
		await(t, up.gone, "end at the subgraph")
	}
	c := connect(t, at, "")
	c.subscribe("a", `subscription { productChanged(id: 1) { name } }`)
	tell.open().tell <- changed("p1", `,"name":"N"`)
	c.hear(`{"id":"a","type":"next","payload":{"data":{"productChanged":{"name":"N"}}}}`)
}

// TestSubscriptionByGet is what an EventSource sends.
func TestSubscriptionByGet(t *testing.T) {
	t.Parallel()
	_, tell, at := following(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"?query="+url.QueryEscape(`subscription { productChanged(id: 1) { name } }`), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	up := tell.open()
	up.tell <- changed("p1", `,"name":"N"`)
	close(up.tell)
	text, err := io.ReadAll(resp.Body)
	const want = ":\n\nevent: next\ndata: {\"data\":{\"productChanged\":{\"name\":\"N\"}}}\n\nevent: complete\ndata:\n\n"
	if err != nil || string(text) != want {
		t.Errorf("got %q, want %q, %v", text, want, err)
	}
}
