package http1test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
)

// fault answers a request in its own way and reports whether the connection goes on.
type fault struct {
	name string
	does func(*speaker) bool
}

// ResetsIdle is the fault whose end does not show when it has arrived.
const ResetsIdle = "resets while idle"

// well answers as servers do, in one of the ways that a body is framed.
func well(s *speaker) bool {
	switch s.rand.IntN(6) {
	case 0:
		return s.say(s.response(s.chunked(s.answer), "Transfer-Encoding: chunked"))
	case 1:
		s.say(s.response(s.answer, "Connection: close"))
		return false
	case 2:
		for rest := s.right; len(rest) > 0; {
			n := min(len(rest), 1+s.rand.IntN(1+len(s.right)/5))
			if !s.say(rest[:n]) {
				return false
			}
			rest = rest[n:]
		}
		return true
	case 3:
		return s.say([]byte("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"), s.right)
	case 4:
		return s.say(s.response(s.answer, "Keep-Alive: timeout=5, max=100", fmt.Sprintf("Content-Length: %d", len(s.answer))))
	}
	return s.say(s.right)
}

func text(t string) []byte { return []byte(t) }

// breaks says something in place of a response, and closes.
func breaks(raw string) func(*speaker) bool {
	return func(s *speaker) bool { s.say(text(raw)); return false }
}

// idle answers well and then says something while nothing is asked.
func idle(raw string, goesOn bool) func(*speaker) bool {
	return func(s *speaker) bool {
		if !s.say(s.right) {
			return false
		}
		arrived(s.conn) // so that it comes after the answer
		return s.say(text(raw)) && goesOn
	}
}

// framed is the answer with other lines for its length.
func framed(lines ...string) func(*speaker) bool {
	return func(s *speaker) bool {
		own := make([]string, 0, len(lines))
		for _, l := range lines {
			own = append(own, strings.ReplaceAll(l, "LEN", fmt.Sprint(len(s.answer))))
		}
		s.say(s.response(s.answer, own...))
		return false
	}
}

