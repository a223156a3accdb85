package http1

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
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
}

const (
	// maxBody bounds the bodies that are taken here: longer ones are read as they come, by net/http.
	maxBody = 64 << 10
	// waitIdle, waitHead and waitBody are how long a client may take to begin a request, and to send it.
	waitIdle = 2 * time.Minute
	waitHead = 10 * time.Second
	waitBody = 30 * time.Second
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
		s := &serving{conn: nc, listener: l, buf: make([]byte, 4<<10)}
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

	idle  atomic.Bool // whether it waits for a request
	lines [][]byte    // of the last request's header, as they came
	kept  []byte      // what lines are parts of
	req   *http.Request
	body  body
	out   writer
	until deadline // of reading
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
			ended = !s.handOn()
			return
		}
		s.from += head
		if !s.answer(n) {
			return
		}
	}
}

// readHead waits for a request. It gives the length of its head, 0 for what is none of ours or is not all sent, and -1
// where the connection ended.
func (s *serving) readHead() int {
	deadline := waitIdle
	for {
		if s.from < s.to {
			have := s.buf[s.from:s.to]
			if n := min(len(have), len(postLine)); !bytes.Equal(have[:n], postLine[:n]) || len(have) > maxHead {
				return 0
			}
			if i := bytes.IndexByte(have, '\n'); i > 0 && have[i-1] != '\r' {
				return 0
			}
			if head := headEnd(have); head > 0 {
				return head
			}
			deadline = waitHead
		} else if s.from, s.to = 0, 0; len(s.buf) > keptBuffer {
			s.buf = make([]byte, 4<<10)
		}
		if !s.fill(deadline) {
			return min(s.to-s.from, 1) - 1
		}
	}
}

var postLine = []byte("POST ") //nolint:gochecknoglobals // a constant

// fill reads more of the connection.
func (s *serving) fill(wait time.Duration) bool {
	if s.to == len(s.buf) {
		if s.from > 0 {
			s.to = copy(s.buf, s.buf[s.from:s.to])
			s.from = 0
		} else {
			s.buf = append(s.buf, make([]byte, len(s.buf))...)
		}
	}
	waits := s.from == s.to
	now := s.out.at // when the last response was sent
	if !waits || now.IsZero() {
		now = time.Now()
	}
	if s.until.hold(now.Add(wait)) != nil {
		return false
	}
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
	return n > 0 || err == nil
}

// parse reads the head of a request and gives the length of its body. It reports false for a request that net/http is to
// answer: one of another form, or that is not right.
func (s *serving) parse(text []byte) (bodyLength int, ok bool) {
	line, rest, ok := nextLine(text)
	target, found := bytes.CutPrefix(line, postLine)
	if !ok || !found {
		return 0, false
	}
	if target, found = bytes.CutSuffix(target, []byte(" HTTP/1.1")); !found || string(target) != s.listener.options.Path {
		return 0, false
	}
	bodyLength = -1
	same := true
	at := 0
	for fields := rest; ; {
		if line, fields, ok = nextLine(fields); !ok {
			return 0, false
		}
		if len(line) == 0 {
			break
		}
		if len(line) > 15 && line[14] == ':' && is(line[:14], "content-length") {
			n, ok := length(bytes.Trim(line[15:], " \t"))
			if !ok || bodyLength >= 0 || n > maxBody {
				return 0, false
			}
			bodyLength = int(n)
			continue
		}
		same = same && at < len(s.lines) && bytes.Equal(line, s.lines[at])
		at++
	}
	if bodyLength < 0 {
		return 0, false
	}
	// A client sends the same lines over and over: what they say is known then.
	if same && at == len(s.lines) && s.req.Header != nil {
		return bodyLength, true
	}
	return bodyLength, s.header(rest)
}

// header reads the header lines, and reports false where net/http is to answer.
func (s *serving) header(text []byte) bool {
	s.kept = append(s.kept[:0], text...)
	s.lines, s.req.Header = s.lines[:0], nil
	header := make(http.Header, 8)
	host, typed := "", false
	for rest := s.kept; ; {
		var line []byte
		if line, rest, _ = nextLine(rest); len(line) == 0 {
			break
		}
		name, value, ok := splitField(line)
		if !ok {
			return false
		}
		switch {
		case is(name, "content-length"):
			continue
		case is(name, "host"):
			if host != "" || len(value) == 0 {
				return false
			}
			host = string(value)
		case is(name, "transfer-encoding"), is(name, "expect"), is(name, "upgrade"), is(name, "trailer"), is(name, "te"):
			return false
		case is(name, "connection"):
			if !is(value, "keep-alive") {
				return false
			}
		case is(name, "accept"):
			if bytes.Contains(value, []byte("multipart/")) || bytes.Contains(value, []byte("event-stream")) {
				return false
			}
		case is(name, "content-type"):
			if typed = bytes.HasPrefix(value, []byte("application/json")); !typed {
				return false
			}
		}
		s.lines = append(s.lines, line)
		if !is(name, "host") {
			key := textproto.CanonicalMIMEHeaderKey(string(name))
			header[key] = append(header[key], string(value))
		}
	}
	if host == "" || !typed {
		return false
	}
	s.req.Host, s.req.Header = host, header
	return true
}

// readBody waits until the whole request, of n bytes, is in the buffer.
func (s *serving) readBody(n int) bool {
	if need := s.from + n; need > len(s.buf) {
		grown := s.buf
		if n > len(s.buf) {
			grown = make([]byte, n+n/4)
		}
		s.to = copy(grown, s.buf[s.from:s.to])
		s.from, s.buf = 0, grown
	}
	for s.to-s.from < n {
		if s.until.hold(time.Now().Add(waitBody)) != nil {
			return false
		}
		read, err := s.conn.Read(s.buf[s.to:])
		for err != nil && s.until.extend(err) {
			read, err = s.conn.Read(s.buf[s.to:])
		}
		if s.to += read; err != nil && s.to-s.from < n {
			return false
		}
	}
	return true
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
