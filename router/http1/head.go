// Package http1 speaks HTTP/1.1 (RFC 9112) where the router spends its time: requests of JSON with a length, on
// connections that are kept. It takes only what is plain and leaves all else to net/http, which knows every corner of the
// protocol: a message that is not exactly of the expected form is no message for this package.
package http1

import (
	"bytes"
	"errors"
	"fmt"
)

// maxHead bounds the bytes of a start line with the header lines after it.
const maxHead = 64 << 10

var (
	errMalformed = errors.New("the message is not well-formed HTTP/1.1")
	errHeadLarge = fmt.Errorf("the header has more than %d bytes", maxHead)
)

// headEnd gives the length of a head, with the empty line that ends it, or -1 while it is not all there.
func headEnd(b []byte) int {
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return i + 4
	}
	return -1
}

// nextLine takes a line from the head, without its end. It reports false for a line that ends in another way than with
// CRLF, which some take for an end and some do not.
func nextLine(head []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(head, '\n')
	if i < 1 || head[i-1] != '\r' {
		return nil, nil, false
	}
	return head[:i-1], head[i+1:], true
}

// wellEnded reports how much of an unfinished head was looked at, of which from is known already, or -1 where a line in it
// ends otherwise than with CRLF.
func wellEnded(b []byte, from int) int {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return len(b)
		}
		if from += i + 1; from < 2 || b[from-2] != '\r' {
			return -1
		}
	}
}

// plain reports whether text is free of control characters but for tabs.
func plain(text []byte) bool {
	for _, c := range text {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// splitField takes a header line apart. It reports false for what RFC 9112, section 5, does not allow: no name, space
// around it, a folded line, control characters.
func splitField(line []byte) (name, value []byte, ok bool) {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return nil, nil, false
	}
	name = line[:colon]
	for _, c := range name {
		if !token[c] {
			return nil, nil, false
		}
	}
	value = bytes.Trim(line[colon+1:], " \t")
	return name, value, plain(value)
}

// token holds the bytes that a header's name is made of (RFC 9110, section 5.6.2).
var token = func() (t [256]bool) { //nolint:gochecknoglobals // a constant
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

// length reads a Content-Length: digits alone, and not too many.
func length(value []byte) (int64, bool) {
	if len(value) == 0 || len(value) > 15 {
		return 0, false
	}
	n := int64(0)
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// is compares a header's name or a token of it, of ASCII letters in any case, with one in lower case.
func is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
