package http1

import (
	"bytes"
	"errors"
	"io"
)

// head is what a response's head says.
type head struct {
	status  int
	length  int64 // -1 where it does not say
	chunked bool
	keep    bool
}

// readHead reads the head of the response, past those that only inform (RFC 9110, section 15.2).
func (k *conn) readHead() (head, error) {
	for {
		end := -1
		for {
			if k.from < k.to {
				if end = headEnd(k.buf[k.from:k.to]); end >= 0 {
					break
				}
			}
			if k.to-k.from > maxHead {
				return head{}, errHeadLarge
			}
			if err := k.fill(); err != nil {
				return head{}, err
			}
		}
		h, err := k.parseHead(k.buf[k.from : k.from+end])
		if err != nil {
			return head{}, err
		}
		k.from += end
		if h.status >= 200 {
			return h, nil
		}
		if h.status == 101 {
			return head{}, errMalformed // nobody asked to upgrade
		}
	}
}

func (k *conn) parseHead(text []byte) (head, error) {
	h := head{length: -1}
	line, rest, ok := nextLine(text)
	switch {
	case !ok:
		return h, errMalformed
	case bytes.HasPrefix(line, []byte("HTTP/1.1 ")):
		h.keep = true
	case bytes.HasPrefix(line, []byte("HTTP/1.0 ")):
	default:
		return h, errMalformed
	}
	if len(line) < 12 || len(line) > 12 && line[12] != ' ' {
		return h, errMalformed
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return h, errMalformed
		}
		h.status = 10*h.status + int(c-'0')
	}
	if h.status < 100 {
		return h, errMalformed
	}
	var contentType, encoding []byte
	for {
		if line, rest, ok = nextLine(rest); !ok {
			return h, errMalformed
		}
		if len(line) == 0 {
			break
		}
		name, value, ok := splitField(line)
		if !ok {
			return h, errMalformed
		}
		switch len(name) {
		case len("connection"):
			if is(name, "connection") {
				h.keep = h.keep && !closes(value)
			}
		case len("content-type"):
			if is(name, "content-type") {
				contentType = value
			}
		case len("content-length"):
			if !is(name, "content-length") {
				continue
			}
			n, ok := length(value)
			if !ok || h.length >= 0 && h.length != n {
				return h, errMalformed
			}
			h.length = n
		case len("content-encoding"):
			if is(name, "content-encoding") {
				encoding = value
			}
		case len("transfer-encoding"):
			if is(name, "transfer-encoding") {
				if !is(value, "chunked") || h.chunked {
					return h, errMalformed
				}
				h.chunked = true
			}
		}
	}
	if h.chunked && h.length >= 0 {
		return h, errMalformed // RFC 9112, section 6.3: it may be an attempt at smuggling
	}
	if string(contentType) != k.contentType {
		k.contentType = string(contentType)
	}
	if string(encoding) != k.encoding {
		k.encoding = string(encoding)
	}
	return h, nil
}

// closes tells whether a Connection header has the option close.
func closes(value []byte) bool {
	for {
		option, rest, more := bytes.Cut(value, []byte(","))
		if is(bytes.Trim(option, " \t"), "close") {
			return true
		}
		if !more {
			return false
		}
		value = rest
	}
}

// readLength reads a body of n bytes.
func (k *conn) readLength(into []byte, n, limit int64, req *Request) ([]byte, error) {
	if n > limit {
		return into, &TooLargeError{limit}
	}
	from := len(into)
	into = k.room(into, int(n), req)[:from+int(n)]
	at := from + copy(into[from:], k.buf[k.from:k.to])
	k.from += at - from
	for at < len(into) {
		read, err := k.Read(into[at:])
		if at += read; at == len(into) {
			break
		}
		if err != nil {
			return into[:from], unexpected(err)
		}
	}
	return into, nil
}

// room gives into room for n bytes more. What the caller gave stays the caller's.
func (k *conn) room(into []byte, n int, req *Request) []byte {
	if cap(into)-len(into) >= n {
		return into
	}
	need := len(into) + n
	if k.chunked { // of which nobody says how many there are
		need = max(need, 2*cap(into), req.Expected)
	}
	grown := append(req.Buffers.Take(need), into...)
	if k.own {
		req.Buffers.Give(into)
	}
	k.own = true
	return grown
}

// readAll reads a body that ends with the connection.
func (k *conn) readAll(into []byte, req *Request) ([]byte, error) {
	from := len(into)
	into = append(k.room(into, k.to-k.from, req), k.buf[k.from:k.to]...)
	k.from = k.to
	for {
		if int64(len(into)-from) > req.Limit {
			return into[:from], &TooLargeError{req.Limit}
		}
		into = k.room(into, 1, req)
		n, err := k.Read(into[len(into):cap(into)])
		into = into[:len(into)+n]
		if errors.Is(err, io.EOF) {
			return into, nil
		}
		if err != nil {
			return into[:from], err
		}
	}
}

// readChunks reads a body in chunks, and what follows the last (RFC 9112, section 7.1).
func (k *conn) readChunks(into []byte, req *Request) ([]byte, error) {
	from := len(into)
	for {
		line, err := k.line()
		if err != nil {
			return into[:from], err
		}
		size, ok := chunkSize(line)
		if !ok {
			return into[:from], errMalformed
		}
		if size == 0 {
			break
		}
		if into, err = k.readLength(into, size, req.Limit-int64(len(into)-from), req); err != nil {
			var large *TooLargeError
			if errors.As(err, &large) {
				err = &TooLargeError{req.Limit}
			}
			return into[:from], err
		}
		if line, err = k.line(); err != nil || len(line) > 0 {
			return into[:from], errors.Join(errMalformed, err)
		}
	}
	for total := 0; ; {
		line, err := k.line()
		if err != nil {
			return into[:from], err
		}
		if len(line) == 0 {
			return into, nil
		}
		if total += len(line); total > maxHead {
			return into[:from], errHeadLarge
		}
	}
}

// line reads a line, which is valid until the next read.
func (k *conn) line() ([]byte, error) {
	for seen := 0; ; {
		if i := bytes.IndexByte(k.buf[k.from+seen:k.to], '\n'); i >= 0 {
			line := k.buf[k.from : k.from+seen+i]
			k.from += seen + i + 1
			if n := len(line); n == 0 || line[n-1] != '\r' {
				return nil, errMalformed
			}
			return line[:len(line)-1], nil
		}
		if seen = k.to - k.from; seen > 4096 {
			return nil, errHeadLarge
		}
		if err := k.fill(); err != nil {
			return nil, err
		}
	}
}

// chunkSize reads the size of a chunk, whose extensions mean nothing to us.
func chunkSize(line []byte) (int64, bool) {
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = line[:i]
	}
	line = bytes.Trim(line, " \t")
	if len(line) == 0 || len(line) > 15 {
		return 0, false
	}
	n := int64(0)
	for _, c := range line {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | int64(c)
	}
	return n, true
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
