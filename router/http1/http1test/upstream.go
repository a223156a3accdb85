// Package http1test is an HTTP/1.1 server for tests that breaks the protocol in every way that a client may meet: by
// surplus, early, late, cut, mixed and wrongly framed responses, chosen at random from a seed.
package http1test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/lethe/lethe/router/http1"
)

// Options shape an [Upstream].
type Options struct {
	Seed uint64
	// Answer returns the body of the right answer to a request, and a number that is the request's own, by which its
	// misbehaviour is drawn.
	Answer func(header http.Header, body []byte) (answer []byte, number uint64)
	// Echo has responses carry the mark of their request, and the upstream misbehave also in the ways that are seen by it
	// alone.
	Echo bool
	// GiveUp is called where the request with a number is answered only when its client has gone.
	GiveUp func(number uint64)
	// Good is how many of a hundred requests are answered well.
	Good int
}

// Upstream is the server.
type Upstream struct {
	Addr string

	options  Options
	mu       sync.Mutex
	faults   map[uint64]string // the last one by the number of the request
	counts   map[string]int
	attempts map[uint64]uint64
	other    []byte // the right response to a request before
	settled  *sync.Cond
	busy     int // misbehaviours after an answer that are under way
	conns    map[net.Conn]struct{}
	closed   bool
}

// New starts an upstream, which ends with the test.
func New(t testing.TB, o Options) *Upstream {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &Upstream{Addr: ln.Addr().String(), options: o, faults: map[uint64]string{}, counts: map[string]int{}, attempts: map[uint64]uint64{}, conns: map[net.Conn]struct{}{}}
	u.settled = sync.NewCond(&u.mu)
	var open sync.WaitGroup
	t.Cleanup(func() {
		_ = ln.Close()
		u.mu.Lock()
		u.closed = true
		for c := range u.conns {
			_ = c.Close()
		}
		u.mu.Unlock()
		open.Wait()
	})
	open.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			if !u.add(nc) {
				continue
			}
			open.Go(func() {
				defer u.remove(nc)
				s := &speaker{Upstream: u, conn: nc, r: bufio.NewReader(nc)}
				for s.serve() {
				}
			})
		}
	})
	return u
}

func (u *Upstream) add(nc net.Conn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		_ = nc.Close()
		return false
	}
	u.conns[nc] = struct{}{}
	return true
}

func (u *Upstream) remove(nc net.Conn) {
	_ = nc.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.conns, nc)
}

// Settle blocks until what follows the answers so far has arrived at the client.
func (u *Upstream) Settle() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.busy > 0 {
		u.settled.Wait()
	}
}

// Fault returns how the request with a number was last answered; "" for well.
func (u *Upstream) Fault(number uint64) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.faults[number]
}

// Counts returns how often each misbehaviour was shown.
func (u *Upstream) Counts() map[string]int {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := map[string]int{}
	for name, n := range u.counts {
		out[name] = n
	}
	return out
}

// speaker is one connection.
type speaker struct {
	*Upstream
	conn   net.Conn
	r      *bufio.Reader
	rand   *rand.Rand
	asked  int
	number uint64
	mark   string // of the request under way
	answer []byte
	right  []byte // the right response to the request under way
	before []byte // the right response to one before
}

// serve answers one request and reports whether the connection goes on.
func (s *speaker) serve() bool {
	req, err := http.ReadRequest(s.r)
	if err != nil {
		return false
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return false
	}
	s.mark = ""
	if s.options.Echo {
		s.mark = req.Header.Get(http1.ExchangeHeader)
	}
	s.answer, s.number = s.options.Answer(req.Header, body)
	s.right = s.response(s.answer)
	s.mu.Lock()
	s.asked++
	attempt := s.attempts[s.number]
	s.attempts[s.number]++
	if s.before = s.other; s.before == nil {
		s.before = s.right
	}
	s.other = s.right
	s.rand = rand.New(rand.NewPCG(s.options.Seed, s.number<<8|attempt))
	list := faults
	if s.options.Echo {
		list = append(list[:len(list):len(list)], echoed...)
	}
	name, does := "", well
	if s.rand.IntN(100) >= s.options.Good {
		f := list[s.rand.IntN(len(list))]
		name, does = f.name, f.does
		s.counts[name]++
	}
	s.faults[s.number] = name
	// The client may have the answer, and ask again, before it is said here that more follows.
	s.busy++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.busy--
		s.settled.Broadcast()
		s.mu.Unlock()
	}()
	goesOn := does(s)
	if tcp, ok := s.conn.(*net.TCPConn); ok && !goesOn {
		_ = tcp.CloseWrite()
	}
	if name != "" {
		arrived(s.conn)
	}
	if !goesOn {
		_ = s.conn.Close()
	}
	return goesOn
}

// response is a response with a length.
func (s *speaker) response(body []byte, lines ...string) []byte {
	out := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
	if s.mark != "" {
		out = fmt.Appendf(out, "%s: %s\r\n", http1.ExchangeHeader, s.mark)
	}
	if len(lines) == 0 {
		out = fmt.Appendf(out, "Content-Length: %d\r\n", len(body))
	}
	for _, l := range lines {
		out = append(out, l+"\r\n"...)
	}
	return append(append(out, "\r\n"...), body...)
}

// say writes all at once, and reports whether it could.
func (s *speaker) say(parts ...[]byte) bool {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	_, err := s.conn.Write(all)
	return err == nil
}

// chunked is a body in chunks of random sizes.
func (s *speaker) chunked(body []byte) []byte {
	var out []byte
	for len(body) > 0 {
		n := min(len(body), 1+s.rand.IntN(20))
		out = fmt.Appendf(out, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return append(out, "0\r\n\r\n"...)
}
