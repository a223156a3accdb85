package http1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lethe/lethe/router/buffers"
)

// Request is a POST of a body. It is the client's own until [Client.Post] returns.
type Request struct {
	// Head is the request line with all header lines but Content-Length, each ended by CRLF.
	Head []byte
	Body []byte
	// Repeatable tells that sending it twice does no harm: it is sent again where a connection that was kept turns out to
	// be closed.
	Repeatable bool
	// Deadline is when it is given up; zero for never.
	Deadline time.Time
	// At is when it is sent; zero for now.
	At time.Time
	// Limit bounds the body of the answer, in bytes.
	Limit int64
	// Buffers, where not nil, is where an answer that does not fit is read to.
	Buffers *buffers.List[byte]
	// Expected is how many bytes the body may have where the answer does not say it before.
	Expected int
}

// Response is what came back.
type Response struct {
	Status int
	// Body holds what the caller gave to append to, with the body after it.
	Body []byte
	// ContentType and ContentEncoding are valid until the next request.
	ContentType, ContentEncoding string
}

// TooLargeError is a body of more than the limit.
type TooLargeError struct{ Limit int64 }

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the answer has more than %d bytes", e.Limit)
}

// Client posts to one host over connections that it keeps. It is safe for concurrent use.
type Client struct {
	addr   string
	dialer net.Dialer

	mu     sync.Mutex
	idle   []*conn // the last used at the end
	closed bool
}

const (
	// maxIdle bounds the connections that wait for another request.
	maxIdle = 512
	// idleFor is how long a connection waits for another request.
	idleFor = 60 * time.Second
	dialFor = 3 * time.Second
)

// NewClient gives a client for a host, given as host:port.
func NewClient(addr string) *Client {
	return &Client{addr: addr, dialer: net.Dialer{Timeout: dialFor, KeepAlive: 30 * time.Second}}
}

// Close closes the connections that no request uses; those in use are closed after it.
func (c *Client) Close() {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = nil, true
	c.mu.Unlock()
	for _, k := range idle {
		_ = k.Close()
	}
}

// conn is a connection with what was read ahead.
type conn struct {
	net.Conn
	raw      syscall.RawConn
	buf      []byte
	from, to int       // of what is read and not taken
	since    time.Time // when the last request was sent
	out      []byte
	parts    [2][]byte
	vectors  net.Buffers
	used     bool // for a request before this one
	chunked  bool // whether the length of the body is not known
	own      bool // whether the body is in a buffer of the connection's choice
	deadline deadline
	ended    atomic.Bool // the context of the request under way is done
	// contentType and encoding are the last ones, since they are nearly always the same.
	contentType, encoding string
}

// Post sends a request and appends the body of the answer to into. A context that can be cancelled ends it; the error is
// then the context's.
func (c *Client) Post(ctx context.Context, req *Request, into []byte) (Response, error) {
	if req.At.IsZero() {
		req.At = time.Now()
	}
	for {
		k, err := c.take(ctx, req)
		if err != nil {
			return Response{Body: into}, err
		}
		resp, err := k.exchange(ctx, req, into)
		if err == nil {
			if resp.keep {
				c.put(k, req.At)
			} else {
				_ = k.Close()
			}
			return resp.Response, nil
		}
		again := k.used && req.Repeatable && resp.silent && ctx.Err() == nil && !errors.Is(err, os.ErrDeadlineExceeded)
		_ = k.Close()
		if ctx.Err() != nil {
			return resp.Response, ctx.Err()
		}
		if !again {
			return resp.Response, err
		}
	}
}

// take gives a connection: the one that was used last, or a new one.
func (c *Client) take(ctx context.Context, req *Request) (*conn, error) {
	for {
		c.mu.Lock()
		var k *conn
		if n := len(c.idle); n > 0 {
			k = c.idle[n-1]
			c.idle[n-1] = nil
			c.idle = c.idle[:n-1]
		}
		c.mu.Unlock()
		if k == nil {
			return c.dial(ctx, req.Deadline)
		}
		if req.At.Sub(k.since) < idleFor && (req.Repeatable || k.alive(req.Deadline)) {
			k.used = true
			return k, nil
		}
		_ = k.Close()
	}
}

func (c *Client) put(k *conn, at time.Time) {
	k.since = at
	var stale *conn
	c.mu.Lock()
	keep := !c.closed && len(c.idle) < maxIdle
	if keep {
		// The one that has waited longest goes when its time is over, so that a burst leaves nothing behind.
		if len(c.idle) > 0 && k.since.Sub(c.idle[0].since) > idleFor {
			stale = c.idle[0]
			c.idle = append(c.idle[:0], c.idle[1:]...)
		}
		c.idle = append(c.idle, k)
	}
	c.mu.Unlock()
	if stale != nil {
		_ = stale.Close()
	}
	if !keep {
		_ = k.Close()
	}
}

