package http1

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Options shape a [Listener].
type Options struct {
	// Path is the one that is answered here; requests for others go to net/http.
	Path string
	// Handler answers. It must be done with the request when it returns, and not need its context to tell that the client
	// has gone.
	Handler http.Handler
	// Times bound what clients may take; the zero value for the defaults.
	Times Times
}

// Times are how long a client may take in all, from the first byte to the last, whatever it sends in between.
type Times struct {
	// Head is for the head of a request, and on a new connection until the first one has come: 10 s by default.
	Head time.Duration
	// Body is for the body, beside a second for each [BodyRate] bytes of it: 10 s by default.
	Body time.Duration
	// Idle is until the next request begins: two minutes by default.
	Idle time.Duration
}

// BodyRate is how many bytes a second a client is expected to send at least, and how many it has to take.
const BodyRate = 8 << 10

// Complete returns the times with their defaults.
func (t Times) Complete() Times {
	return Times{Head: cmp.Or(t.Head, 10*time.Second), Body: cmp.Or(t.Body, 10*time.Second), Idle: cmp.Or(t.Idle, 2*time.Minute)}
}

// tracked is a connection of a listener that bounds how many are open, and closes those that wait when there are too many.
type tracked interface {
	// Wait says that the connection waits for its client since t.
	Wait(t time.Time)
	// Serve says that it is served.
	Serve()
}

const (
	// maxBody bounds the bodies that are taken here: longer ones are read as they come, by net/http.
	maxBody = 64 << 10
	// waitWrite is how long a client may take to read a response.
	waitWrite = time.Minute
	// keptBuffer bounds what a connection that waits keeps for the next request.
	keptBuffer = 16 << 10
)

// Listener answers plain posts of JSON itself. A connection with anything else on it is handed to whoever accepts: an
// http.Server, which then has it for good.
type Listener struct {
	net.Listener
	options Options
	others  chan net.Conn
	done    chan struct{}
	failed  error // why accepting ended; to be read once done is closed
	once    sync.Once

	mu      sync.Mutex
	conns   map[*serving]struct{}
	closing atomic.Bool
	leaving atomic.Bool // connections close after the request that they are at
	open    sync.WaitGroup
}

// Listen begins to accept connections from ln. They are served until [Listener.Close].
func Listen(ln net.Listener, o Options) *Listener {
	o.Times = o.Times.Complete()
	l := &Listener{Listener: ln, options: o, others: make(chan net.Conn), done: make(chan struct{}), conns: map[*serving]struct{}{}}
	go l.accept()
	return l
}

// accept takes connections until the listener below is closed.
func (l *Listener) accept() {
	wait := 5 * time.Millisecond
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			var temporary interface{ Temporary() bool }
			if errors.As(err, &temporary) && temporary.Temporary() && !l.closing.Load() {
				select { // out of file descriptors, most likely: others have to end first
				case <-time.After(wait):
					wait = min(2*wait, time.Second)
					continue
				case <-l.done:
				}
			}
			l.stop(err)
			return
		}
		wait = 5 * time.Millisecond
		s := &serving{conn: nc, listener: l, buf: make([]byte, 4<<10), times: &l.options.Times}
		s.tracked, _ = nc.(tracked)
		if !l.add(s) {
			_ = nc.Close()
			continue
		}
		go s.run()
	}
}

func (l *Listener) add(s *serving) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing.Load() {
		return false
	}
	l.conns[s] = struct{}{}
	l.open.Add(1)
	return true
}

func (l *Listener) remove(s *serving) {
	l.mu.Lock()
	delete(l.conns, s)
	l.mu.Unlock()
	l.open.Done()
}

func (l *Listener) stop(err error) {
	l.once.Do(func() {
		l.failed = err
		close(l.done)
	})
}

// Accept gives the next connection that is not served here. It implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.others:
		return c, nil
	case <-l.done:
		return nil, l.failed
	}
}

// Retire has connections close after the request that they are at, or after their next, while new ones are still accepted:
// their clients then find the way to another process.
func (l *Listener) Retire() { l.leaving.Store(true) }

