package http1

import (
	"bytes"
	"net/http"
	"net/textproto"
)

// lastHead is the head of the last request on a connection, around the value of its Content-Length. A client sends the same
// head over and over: with other digits between the two parts it says the same, but for the length of the body.
type lastHead struct {
	text   []byte
	before []byte // what stands before the digits; nil while there is none
	behind []byte
}

// parse reads the head of a request and returns the length of its body. It reports false for a request that net/http is to
// answer: one of another form, or that is not right.
func (s *serving) parse(text []byte) (bodyLength int, ok bool) {
	if l := &s.last; l.before != nil && len(text) > len(l.before)+len(l.behind) && bytes.HasPrefix(text, l.before) && bytes.HasSuffix(text, l.behind) {
		if n, ok := length(text[len(l.before) : len(text)-len(l.behind)]); ok && n <= maxBody {
			return int(n), true
		}
	}
	s.last.before = nil
	line, fields, ok := nextLine(text)
	if !ok {
		return 0, false
	}
	target, ok := bytes.CutPrefix(line, postLine)
	if !ok {
		return 0, false
	}
	if target, ok = bytes.CutSuffix(target, []byte(" HTTP/1.1")); !ok || string(target) != s.listener.options.Path {
		return 0, false
	}
	h := requestHead{length: -1, header: make(http.Header, 8)}
	if !h.read(fields) || h.host == "" || !h.typed || h.length < 0 || h.length > maxBody {
		return 0, false
	}
	s.req.Host, s.req.Header = h.host, h.header
	s.last.keep(text, h.digits)
	return int(h.length), true
}

// keep keeps the head of a request, in which the digits of the Content-Length stand.
func (l *lastHead) keep(text, digits []byte) {
	at := cap(text) - cap(digits)
	l.text = append(l.text[:0], text...)
	l.before, l.behind = l.text[:at], l.text[at+len(digits):]
}

// requestHead is what the header lines of a request say.
type requestHead struct {
	host   string
	typed  bool  // as JSON
	length int64 // -1 while it is not said
	digits []byte
	header http.Header
}

// read reads the header lines up to the empty one. It alone decides what they mean. It reports false where net/http is to
// answer: for what is not plain, what is said twice, and what this package does not know how to do.
func (h *requestHead) read(fields []byte) bool {
	for {
		var line []byte
		var ok bool
		if line, fields, ok = nextLine(fields); !ok {
			return false
		}
		if len(line) == 0 {
			return len(fields) == 0
		}
		name, value, ok := splitField(line)
		if !ok || !h.take(name, value) {
			return false
		}
	}
}

// take takes a header line.
func (h *requestHead) take(name, value []byte) bool {
	switch {
	case is(name, "content-length"):
		n, ok := length(value)
		if !ok || h.length >= 0 {
			return false
		}
		h.length, h.digits = n, value
		return true // it is no header for the handler
	case is(name, "host"):
		if h.host != "" || !plainHost(value) {
			return false
		}
		h.host = string(value)
		return true
	case is(name, "transfer-encoding"), is(name, "expect"), is(name, "upgrade"), is(name, "trailer"), is(name, "te"), is(name, "http2-settings"):
		return false
	case is(name, "pragma"): // net/http makes a Cache-Control of it
		return false
	case is(name, "connection"):
		if !is(value, "keep-alive") {
			return false
		}
	case is(name, "accept"):
		if lower := bytes.ToLower(value); bytes.Contains(lower, []byte("multipart/")) || bytes.Contains(lower, []byte("event-stream")) {
			return false
		}
	case is(name, "content-type"):
		if h.typed = bytes.HasPrefix(value, []byte("application/json")); !h.typed {
			return false
		}
	}
	key := textproto.CanonicalMIMEHeaderKey(string(name))
	h.header[key] = append(h.header[key], string(value))
	return true
}

// plainHost reports whether a Host is of the bytes of names, addresses and ports alone (RFC 3986, section 3.2.2). Whether
// others will do net/http knows.
func plainHost(value []byte) bool {
	for _, c := range value {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '.' && c != '-' && c != '_' && c != ':' && c != '[' && c != ']' {
			return false
		}
	}
	return len(value) > 0
}
