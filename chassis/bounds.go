package chassis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/lethe/lethe/chassis/conns"
)

// Bounds are what clients of a service may take. Zero values take the defaults. All times are total, whatever a client
// sends or takes in between.
type Bounds struct {
	// Connections are bounded by [Serve]; [ServeHandler] leaves that to whoever made the listener.
	Connections conns.Options
	// Head is for the head of a request: 10 s by default.
	Head time.Duration
	// Body is for the body, beside a second for each 8 KiB of it that came: 10 s by default.
	Body time.Duration
	// Idle is until the next request begins: two minutes by default.
	Idle time.Duration
}

const (
	// slowest is how many bytes a second a client has to send and to take.
	slowest = 8 << 10
	// takeWithin is how long a client may keep responses waiting, beside what the slowest would need for them.
	takeWithin = time.Minute
	// discardWithin is how long what is left of a body that nobody read may take.
	discardWithin = 5 * time.Second
)

func (b Bounds) complete() Bounds {
	b.Head, b.Body, b.Idle = cmp.Or(b.Head, 10*time.Second), cmp.Or(b.Body, 10*time.Second), cmp.Or(b.Idle, 2*time.Minute)
	return b
}

// earned returns the time that so many bytes may take.
func earned(bytes int64) time.Duration { return time.Duration(bytes/slowest) * time.Second }

type connKey struct{}

// hold has a server keep to the bounds.
func (b Bounds) hold(s *http.Server) {
	b = b.complete()
	s.ReadHeaderTimeout, s.IdleTimeout = b.Head, b.Idle
	state, next := s.ConnState, s.Handler
	s.ConnState = func(c net.Conn, to http.ConnState) {
		conns.Track(c, to)
		if state != nil {
			state(c, to)
		}
	}
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, conns.Of(c))
	}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		body := &timedBody{ReadCloser: r.Body, control: http.NewResponseController(w), base: b.Body, began: time.Now()}
		body.conn, _ = r.Context().Value(connKey{}).(conns.Tracked)
		r.Body = body
		defer body.finish()
		next.ServeHTTP(w, r)
	})
}

// timedBody is a request's body, for which the client has a time in all.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
	conn    conns.Tracked // nil for none
	base    time.Duration
	began   time.Time
	waited  time.Duration // for the client
	read    int64
	over    bool
}

var errSlowBody = fmt.Errorf("the body of the request did not come in time: %w", os.ErrDeadlineExceeded)

// Read implements io.Reader. Only the time for which the client is waited for counts.
func (b *timedBody) Read(p []byte) (int, error) {
	left := b.base + earned(b.read) - b.waited
	if left <= 0 {
		return 0, errSlowBody
	}
	// Not set at once: the handler may have a deadline of its own.
	var late atomic.Bool
	timer := time.AfterFunc(left, func() {
		late.Store(true)
		_ = b.control.SetReadDeadline(time.Unix(1, 0))
	})
	if b.conn != nil {
		b.conn.Wait(b.began)
	}
	began := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.waited += time.Since(began)
	if b.conn != nil {
		b.conn.Serve()
	}
	timer.Stop()
	b.read += int64(n)
	switch {
	case late.Load() && err != nil && !errors.Is(err, io.EOF):
		b.waited = max(b.waited, b.base+earned(b.read))
		b.over = true // the deadline stands
		return n, errSlowBody
	case err != nil:
		b.over = true
	}
	return n, err
}

// finish bounds the time for what is left of the body, which the server reads after the handler.
func (b *timedBody) finish() {
	if !b.over {
		_ = b.control.SetReadDeadline(time.Now().Add(discardWithin))
	}
}

// patient is a listener whose connections end when the client does not take what is sent to it.
type patient struct{ net.Listener }

// Accept implements net.Listener.
func (l patient) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &patientConn{Conn: c}, nil
}

// patientConn bounds for how long in all its client may keep it waiting. Where a deadline is set it does not interfere.
type patientConn struct {
	net.Conn
	own     atomic.Bool  // whether a deadline was set
	waited  atomic.Int64 // nanoseconds
	written atomic.Int64
}

// NetConn returns the connection below.
func (c *patientConn) NetConn() net.Conn { return c.Conn }

// SetDeadline implements net.Conn.
func (c *patientConn) SetDeadline(t time.Time) error {
	c.own.Store(!t.IsZero())
	return c.Conn.SetDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *patientConn) SetWriteDeadline(t time.Time) error {
	c.own.Store(!t.IsZero())
	return c.Conn.SetWriteDeadline(t)
}

// Write implements net.Conn.
func (c *patientConn) Write(p []byte) (int, error) {
	if c.own.Load() {
		return c.Conn.Write(p)
	}
	began := time.Now()
	left := takeWithin + earned(c.written.Load()+int64(len(p))) - time.Duration(c.waited.Load())
	if err := c.Conn.SetWriteDeadline(began.Add(left)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	c.waited.Add(int64(time.Since(began)))
	c.written.Add(int64(n))
	return n, err
}

// CloseWrite ends what is sent, so that a client that is refused gets the refusal and no reset in its place.
func (c *patientConn) CloseWrite() error {
	if below, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return below.CloseWrite()
	}
	return nil
}
