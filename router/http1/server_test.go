package http1_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe/lethe/router/http1"
)

// echo answers with all that it knows of a request.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var names []string
	for name := range r.Header {
		if name != "Content-Length" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s %s %s %d %q", r.Method, r.RequestURI, r.Host, r.ContentLength, body)
	for _, n := range names {
		fmt.Fprintf(&out, " %s=%q", n, r.Header[n])
	}
	w.Header().Set("X-Echo", "1")
	if r.Header.Get("X-Long") != "" {
		out.WriteString(strings.Repeat("x", 50_000))
	}
	if r.Header.Get("X-Pieces") == "" {
		w.Header().Set("Content-Length", fmt.Sprint(out.Len()))
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(out.Bytes())
		return
	}
	for b := range bytes.SplitSeq(out.Bytes(), []byte(" ")) {
		_, _ = w.Write(b)
	}
}

// serve starts an HTTP server, with ours before it or without, and gives its address.
func serve(t testing.TB, ours bool, h http.HandlerFunc) (addr string, front *http1.Listener) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = ln.Addr().String()
	if ours {
		front = http1.Listen(ln, http1.Options{Path: "/graphql", Handler: h})
		ln = front
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	var ended sync.WaitGroup
	ended.Go(func() { _ = s.Serve(ln) })
	t.Cleanup(func() {
		_ = s.Close()
		ended.Wait()
		if front != nil {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			front.Drain(ctx)
		}
	})
	return addr, front
}

// converse sends bytes and reads all answers to them, as status and body.
func converse(t testing.TB, addr string, raw []byte, piecewise bool) []string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	go func() {
		if piecewise {
			for i := range raw {
				if _, err := conn.Write(raw[i : i+1]); err != nil {
					return
				}
			}
		} else if _, err := conn.Write(raw); err != nil {
			return
		}
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	r := bufio.NewReader(conn)
	var out []string
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return out
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return append(out, "cut")
		}
		out = append(out, fmt.Sprintf("%d %s %s", resp.StatusCode, resp.Header.Get("X-Echo"), body))
		if resp.StatusCode == http.StatusAccepted && resp.Header.Get("Date") == "" {
			out = append(out, "no date")
		}
	}
}

// agreed converses again where the last answer was lost and nothing else is wrong: a server that closes a connection on
// which more is on its way resets it. Any other difference stands at once, and so does an answer that is lost each time.
func agreed(t testing.TB, addr string, raw []byte, piecewise bool, want []string) []string {
	t.Helper()
	var got []string
	for range 10 {
		got = converse(t, addr, raw, piecewise)
		whole := got
		if n := len(whole); n > 0 && whole[n-1] == "cut" {
			whole = whole[:n-1]
		}
		if len(whole) != len(want)-1 || !slices.Equal(whole, want[:len(whole)]) {
			break
		}
	}
	return got
}

const (
	post1 = "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: 5\r\n\r\nhello"
	post2 = "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: 9\r\n\r\ngood-bye!"
	post3 = "POST /graphql HTTP/1.1\r\nhost: other\r\ncontent-type: application/json; charset=utf-8\r\nx-a: 1\r\nX-A: 2\r\nX-Pieces: 1\r\nContent-Length: 0\r\n\r\n"
)

