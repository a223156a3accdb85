package execute

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// request is one at a gate.
type request struct {
	queue  *queue
	weight int64
	in     chan bool // whether it was let in
}

// come has a request come to a gate; until it is let in, it or another, nothing else happens.
func come(g *gate, q *queue, weight int64, deadline time.Time, must bool) request {
	r := request{q, weight, make(chan bool, 1)}
	go func() { r.in <- g.enter(context.Background(), deadline, q, claim{weight: weight, must: must}) }()
	synctest.Wait()
	return r
}

// state of a request: whether it is in, was refused, or waits.
func (r request) state() string {
	select {
	case in := <-r.in:
		if in {
			return "in"
		}
		return "refused"
	default:
		return "waits"
	}
}

func (r request) is(t *testing.T, want string) {
	t.Helper()
	synctest.Wait()
	if got := r.state(); got != want {
		t.Errorf("%s in place of %s", got, want)
	}
}

func empty(t *testing.T, g *gate, queues ...*queue) {
	t.Helper()
	if g.held != 0 || g.waiting != 0 || len(g.queues) != 0 {
		t.Errorf("%d held, %d wait in %d queues", g.held, g.waiting, len(g.queues))
	}
	for _, q := range queues {
		if q.held != 0 || len(q.waiting) != 0 {
			t.Errorf("of one %d held, %d wait", q.held, len(q.waiting))
		}
	}
}

// TestGateOfGuesses holds that nobody is refused because what a program takes is not known yet: only where too many wait.
func TestGateOfGuesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, q := &gate{budget: 12, length: 2, patience: time.Second}, &queue{}
		guess := func() request {
			r := request{q, 8, make(chan bool, 1)}
			go func() {
				r.in <- g.enter(t.Context(), time.Now().Add(time.Minute), q, claim{weight: r.weight, guessed: true})
			}()
			synctest.Wait()
			return r
		}
		slow := guess()
		slow.is(t, "in")
		second := guess()
		time.Sleep(3 * time.Second)
		third, fourth := guess(), guess()
		second.is(t, "waits")
		third.is(t, "waits")
		fourth.is(t, "refused")
		g.leave(q, slow.weight)
		second.is(t, "in")
		time.Sleep(time.Minute)
		third.is(t, "refused")
		g.leave(q, second.weight)
		empty(t, g, q)
	})
}

// TestGate holds that requests are let in while there is room, in order, and that one alone always has room.
func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, q := &gate{budget: 12}, &queue{}
		never := time.Time{}
		large := come(g, q, 50, never, false) // more than there is: alone it has room
		large.is(t, "in")
		first, second := come(g, q, 6, never, false), come(g, q, 1, never, false)
		first.is(t, "waits")
		second.is(t, "waits")
		late := come(g, q, 3, time.Now().Add(time.Millisecond), false)
		event := come(g, q, 2, time.Now().Add(time.Millisecond), true)
		time.Sleep(time.Millisecond)
		late.is(t, "refused")
		event.is(t, "in") // it may not be refused
		g.leave(q, 50)
		first.is(t, "in")
		second.is(t, "in")
		third := come(g, q, 1, never, false) // 2 + 6 + 1 are held, of 9 that one program may
		third.is(t, "waits")
		g.leave(q, 6)
		third.is(t, "in")
		for _, w := range []int64{2, 1, 1} {
			g.leave(q, w)
		}
		empty(t, g, q)
	})
}

