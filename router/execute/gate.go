package execute

import (
	"context"
	"slices"
	"sync"
	"time"
)

// gate bounds the memory of the requests under way. What a request will hold is taken from the ones before it of the same
// program, and those for which there is no room wait: for so long at most, and so many. The rest are refused, before
// anything is held for them.
//
// A program whose subgraph is slow holds what it has for long. So no program takes more than its share of the budget, room
// that becomes free goes to the program that holds least, and requests that hold next to nothing never wait.
type gate struct {
	budget int64
	// little is what a request may hold that never waits.
	little int64
	// length bounds the requests that wait, and patience how long each does; without bound where they are 0.
	length   int
	patience time.Duration
	// share bounds those of one account; without bound where it is 0.
	share int

	mu      sync.Mutex
	held    int64 // by requests that are executed
	written int64 // by responses that clients are reading
	waiting int
	queues  []*queue       // those in which somebody waits
	lined   map[uint64]int // those that wait, by account
}

// queue is a program's requests at the gate. It is the gate's to read and write.
type queue struct {
	held    int64
	waiting []*waiter // in the order in which they came
	// moved is when somebody last came in who had not waited for long, or the first began to wait.
	moved time.Time
}

type waiter struct {
	weight  int64
	account uint64
	since   time.Time
	let     chan struct{}
}

// claim is what a request asks of the gate.
type claim struct {
	weight int64
	// guessed says that no request of the program has ended yet. What one takes is taken for much then, and may be next to
	// nothing: so nobody is refused for it alone, but waits until that is known, or its time is over.
	guessed bool
	// must says that the request is not refused: it goes in when its time is over all the same, and fails soon.
	must bool
	// charged is whom the request is charged to; nil for nobody.
	charged Charged
}

// account returns the account that a request waits under.
func (c claim) account() uint64 {
	if c.charged == nil {
		return 0
	}
	return c.charged.Account()
}

// enter waits until there is room, and reports false where the request is refused instead.
func (g *gate) enter(ctx context.Context, deadline time.Time, q *queue, c claim) bool {
	weight, must := c.weight, c.must
	g.mu.Lock()
	if weight <= g.little || g.waiting == 0 && g.fits(q, weight) {
		g.take(q, weight)
		g.mu.Unlock()
		return true
	}
	now := time.Now()
	if !must && g.full(q, c, now) {
		g.mu.Unlock()
		return false
	}
	w := g.line(q, c, now)
	g.admit(now)
	g.mu.Unlock()
	var late <-chan time.Time
	if g.patience > 0 && !must && !c.guessed {
		if last := now.Add(g.patience); deadline.IsZero() || last.Before(deadline) {
			deadline = last
		}
	}
	if !deadline.IsZero() {
		timer := time.NewTimer(deadline.Sub(now))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-w.let:
		return true
	case <-ctx.Done():
	case <-late:
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(q.waiting, w)
	if i < 0 {
		return true // it was let in at the same moment
	}
	g.remove(q, i)
	if must {
		g.take(q, weight)
	}
	g.admit(time.Now())
	return must
}

// full reports whether a request that would wait is refused at once: where as many wait as may, and where nobody has come in
// for so long without waiting for half of what is allowed, so that this one would wait in vain, most likely.
func (g *gate) full(q *queue, c claim, now time.Time) bool {
	return g.length > 0 && g.waiting >= g.length || g.shareTaken(c.account()) || g.patience > 0 && !c.guessed && len(q.waiting) > 0 && now.Sub(q.moved) > g.patience
}

// shareTaken reports whether as many requests of an account wait as may.
func (g *gate) shareTaken(account uint64) bool {
	return g.share > 0 && account != 0 && g.lined[account] >= g.share
}

// crowded reports whether that, and not that as many wait as may in all, is why a request of an account is refused.
func (g *gate) crowded(c claim) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shareTaken(c.account()) && (g.length == 0 || g.waiting < g.length)
}

// line puts a request at the end of its queue.
func (g *gate) line(q *queue, c claim, now time.Time) *waiter {
	w := &waiter{c.weight, c.account(), now, make(chan struct{})}
	if w.account != 0 {
		if g.lined == nil {
			g.lined = map[uint64]int{}
		}
		g.lined[w.account]++
	}
	if len(q.waiting) == 0 {
		q.moved = now
		g.queues = append(g.queues, q)
	}
	q.waiting = append(q.waiting, w)
	g.waiting++
	return w
}

func (g *gate) remove(q *queue, i int) {
	if account := q.waiting[i].account; account != 0 {
		if g.lined[account]--; g.lined[account] == 0 {
			delete(g.lined, account)
		}
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	g.waiting--
	if len(q.waiting) == 0 {
		at := slices.Index(g.queues, q)
		g.queues = slices.Delete(g.queues, at, at+1)
	}
}

func (g *gate) take(q *queue, weight int64) {
	g.held += weight
	q.held += weight
}

// fits reports whether a request has room. One alone always has. Responses that are written take half of the room at most,
// so that clients who read slowly do not keep out the others.
func (g *gate) fits(q *queue, weight int64) bool {
	return g.budget <= 0 || g.held == 0 || g.held+min(g.written, g.budget/2)+weight <= g.budget && g.within(q, weight)
}

// within reports whether a program stays within its share: three quarters of the budget.
func (g *gate) within(q *queue, weight int64) bool {
	return q.held == 0 || q.held+weight <= g.budget-g.budget/4
}

// leave gives back what a request held.
func (g *gate) leave(q *queue, weight int64) { g.finish(q, weight, 0) }

// finish gives back what a request held, but for the response, which is to be written.
func (g *gate) finish(q *queue, weight, response int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.take(q, -weight)
	g.written += response
	if g.waiting > 0 {
		g.admit(time.Now())
	}
}

// wrote gives back what a response took.
func (g *gate) wrote(response int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.written -= response
	if g.waiting > 0 {
		g.admit(time.Now())
	}
}

// admit lets in those whose turn it is. Where the one whose turn it is has no room yet, it is kept for it.
func (g *gate) admit(now time.Time) {
	for {
		q := g.next()
		if q == nil {
			return
		}
		w := q.waiting[0]
		if !g.fits(q, w.weight) {
			return
		}
		g.take(q, w.weight)
		if now.Sub(w.since) <= g.patience/2 {
			q.moved = now
		}
		g.remove(q, 0)
		close(w.let)
	}
}

// next gives the queue whose turn it is: of those within their share the one that holds least.
func (g *gate) next() *queue {
	var next *queue
	for _, q := range g.queues {
		if (next == nil || q.held < next.held) && (g.held == 0 || g.within(q, q.waiting[0].weight)) {
			next = q
		}
	}
	return next
}

// waits returns how many requests wait.
func (g *gate) waits() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting
}