// Close stops accepting. Connections that wait for a request are closed; [Listener.Drain] waits for the others.
func (l *Listener) Close() error {
	l.mu.Lock()
	l.closing.Store(true)
	l.leaving.Store(true)
	for s := range l.conns {
		s.wake()
	}
	l.mu.Unlock()
	err := l.Listener.Close()
	l.stop(net.ErrClosed)
	return err
}

// Drain closes the listener and waits until the requests under way are answered, or ctx is done: then their connections
// are closed. It returns how many had to be.
func (l *Listener) Drain(ctx context.Context) (cut int) {
	_ = l.Close()
	ended := make(chan struct{})
	go func() { l.open.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		l.mu.Lock()
		for s := range l.conns {
			_ = s.conn.Close()
			cut++
		}
		l.mu.Unlock()
	}
	return cut
}

// serving is a connection that is served here.
type serving struct {
	conn     net.Conn
	listener *Listener
	buf      []byte
	from, to int

	idle    atomic.Bool // whether it waits for a request
	times   *Times
	tracked tracked   // nil where nobody asks
	until   deadline  // of reading
	begun   time.Time // when the request that is read began to come
	asked   bool      // whether a request was answered
	late    bool      // whether the client took too long

	last lastHead
	req  *http.Request
	body body
	out  writer
}

