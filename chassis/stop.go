package chassis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Stop says how a service stops. The whole takes Notice and Timeout and at most [StopGrace] at its longest; where nothing is
// under way it takes Notice.
type Stop struct {
	// Notice is how long /ready answers 503 before the port closes, so that load balancers send nothing more. Requests that
	// come meanwhile are answered, on connections that close after them.
	Notice time.Duration
	// Timeout is how long requests under way may take from when the port closes, and what loops have under way.
	Timeout time.Duration
}

// NoNotice is the [Stop.Notice] of a service that leaves it to whoever runs it. It is none unless that one says it.
const NoNotice = -1

// DefaultStop returns how a service stops that does not say it.
func DefaultStop() Stop { return Stop{Notice: NoNotice, Timeout: 30 * time.Second} }

// StopGrace is how long loops may take to end after the time of [Stop] is over.
const StopGrace = 2 * time.Second

// beginWithin is how long a connection on which nothing was asked yet may take to begin once the service stops: it may have
// been opened, and its request sent, while the port closed.
const beginWithin = 500 * time.Millisecond

// drainer is a listener that answers requests itself.
type drainer interface {
	// Retire has the connections close after the request that they are at.
	Retire()
	// Drain closes the listener and waits for what is under way until ctx is done; then it cuts the connections, and
	// returns how many.
	Drain(ctx context.Context) (cut int)
}

// running is a service that is served.
type running struct {
	log      *slog.Logger
	listener net.Listener
	server   *http.Server
	handler  http.Handler

	retiring atomic.Bool        // it was told to stop
	left     chan struct{}      // closed when the port is
	cut      context.CancelFunc // ends the requests that are still under way

	mu    sync.Mutex
	under int           // requests under way, those that took over their connection too
	idle  chan struct{} // closed when there are none; nil where nobody waits
	fresh map[net.Conn]struct{}
}

func run(ctx context.Context, log *slog.Logger, ln net.Listener, h http.Handler, s *Service) error {
	r := &running{log: log, listener: ln, handler: h, left: make(chan struct{}), fresh: map[net.Conn]struct{}{}}
	requests, cut := context.WithCancel(context.WithValue(context.Background(), stoppingKey{}, (<-chan struct{})(r.left)))
	defer cut()
	r.cut = cut
	r.server = &http.Server{
		Handler:           r,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnState:         r.track,
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	s.Bounds.hold(r.server)
	how := DefaultStop()
	if s.Stop != nil {
		how = s.Stop()
	}
	looping, endLoops := context.WithCancel(context.WithValue(context.WithoutCancel(ctx), stopTimeoutKey{}, how.Timeout))
	defer endLoops()
	failed := make(chan error, len(s.Run)+1)
	var loops sync.WaitGroup
	for _, loop := range s.Run {
		loops.Go(func() {
			if err := loop(looping); err != nil && !errors.Is(err, context.Canceled) {
				failed <- err
			}
		})
	}
	go func() {
		if err := r.server.Serve(patient{ln}); !errors.Is(err, http.ErrServerClosed) && !r.retiring.Load() {
			failed <- fmt.Errorf("serve HTTP on %s: %w", ln.Addr(), err)
		}
	}()
	var first error
	select {
	case <-ctx.Done():
	case first = <-failed:
	}
	if s.Stop != nil {
		how = s.Stop() // it may have been configured anew
	}
	if first != nil {
		how.Notice = 0 // what it is needed for has failed
	}
	over := r.retire(how, failed, &first)
	if s.Leave != nil {
		s.Leave()
	}
	r.drain(over, how)
	endLoops()
	r.await(&loops, over)
	return first
}

// ServeHTTP implements http.Handler.
func (r *running) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.count(1)
	defer r.count(-1)
	if r.retiring.Load() {
		w.Header().Set("Connection", "close")
		if req.URL.Path == "/ready" {
			writeStatus(w, http.StatusServiceUnavailable, status{Status: "stopping"})
			return
		}
	}
	r.handler.ServeHTTP(w, req)
}

func (r *running) count(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.under += n; r.under == 0 && r.idle != nil {
		close(r.idle)
		r.idle = nil
	}
}

// quiet returns a channel that is closed when no request is under way.
func (r *running) quiet() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.idle == nil {
		r.idle = make(chan struct{})
		if r.under == 0 {
			close(r.idle)
			defer func() { r.idle = nil }()
		}
	}
	return r.idle
}

// track keeps the connections on which nothing was asked yet.
func (r *running) track(c net.Conn, state http.ConnState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if state == http.StateNew {
		r.fresh[c] = struct{}{}
	} else {
		delete(r.fresh, c)
	}
}

// retire has /ready answer no for the time of the notice and then closes the port. It returns when requests under way must
// be over.
func (r *running) retire(how Stop, failed <-chan error, first *error) time.Time {
	r.retiring.Store(true)
	if d, ok := r.listener.(drainer); ok {
		d.Retire()
	}
	r.log.Info("stopping: /ready answers no, then the port closes, then requests under way have their time", "notice", max(0, how.Notice).String(), "timeout", how.Timeout.String())
	if how.Notice > 0 {
		notice := time.NewTimer(how.Notice)
		defer notice.Stop()
		select {
		case <-notice.C:
		case *first = <-failed:
		}
	}
	_ = r.listener.Close()
	over := time.Now().Add(how.Timeout)
	r.mu.Lock()
	for c := range r.fresh {
		_ = c.SetReadDeadline(time.Now().Add(beginWithin))
	}
	r.mu.Unlock()
	close(r.left)
	return over
}

// drain waits for the requests under way, and cuts those that take too long.
func (r *running) drain(over time.Time, how Stop) {
	ctx, cancel := context.WithDeadline(context.Background(), over)
	defer cancel()
	var waiting sync.WaitGroup
	var cut atomic.Int64
	waiting.Go(func() {
		_ = r.server.Shutdown(ctx) // what is left is cut below
		select {
		case <-r.quiet(): // those too that took over their connection
		case <-ctx.Done():
		}
	})
	if d, ok := r.listener.(drainer); ok {
		waiting.Go(func() { cut.Add(int64(d.Drain(ctx))) })
	}
	waiting.Wait()
	r.mu.Lock()
	cut.Add(int64(r.under))
	r.mu.Unlock()
	if n := cut.Load(); n > 0 {
		r.log.Warn("requests under way are cut: they take longer than a stop may (SHUTDOWN_TIMEOUT)", "requests", n, "timeout", how.Timeout.String())
	}
	r.cut()
	_ = r.server.Close()
}

// await waits for the loops.
func (r *running) await(loops *sync.WaitGroup, over time.Time) {
	ended := make(chan struct{})
	go func() { loops.Wait(); close(ended) }()
	late := time.NewTimer(max(0, time.Until(over)) + StopGrace)
	defer late.Stop()
	select {
	case <-ended:
	case <-late.C:
		r.log.Warn("what is done beside requests is cut: it takes longer than a stop may (SHUTDOWN_TIMEOUT)")
	}
}

type (
	stoppingKey    struct{}
	stopTimeoutKey struct{}
)

// Stopping returns a channel that is closed when the service that serves a request has closed its port: what would last for
// ever ends then, while other requests have their time. It is nil, and never ready, outside [Serve].
func Stopping(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return c
}

// StopTimeout returns how long what one of [Service.Run] has under way may take once its context is done, which is that of
// [DefaultStop] outside of a service.
func StopTimeout(ctx context.Context) time.Duration {
	if d, ok := ctx.Value(stopTimeoutKey{}).(time.Duration); ok {
		return d
	}
	return DefaultStop().Timeout
}
