package http1

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/lethe/lethe/router/buffers"
)

// Request is a POST of a body. It is the client's own until [Client.Post] returns.
type Request struct {
	// Head is the request line with all header lines but Content-Length, each ended by CRLF.
	Head []byte
	Body []byte
	// Repeatable reports whether sending it twice does no harm. Such a request is sent once more, over a new connection,
	// where one that was kept turns out to be closed, or where it cannot be known whose response was read.
	Repeatable bool
	// Deadline is when it is given up; zero for never.
	Deadline time.Time
	// At is when it is sent; zero for now.
	At time.Time
	// Limit bounds the body of the answer, in bytes.
	Limit int64
	// Buffers, where not nil, is where an answer that does not fit is read to.
	Buffers *buffers.List[byte]
	// Expected is how many bytes the body may have where the answer does not say it before.
	Expected int
}

// Response is what came back.
type Response struct {
	Status int
	// Body holds what the caller gave to append to, with the body after it.
	Body []byte
	// ContentType and ContentEncoding are valid until the next request.
	ContentType, ContentEncoding string
	// RetryAfter is the header of that name of an answer with a status of 300 or more.
	RetryAfter string
}

// TooLargeError is a body of more than the limit.
type TooLargeError struct{ Limit int64 }

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the answer has more than %d bytes", e.Limit)
}

// Client posts to one host over connections that it keeps. It is safe for concurrent use.
//
// A response on a kept connection belongs to the request before it only because of its place: nothing else in HTTP/1.1
// connects the two. So a connection is looked at before each use and closed at any byte or end (RFC 9112, section 9.2:
// bytes without an outstanding request are no response), a response that has bytes behind it is no answer, and a host that
// sent what nobody asked for gets each request over a connection of its own for a while. What no client can see by that, a
// surplus response that arrives after the next request was sent, is seen where the host echoes [ExchangeHeader].
type Client struct {
	addr    string
	dialer  net.Dialer
	suspect func(error)

	mu      sync.Mutex
	idle    []*conn   // the last used at the end
	alone   time.Time // until when connections are not used again
	closed  bool
	sweeper *time.Timer // nil until something is idle
	sweeps  bool        // whether the sweeper is set
}

const (
	// maxIdle bounds the connections that wait for another request.
	maxIdle = 512
	// idleFor is how long a connection waits for another request.
	idleFor = 60 * time.Second
	// idleForOnce is how long one may have waited for a request that must not be sent twice: hosts that close what waits
	// do so after two seconds or more, and what is closed just then costs the request.
	idleForOnce = time.Second
	// aloneFor is how long a host that sent what nobody asked for gets a new connection for each request.
	aloneFor = 5 * time.Minute
	// sweepEvery is how often the connections that wait are looked at while nobody asks for them.
	sweepEvery = 15 * time.Second
	dialFor    = 3 * time.Second
)

// NewClient returns a client for a host, given as host:port. Where suspect is not nil it is called, with the reason, when
// the host is found to have sent what nobody asked for, once for each time that its connections are not used again.
func NewClient(addr string, suspect func(reason error)) *Client {
	return &Client{addr: addr, suspect: suspect, dialer: net.Dialer{Timeout: dialFor, KeepAlive: 30 * time.Second}}
}

// Close closes the connections that no request uses; those in use are closed after it.
func (c *Client) Close() {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = nil, true
	if c.sweeper != nil {
		c.sweeper.Stop()
	}
	c.mu.Unlock()
	closeAll(idle)
}

func closeAll(conns []*conn) {
	for _, k := range conns {
		_ = k.Close()
	}
}

