package execute

import (
	"context"
	"sync"
	"time"
)

// gate bounds the memory of the requests under way: those beyond it wait for their turn, in the order in which they came.
// What a request will hold is taken from the ones before it of the same program.
type gate struct {
	budget int64

	mu      sync.Mutex
	held    int64
	waiting []*waiter
}

type waiter struct {
	weight int64
	let    chan struct{}
}

// enter waits until there is room, or the request's time is over: then it goes in all the same, and fails soon.
func (g *gate) enter(ctx context.Context, deadline time.Time, weight int64) {
	g.mu.Lock()
	if len(g.waiting) == 0 && g.fits(weight) {
		g.held += weight
		g.mu.Unlock()
		return
	}
	w := &waiter{weight, make(chan struct{})}
	g.waiting = append(g.waiting, w)
	g.mu.Unlock()
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-w.let:
		return
	case <-ctx.Done():
	case <-late:
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range g.waiting {
		if other == w {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			g.held += weight
			return
		}
	}
}

// fits reports whether a request has room. One alone always has.
func (g *gate) fits(weight int64) bool {
	return g.budget <= 0 || g.held == 0 || g.held+weight <= g.budget
}

func (g *gate) leave(weight int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held -= weight
	n := 0
	for ; n < len(g.waiting) && g.fits(g.waiting[n].weight); n++ {
		g.held += g.waiting[n].weight
		close(g.waiting[n].let)
	}
	if n > 0 {
		g.waiting = append(g.waiting[:0], g.waiting[n:]...)
	}
}
