package http1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// ExchangeHeader carries a value of its own in each request of a [Client]. A host that sends it back with the response, as
// it came, has every answer held against its request; no other response is then taken on that connection.
const ExchangeHeader = "Lethe-Exchange"

var (
	// errUnasked, errSurplus and errForeign are of a host whose responses cannot be told apart any more.
	errUnasked = errors.New("the other side sent bytes on a connection on which nothing was asked")
	errSurplus = errors.New("the other side sent bytes behind its response: whose response it is cannot be known")
	errForeign = errors.New("the other side sent a response with the " + ExchangeHeader + " of another request, or with none where it had sent one")
)

// Answers returns an error where a response that was read by other means than a [Client] carries the mark of another
// request than the one that was sent with a mark of its own in [ExchangeHeader].
func Answers(response, request http.Header) error {
	if got := response[ExchangeHeader]; len(got) > 0 && !slices.Equal(got, request[ExchangeHeader]) {
		return errForeign
	}
	return nil
}

// conn is a connection with what was read ahead.
type conn struct {
	net.Conn
	raw      syscall.RawConn
	buf      []byte
	from, to int           // of what is read and not taken
	since    time.Time     // since when it waits for another request, or from when the last was sent
	rest     time.Duration // how long it may wait for the next
	out      []byte
	parts    [2][]byte
	vectors  net.Buffers
	used     bool // for a request before this one
	echoes   bool // whether a response came back with the mark of its request
	chunked  bool // whether the length of the body is not known
	exact    bool // whether no more was read than the body was to have
	own      bool // whether the body is in a buffer of the connection's choice
	deadline deadline
	ended    atomic.Bool // the context of the request under way is done
	// contentType and encoding are the last ones, since they are nearly always the same.
	contentType, encoding string
	// mark is the header line of the request under way by which its response is known, in ASCII: what no other connection
	// has, and a number.
	mark []byte
	peek peek
}

const (
	markFrom   = len(ExchangeHeader) + len(": ")
	markRandom = 16
)

func newConn(nc net.Conn) (*conn, error) {
	k := &conn{Conn: nc, buf: make([]byte, 8<<10), rest: idleFor}
	k.mark = fmt.Appendf(nil, "%s: %0*x-%08d\r\n", ExchangeHeader, markRandom, rand.Uint64(), 0)
	k.deadline.set = nc.SetDeadline
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil, errors.Join(errors.New("the connection is none of the operating system's"), nc.Close())
	}
	var err error
	if k.raw, err = sc.SyscallConn(); err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	k.peek.init()
	return k, nil
}

// number has the mark of the next request.
func (k *conn) number() {
	for i := len(k.mark) - 3; k.mark[i] != '-'; i-- {
		if k.mark[i] != '9' {
			k.mark[i]++
			return
		}
		k.mark[i] = '0'
	}
}

// marked is the value of the mark.
func (k *conn) marked() []byte { return k.mark[markFrom : len(k.mark)-2] }

// answered is a response, and what the connection is good for after it.
type answered struct {
	Response
	keep    bool
	silent  bool // nothing was read
	foreign bool // with an error: the response may be that of another request
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
	k.from, k.to, k.own, k.chunked, k.exact = 0, 0, false, true, false
	k.number()
	if err := k.send(req); err != nil {
		return out, fmt.Errorf("send the request: %w", err)
	}
	h, err := k.readHead()
	out.silent = k.to == 0
	if err == nil {
		err = k.belongs(&h)
	} else if k.used && errors.Is(err, errMalformed) {
		err = errors.Join(errSurplus, err) // most likely what stood behind a response before
	}
	if err == nil {
		out.Status, out.ContentType, out.ContentEncoding, out.RetryAfter = h.status, k.contentType, k.encoding, h.retryAfter
		out.Body, out.keep, err = k.readBody(into, &h, req)
	}
	if err == nil && !h.toEnd() {
		err = k.behind(&out)
	}
	if err != nil {
		out.keep = false
		out.foreign = errors.Is(err, errSurplus) || errors.Is(err, errForeign)
		return out, fmt.Errorf("read the answer: %w", err)
	}
	return out, nil
}

// belongs returns an error where a response is not, or may not be, the answer to the request under way. The first response
// on a connection may lack the mark: nothing was asked there before.
func (k *conn) belongs(h *head) error {
	switch {
	case h.mark == markRight:
		k.echoes = true
		return nil
	case h.mark == markNone && !k.echoes:
		return nil
	}
	return errForeign
}

// readBody reads what follows a head (RFC 9112, section 6.3).
func (k *conn) readBody(into []byte, h *head, req *Request) (body []byte, keep bool, err error) {
	switch {
	case h.status == http.StatusNoContent:
		return into, h.keep, nil
	case h.status == http.StatusNotModified: // to a POST: it is not clear what the other side thinks it does
		return into, false, nil
	case h.chunked:
		body, err = k.readChunks(into, req)
	case h.length >= 0:
		k.chunked = false
		body, err = k.readLength(into, h.length, req.Limit, req)
	default:
		body, err = k.readAll(into, req)
		return body, false, err
	}
	return body, h.keep, err
}

// behind looks for bytes behind a response. With any there are two responses or more, and one of them may be that to a
// request before. Empty lines are those of old servers, which count them for nothing (RFC 9112, section 2.2): only the
// connection is given up.
func (k *conn) behind(out *answered) error {
	for _, c := range k.buf[k.from:k.to] {
		if out.keep = false; c != '\r' && c != '\n' {
			return errSurplus
		}
	}
	// A body that was read to its last byte and no further may have more behind it.
	if (k.exact || k.to == len(k.buf)) && k.look() == spoke {
		return errSurplus
	}
	return nil
}

// send writes the request with one call.
func (k *conn) send(req *Request) error {
	b := append(append(k.out[:0], req.Head...), k.mark...)
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
