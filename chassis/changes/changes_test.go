package changes_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/lethe/lethe/chassis/changes"
	"github.com/lethe/lethe/embedded/redis"
	"github.com/lethe/lethe/embedded/redis/redistest"
)

// thing is what the tests follow.
type thing struct{ N int }

// shelf is the database of the tests.
type shelf struct {
	mu    sync.Mutex
	now   *thing
	ended bool
	fails error
	reads atomic.Int32
}

func (s *shelf) put(n int, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.ended = &thing{n}, ended
}

func (s *shelf) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = nil
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = err
}

func (s *shelf) read(context.Context) (*thing, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads.Add(1)
	if s.fails != nil {
		return nil, false, s.fails
	}
	if s.now == nil {
		return nil, false, nil
	}
	copied := *s.now
	return &copied, !s.ended, nil
}

// hour is a time between readings that no test waits for.
const hour = time.Hour

// TestFollowThroughALostConnection takes Redis away while a thing changes, and brings it back: what was missed is read then.
func TestFollowThroughALostConnection(t *testing.T) {
	t.Parallel()
	server, err := redis.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := server.Addr()
	client := goredis.NewClient(&goredis.Options{Addr: addr})
	t.Cleanup(func() { _ = client.Close() })
	f := changes.New(changes.Options{Redis: client, Topic: "things:changed:", Log: slog.New(slog.DiscardHandler), Reread: hour})
	hear(t, f)
	s := &shelf{}
	s.put(1, false)
	events, err := changes.Follow(t.Context(), f, "t1", s.read)
	if err != nil {
		t.Fatal(err)
	}
	next(t, events)
	for n := 2; n <= 3; n++ {
		s.put(n, false)
		f.Announce(t.Context(), "t1")
		if got := next(t, events); got == nil || got.N != n {
			t.Fatalf("it is %v", got)
		}
	}
	server.Close()
	s.put(4, true)
	f.Announce(t.Context(), "t1") // which nobody hears, and which fails nothing
	if server, err = redis.Start(addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	if got := next(t, events); got == nil || got.N != 4 {
		t.Errorf("after the connection is back it is %v", got)
	}
}

// hear runs feeds until the test ends.
func hear(t *testing.T, feeds ...*changes.Feed) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, f := range feeds {
		wg.Go(func() {
			if err := f.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
}

// feeds gives two feeds as two processes of a service have them; both hear.
func feeds(t *testing.T, reread time.Duration) (a, b *changes.Feed) {
	t.Helper()
	o := changes.Options{Redis: redistest.Client(t), Topic: "things:changed:", Log: slog.New(slog.DiscardHandler), Reread: reread}
	a, b = changes.New(o), changes.New(o)
	hear(t, a, b)
	return a, b
}

func next(t *testing.T, events <-chan *thing) *thing {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(time.Minute):
		t.Fatal("nothing came")
	}
	return nil
}

// TestFollow changes a thing in one process and follows it in both.
func TestFollow(t *testing.T) {
	t.Parallel()
	a, b := feeds(t, hour)
	s := &shelf{}
	s.put(1, false)
	var followed []<-chan *thing
	for _, f := range []*changes.Feed{a, b, b} {
		events, err := changes.Follow(t.Context(), f, "t1", s.read)
		if err != nil {
			t.Fatal(err)
		}
		followed = append(followed, events)
		if got := next(t, events); got == nil || got.N != 1 {
			t.Fatalf("at first it is %v", got)
		}
	}
	for n := 2; n <= 5; n++ {
		s.put(n, n == 5)
		a.Announce(t.Context(), "t1")
		a.Announce(t.Context(), "t1") // nothing has changed in between: no event
		a.Announce(t.Context(), "t2")
		for i, events := range followed {
			if got := next(t, events); got == nil || got.N != n {
				t.Fatalf("follower %d got %v, want %d", i, got, n)
			}
		}
	}
	for i, events := range followed {
		if got := next(t, events); got != nil {
			t.Errorf("follower %d got %v after the end", i, got)
		}
	}
	if n := a.Following() + b.Following(); n != 0 {
		t.Errorf("%d still follow", n)
	}
}

// TestFollowWithoutAnnouncements changes a thing that no change is announced of: it is read again by itself.
func TestFollowWithoutAnnouncements(t *testing.T) {
	t.Parallel()
	f, _ := feeds(t, 20*time.Millisecond)
	s := &shelf{}
	s.put(1, false)
	events, err := changes.Follow(t.Context(), f, "t1", s.read)
	if err != nil {
		t.Fatal(err)
	}
	next(t, events)
	s.put(2, false)
	if got := next(t, events); got == nil || got.N != 2 {
		t.Errorf("got %v", got)
	}
	s.remove()
	if got := next(t, events); got != nil {
		t.Errorf("what is gone is followed further: %v", got)
	}
}

// TestFollowThroughAnError fails a reading in between: the next one goes on.
func TestFollowThroughAnError(t *testing.T) {
	t.Parallel()
	f, _ := feeds(t, hour)
	s := &shelf{}
	s.put(1, false)
	events, err := changes.Follow(t.Context(), f, "t1", s.read)
	if err != nil {
		t.Fatal(err)
	}
	next(t, events)
	s.put(2, true)
	s.fail(errors.New("the database is away"))
	f.Announce(t.Context(), "t1")
	for before := s.reads.Load(); s.reads.Load() == before; f.Announce(t.Context(), "t1") {
	}
	s.fail(nil)
	if got := next(t, events); got == nil || got.N != 2 {
		t.Errorf("got %v", got)
	}
}

func TestNothingToFollow(t *testing.T) {
	t.Parallel()
	f, _ := feeds(t, hour)
	if _, err := changes.Follow(t.Context(), f, "t1", (&shelf{}).read); !errors.Is(err, changes.ErrNone) {
		t.Errorf("the error is %v", err)
	}
	away := errors.New("the database is away")
	s := &shelf{fails: away}
	if _, err := changes.Follow(t.Context(), f, "t1", s.read); !errors.Is(err, away) {
		t.Errorf("the error is %v", err)
	}
	if n := f.Following(); n != 0 {
		t.Errorf("%d follow", n)
	}
}

// TestFollowUntilCancelled ends with whoever follows, also while it does not take what there is.
func TestFollowUntilCancelled(t *testing.T) {
	t.Parallel()
	f, _ := feeds(t, hour)
	s := &shelf{}
	s.put(1, false)
	for _, taken := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		events, err := changes.Follow(ctx, f, "t1", s.read)
		if err != nil {
			t.Fatal(err)
		}
		if taken {
			next(t, events)
		}
		cancel()
		for got := next(t, events); got != nil; got = next(t, events) {
		}
		if n := f.Following(); n != 0 {
			t.Errorf("%d still follow", n)
		}
	}
}
