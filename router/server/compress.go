package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/lethe/lethe/router/settings"
)

// Compression says which responses are compressed.
type Compression struct {
	Enabled  *bool `yaml:"enabled" doc:"Whether responses are compressed, with zstd or gzip, for clients that accept it. On by default."`
	MinBytes int   `yaml:"minBytes" doc:"Bytes of a response below which it is not worth it: 1024 by default."`
}

func (c *Compression) complete(check *settings.Check) {
	check.Default("compression.minBytes", &c.MinBytes, 1024)
}

func (c *Compression) enabled() bool { return c.Enabled == nil || *c.Enabled }

// The codings of content (RFC 9110, section 8.4.1), as headers name them.
const (
	gzipCoding = "gzip"
	zstdCoding = "zstd"
)

// Headers, made once.
var ( //nolint:gochecknoglobals // constants
	codings        = map[string][]string{gzipCoding: {gzipCoding}, zstdCoding: {zstdCoding}}
	varyByEncoding = []string{"Accept-Encoding"}
)

// acceptedCoding gives the coding that a client likes best of those that there are, "" for none; zstd of two liked alike.
func acceptedCoding(accept []string) string {
	best, quality := "", 0.0
	for _, line := range accept {
		for part := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
			q := 1.0
			if text, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
				var err error
				if q, err = strconv.ParseFloat(text, 64); err != nil {
					continue
				}
			}
			switch name = strings.TrimSpace(name); {
			case strings.EqualFold(name, zstdCoding) && q > 0 && q >= quality:
				best, quality = zstdCoding, q
			case strings.EqualFold(name, gzipCoding) && q > quality:
				best, quality = gzipCoding, q
			}
		}
	}
	return best
}

// negotiateCoding chooses how the answer is compressed, and says that it hangs on what the client accepts.
func (x *exchange) negotiateCoding(c *Compression) {
	if !c.enabled() {
		return
	}
	x.coding, x.codeFrom = acceptedCoding(x.r.Header["Accept-Encoding"]), c.MinBytes
	if front, ok := x.w.(frontWriter); ok {
		front.AddField("Vary", varyByEncoding[0])
	} else if h := x.w.Header(); h["Vary"] == nil {
		h["Vary"] = varyByEncoding
	} else {
		h.Add("Vary", varyByEncoding[0])
	}
}

// compress gives a response as the client takes it. What does not get smaller stays as it is.
func (x *exchange) compress(body []byte) []byte {
	if x.coding == "" || len(body) < x.codeFrom {
		return body
	}
	switch x.coding {
	case zstdCoding:
		x.packed = zstdEncoder().EncodeAll(body, x.packed[:0])
	case gzipCoding:
		x.packed = appendGzip(x.packed[:0], body)
	}
	if len(x.packed) >= len(body) {
		return body
	}
	x.w.Header()["Content-Encoding"] = codings[x.coding]
	return x.packed
}

// zstdOptions are those of all encoders. The window is one that every client must take (RFC 8878, section 3.1.1.1.2), and
// keeps their buffers small.
func zstdOptions() []zstd.EOption {
	return []zstd.EOption{zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1 << 20), zstd.WithEncoderCRC(false)}
}

// zstdEncoder gives the encoder of what is sent at once: it is safe for concurrent use and keeps its buffers.
var zstdEncoder = sync.OnceValue(func() *zstd.Encoder { //nolint:gochecknoglobals // a pool
	e, err := zstd.NewWriter(nil, zstdOptions()...)
	if err != nil {
		panic(err) // its options are constants
	}
	return e
})

var gzipWriters = sync.Pool{New: func() any { //nolint:gochecknoglobals // a pool
	w, err := gzip.NewWriterLevel(io.Discard, gzip.DefaultCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

type appender struct{ b []byte }

func (a *appender) Write(b []byte) (int, error) {
	a.b = append(a.b, b...)
	return len(b), nil
}

func appendGzip(dst, body []byte) []byte {
	w, _ := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	to := &appender{dst}
	w.Reset(to)
	_, _ = w.Write(body) // an appender takes everything
	_ = w.Close()
	return to.b
}

// errCoding is a body in a coding that is not read.
var errCoding = &problem{http.StatusUnsupportedMediaType, "UNSUPPORTED_CONTENT_ENCODING", "Send the body as it is, or with Content-Encoding gzip or zstd."}

// decoded gives a reader of a body without its coding. The caller bounds what it reads of it; what it keeps of a window is
// bounded here.
func decoded(body io.Reader, coding string) (io.ReadCloser, error) {
	switch coding {
	case gzipCoding, "x-gzip":
		r, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		return r, nil
	case zstdCoding:
		r, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, err
		}
		return r.IOReadCloser(), nil
	}
	return nil, errCoding
}

// readCoded reads a request's body that is compressed, of which neither form may be larger than the limit.
func (q *request) readCoded(w http.ResponseWriter, r *http.Request, coding string, limit int64) error {
	if r.ContentLength > limit {
		return &http.MaxBytesError{Limit: limit}
	}
	body, err := decoded(http.MaxBytesReader(w, r.Body, limit), strings.ToLower(strings.TrimSpace(coding)))
	if err != nil {
		if errors.Is(err, errCoding) {
			w.Header().Set("Accept-Encoding", zstdCoding+", "+gzipCoding)
		}
		return err
	}
	defer func() { _ = body.Close() }()
	return q.readFrom(io.LimitReader(body, limit+1), limit)
}

// unpack has a subgraph's answer read without its coding.
func unpack(resp *http.Response) error {
	coding := strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding")))
	if coding == "" || coding == "identity" {
		return nil
	}
	body, err := decoded(resp.Body, coding)
	if err != nil {
		return fmt.Errorf("read an answer in %q: %w", coding, err)
	}
	resp.Body, resp.ContentLength = body, -1
	return nil
}