// TestGateIsFair holds that a program which holds what it has for long leaves room to others, and that what becomes free
// goes to the one with least.
func TestGateIsFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{budget: 100, little: 2}
		slow, quick, third := &queue{}, &queue{}, &queue{}
		never := time.Time{}
		for range 3 {
			come(g, slow, 25, never, false).is(t, "in")
		}
		more := come(g, slow, 25, never, false)
		more.is(t, "waits") // three quarters are its share
		come(g, quick, 10, never, false).is(t, "in")
		wide := come(g, third, 20, never, false)
		wide.is(t, "waits") // there is room for 15
		behind := come(g, quick, 10, never, false)
		behind.is(t, "waits") // another holds less, and room is kept for it
		come(g, quick, 2, never, false).is(t, "in")
		g.leave(quick, 10)
		wide.is(t, "in")
		behind.is(t, "waits")
		g.leave(slow, 25)
		behind.is(t, "in") // rather than the one that holds more and has waited for longer
		more.is(t, "waits")
		g.leave(slow, 25)
		more.is(t, "in")
		g.leave(slow, 25)
		g.leave(slow, 25)
		g.leave(third, 20)
		g.leave(quick, 10)
		g.leave(quick, 2)
		empty(t, g, slow, quick, third)
	})
}

// TestGateRefuses holds that those are refused who would wait in vain: the queue is full, has waited for as long as it may,
// or has not moved for as long.
func TestGateRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{budget: 10, length: 2, patience: time.Second}
		q, other := &queue{}, &queue{}
		never := time.Time{}
		come(g, q, 10, never, false).is(t, "in")
		first := come(g, q, 10, never, false)
		time.Sleep(time.Second / 4)
		second := come(g, q, 10, never, false)
		come(g, q, 10, never, false).is(t, "refused") // two wait
		come(g, other, 10, never, false).is(t, "refused")
		time.Sleep(3 * time.Second / 4)
		first.is(t, "refused")
		second.is(t, "waits")
		time.Sleep(time.Second / 8)
		come(g, q, 10, never, false).is(t, "refused") // for more than a second nobody came in
		third := come(g, other, 10, never, false)     // which says nothing of another program
		third.is(t, "waits")
		g.leave(q, 10)
		second.is(t, "in") // it had waited for longer than the third
		third.is(t, "waits")
		fourth := come(g, q, 10, never, false)
		fourth.is(t, "waits") // the queue was empty, so there is hope again
		g.leave(q, 10)
		third.is(t, "in") // both programs hold nothing, and this one's turn was before
		fourth.is(t, "waits")
		g.leave(other, 10)
		fourth.is(t, "in")
		g.leave(q, 10)
		empty(t, g, q, other)
	})
}

// TestGateGivesUp holds that a request whose client has gone waits no longer.
func TestGateGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, q := &gate{budget: 10}, &queue{}
		come(g, q, 10, time.Time{}, false).is(t, "in")
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan bool, 1)
		go func() { gone <- g.enter(ctx, time.Time{}, q, claim{weight: 10}) }()
		synctest.Wait()
		if g.waits() != 1 {
			t.Error("it does not wait")
		}
		cancel()
		if <-gone {
			t.Error("it was let in")
		}
		g.leave(q, 10)
		empty(t, g, q)
	})
}

// TestGateUnderLoad holds that nothing is lost between many requests of several programs.
func TestGateUnderLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{budget: 1000, little: 1, length: 200, patience: 50 * time.Millisecond}
		queues := []*queue{{}, {}, {}}
		var all sync.WaitGroup
		var mu sync.Mutex
		counts := map[bool]int{}
		for i := range 600 {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			all.Go(func() {
				q := queues[random.IntN(len(queues))]
				for range 20 {
					weight := 1 + random.Int64N(300)
					must := random.IntN(20) == 0
					in := g.enter(context.Background(), time.Now().Add(time.Second), q, claim{weight: weight, must: must})
					mu.Lock()
					counts[in]++
					if must && !in {
						t.Error("one was refused that must not be")
					}
					mu.Unlock()
					if in {
						time.Sleep(time.Duration(random.IntN(5)) * time.Millisecond)
						g.leave(q, weight)
					}
				}
			})
		}
		all.Wait()
		if counts[true] == 0 || counts[false] == 0 {
			t.Errorf("%v", counts)
		}
		empty(t, g, queues...)
	})
}