// faults are those which a client can see for what they are.
var faults = []fault{
	// Surplus.
	{"twice at once", func(s *speaker) bool { return s.say(s.right, s.right) }},
	{"twice, the second later", func(s *speaker) bool {
		ok := s.say(s.right)
		arrived(s.conn)
		return ok && s.say(s.right)
	}},
	{"another's before it", func(s *speaker) bool { return s.say(s.before, s.right) }},
	{"another's after it", func(s *speaker) bool { return s.say(s.right, s.before) }},
	{"another's while idle", func(s *speaker) bool {
		ok := s.say(s.right)
		arrived(s.conn)
		return ok && s.say(s.before)
	}},
	{"three at once", func(s *speaker) bool { return s.say(s.before, s.before, s.right) }},
	{"half of another's after it", func(s *speaker) bool { return s.say(s.right, s.before[:len(s.before)/2]) }},
	{"garbage after it", func(s *speaker) bool { return s.say(s.right, text("\x00garbage")) }},
	{"one byte after it", func(s *speaker) bool { return s.say(s.right, text("H")) }},
	{"an empty line after it", func(s *speaker) bool { return s.say(s.right, text("\r\n")) }},
	{"a last chunk after it", func(s *speaker) bool { return s.say(s.right, text("0\r\n\r\n")) }},
	{"an answer that informs after it", func(s *speaker) bool { return s.say(s.right, text("HTTP/1.1 100 Continue\r\n\r\n")) }},
	{"surplus behind chunks", func(s *speaker) bool {
		return s.say(s.response(s.chunked(s.answer), "Transfer-Encoding: chunked"), s.before)
	}},
	{"surplus behind no content", func(s *speaker) bool { return s.say(text("HTTP/1.1 204 No Content\r\n\r\n"), s.right) }},
	{"surplus behind not modified", func(s *speaker) bool { return s.say(text("HTTP/1.1 304 Not Modified\r\n\r\n"), s.right) }},
	{"surplus behind a response that closes", func(s *speaker) bool {
		s.say(bytes.Replace(s.before, text("\r\n"), text("\r\nConnection: close\r\n"), 1), s.right)
		return false
	}},
	{"large, and another's behind it", func(s *speaker) bool {
		return s.say(s.response(append(bytes.Repeat(text(" "), 100_000), s.answer...)), s.before)
	}},
	// A response within another.
	{"a response in the body", func(s *speaker) bool {
		return s.say(s.response(append(bytes.Clone(s.answer), bytes.Repeat(text(" "), 10)...)))
	}},
	{"a response in a body whose length is short", func(s *speaker) bool {
		return s.say(s.response(append(bytes.Clone(s.answer), s.before...), fmt.Sprintf("Content-Length: %d", len(s.answer))))
	}},
	{"a response in a body that is cut", func(s *speaker) bool {
		s.say(s.response(s.before, fmt.Sprintf("Content-Length: %d", 2*len(s.before))))
		return false
	}},
	// Mixed.
	{"half of another's, then its own", func(s *speaker) bool { s.say(s.before[:len(s.before)-4], s.right); return false }},
	{"the head of another's, then its own", func(s *speaker) bool {
		s.say(s.before[:bytes.Index(s.before, text("\r\n\r\n"))+4], s.right)
		return false
	}},
	{"the heads of two, then the bodies", func(s *speaker) bool {
		end := bytes.Index(s.before, text("\r\n\r\n")) + 4
		s.say(s.before[:end], s.right[:len(s.right)-len(s.answer)], s.before[end:], s.answer)
		return false
	}},
	{"chunks of another's in its own", func(s *speaker) bool {
		return s.say(s.response(append(s.chunked(s.answer), s.chunked(s.before)...), "Transfer-Encoding: chunked"))
	}},
	// Ends.
	{"closes without a word", breaks("")},
	{"resets", func(s *speaker) bool { reset(s.conn); return false }},
	{"cut in the status line", breaks("HTTP/1.1 20")},
	{"cut in the head", breaks("HTTP/1.1 200 OK\r\nContent-Length: 5")},
	{"cut before the end of the head", breaks("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n")},
	{"cut in the body", func(s *speaker) bool { s.say(s.right[:len(s.right)-1]); return false }},
	{"cut in the body by a reset", func(s *speaker) bool {
		s.say(s.right[:len(s.right)-1])
		reset(s.conn)
		return false
	}},
	{"cut in a chunk", breaks("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n{\"data\"")},
	{"cut between chunks", breaks("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")},
	{"cut before the last line", breaks("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n")},
	{"closes while idle", idle("", false)},
	{ResetsIdle, func(s *speaker) bool {
		s.say(s.right)
		arrived(s.conn)
		reset(s.conn)
		return false
	}},
	{"its time is over while idle", idle("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false)},
	{"its time is over while idle, of an older version", idle("HTTP/1.0 408 Request Time-out\r\nConnection: close\r\n\r\n<html>", false)},
	{"garbage while idle", idle("garbage", true)},
	{"bad request while idle", idle("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false)},
	// Never ending.
	{"informs without end", func(s *speaker) bool {
		for s.say(bytes.Repeat(text("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), 10)) {
		}
		return false
	}},
	{"informs at length", func(s *speaker) bool {
		for s.say(text("HTTP/1.1 103 Early Hints\r\nLink: " + strings.Repeat("x", 30_000) + "\r\n\r\n")) {
		}
		return false
	}},
	{"a head without end", func(s *speaker) bool {
		s.say(text("HTTP/1.1 200 OK\r\n"))
		for s.say(bytes.Repeat(text("X: y\r\n"), 1000)) {
		}
		return false
	}},
	{"a line without end", func(s *speaker) bool {
		for s.say(bytes.Repeat(text("HTTP/1.1 "), 1000)) {
		}
		return false
	}},
	{"trailers without end", func(s *speaker) bool {
		s.say(text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"))
		for s.say(bytes.Repeat(text("X: y\r\n"), 1000)) {
		}
		return false
	}},
	{"chunk extensions without end", func(s *speaker) bool {
		s.say(text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
		for s.say(text("1;" + strings.Repeat("x", 3000) + "\r\na\r\n")) {
		}
		return false
	}},
	{"an upgrade", breaks("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")},
	{"informs with a length", breaks("HTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")},
	// Framing.
	{"a length that is too long", framed("Content-Length: 1000000")},
	{"a length below zero", framed("Content-Length: -1")},
	{"a length with a sign", framed("Content-Length: +LEN")},
	{"a length in a list", framed("Content-Length: LEN, LEN")},
	{"a length that is empty", framed("Content-Length:", "Content-Length: LEN")},
	{"a length in hexadecimal", framed("Content-Length: 0xLEN")},
	{"two lengths", framed("Content-Length: LEN", "Content-Length: 1")},
	{"a length with a space in it", framed("Content-Length: 1 LEN")},
	{"a length and chunks", framed("Content-Length: LEN", "Transfer-Encoding: chunked")},
	{"chunks that are none", framed("Transfer-Encoding: chunked")},
	{"another coding", framed("Transfer-Encoding: gzip, chunked")},
	{"a coding unknown", framed("Transfer-Encoding: xchunked", "Content-Length: LEN")},
	{"chunks by a tab", framed("Transfer-Encoding:\tchunked", "Content-Length: LEN")},
	{"chunks twice", framed("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")},
	{"chunks of an older version", breaks("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")},
	{"a name with a space", framed("Content-Length : LEN")},
	{"a folded line", framed("X: a", " b", "Content-Length: LEN")},
	{"a line without a colon", framed("nonsense", "Content-Length: LEN")},
	{"a control byte", framed("X: a\x00b", "Content-Length: LEN")},
	{"a bare carriage return", framed("X: a\rContent-Length: 1", "Content-Length: LEN")},
	{"bare line feeds", func(s *speaker) bool { return s.say(bytes.ReplaceAll(s.right, text("\r\n"), text("\n"))) }},
	{"a bare line feed in the head", func(s *speaker) bool { return s.say(bytes.Replace(s.right, text("\r\n"), text("\n"), 1)) }},
	{"an empty line before it", func(s *speaker) bool { return s.say(text("\r\n"), s.right) }},
	{"another protocol", breaks("SSH-2.0-OpenSSH_9.2p1\r\n")},
	{"HTTP/2", breaks("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00")},
	{"no head", func(s *speaker) bool { s.say(s.answer); return false }},
	{"a chunk's size with a sign", breaks("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n")},
	{"a chunk's size with a space before", breaks("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n")},
	{"a chunk's size in hexadecimal twice", breaks("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n")},
	{"a chunk that overflows", breaks("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff3\r\nabc\r\n0\r\n\r\n")},
	{"a chunk that ends with a line feed", breaks("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n")},
	{"a chunk that is longer than it says", breaks("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n")},
	{"a trailer that is none", breaks("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n")},
	// Late.
	{"answers when the client has gone", func(s *speaker) bool {
		s.say(text("HTTP/1.1 200 OK\r\n"))
		s.options.GiveUp(s.number)
		_, _ = s.r.Peek(1)
		s.say(s.right)
		return false
	}},
	{"says nothing until the client has gone", func(s *speaker) bool {
		s.options.GiveUp(s.number)
		_, _ = s.r.Peek(1)
		return false
	}},
}

// echoed are those that only the mark of a request shows.
var echoed = []fault{
	{"another's in its place", func(s *speaker) bool { return s.say(s.before) }},
	{"another's in its place, and its own after the next request", func(s *speaker) bool {
		if !s.say(s.before) {
			return false
		}
		_, err := s.r.Peek(1) // the next request, if there is one
		return err == nil && s.say(s.right)
	}},
	{"again after the next request", func(s *speaker) bool {
		if !s.say(s.right) {
			return false
		}
		s.release()
		_, err := s.r.Peek(1)
		s.resume()
		return err == nil && s.say(s.right)
	}},
	{"another's after the next request", func(s *speaker) bool {
		if !s.say(s.right) {
			return false
		}
		s.release()
		_, err := s.r.Peek(1)
		s.resume()
		return err == nil && s.say(s.before)
	}},
	{"marked twice", func(s *speaker) bool {
		return s.say(bytes.Replace(s.right, text("\r\n"), text("\r\nLethe-Exchange: 0000000000000000-00000001\r\n"), 1))
	}},
}

// release says that nothing more follows before the next request.
func (s *speaker) release() {
	arrived(s.conn)
	s.mu.Lock()
	s.busy--
	s.settled.Broadcast()
	s.mu.Unlock()
}

func (s *speaker) resume() {
	s.mu.Lock()
	s.busy++
	s.mu.Unlock()
}

// reset ends a connection so that the other side gets a reset.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
