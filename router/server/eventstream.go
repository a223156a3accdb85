package server

const eventStreamType = "text/event-stream"

// eventFraming is GraphQL over server-sent events, distinct connections mode.
type eventFraming struct{}

var eventStreamHeader = []string{eventStreamType + "; charset=utf-8"} //nolint:gochecknoglobals // a constant

func (eventFraming) contentType() []string { return eventStreamHeader }

func (eventFraming) single() string { return eventStreamType }

func (f eventFraming) begin(dst []byte) []byte { return f.alive(dst) }

func (eventFraming) next(dst, response []byte) []byte {
	dst = append(dst, "event: next\ndata: "...)
	from := len(dst)
	dst = append(dst, response...)
	// A line ends the data. In JSON a line ends only between tokens, where a space means the same.
	for i := from; i < len(dst); i++ {
		if dst[i] == '\n' || dst[i] == '\r' {
			dst[i] = ' '
		}
	}
	return append(dst, "\n\n"...)
}

func (eventFraming) alive(dst []byte) []byte { return append(dst, ":\n\n"...) }

func (f eventFraming) failed(dst, errs []byte) []byte {
	return f.next(dst, append(append([]byte(`{"errors":`), errs...), '}'))
}

// complete has data, though empty, since an EventSource does not tell of events without.
func (eventFraming) complete(dst []byte) []byte { return append(dst, "event: complete\ndata:\n\n"...) }

// stopping says nothing: a client opens a stream again that ends without being complete.
func (eventFraming) stopping(dst []byte) []byte { return dst }

// sendEvent answers with one response as a stream.
func (x *exchange) sendEvent(body []byte) {
	var f eventFraming
	x.status = 200
	h := x.w.Header()
	h["Content-Type"] = f.contentType()
	h["Cache-Control"] = []string{"no-cache, no-transform"}
	x.w.WriteHeader(x.status)
	_, _ = x.w.Write(f.complete(f.next(nil, body))) // a client that went away needs no answer
}
