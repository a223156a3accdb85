package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/lethe/lethe/router/execute"
)

// longFrom is the bytes of an answer from which it is compressed while it is sent, and sent in pieces.
const longFrom = 256 << 10

// long is an answer that is sent in pieces.
type long struct {
	length  int // before it is compressed
	to      io.Writer
	pack    packer // nil where it is sent as it is
	control *http.ResponseController
	ended   bool
	// whole holds the answer in the place of sending it, since others wait for it too.
	whole []byte
}

// pieces is an exchange that sends a long answer.
type pieces exchange

var _ execute.Stream = (*pieces)(nil)

// Begin implements [execute.Stream].
func (p *pieces) Begin(length int) {
	x := (*exchange)(p)
	x.long = &long{length: length, to: x.w}
	if x.flight != nil && !x.flight.withdraw() {
		x.long.whole = make([]byte, 0, length)
		return
	}
	x.status = http.StatusOK
	h := x.w.Header()
	h["Content-Type"] = contentTypes[x.media]
	if x.coding != "" && length >= x.codeFrom {
		h["Content-Encoding"] = codings[x.coding]
		x.long.pack = packers[x.coding].Get().(packer) //nolint:forcetypeassert // it holds nothing else
		x.long.pack.reset(x.w)
		x.long.to = x.long.pack
	} else {
		h["Content-Length"] = []string{strconv.Itoa(length)}
	}
	x.long.control = http.NewResponseController(x.w)
	// A client that reads slowly keeps subgraphs' answers in memory: no longer than this. The batch that an answer is a part
	// of has no deadline of its own, and whatever went wrong with the connection the first piece meets too.
	_ = x.long.control.SetWriteDeadline(time.Now().Add(patience))
	x.w.WriteHeader(http.StatusOK)
	_ = x.long.control.Flush()
}

// Write implements [execute.Stream].
func (p *pieces) Write(piece []byte) (int, error) {
	if p.long.whole != nil {
		p.long.whole = append(p.long.whole, piece...)
		return len(piece), nil
	}
	if p.gauge.meter != nil {
		_, _ = p.gauge.meter.Write(piece)
	}
	return p.long.to.Write(piece)
}

// finish ends an answer that was sent in pieces; err is why it was not sent to its end.
func (x *exchange) finish(err error) {
	l := x.long
	l.ended = true
	x.bytes = l.length
	if l.pack != nil {
		if err == nil {
			err = l.pack.Close()
		}
		l.pack.reset(io.Discard)
		packers[x.coding].Put(l.pack)
	}
	if err != nil {
		x.broken = true
		return
	}
	_ = l.control.Flush()
	_ = l.control.SetWriteDeadline(time.Time{})
}

// abandoned ends the connection where a fault of ours broke off an answer of which something was sent already: nothing else
// can be said in its place.
func (s *Server) abandoned(x *exchange) {
	if x.long == nil || x.long.ended || x.long.whole != nil {
		return
	}
	if v := recover(); v != nil {
		if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			s.log.ErrorContext(x.r.Context(), "a request panicked while it was answered", "request_id", x.id, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
		panic(http.ErrAbortHandler)
	}
}

// packer compresses what is written to it.
type packer interface {
	io.WriteCloser
	// reset begins anew.
	reset(to io.Writer)
}

// packers are by coding.
var packers = map[string]*sync.Pool{ //nolint:gochecknoglobals // pools
	gzipCoding: {New: func() any {
		w, err := gzip.NewWriterLevel(io.Discard, gzip.DefaultCompression)
		if err != nil {
			panic(err) // the level is a constant
		}
		return &gathered{coder: w}
	}},
	zstdCoding: {New: func() any {
		w, err := zstd.NewWriter(nil, append(zstdOptions(), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))...)
		if err != nil {
			panic(err) // its options are constants
		}
		return &gathered{coder: w}
	}},
}

// coder is a compressor, which writes little at a time.
type coder interface {
	io.WriteCloser
	Reset(to io.Writer)
}

// gathered sends what a compressor gives in larger pieces.
type gathered struct {
	coder
	out *bufio.Writer
}

func (g *gathered) reset(to io.Writer) {
	if g.out == nil {
		g.out = bufio.NewWriterSize(to, 32<<10)
	} else {
		g.out.Reset(to)
	}
	g.Reset(g.out)
}

// Close implements io.Closer.
func (g *gathered) Close() error {
	if err := g.coder.Close(); err != nil {
		return err
	}
	return g.out.Flush()
}