// requests are what clients may send, well or badly: each is to be answered as net/http answers it.
var requests = map[string]string{
	"one": post1, "two": post1 + post2, "others after": post1 + post3 + post1,
	"long answer":         "POST /graphql HTTP/1.1\r\nHost: h\r\nX-Long: 1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\nok" + post1,
	"get":                 "GET /graphql?query=x HTTP/1.1\r\nHost: h\r\n\r\n" + post1,
	"get after":           post1 + "GET /graphql?query=x HTTP/1.1\r\nHost: h\r\n\r\n" + post1,
	"another path":        strings.Replace(post1, "/graphql", "/health", 1),
	"a query string":      strings.Replace(post1, "/graphql", "/graphql?a=b", 1),
	"an absolute target":  strings.Replace(post1, "/graphql", "http://h/graphql", 1),
	"in chunks":           "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + post1,
	"chunks and a length": "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	"two lengths":         "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
	"equal lengths":       "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
	"no length":           "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\r\n" + post1,
	"a signed length":     "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: +3\r\n\r\nabc",
	"no host":             "POST /graphql HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\nabc",
	"two hosts":           "POST /graphql HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\nabc",
	"close":               "POST /graphql HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\nabc" + post1,
	"expect":              "POST /graphql HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\nabc",
	"older":               "POST /graphql HTTP/1.0\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\nabc",
	"a bare line feed":    "POST /graphql HTTP/1.1\nHost: h\nContent-Type: application/json\nContent-Length: 3\n\nabc",
	"a folded header":     "POST /graphql HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\nabc",
	"a space in a name":   "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Length : 3\r\nContent-Type: application/json\r\n\r\nabc",
	"a control byte":      "POST /graphql HTTP/1.1\r\nHost: h\r\nX: a\x01b\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\nabc",
	"no header":           "POST /graphql HTTP/1.1\r\n\r\n",
	"form":                "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc" + post1,
	"wants events":        "POST /graphql HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\nabc",
	"cut in the body":     strings.TrimSuffix(post1, "lo"),
	"cut in the head":     "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Le",
	"nonsense":            "\x16\x03\x01\x02\x00\x01",
	"a long body":         "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 90000\r\n\r\n" + strings.Repeat("y", 90000) + post1,
	"a header too long":   "POST /graphql HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("y", 2<<20) + "\r\n\r\n",
	"a fair body":         "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 30000\r\n\r\n" + strings.Repeat("y", 30000) + post1,
}

func TestAnswersAsNetHTTPDoes(t *testing.T) {
	t.Parallel()
	ours, _ := serve(t, true, echo)
	theirs, _ := serve(t, false, echo)
	for name, raw := range requests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := converse(t, theirs, []byte(raw), false)
			for _, piecewise := range []bool{false, true} {
				if piecewise && len(raw) > 1000 {
					continue
				}
				if got := agreed(t, ours, []byte(raw), piecewise, want); !slices.Equal(got, want) {
					t.Errorf("piecewise %v:\ngot  %.300q\nwant %.300q", piecewise, got, want)
				}
			}
		})
	}
}

// TestStop stops a server with a request under way: it is answered, connections that wait are closed, and new ones are
// refused.
func TestStop(t *testing.T) {
	t.Parallel()
	began, finish := make(chan struct{}), make(chan struct{})
	addr, front := serve(t, true, func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-finish
		echo(w, r)
	})
	waiting, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = waiting.Close() }()
	answer := make(chan []string)
	go func() { answer <- converse(t, addr, []byte(post1), false) }()
	<-began
	stopped := make(chan struct{})
	go func() { front.Drain(context.Background()); close(stopped) }()
	if _, err := waiting.Read(make([]byte, 1)); err == nil {
		t.Error("a connection that waits got an answer")
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		_ = c.Close()
		t.Error("a new connection was taken")
	}
	close(finish)
	if got := <-answer; len(got) != 1 || !strings.HasPrefix(got[0], "202") {
		t.Errorf("the request under way: %q", got)
	}
	<-stopped
}

// FuzzRequest has a client send anything: it is answered as net/http answers it.
func FuzzRequest(f *testing.F) {
	for _, raw := range requests {
		if len(raw) < 10_000 {
			f.Add([]byte(raw))
		}
	}
	for _, raw := range table() {
		f.Add([]byte(raw))
	}
	ours, _ := serve(f, true, echo)
	theirs, _ := serve(f, false, echo)
	f.Fuzz(func(t *testing.T, raw []byte) {
		want := converse(t, theirs, raw, false)
		got := agreed(t, ours, raw, false, want)
		if !slices.Equal(got, want) {
			t.Errorf("got  %.300q\nwant %.300q", got, want)
		}
	})
}
