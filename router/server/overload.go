package server

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// codeOverloaded is that of what is refused since too much is under way.
const codeOverloaded = "OVERLOADED"

// Why requests are refused under overload.
const (
	tooMany = "concurrency" // more are under way than limits.concurrentRequests
	noRoom  = "memory"      // more wait for memory than may, or for longer
)

// calm is how long nothing is refused until an episode of overload is over.
const calm = 5 * time.Second

// overload counts what is refused and logs each episode once, at its begin and its end.
type overload struct {
	log     *slog.Logger
	refused map[string]prometheus.Counter

	mu    sync.Mutex
	end   *time.Timer // of the episode; nil outside of one
	began time.Time
	last  time.Time
	count int
	over  bool // the server is closed
}

func newOverload(log *slog.Logger, registry *prometheus.Registry) *overload {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lethe_router_requests_shed_total", Help: "Requests that were refused since too much was under way, by what there was too much of: concurrency or memory.",
	}, []string{"reason"})
	registry.MustRegister(counter)
	return &overload{log: log, refused: map[string]prometheus.Counter{
		tooMany: counter.WithLabelValues(tooMany), noRoom: counter.WithLabelValues(noRoom),
	}}
}

// shed counts a request that is refused.
func (o *overload) shed(reason string) {
	o.refused[reason].Inc()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = time.Now()
	o.count++
	if o.end != nil || o.over {
		return
	}
	o.began, o.count = o.last, 1
	o.end = time.AfterFunc(calm, o.calmed)
	o.log.Warn("requests are refused: too much is under way; clients are told to come again in a moment (limits.concurrentRequests, limits.memoryBytes)", "reason", reason)
}

// calmed ends the episode, or waits on where something was refused meanwhile.
func (o *overload) calmed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end == nil {
		return
	}
	if rest := calm - time.Since(o.last); rest > 0 {
		o.end.Reset(rest)
		return
	}
	o.ended()
}

func (o *overload) ended() {
	o.end = nil
	o.log.Info("requests are no longer refused", "refused", o.count, "seconds", o.last.Sub(o.began).Seconds())
}

// close ends the episode under way.
func (o *overload) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	if o.end != nil {
		o.end.Stop()
		o.ended()
	}
}

// overloaded refuses a request since there is too much of something, and asks its client to come again.
func (s *Server) overloaded(x *exchange, reason, message string) {
	s.overload.shed(reason)
	x.w.Header().Set("Retry-After", "1")
	x.refuse(&problem{http.StatusServiceUnavailable, codeOverloaded, message})
}
