package http1_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe/lethe/router/http1"
)

// pipes is a listener within the process, for a clock of its own.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestTotalTimes has clients send a byte each four seconds: what they may take is bounded in all, not between two bytes.
func TestTotalTimes(t *testing.T) {
	t.Parallel()
	const head = "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: "
	for name, c := range map[string]struct {
		before, drips, answer string
		within                time.Duration
	}{
		"nothing":                {"", "", "", 10 * time.Second},
		"a head":                 {"", head, "HTTP/1.1 408 ", 10 * time.Second},
		"a body":                 {head + "1000\r\n\r\n", strings.Repeat("x", 1000), "HTTP/1.1 408 ", 11 * time.Second},
		"a body of many bytes":   {head + "60000\r\n\r\n", strings.Repeat("x", 1000), "HTTP/1.1 408 ", 18 * time.Second},
		"nothing after a first":  {post1, "", "HTTP/1.1 202 ", 2 * time.Minute},
		"a head after a first":   {post1, head, "HTTP/1.1 202 ", 18 * time.Second},
		"empty lines at the end": {post1, "\r\n\r\n", "HTTP/1.1 202 ", 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ln := &pipes{make(chan net.Conn), make(chan struct{})}
				front := http1.Listen(ln, http1.Options{Path: "/graphql", Handler: http.HandlerFunc(echo)})
				client, server := net.Pipe()
				began := time.Now()
				ln.conns <- server
				answer := make(chan string)
				go func() {
					text, _ := io.ReadAll(client)
					answer <- string(text)
				}()
				_, _ = io.WriteString(client, c.before)
				var dripping sync.WaitGroup
				dripping.Go(func() {
					for i := range c.drips {
						if _, err := client.Write([]byte{c.drips[i]}); err != nil {
							return
						}
						time.Sleep(4 * time.Second) // of the clock of the test
					}
				})
				got := <-answer
				if took := time.Since(began); took > c.within {
					t.Errorf("the connection was open for %s", took)
				}
				if !strings.HasPrefix(got, c.answer) || c.answer == "" && got != "" {
					t.Errorf("answered %q", got)
				}
				_ = client.Close()
				dripping.Wait()
				front.Drain(t.Context())
			})
		})
	}
}