// Post sends a request and appends the body of the answer to into. A context that can be cancelled ends it; the error is
// then the context's.
func (c *Client) Post(ctx context.Context, req *Request, into []byte) (Response, error) {
	if req.At.IsZero() {
		req.At = time.Now()
	}
	for fresh := false; ; fresh = true {
		k, err := c.take(ctx, req, fresh)
		if err != nil {
			return Response{Body: into}, err
		}
		resp, err := k.exchange(ctx, req, into)
		if err == nil && (resp.Status != http.StatusRequestTimeout || !k.used || !req.Repeatable) {
			if resp.keep {
				c.put(k, req)
			} else {
				_ = k.Close()
			}
			return resp.Response, nil
		}
		_ = k.Close()
		if resp.foreign {
			c.distrust(err)
		}
		if ctx.Err() != nil {
			return resp.Response, ctx.Err()
		}
		// A 408 on a connection that was kept is the end of its time, and no answer (RFC 9110, section 15.5.9).
		again := err == nil || resp.foreign || k.used && resp.silent && !errors.Is(err, os.ErrDeadlineExceeded)
		if !again || fresh || !req.Repeatable {
			return resp.Response, err
		}
		into = resp.Body[:len(into)]
	}
}

// take returns a connection: the one that was used last, or a new one.
func (c *Client) take(ctx context.Context, req *Request, fresh bool) (*conn, error) {
	for !fresh {
		c.mu.Lock()
		var k *conn
		if n := len(c.idle); n > 0 {
			k = c.idle[n-1]
			c.idle[n-1] = nil
			c.idle = c.idle[:n-1]
		}
		c.mu.Unlock()
		if k == nil {
			break
		}
		rested := req.At.Sub(k.since)
		if rested < k.rest && (req.Repeatable || rested < idleForOnce) {
			seen := k.look()
			if seen == quiet {
				k.used = true
				return k, nil
			}
			if seen == spoke {
				c.distrust(errUnasked)
			}
		}
		_ = k.Close()
	}
	return c.dial(ctx, req.Deadline)
}

// put keeps a connection for another request.
func (c *Client) put(k *conn, req *Request) {
	if k.since = req.At; !req.Repeatable { // for those that are particular about it the time of the answer counts
		k.since = time.Now()
	}
	c.mu.Lock()
	keep := !c.closed && len(c.idle) < maxIdle && (c.alone.IsZero() || !req.At.Before(c.alone))
	if keep {
		c.idle = append(c.idle, k)
		if !c.sweeps {
			c.sweeps = true
			if c.sweeper == nil {
				c.sweeper = time.AfterFunc(sweepEvery, c.sweep)
			} else {
				c.sweeper.Reset(sweepEvery)
			}
		}
	}
	c.mu.Unlock()
	if !keep {
		_ = k.Close()
	}
}

// sweep closes the connections that waited for long enough, or that the other side closed, so that a burst leaves nothing
// behind.
func (c *Client) sweep() {
	now, kept, spoken := time.Now(), 0, false
	c.mu.Lock()
	for _, k := range c.idle {
		seen := over
		if now.Sub(k.since) < k.rest {
			seen = k.look()
		}
		if seen == quiet {
			c.idle[kept] = k
			kept++
			continue
		}
		spoken = spoken || seen == spoke
		_ = k.Close()
	}
	clear(c.idle[kept:])
	c.idle = c.idle[:kept]
	if c.sweeps = kept > 0 && !c.closed; c.sweeps {
		c.sweeper.Reset(sweepEvery)
	}
	c.mu.Unlock()
	if spoken {
		c.distrust(errUnasked)
	}
}

// distrust closes what waits and has no connection used twice for a while: what one connection has shown, others may hold.
func (c *Client) distrust(reason error) {
	now := time.Now()
	c.mu.Lock()
	known := now.Before(c.alone)
	c.alone = now.Add(aloneFor)
	idle := c.idle
	c.idle = nil
	c.mu.Unlock()
	closeAll(idle)
	if !known && c.suspect != nil {
		c.suspect(reason)
	}
}

func (c *Client) dial(ctx context.Context, deadline time.Time) (*conn, error) {
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	nc, err := c.dialer.DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return nil, err
	}
	return newConn(nc)
}
