package server_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/server"
	"github.com/lethe/lethe/schema"
)

// attack is the request that took the catalogue eleven seconds and 600 MB: a batch of ten operations of 70 aliases each, in
// about a kilobyte.
func attack(t testing.TB) *http.Request {
	t.Helper()
	query := "{" + each(70, " a#: products(first: 100) { nodes { category { productCount } } }") + " }"
	list := "[" + strings.TrimSuffix(strings.Repeat(queryOf(t, query)+",", 10), ",") + "]"
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(list))
	_ = w.Close()
	r := httptest.NewRequest(http.MethodPost, "/graphql", &packed)
	r.Header.Set("Content-Type", plain)
	r.Header.Set("Content-Encoding", "gzip")
	return r
}

// newLethe is a router of Lethe's own supergraph, none of whose subgraphs may be asked.
func newLethe(t testing.TB, change ...func(*server.Options)) *server.Server {
	t.Helper()
	o := server.Options{Supergraph: schema.Supergraph(), URLs: map[string]string{}, Log: slog.New(slog.DiscardHandler)}
	untouched := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a subgraph was asked: %s", r.URL)
	}))
	for _, name := range []string{"catalogue", "inventory", "orders", "customers"} {
		o.URLs[name] = untouched
	}
	for _, c := range change {
		c(&o)
	}
	s, err := newServer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestOneSmallRequest sends the attack. That it takes milliseconds shows in what it allocates, on any machine.
func TestOneSmallRequest(t *testing.T) {
	s := newLethe(t)
	r, rec := attack(t), httptest.NewRecorder()
	if r.ContentLength > 1100 {
		t.Fatalf("the attack has %d bytes", r.ContentLength)
	}
	began := time.Now()
	s.ServeHTTP(rec, r)
	t.Logf("refused after %v", time.Since(began))
	var got []struct {
		Data   any
		Errors []struct {
			Message    string
			Extensions struct {
				Code        string
				Cost, Limit float64
			}
		}
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || len(got) != 10 {
		t.Fatalf("%d %v %.400s", rec.Code, err, rec.Body)
	}
	for _, one := range got {
		if one.Data != nil || len(one.Errors) != 1 || one.Errors[0].Extensions.Code != "OPERATION_TOO_EXPENSIVE" || one.Errors[0].Extensions.Cost <= one.Errors[0].Extensions.Limit {
			t.Errorf("%+v", one)
		}
	}
}

// pageShop is a supergraph with a connection of which everything else is cheap.
func pageShop(t testing.TB) string {
	t.Helper()
	result, errs := compose.Compose([]compose.Subgraph{{Name: "pages", URL: "http://127.0.0.1:1", SDL: `
		extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@cost", "@listSize"])
		scalar Upload
		type Query {
			page(first: Int, last: Int): Page @listSize(slicingArguments: ["first", "last"], sizedFields: ["nodes"], requireOneSlicingArgument: false, assumedSize: 20)
			strict(first: Int): [Item!] @listSize(slicingArguments: ["first"])
			plain: [Item!]
			dear: Int @cost(weight: 900)
		}
		type Mutation { put(file: Upload, n: Int): [Item!] @listSize(slicingArguments: ["n"], requireOneSlicingArgument: false) }
		type Subscription { ticks(first: Int): [Item!] @listSize(slicingArguments: ["first"], requireOneSlicingArgument: false) }
		type Page { nodes: [Item!] }
		type Item { id: ID below: [Item!] page(first: Int): Page @listSize(slicingArguments: ["first"], sizedFields: ["nodes"], requireOneSlicingArgument: false) }`}})
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	return result.SDL
}

// pager is a router of the page shop whose limits are 1000, 2000 and 3000, with a subgraph that counts what it is asked.
type pager struct {
	*server.Server
	url string
}

func newPager(t *testing.T, change ...func(*server.Options)) *pager {
	t.Helper()
	subgraph := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Accept"), "event-stream") {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = w.Write([]byte("event: next\ndata: {\"data\":{\"ticks\":[{\"id\":\"1\"},{\"id\":\"2\"}]}}\n\nevent: complete\n\n"))
			return
		}
		w.Header().Set("Content-Type", plain)
		_, _ = w.Write([]byte(`{"data":{"page":{"nodes":[{"id":"1"},{"id":"2"}]},"dear":1,"plain":[],"put":[]}}`))
	}))
	o := server.Options{Supergraph: pageShop(t), URLs: map[string]string{"pages": subgraph}, Log: slog.New(slog.DiscardHandler)}
	o.Config.Demand.MaxCost = server.MaxCost{Anonymous: 1000, SignedIn: 2000, Service: 3000}
	for _, c := range change {
		c(&o)
	}
	s, err := newServer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &pager{s, serve(t, s)}
}

