package http1_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe/lethe/router/http1"
)

// peer accepts connections and hands each to a script.
func peer(t testing.TB, script func(conn net.Conn, number int)) *http1.Client {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	t.Cleanup(func() { _ = ln.Close(); open.Wait() })
	open.Go(func() {
		for n := 0; ; n++ {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer func() { _ = conn.Close() }()
				script(conn, n)
			})
		}
	})
	c := http1.NewClient(ln.Addr().String(), nil)
	t.Cleanup(c.Close)
	return c
}

// take reads one request off a connection.
func take(conn net.Conn, r *bufio.Reader) ([]byte, error) {
	req, err := http.ReadRequest(r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(req.Body)
}

func post(body string) *http1.Request {
	return &http1.Request{
		Head: []byte("POST /graphql HTTP/1.1\r\nHost: a\r\n"), Body: []byte(body), Repeatable: true, Limit: 1 << 20,
		Deadline: time.Now().Add(20 * time.Second),
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000)
	for name, c := range map[string]struct {
		raw    string
		status int
		body   string
		bad    bool
		kept   bool
	}{
		"with a length":              {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: application/json\r\n\r\nabc", 200, "abc", false, true},
		"without a reason":           {"HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", false, true},
		"empty":                      {"HTTP/1.1 500 No\r\ncontent-length:0\r\n\r\n", 500, "", false, true},
		"no content":                 {"HTTP/1.1 204 No\r\n\r\n", 204, "", false, true},
		"in chunks":                  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", 200, "abc0123456789", false, true},
		"long":                       {"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + long, 200, long, false, true},
		"long, in chunks":            {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186A0\r\n" + long + "\r\n0\r\n\r\n", 200, long, false, true},
		"to the end":                 {"HTTP/1.1 200 OK\r\n\r\nabc", 200, "abc", false, false},
		"and then close":             {"HTTP/1.1 200 OK\r\nConnection: Keep-Alive, Close\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", false, false},
		"of an older version":        {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", false, false},
		"after an early hint":        {"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", false, true},
		"with a long header":         {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 20_000) + "\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", false, true},
		"nothing":                    {"", 0, "", true, false},
		"cut in the head":            {"HTTP/1.1 200 OK\r\nContent-Le", 0, "", true, false},
		"cut in the body":            {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", 0, "", true, false},
		"cut in a chunk":             {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", 0, "", true, false},
		"two lengths":                {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 0, "", true, false},
		"a length and chunks":        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, "", true, false},
		"a negative length":          {"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc", 0, "", true, false},
		"a length with a sign":       {"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc", 0, "", true, false},
		"an encoding unknown":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0, "", true, false},
		"a chunk's size wrong":       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 0, "", true, false},
		"a chunk too long":           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", 0, "", true, false},
		"too large":                  {"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", 0, "", true, false},
		"too large, in chunks":       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n", 0, "", true, false},
		"a header with a space":      {"HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc", 0, "", true, false},
		"a folded header":            {"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 3\r\n\r\nabc", 0, "", true, false},
		"a header's control byte":    {"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 3\r\n\r\nabc", 0, "", true, false},
		"another protocol":           {"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", 0, "", true, false},
		"a status that is no number": {"HTTP/1.1 2x0 OK\r\nContent-Length: 3\r\n\r\nabc", 0, "", true, false},
		"an upgrade":                 {"HTTP/1.1 101 Switching\r\n\r\n", 0, "", true, false},
	} {
		for _, whole := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, whole %v", name, whole), func(t *testing.T) {
				t.Parallel()
				conns := make(chan int, 100)
				client := peer(t, func(conn net.Conn, number int) {
					r := bufio.NewReader(conn)
					for {
						if body, err := take(conn, r); err != nil || string(body) != "question" {
							return
						}
						conns <- number
						if whole || len(c.raw) > 10_000 {
							_, _ = io.WriteString(conn, c.raw)
						} else {
							for i := range len(c.raw) {
								_, _ = io.WriteString(conn, c.raw[i:i+1])
							}
						}
						if !c.kept {
							return
						}
					}
				})
				for i := range 2 {
					got, err := client.Post(context.Background(), post("question"), []byte("before "))
					if c.bad {
						if err == nil {
							t.Fatalf("taken: %d %q", got.Status, got.Body)
						}
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					if got.Status != c.status || string(got.Body) != "before "+c.body {
						t.Fatalf("%d %.100q", got.Status, got.Body)
					}
					if n := <-conns; c.kept && n != 0 || !c.kept && n != i {
						t.Errorf("request %d went over connection %d", i, n)
					}
				}
			})
		}
	}
}

// TestClosedWhileKept has the other side close each connection after its answer, without saying so: what may be sent twice
// is sent again, what may not goes over a connection that is known to live.
func TestClosedWhileKept(t *testing.T) {
	t.Parallel()
	for _, repeatable := range []bool{true, false} {
		t.Run(strconv.FormatBool(repeatable), func(t *testing.T) {
			t.Parallel()
			closed := make(chan struct{}, 100)
			client := peer(t, func(conn net.Conn, _ int) {
				if _, err := take(conn, bufio.NewReader(conn)); err != nil {
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				_ = conn.Close()
				closed <- struct{}{}
			})
			for range 20 {
				req := post("x")
				req.Repeatable = repeatable
				got, err := client.Post(context.Background(), req, nil)
				if err != nil || string(got.Body) != "ok" {
					t.Fatalf("%q %v", got.Body, err)
				}
				<-closed
			}
		})
	}
}

func TestGivenUp(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	client := peer(t, func(conn net.Conn, _ int) {
		r := bufio.NewReader(conn)
		_, _ = take(conn, r)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		if _, err := take(conn, r); err != nil {
			return
		}
		asked <- struct{}{}
		_, _ = conn.Read(make([]byte, 1)) // until the other side goes
	})
	connect := func() { // so that the time goes to the answer
		if _, err := client.Post(context.Background(), post("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	connect()
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-asked; cancel() }()
	if _, err := client.Post(ctx, post("x"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	connect()
	go func() { <-asked }()
	req := post("x")
	req.Deadline = time.Now().Add(20 * time.Millisecond)
	if _, err := client.Post(context.Background(), req, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("late: %v", err)
	}
}

// TestWithRealServer posts bodies of all sizes from many goroutines to net/http's server, which answers in chunks where
// it does not know the length.
func TestWithRealServer(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.Header.Get("X-Flush") != "" {
			for part := range bytes.Lines(body) {
				_, _ = w.Write(part)
				_ = http.NewResponseController(w).Flush()
			}
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	client := http1.NewClient(s.Listener.Addr().String(), nil)
	t.Cleanup(client.Close)
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			var into []byte
			for i := range 50 {
				body := strings.Repeat(fmt.Sprintf("%d of %d\n", i, g), 1+(i*i*37)%9000)
				req := post(body)
				if i%3 == 0 {
					req.Head = append(req.Head, "X-Flush: 1\r\n"...)
				}
				got, err := client.Post(context.Background(), req, into[:0])
				if err != nil || string(got.Body) != body {
					t.Errorf("%d bytes came back as %d: %v", len(body), len(got.Body), err)
					return
				}
				into = got.Body
			}
		})
	}
	all.Wait()
}

// FuzzAnswer has the other side answer with anything: whatever it is, the client ends with an answer or an error.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"HTTP/1.1 103 x\r\n\r\nHTTP/1.0 404 Not\r\nConnection: close\r\n\r\nabc", "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		client := peer(t, func(conn net.Conn, _ int) {
			if _, err := take(conn, bufio.NewReader(conn)); err == nil {
				_, _ = conn.Write(raw)
			}
		})
		req := post("x")
		req.Limit = 1000
		got, err := client.Post(context.Background(), req, nil)
		if err == nil && (len(got.Body) > 1000 || got.Status < 200 || got.Status > 999) {
			t.Errorf("%d, %d bytes", got.Status, len(got.Body))
		}
		// net/http agrees on what it takes as well.
		theirs, theirErr := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
		if err != nil || theirErr != nil || theirs.StatusCode < 200 {
			return
		}
		body, theirErr := io.ReadAll(theirs.Body)
		if theirErr == nil && (theirs.StatusCode != got.Status || !bytes.Equal(body, got.Body)) && got.Status != 204 && got.Status != 304 {
			t.Errorf("%d %q here, %d %q there", got.Status, got.Body, theirs.StatusCode, body)
		}
	})
}