func (c *Client) dial(ctx context.Context, deadline time.Time) (*conn, error) {
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	nc, err := c.dialer.DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return nil, err
	}
	k := &conn{Conn: nc, buf: make([]byte, 8<<10)}
	k.deadline.set = nc.SetDeadline
	if sc, ok := nc.(syscall.Conn); ok {
		k.raw, _ = sc.SyscallConn()
	}
	return k, nil
}

// alive looks whether the other side has closed a connection that was kept, for a request that must not be sent twice.
func (k *conn) alive(until time.Time) bool {
	if k.raw == nil || k.deadline.hold(until) != nil {
		return false
	}
	alive := false
	var b [1]byte
	peek := func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		// Bytes that nobody asked for are as bad as an end.
		alive = errors.Is(err, syscall.EAGAIN)
		return true
	}
	err := k.raw.Read(peek)
	for err != nil && k.extend(err) {
		err = k.raw.Read(peek)
	}
	return err == nil && alive
}

// answered is a response, and what the connection is good for after it.
type answered struct {
	Response
	keep   bool
	silent bool // nothing was read
}

// exchange sends a request and reads the response to it.
func (k *conn) exchange(ctx context.Context, req *Request, into []byte) (out answered, err error) {
	out.Body, out.silent = into, true
	if err := k.deadline.hold(req.Deadline); err != nil {
		return out, err
	}
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() {
			k.ended.Store(true)
			_ = k.SetDeadline(time.Unix(1, 0))
		})
		defer func() {
			if !stop() && err == nil {
				out.keep = false // its deadline may be set behind our back
			}
		}()
	}
	if k.from != k.to {
		return out, errMalformed // bytes that nobody asked for
	}
	k.from, k.to, k.own, k.chunked = 0, 0, false, true
	if err := k.send(req); err != nil {
		return out, fmt.Errorf("send the request: %w", err)
	}
	h, err := k.readHead()
	out.silent = k.to == 0
	if err != nil {
		return out, fmt.Errorf("read the answer: %w", err)
	}
	out.Status, out.ContentType, out.ContentEncoding = h.status, k.contentType, k.encoding
	switch {
	case h.status == 204 || h.status == 304:
		out.keep = h.keep && h.length <= 0
	case h.chunked:
		out.Body, err = k.readChunks(into, req)
		out.keep = h.keep
	case h.length >= 0:
		k.chunked = false
		out.Body, err = k.readLength(into, h.length, req.Limit, req)
		out.keep = h.keep
	default:
		out.Body, err = k.readAll(into, req)
	}
	if err != nil {
		return out, fmt.Errorf("read the answer: %w", err)
	}
	return out, nil
}

// send writes the request with one call.
func (k *conn) send(req *Request) error {
	b := append(k.out[:0], req.Head...)
	b = append(b, "Content-Length: "...)
	b = appendInt(b, len(req.Body))
	b = append(b, "\r\n\r\n"...)
	if len(req.Body) > 2<<10 { // a copy of its own would stay with each connection
		k.out = b
		k.parts = [2][]byte{b, req.Body}
		k.vectors = k.parts[:]
		_, err := k.vectors.WriteTo(k.Conn)
		for err != nil && k.extend(err) {
			_, err = k.vectors.WriteTo(k.Conn)
		}
		k.parts = [2][]byte{}
		return err
	}
	k.out = append(b, req.Body...)
	n, err := k.Conn.Write(k.out)
	for rest := k.out; err != nil && k.extend(err); {
		rest = rest[n:]
		n, err = k.Conn.Write(rest)
	}
	return err
}

// Read implements io.Reader.
func (k *conn) Read(p []byte) (int, error) {
	n, err := k.Conn.Read(p)
	for n == 0 && err != nil && k.extend(err) {
		n, err = k.Conn.Read(p)
	}
	return n, err
}

// extend reports whether an operation that failed with err is to go on, since only the deadline of a request before was met.
func (k *conn) extend(err error) bool {
	return !k.ended.Load() && k.deadline.extend(err) && !k.ended.Load()
}

func appendInt(b []byte, n int) []byte {
	var digits [20]byte
	i := len(digits)
	for {
		i--
		digits[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return append(b, digits[i:]...)
		}
	}
}

// fill reads more into the buffer. It reports io.ErrUnexpectedEOF at the end of the connection.
func (k *conn) fill() error {
	if k.from == k.to {
		k.from, k.to = 0, 0
	}
	if k.to == len(k.buf) {
		if k.from > 0 {
			k.to = copy(k.buf, k.buf[k.from:k.to])
			k.from = 0
		} else {
			if len(k.buf) >= maxHead {
				return errHeadLarge
			}
			k.buf = append(k.buf, make([]byte, len(k.buf))...)
		}
	}
	n, err := k.Read(k.buf[k.to:])
	k.to += n
	if n > 0 {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