// asJSON is the body of a request.
func asJSON(t testing.TB, query, variables string) string {
	t.Helper()
	if variables == "" {
		variables = "null"
	}
	return strings.TrimSuffix(queryOf(t, query), "}") + `,"variables":` + variables + "}"
}

const pageQuery = `query($n: Int) { page(first: $n) { nodes { id } } }`

// TestTooExpensive asks in every way in which an operation can be asked, each time for what is just allowed and for what is
// just too much.
func TestTooExpensive(t *testing.T) {
	t.Parallel()
	listed := manifest(t, `{"page":"`+pageQuery+`"}`)
	s := newPager(t, func(o *server.Options) { o.Config.TrustedDocuments.Files = []string{listed} })
	vars := func(n int) string { return fmt.Sprintf(`{"n":%d}`, n) }
	postTo := func(body string, header ...string) func(t *testing.T) string {
		return func(t *testing.T) string { return s.do(t, http.MethodPost, "/graphql", body, header...) }
	}
	hash := sha256.Sum256([]byte(pageQuery))
	apq := func(n int, text string) string {
		return fmt.Sprintf(`{%s"variables":%s,"extensions":{"persistedQuery":{"version":1,"sha256Hash":"%x"}}}`, text, vars(n), hash)
	}
	for name, ask := range map[string]func(n int) func(t *testing.T) string{
		"a literal": func(n int) func(*testing.T) string {
			return postTo(asJSON(t, fmt.Sprintf(`{ page(first: %d) { nodes { id } } }`, n), ""))
		},
		"a variable": func(n int) func(*testing.T) string { return postTo(asJSON(t, pageQuery, vars(n))) },
		"a variable's default": func(n int) func(*testing.T) string {
			return postTo(asJSON(t, fmt.Sprintf(`query($n: Int = %d) { page(first: $n) { nodes { id } } }`, n), ""))
		},
		"the other argument": func(n int) func(*testing.T) string {
			return postTo(asJSON(t, `query($n: Int) { page(first: 1, last: $n) { nodes { id } } }`, vars(n)))
		},
		"a fragment": func(n int) func(*testing.T) string {
			return postTo(asJSON(t, `query($n: Int) { ...f } fragment f on Query { page(first: $n) { ...g ...g } } fragment g on Page { nodes { id } }`, vars(n)))
		},
		"under a condition": func(n int) func(*testing.T) string {
			return postTo(asJSON(t, `query($n: Int, $yes: Boolean = true) { page(first: $n) @include(if: $yes) { nodes { id } } dear @skip(if: $yes) }`, vars(n)))
		},
		"GET": func(n int) func(*testing.T) string {
			return func(t *testing.T) string {
				return s.do(t, http.MethodGet, "/graphql?query="+url.QueryEscape(pageQuery)+"&variables="+url.QueryEscape(vars(n)), "")
			}
		},
		"a persisted query": func(n int) func(*testing.T) string {
			return func(t *testing.T) string {
				s.do(t, http.MethodPost, "/graphql", apq(1, `"query":`+strings.TrimPrefix(strings.TrimSuffix(queryOf(t, pageQuery), "}"), `{"query":`)+","))
				return s.do(t, http.MethodPost, "/graphql", apq(n, ""))
			}
		},
		"a trusted document": func(n int) func(*testing.T) string {
			return postTo(`{"documentId":"page","variables":` + vars(n) + `}`)
		},
		"a batch": func(n int) func(*testing.T) string {
			return postTo("[" + asJSON(t, pageQuery, vars(n-401)) + "," + asJSON(t, pageQuery, vars(400)) + "]")
		},
		"a batch of one": func(n int) func(*testing.T) string { return postTo("[" + asJSON(t, pageQuery, vars(n)) + "]") },
		"a file": func(n int) func(*testing.T) string {
			return func(t *testing.T) string {
				return s.upload(t, asJSON(t, `mutation($file: Upload, $n: Int) { put(file: $file, n: $n) { id } }`, fmt.Sprintf(`{"file":null,"n":%d}`, n-9)))
			}
		},
		"an event stream": func(n int) func(*testing.T) string {
			return postTo(asJSON(t, `subscription($n: Int) { ticks(first: $n) { id } }`, vars(n+1)), "Accept", "text/event-stream")
		},
		"a multipart subscription": func(n int) func(*testing.T) string {
			return postTo(asJSON(t, `subscription($n: Int) { ticks(first: $n) { id } }`, vars(n+1)), "Accept", `multipart/mixed;subscriptionSpec="1.0"`)
		},
		"a deferred part": func(n int) func(*testing.T) string {
			return postTo(asJSON(t, `query($n: Int) { dear @skip(if: true) ... @defer { page(first: $n) { nodes { id } } } }`, vars(n)), "Accept", "multipart/mixed;deferSpec=20220824")
		},
		"a WebSocket": func(n int) func(*testing.T) string {
			return func(t *testing.T) string { return s.overSocket(t, asJSON(t, pageQuery, vars(n))) }
		},
		"a subscription over WebSocket": func(n int) func(*testing.T) string {
			return func(t *testing.T) string {
				return s.overSocket(t, asJSON(t, `subscription($n: Int) { ticks(first: $n) { id } }`, vars(n+1)))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := ask(999)(t); strings.Contains(got, "TOO_EXPENSIVE") || !strings.Contains(got, `"data":`) {
				t.Errorf("what may be asked: %s", got)
			}
			got := ask(1000)(t)
			if !strings.Contains(got, "OPERATION_TOO_EXPENSIVE") || !strings.Contains(got, `"cost":1001`) || !strings.Contains(got, `"limit":1000`) || strings.Contains(got, `"data":{`) {
				t.Errorf("what is too much: %s", got)
			}
		})
	}
}