// wake has a connection that waits for a request see that the listener is closed.
func (s *serving) wake() {
	if s.idle.Load() {
		_ = s.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// run serves requests until the connection ends, or is handed on.
func (s *serving) run() {
	defer s.listener.remove(s)
	ended := true
	defer func() {
		if ended {
			_ = s.conn.Close()
		}
	}()
	s.req = (&http.Request{
		Method: http.MethodPost, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: s.conn.RemoteAddr().String(),
		URL: &url.URL{Path: s.listener.options.Path}, RequestURI: s.listener.options.Path,
	}).WithContext(context.WithValue(context.Background(), http.LocalAddrContextKey, s.conn.LocalAddr()))
	s.out.conn, s.out.header, s.out.leaving = s.conn, http.Header{}, &s.listener.leaving
	s.until.set, s.out.until.set = s.conn.SetReadDeadline, s.conn.SetWriteDeadline
	for {
		head := s.readHead()
		if head < 0 {
			return
		}
		n, ok := 0, false
		if head > 0 {
			n, ok = s.parse(s.buf[s.from : s.from+head])
		}
		if !ok || !s.readBody(head+n) {
			if s.late {
				s.tooLate()
				return
			}
			ended = !s.handOn()
			return
		}
		s.from += head
		if s.tracked != nil {
			s.tracked.Serve()
		}
		if !s.answer(n) {
			return
		}
		if s.asked = true; s.tracked != nil {
			s.tracked.Wait(s.out.at)
		}
	}
}

// readHead waits for a request. It returns the length of its head, 0 for what is none of ours or is not all sent, and -1
// where the connection ended.
func (s *serving) readHead() int {
	now := s.out.at // when the last response was sent
	if now.IsZero() {
		now = time.Now()
	}
	limit := now.Add(s.times.Idle)
	if !s.asked {
		limit = now.Add(s.times.Head)
	}
	s.begun = time.Time{}
	for empty := 0; ; {
		if empty = s.skipEmpty(empty); s.from < s.to {
			have := s.buf[s.from:s.to]
			if n := min(len(have), len(postLine)); !bytes.Equal(have[:n], postLine[:n]) || len(have) > maxHead {
				return 0
			}
			if head := headEnd(have); head > 0 {
				return head
			}
			if wellEnded(have, 0) < 0 {
				return 0
			}
			if s.begun.IsZero() {
				s.begun = time.Now()
				if limit = s.begun.Add(s.times.Head); !s.asked {
					limit = now.Add(s.times.Head) // what was silent before counts
				}
			}
		} else if s.from, s.to = 0, 0; len(s.buf) > keptBuffer {
			s.buf = make([]byte, 4<<10)
		}
		if !s.fill(limit) {
			return min(s.to-s.from, 1) - 1
		}
	}
}

// maxEmpty bounds the bytes of empty lines between two requests, as net/http bounds them.
const maxEmpty = 4

// skipEmpty skips the empty lines that old clients send after the body of a POST (RFC 9112, section 2.2), of which so many
// bytes were skipped already, and returns how many were by now.
func (s *serving) skipEmpty(skipped int) int {
	for s.asked && skipped >= 0 && skipped < maxEmpty && s.from < s.to {
		if c := s.buf[s.from]; c != '\r' && c != '\n' {
			return maxEmpty
		}
		s.from++
		skipped++
	}
	return skipped
}

var postLine = []byte("POST ") //nolint:gochecknoglobals // a constant

// fill reads more of the connection, until a time. Where nothing came by then of a request that has begun, it is late.
func (s *serving) fill(limit time.Time) bool {
	if s.to == len(s.buf) {
		if s.from > 0 {
			s.to = copy(s.buf, s.buf[s.from:s.to])
			s.from = 0
		} else {
			s.buf = append(s.buf, make([]byte, len(s.buf))...)
		}
	}
	if s.until.hold(limit) != nil {
		return false
	}
	waits := s.from == s.to
	if waits {
		s.idle.Store(true)
		if s.listener.closing.Load() {
			return false
		}
	}
	n, err := s.conn.Read(s.buf[s.to:])
	for err != nil && s.until.extend(err) && !(waits && s.listener.closing.Load()) {
		n, err = s.conn.Read(s.buf[s.to:])
	}
	if waits {
		s.idle.Store(false)
	}
	s.to += n
	s.late = err != nil && !waits && errors.Is(err, os.ErrDeadlineExceeded)
	return n > 0 || err == nil
}

// readBody waits until the whole request, of n bytes, is in the buffer.
func (s *serving) readBody(n int) bool {
	if s.to-s.from >= n {
		return true
	}
	if need := s.from + n; need > len(s.buf) {
		grown := s.buf
		if n > len(s.buf) {
			grown = make([]byte, n+n/4)
		}
		s.to = copy(grown, s.buf[s.from:s.to])
		s.from, s.buf = 0, grown
	}
	limit := time.Now().Add(s.times.Body + time.Duration(n)*time.Second/BodyRate)
	for s.to-s.from < n {
		if !s.fill(limit) {
			return false
		}
	}
	return true
}

// tooLate answers a client that did not send its request in time (RFC 9110, section 15.5.9).
func (s *serving) tooLate() {
	if s.conn.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
		_, _ = s.conn.Write([]byte("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
	}
}

// answer has the handler answer the request whose body is n bytes of the buffer. It reports whether the connection may be
// used further.
func (s *serving) answer(n int) bool {
	s.body.rest = s.buf[s.from : s.from+n]
	s.req.Body, s.req.ContentLength = &s.body, int64(n)
	s.out.reset()
	if !s.handle() {
		return false
	}
	s.from += n
	return s.out.end() == nil && !s.out.closing
}

// handle reports false where the handler gave up the connection (http.ErrAbortHandler). Any other panic is the handler's
// own to recover.
func (s *serving) handle() (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			ok = false
			if err, is := v.(error); !is || !errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
		}
	}()
	s.listener.options.Handler.ServeHTTP(&s.out, s.req)
	return true
}

// handOn gives the connection away, with what was read of it.
func (s *serving) handOn() bool {
	if s.tracked != nil {
		s.tracked.Serve() // until whoever has it knows better
	}
	if s.conn.SetDeadline(time.Time{}) != nil {
		return false
	}
	select {
	case s.listener.others <- &begun{Conn: s.conn, read: s.buf[s.from:s.to]}:
		return true
	case <-s.listener.done:
		return false
	}
}

// begun is a connection of which something was read already.
type begun struct {
	net.Conn
	read []byte
}

// Read implements net.Conn.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.read) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.read)
	if b.read = b.read[n:]; len(b.read) == 0 {
		b.read = nil
	}
	return n, nil
}

// NetConn returns the connection below.
func (b *begun) NetConn() net.Conn { return b.Conn }

// CloseWrite ends what is sent. An http.Server that refuses a request does so and waits before it closes, so that the
// client gets the refusal and no reset in its place.
func (b *begun) CloseWrite() error {
	if c, ok := b.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// body is a request's body.
type body struct{ rest []byte }

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Close implements io.Closer.
func (b *body) Close() error { return nil }
