package http1

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// writer is the response. It implements http.ResponseWriter.
type writer struct {
	conn    net.Conn
	leaving *atomic.Bool // whether connections close after what they are at
	closing bool         // whether this one does
	header  http.Header
	status  int
	body    []byte // what was written so far
	sent    bool   // the head, at least
	form    framing
	left    int // of the length that was said
	err     error
	head    []byte
	bufs    [3][]byte
	vectors net.Buffers
	dated   int64
	date    []byte
	fields  [][2]string // names and values that are not among the headers
	kind    string      // of the body, where it is not among the headers
	at      time.Time   // when the head was sent
	until   deadline    // of sending
}

// framing is how the client is told where a response ends.
type framing uint8

const (
	atOnce   framing = iota // it is sent at once, with its length
	counted                 // its length was said, and it is sent in pieces
	inChunks                // in chunks (RFC 9112, section 7.1)
)

func (w *writer) reset() {
	if len(w.header) > 0 {
		clear(w.header)
	}
	if cap(w.body) > keptBuffer {
		w.body = nil
	}
	w.status, w.body, w.sent, w.form, w.err = 0, w.body[:0], false, atOnce, nil
	w.fields, w.kind = w.fields[:0], ""
}

// SetWriteDeadline is found by http.ResponseController. Without it, or with none, a client may take a minute for the whole
// response.
func (w *writer) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		t = time.Now().Add(waitWrite)
	}
	return w.until.hold(t)
}

// FlushError is found by http.ResponseController. What is written after it goes to the client at once: in chunks, or as it
// is where its length was said before.
func (w *writer) FlushError() error {
	if w.sent {
		return w.err
	}
	if w.form = inChunks; len(w.header["Content-Length"]) == 1 {
		n, ok := length([]byte(w.header["Content-Length"][0]))
		if !ok || int64(len(w.body)) > n {
			w.err = fmt.Errorf("a response of %d bytes at least has Content-Length: %s", len(w.body), w.header["Content-Length"][0])
			return w.err
		}
		w.form, w.left = counted, int(n)
	}
	if w.err = w.writeHead(w.left); w.err == nil && len(w.body) > 0 {
		_, _ = w.piece(w.body)
	}
	w.body = w.body[:0]
	return w.err
}

// piece sends a part of a response whose head was sent.
func (w *writer) piece(p []byte) (int, error) {
	if w.err != nil || len(p) == 0 {
		return 0, w.err
	}
	if w.form == counted {
		if len(p) > w.left {
			w.err = http.ErrContentLength
			return 0, w.err
		}
		n, err := w.write(p)
		w.left -= n
		w.err = err
		return n, err
	}
	w.head = append(strconv.AppendInt(w.head[:0], int64(len(p)), 16), "\r\n"...)
	w.bufs = [3][]byte{w.head, p, lineEnd}
	w.writeVectors(3)
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

var (
	lineEnd   = []byte("\r\n")      //nolint:gochecknoglobals // a constant
	lastChunk = []byte("0\r\n\r\n") //nolint:gochecknoglobals // a constant
	errShort  = errors.New("the response is shorter than was said")
)

// Header implements http.ResponseWriter.
func (w *writer) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter. A body that is written at once, with its length said before, goes out as it is;
// other responses go out when the handler has returned.
func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if w.form != atOnce {
		return w.piece(p)
	}
	if w.sent {
		return 0, http.ErrContentLength
	}
	if said := w.header["Content-Length"]; len(said) == 1 && len(w.body) == 0 && said[0] == strconv.Itoa(len(p)) {
		w.send(p)
		return len(p), w.err
	}
	w.body = append(w.body, p...)
	return len(p), nil
}

// AddField has the response carry a header line beside those of [writer.Header], at no cost but its bytes.
func (w *writer) AddField(name, value string) { w.fields = append(w.fields, [2]string{name, value}) }