// do sends a request and returns what is answered.
func (s *pager) do(t *testing.T, method, target, body string, header ...string) string {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", plain)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	return rec.Body.String()
}

// upload sends a form with one file for the variable of that name.
func (s *pager) upload(t *testing.T, operations string) string {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, f := range [][2]string{{"operations", operations}, {"map", `{"0":["variables.file"]}`}} {
		if err := w.WriteField(f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	file, err := w.CreateFormFile("0", "a.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.Write([]byte("text"))
	_ = w.Close()
	return s.do(t, http.MethodPost, "/graphql", body.String(), "Content-Type", w.FormDataContentType(), "GraphQL-Require-Preflight", "1")
}

// overSocket runs an operation on a WebSocket of its own and returns the first answer.
func (s *pager) overSocket(t *testing.T, payload string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, s.url, &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	if err := wsjson.Write(ctx, conn, map[string]any{"type": "connection_init"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(ctx); err != nil {
		t.Fatal(err)
	}
	if err := wsjson.Write(ctx, conn, map[string]any{"id": "1", "type": "subscribe", "payload": json.RawMessage(payload)}); err != nil {
		t.Fatal(err)
	}
	_, got, err := conn.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// TestLimitsByIdentity holds that each kind of identity has its own limit.
func TestLimitsByIdentity(t *testing.T) {
	t.Parallel()
	s := newPager(t, asWhom)
	for who, most := range map[string]int{"": 1000, "ann": 2000, "staff-1": 3000} {
		for n, refused := range map[int]bool{most - 1: false, most: true} {
			got := s.do(t, http.MethodPost, "/graphql", asJSON(t, pageQuery, fmt.Sprintf(`{"n":%d}`, n)), "Authorization", who)
			if strings.Contains(got, "OPERATION_TOO_EXPENSIVE") != refused {
				t.Errorf("%q, %d: %s", who, n, got)
			}
			batch := "[" + asJSON(t, pageQuery, fmt.Sprintf(`{"n":%d}`, n-401)) + "," + asJSON(t, pageQuery, `{"n":400}`) + "]"
			if got := s.do(t, http.MethodPost, "/graphql", batch, "Authorization", who); strings.Count(got, "OPERATION_TOO_EXPENSIVE") != map[bool]int{true: 2}[refused] {
				t.Errorf("%q, a batch of %d: %s", who, n, got)
			}
		}
	}
}

// asWhom has the Authorization header name who asks: nobody, a customer, or staff, whose names begin so.
func asWhom(o *server.Options) {
	o.Authenticator = byName{}
	o.Principal = func(ctx context.Context) server.Principal {
		name, _ := ctx.Value(byName{}).(string)
		switch {
		case name == "":
			return server.Principal{}
		case strings.HasPrefix(name, "staff"):
			return server.Principal{Kind: server.Service, Subject: name}
		}
		return server.Principal{Kind: server.SignedIn, Subject: name}
	}
}

type byName struct{}

func (byName) Authenticate(ctx context.Context, header http.Header, _ string) (context.Context, error) {
	return context.WithValue(ctx, byName{}, header.Get("Authorization")), nil
}

// TestModes holds that costs are enforced, or measured, or not looked at.
func TestModes(t *testing.T) {
	t.Parallel()
	for mode, c := range map[string]struct{ code, figure string }{
		"enforce": {"OPERATION_TOO_EXPENSIVE", "lethe_router_operation_estimated_cost_count 2"},
		"measure": {`"data"`, "lethe_router_operation_estimated_cost_count 2"},
		"off":     {`"data"`, "lethe_router_operation_estimated_cost_count 0"},
	} {
		s := newPager(t, func(o *server.Options) { o.Config.Demand.Mode = mode })
		s.do(t, http.MethodPost, "/graphql", asJSON(t, pageQuery, `{"n":1}`))
		if got := s.do(t, http.MethodPost, "/graphql", asJSON(t, pageQuery, `{"n":5000}`)); !strings.Contains(got, c.code) {
			t.Errorf("%s: %s", mode, got)
		}
		if got := s.do(t, http.MethodGet, "/metrics", ""); !strings.Contains(got, c.figure) {
			t.Errorf("%s: %s is not among the metrics", mode, c.figure)
		}
	}
	if got := newPager(t).do(t, http.MethodPost, "/graphql", asJSON(t, `{ strict { id } }`, "")); !strings.Contains(got, "SLICING_ARGUMENT_NEEDED") {
		t.Error(got)
	}
}

// TestCostHeader holds that who asks is told both costs, over every transport, and that they are counted.
func TestCostHeader(t *testing.T) {
	t.Parallel()
	s := newPager(t, func(o *server.Options) { o.Config.Demand.Sample = new(1) })
	type costs struct {
		Extensions struct {
			Cost struct{ Estimated, Actual float64 }
		}
	}
	is := func(name, text string, estimated, actual float64) {
		t.Helper()
		var got costs
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.Extensions.Cost.Estimated != estimated || got.Extensions.Cost.Actual != actual {
			t.Errorf("%s: %v %s", name, err, text)
		}
	}
	asked := asJSON(t, pageQuery, `{"n":50}`)
	is("POST", s.do(t, http.MethodPost, "/graphql", asked, "Lethe-Cost", "1"), 51, 3)
	is("GET", s.do(t, http.MethodGet, "/graphql?query="+url.QueryEscape(`{ dear }`), "", "Lethe-Cost", "1"), 900, 900)
	is("not asked", s.do(t, http.MethodPost, "/graphql", asked), 0, 0)
	is("an event stream of one", event(s.do(t, http.MethodPost, "/graphql", asked, "Lethe-Cost", "1", "Accept", "text/event-stream")), 51, 3)
	stream := s.do(t, http.MethodPost, "/graphql", asJSON(t, `subscription { ticks(first: 9) { id } }`, ""), "Lethe-Cost", "1", "Accept", "text/event-stream")
	is("a subscription", event(stream), 9, 2)
	var batch []json.RawMessage
	if err := json.Unmarshal([]byte(s.do(t, http.MethodPost, "/graphql", "["+asked+","+asked+"]", "Lethe-Cost", "1")), &batch); err != nil || len(batch) != 2 {
		t.Fatal(err, batch)
	}
	is("a batch", string(batch[1]), 51, 3)
	deferred := s.do(t, http.MethodPost, "/graphql", asJSON(t, `{ dear ... @defer { page(first: 2) { nodes { id } } } }`, ""), "Lethe-Cost", "1", "Accept", "multipart/mixed;deferSpec=20220824")
	if !strings.Contains(deferred, `"cost":{"estimated":903}`) {
		t.Error(deferred)
	}
	figures := s.do(t, http.MethodGet, "/metrics", "")
	for _, line := range []string{
		`lethe_router_operation_actual_cost_bucket{le="4"} 6`, `lethe_router_operation_actual_cost_sum 917`, `lethe_router_operation_estimated_cost_sum 2067`,
	} {
		if !strings.Contains(figures, line) {
			t.Errorf("%s is not among the metrics: %s", line, figures[strings.Index(figures, "# HELP lethe_router_operation_actual"):][:900])
		}
	}
}

// event returns the data of the first event of a stream.
func event(stream string) string {
	for line := range strings.Lines(stream) {
		if data, ok := strings.CutPrefix(line, "data:"); ok && strings.TrimSpace(data) != "" {
			return data
		}
	}
	return ""
}

// TestBombs holds that what is sent compressed is bounded by what it unpacks to.
func TestBombs(t *testing.T) {
	s := newPager(t)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	for range 64 { // of a megabyte each
		_, _ = w.Write(bytes.Repeat([]byte(" "), 1<<20))
	}
	_ = w.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := s.do(t, http.MethodPost, "/graphql", packed.String(), "Content-Encoding", "gzip")
	runtime.ReadMemStats(&after)
	if !strings.Contains(got, "PAYLOAD_TOO_LARGE") {
		t.Error(got)
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 8<<20 {
		t.Errorf("%d MB were allocated for a body of %d kB", taken>>20, packed.Len()>>10)
	}
}
