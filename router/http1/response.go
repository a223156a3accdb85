package http1

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"
)

// head is what a response's head says.
type head struct {
	status  int
	length  int64 // -1 where it does not say
	chunked bool
	keep    bool
	mark    mark
	// retryAfter is the header of that name, of an answer that is no success.
	retryAfter string
}

// mark is what a response says of the request that it answers.
type mark uint8

const (
	markNone  mark = iota
	markRight      // the mark of the request under way
	markWrong
)

// maxInformational bounds the responses that come before the one that answers (RFC 9110, section 15.2). Together with it
// they may have maxHead bytes.
const maxInformational = 16

// toEnd reports whether the body ends with the connection.
func (h *head) toEnd() bool {
	return h.length < 0 && !h.chunked && h.status != http.StatusNoContent && h.status != http.StatusNotModified
}

// readHead reads the head of the response, past those that only inform.
func (k *conn) readHead() (head, error) {
	for informed, total := 0, 0; ; informed++ {
		end := -1
		for seen := 0; ; {
			if k.from < k.to {
				if end = headEnd(k.buf[k.from:k.to]); end >= 0 {
					break
				}
			}
			if k.to-k.from+total > maxHead {
				return head{}, errHeadLarge
			}
			if seen = wellEnded(k.buf[k.from:k.to], seen); seen < 0 {
				return head{}, errMalformed // it would never end
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
		// Nobody asked to upgrade; and what only informs has no body (RFC 9112, section 6.1; RFC 9110, section 8.6).
		if h.status == http.StatusSwitchingProtocols || h.length >= 0 || h.chunked || informed == maxInformational {
			return head{}, errMalformed
		}
		total += end
	}
}

// readStatus reads a status line (RFC 9112, section 4).
func (h *head) readStatus(line []byte) bool {
	switch {
	case bytes.HasPrefix(line, []byte("HTTP/1.1 ")):
		h.keep = true
	case bytes.HasPrefix(line, []byte("HTTP/1.0 ")):
	default:
		return false
	}
	if len(line) < 12 || len(line) > 12 && line[12] != ' ' || !plain(line[12:]) {
		return false
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return false
		}
		h.status = 10*h.status + int(c-'0')
	}
	return h.status >= 100
}

func (k *conn) parseHead(text []byte) (head, error) {
	h := head{length: -1}
	line, rest, ok := nextLine(text)
	if !ok || !h.readStatus(line) {
		return h, errMalformed
	}
	modern := h.keep
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
			} else if is(name, "keep-alive") {
				k.rests(value)
			}
		case len("content-type"):
			if is(name, "content-type") {
				contentType = value
			}
		case len("content-length"):
			if is(name, "content-length") {
				n, ok := length(value)
				if !ok || h.length >= 0 && h.length != n {
					return h, errMalformed
				}
				h.length = n
			} else if is(name, "lethe-exchange") {
				if h.mark != markNone || !bytes.Equal(value, k.marked()) {
					h.mark = markWrong
				} else {
					h.mark = markRight
				}
			}
		case len("retry-after"):
			if h.status >= http.StatusMultipleChoices && is(name, "retry-after") {
				h.retryAfter = string(value)
			}
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
	// RFC 9112, sections 6.1 and 6.3: both a length and chunks, or chunks of HTTP/1.0, may be an attempt at smuggling; and
	// nothing follows a 204.
	if h.chunked && (h.length >= 0 || !modern) || h.status == http.StatusNoContent && (h.chunked || h.length > 0) {
		return h, errMalformed
	}
	if string(contentType) != k.contentType {
		k.contentType = string(contentType)
	}
	if string(encoding) != k.encoding {
		k.encoding = string(encoding)
	}
	return h, nil
}

// rests takes what a Keep-Alive header says of how long the other side leaves the connection open. It is no longer used a
// second before.
func (k *conn) rests(value []byte) {
	for option := range bytes.SplitSeq(value, []byte(",")) {
		name, text, _ := bytes.Cut(bytes.Trim(option, " \t"), []byte("="))
		if seconds, ok := length(text); ok && is(name, "timeout") {
			k.rest = min(idleFor, time.Duration(max(0, min(seconds, 3600)-1))*time.Second)
		}
	}
}

// closes reports whether a Connection header has the option close.
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
		k.exact = true
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

// maxChunkWaste bounds what chunks take beside the body: more is a body that is mostly sizes.
const maxChunkWaste = 16 << 10

// readChunks reads a body in chunks, and what follows the last (RFC 9112, section 7.1).
func (k *conn) readChunks(into []byte, req *Request) ([]byte, error) {
	from, waste := len(into), int64(0)
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
		// Some waste belongs to every chunk, and some more to a large one.
		if waste = max(0, waste+int64(len(line))-16-2*size); waste > maxChunkWaste {
			return into[:from], errMalformed
		}
		if into, err = k.readLength(into, size, req.Limit-int64(len(into)-from), req); err != nil {
			var large *TooLargeError
			if errors.As(err, &large) {
				err = &TooLargeError{req.Limit}
			}
			return into[:from], err
		}
		k.exact = false
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
		if _, _, ok := splitField(line); !ok {
			return into[:from], errMalformed
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

// chunkSize reads the size of a chunk, whose extensions mean nothing to us. Space is allowed before an extension alone
// (RFC 9112, section 7.1.1), and some servers fill up a size with it.
func chunkSize(line []byte) (int64, bool) {
	if !plain(line) {
		return 0, false
	}
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = line[:i]
	}
	line = bytes.TrimRight(line, " \t")
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
