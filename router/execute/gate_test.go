package execute

import (
	"context"
	"testing"
	"time"
)

func TestGate(t *testing.T) {
	t.Parallel()
	g := &gate{budget: 10}
	enter := func(weight int64, deadline time.Time) chan struct{} {
		in := make(chan struct{})
		waits := func() int {
			g.mu.Lock()
			defer g.mu.Unlock()
			return len(g.waiting)
		}
		before := waits()
		go func() { g.enter(context.Background(), deadline, weight); close(in) }()
		for waits() == before {
			select {
			case <-in:
				return in
			default:
			}
		}
		return in
	}
	open := func(in chan struct{}) bool {
		select {
		case <-in:
			return true
		default:
			return false
		}
	}
	large := enter(50, time.Time{}) // more than there is: alone it has room
	if !open(large) {
		t.Fatal("one alone waits")
	}
	first, second := enter(6, time.Time{}), enter(1, time.Time{})
	if open(first) || open(second) {
		t.Fatal("there is no room")
	}
	late := enter(3, time.Now().Add(time.Millisecond))
	<-late // its time is over
	g.leave(50)
	<-first
	<-second
	third := enter(1, time.Time{}) // 3 + 6 + 1 are held
	if open(third) {
		t.Error("there is room for nothing more")
	}
	g.leave(6)
	<-third
	for _, w := range []int64{3, 1, 1} {
		g.leave(w)
	}
	if g.held != 0 || len(g.waiting) != 0 {
		t.Errorf("%d held, %d wait", g.held, len(g.waiting))
	}
}
