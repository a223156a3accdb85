package server_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/lethe/lethe/router/server"
)

const listQuery = `{ products { id name } }`

// many gives a subgraph's answer with n products, and in the end what else is given.
func many(n int, end string) string {
	var b strings.Builder
	b.WriteString(`{"data":{"products":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"p%d","name":"The product with the number %d, of which there is more to tell"}`, i, i)
	}
	return b.String() + `]}` + end + `}`
}

// frontOf serves a router as its process does and gives its address.
func frontOf(t *testing.T, s *shop) string {
	t.Helper()
	front := httptest.NewUnstartedServer(s)
	front.Listener = s.Front(front.Listener)
	front.Start()
	t.Cleanup(front.Close)
	t.Cleanup(s.Close)
	return front.URL + "/graphql"
}

// TestLargeAnswers has clients of all kinds ask for an answer that is sent in pieces, twice on each connection.
func TestLargeAnswers(t *testing.T) {
	t.Parallel()
	whole := many(20_000, "")
	s := newShop(t, map[string]script{"products": says(whole)})
	address := frontOf(t, s)
	body := `{"query":"` + listQuery + `"}`
	get := address + "?query=" + url.QueryEscape(listQuery)
	registered := registration(t, listQuery, hashed(listQuery))
	for name, c := range map[string]struct {
		method, to, body, coding string
		chunked                  bool
		want                     string
	}{
		"post":        {"POST", address, body, "identity", false, whole},
		"post, gzip":  {"POST", address, body, "gzip", true, whole},
		"post, zstd":  {"POST", address, body, "zstd", true, whole},
		"get":         {"GET", get, "", "identity", false, whole},
		"get, gzip":   {"GET", get, "", "gzip", true, whole},
		"batch":       {"POST", address, `[` + body + `,` + body + `,{"query":"{ __typename }"}]`, "identity", false, `[` + whole + `,` + whole + `,{"data":{"__typename":"Query"}}]`},
		"batch, gzip": {"POST", address, `[` + body + `]`, "gzip", true, `[` + whole + `]`},
		"persisted":   {"POST", address, registered, "identity", false, whole},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := http.Client{Transport: &http.Transport{DisableCompression: true}}
			defer client.CloseIdleConnections()
			for range 2 {
				r, err := http.NewRequestWithContext(context.Background(), c.method, c.to, strings.NewReader(c.body))
				if err != nil {
					t.Fatal(err)
				}
				if c.method == http.MethodPost {
					r.Header.Set("Content-Type", plain)
				}
				r.Header.Set("Accept-Encoding", c.coding)
				resp, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				text := plainText(t, resp.Header, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK || text != c.want {
					t.Fatalf("%d, %d bytes, want %d: %.200s", resp.StatusCode, len(text), len(c.want), text)
				}
				if got := resp.ContentLength < 0; got != c.chunked || !c.chunked && resp.ContentLength != int64(len(c.want)) {
					t.Errorf("Content-Length %d", resp.ContentLength)
				}
				if got := resp.Header.Get("Content-Type"); got != plain+"; charset=utf-8" {
					t.Errorf("type %q", got)
				}
			}
		})
	}
}

// plainText reads a body without its coding.
func plainText(t *testing.T, h http.Header, body io.Reader) string {
	t.Helper()
	var err error
	switch h.Get("Content-Encoding") {
	case "gzip":
		body, err = gzip.NewReader(body)
	case "zstd":
		body, err = zstd.NewReader(body)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestLargeAnswersToOldClients holds that HTTP/1.0, which knows no chunks, and HEAD are answered as they must be.
func TestLargeAnswersToOldClients(t *testing.T) {
	t.Parallel()
	whole := many(20_000, "")
	address := strings.TrimPrefix(strings.TrimSuffix(frontOf(t, newShop(t, map[string]script{"products": says(whole)})), "/graphql"), "http://")
	body := `{"query":"` + listQuery + `"}`
	for name, head := range map[string]string{
		"HTTP/1.0":       "POST /graphql HTTP/1.0\r\nHost: x\r\n",
		"HTTP/1.0, gzip": "POST /graphql HTTP/1.0\r\nHost: x\r\nAccept-Encoding: gzip\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := fmt.Fprintf(conn, "%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", head, len(body), body); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			if len(resp.TransferEncoding) > 0 {
				t.Errorf("in %v", resp.TransferEncoding)
			}
			if text := plainText(t, resp.Header, resp.Body); text != whole {
				t.Errorf("%d bytes, want %d", len(text), len(whole))
			}
		})
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodHead, "http://"+address+"/graphql?query="+url.QueryEscape(listQuery), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("HEAD: %d", resp.StatusCode)
	}
}