// WriteWhole sends a whole response, of a type that stands not among the headers.
func (w *writer) WriteWhole(status int, contentType string, body []byte) {
	w.WriteHeader(status)
	if w.kind = contentType; len(w.body) == 0 && !w.sent {
		w.send(body)
		return
	}
	_, _ = w.Write(body) // the error is kept
}

// write sends bytes.
func (w *writer) write(p []byte) (sent int, err error) {
	for {
		n, err := w.conn.Write(p[sent:])
		if sent += n; err == nil || !w.until.extend(err) {
			return sent, err
		}
	}
}

// writeVectors sends the first n of the buffers.
func (w *writer) writeVectors(n int) {
	w.vectors = w.bufs[:n]
	_, w.err = w.vectors.WriteTo(w.conn)
	for w.err != nil && w.until.extend(w.err) {
		_, w.err = w.vectors.WriteTo(w.conn)
	}
	w.bufs = [3][]byte{}
}

// end sends what was not sent yet.
func (w *writer) end() error {
	switch {
	case !w.sent:
		w.send(w.body)
	case w.err != nil:
	case w.form == counted && w.left > 0:
		w.err = errShort
	case w.form == inChunks:
		_, w.err = w.write(lastChunk)
	}
	return w.err
}

// send sends the whole response.
func (w *writer) send(body []byte) {
	h := w.prepare(len(body))
	if w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		body = nil
	}
	if w.err != nil {
		return
	}
	if len(body) <= 4<<10 { // copied sooner than told apart
		w.head = append(h, body...)
		_, w.err = w.write(w.head)
		return
	}
	w.bufs = [3][]byte{h, body}
	w.writeVectors(2)
}

// writeHead sends the head of a response in pieces.
func (w *writer) writeHead(length int) error {
	h := w.prepare(length)
	if w.err == nil {
		_, w.err = w.write(h)
	}
	return w.err
}

// prepare writes the head into its buffer, and gives the client its time.
func (w *writer) prepare(length int) []byte {
	w.sent = true
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.at = time.Now()
	h := append(w.head[:0], "HTTP/1.1 "...)
	h = strconv.AppendInt(h, int64(w.status), 10)
	h = append(append(append(h, ' '), http.StatusText(w.status)...), "\r\nDate: "...)
	if unix := w.at.Unix(); unix != w.dated {
		w.dated, w.date = unix, w.at.UTC().AppendFormat(w.date[:0], http.TimeFormat)
	}
	h = append(append(h, w.date...), "\r\n"...)
	for _, f := range w.fields {
		h = appendField(h, f[0], f[1])
	}
	if w.kind != "" {
		h = appendField(h, "Content-Type", w.kind)
	}
	if len(w.header) > 0 {
		h = appendFields(h, w.header)
	}
	if w.closing = w.leaving.Load(); w.closing {
		h = append(h, "Connection: close\r\n"...)
	}
	switch {
	case w.status == http.StatusNoContent || w.status == http.StatusNotModified:
	case w.form == inChunks:
		h = append(h, "Transfer-Encoding: chunked\r\n"...)
	default:
		h = appendInt(append(h, "Content-Length: "...), length)
		h = append(h, "\r\n"...)
	}
	h = append(h, "\r\n"...)
	w.head = h
	w.err = w.until.hold(w.at.Add(waitWrite))
	return h
}

// appendFields writes headers, but for the length of the body.
func appendFields(h []byte, header http.Header) []byte {
	for name, values := range header {
		if name == "Content-Length" {
			continue
		}
		for _, v := range values {
			h = appendField(h, name, v)
		}
	}
	return h
}

// appendField writes a header line. A line break in a value would begin a line of its own: it becomes a space.
func appendField(h []byte, name, value string) []byte {
	h = append(append(h, name...), ": "...)
	from := len(h)
	h = append(h, value...)
	if strings.IndexByte(value, '\n') >= 0 || strings.IndexByte(value, '\r') >= 0 || strings.IndexByte(value, 0) >= 0 {
		for i, c := range h[from:] {
			if c == '\r' || c == '\n' || c == 0 {
				h[from+i] = ' '
			}
		}
	}
	return append(h, "\r\n"...)
}