// TestLargeAnswersWithErrors holds that errors come after the data, and that nothing is sent of what turns out to be null.
func TestLargeAnswersWithErrors(t *testing.T) {
	t.Parallel()
	whole := many(20_000, "")
	lacking := strings.Replace(whole, `"name":"The product with the number 19999, of which there is more to tell"`, `"name":null`, 1)
	data := strings.TrimSuffix(whole, "}")
	for name, c := range map[string]struct{ answer, want string }{
		"a subgraph's":         {many(20_000, `,"errors":[{"message":"not all of it","path":["products"]}]`), data + `,"errors":[{"message":"not all of it","path":["products"],"extensions":{"code":"SUBGRAPH_ERROR","service":"products"}}],"extensions":{"requestId":"request-of-test"}}`},
		"a null at its end":    {lacking, `{"data":{"products":null},"errors":[{"message":"Cannot return null for non-nullable field Product.name.","path":["products",19999,"name"],"extensions":{"code":"NULL_IN_NON_NULL_FIELD"}}],"extensions":{"requestId":"request-of-test"}}`},
		"no JSON at its end":   {whole[:len(whole)-3], `SUBGRAPH_INVALID_RESPONSE`},
		"more than is allowed": {many(60_000, ""), `"Service products answered with more than is taken: ask for less at once."`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, map[string]script{"products": says(c.answer)}, func(o *server.Options) { o.Config.Limits.SubgraphResponseBytes = 3 << 20 })
			r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, frontOf(t, s), strings.NewReader(`{"query":"`+listQuery+`"}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", plain)
			r.Header.Set("X-Request-Id", "request-of-test")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			text := plainText(t, resp.Header, resp.Body)
			if text != c.want && !(len(c.want) < 200 && strings.Contains(text, c.want)) {
				t.Errorf("%d bytes, want %d: …%s", len(text), len(c.want), text[max(0, len(text)-300):])
			}
		})
	}
}

// TestLargeDeferredAnswer holds that what is deferred comes after a large beginning.
func TestLargeDeferredAnswer(t *testing.T) {
	t.Parallel()
	const n = 20_000
	s := newShop(t, map[string]script{
		"products": says(many(n, "")),
		"stock":    entities(func(string) string { return `{"stock":1}` }),
	})
	resp := asks(context.Background(), t, frontOf(t, s), acceptDefer, `{ products { id name } ... @defer { product(id: "p1") { id } } }`, `{}`)
	r := partsOf(t, resp)
	if got, want := nextPart(t, r), strings.TrimSuffix(many(n, ""), "}")+`,"hasNext":true}`; got != want {
		t.Fatalf("%d bytes, want %d: …%s", len(got), len(want), got[max(0, len(got)-100):])
	}
	if got := nextPart(t, r); !strings.Contains(got, `"hasNext":false`) {
		t.Errorf("%s", got)
	}
}

// TestLargeAnswersAreShared has two clients ask for the same while the subgraph holds back its answer.
func TestLargeAnswersAreShared(t *testing.T) {
	t.Parallel()
	whole := many(20_000, "")
	for _, clients := range []int{1, 3} {
		release := make(chan struct{})
		s := newShop(t, map[string]script{"products": func(asking) (int, string) {
			<-release
			return http.StatusOK, whole
		}}, func(o *server.Options) { o.Config.ShareInFlight = true })
		address := frontOf(t, s)
		var all sync.WaitGroup
		for range clients {
			all.Go(func() {
				resp := asks(context.Background(), t, address, "", listQuery, `{}`)
				if text := plainText(t, resp.Header, resp.Body); text != whole {
					t.Errorf("%d bytes, want %d", len(text), len(whole))
				}
			})
		}
		for s.Waiting() < clients-1 {
			runtime.Gosched()
		}
		close(release)
		all.Wait()
		if n := len(s.asked("products")); n != 1 {
			t.Errorf("%d clients: the subgraph was asked %d times", clients, n)
		}
	}
}

// TestClientGoesAway holds that a request ends when its client leaves in the middle of a large answer.
func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{"products": says(many(200_000, ""))})
	address := frontOf(t, s)
	for _, accept := range []string{"identity", "gzip"} {
		conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(address, "http://"), "/graphql"))
		if err != nil {
			t.Fatal(err)
		}
		body := `{"query":"` + listQuery + `"}`
		if _, err := fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAccept-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s", accept, len(body), body); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		for inFlight(t, s) > 0 {
			runtime.Gosched()
		}
	}
	send(t, s, post(`{"query":"{ __typename }"}`)).is(t, "")
}

// inFlight reads how many requests are under way.
func inFlight(t *testing.T, s *shop) int {
	t.Helper()
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	const name = "\nlethe_router_requests_in_flight "
	_, rest, ok := strings.Cut(rec.Body.String(), name)
	var n int
	if _, err := fmt.Sscan(rest, &n); !ok || err != nil {
		t.Fatalf("no %s: %v", name, err)
	}
	return n
}

// slow is a client that notes until when it may read, and goes away after so many writes.
type slow struct {
	header    http.Header
	deadlines []time.Time
	writes    int
	last      int
}

func (s *slow) SetWriteDeadline(d time.Time) error {
	s.deadlines = append(s.deadlines, d)
	return nil
}

func (s *slow) FlushError() error { return nil }

func (s *slow) Header() http.Header { return s.header }

func (s *slow) WriteHeader(int) {}

func (s *slow) Write(b []byte) (int, error) {
	if s.writes++; s.writes > s.last {
		return 0, net.ErrClosed
	}
	return len(b), nil
}

// TestSlowReaders holds that a client has a minute for an answer, in which it holds what the subgraphs said, and that one
// which is not there any more is not told that the answer ended.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{"products": says(many(20_000, ""))})
	patient := &slow{header: http.Header{}, last: 1000}
	began := time.Now()
	s.ServeHTTP(patient, post(`{"query":"`+listQuery+`"}`))
	if d := patient.deadlines; len(d) != 2 || d[0].Before(began) || d[0].After(time.Now().Add(time.Minute)) || !d[1].IsZero() {
		t.Errorf("%v", d)
	}
	gone := &slow{header: http.Header{}, last: 2}
	func() {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler { //nolint:errorlint // it is this very value
				t.Errorf("%v", v)
			}
		}()
		s.ServeHTTP(gone, post(`{"query":"`+listQuery+`"}`))
	}()
	if gone.writes != gone.last+1 {
		t.Errorf("%d writes", gone.writes)
	}
}
