package persisted_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe/lethe/embedded/redis/redistest"
	"github.com/lethe/lethe/router/persisted"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestStore(t *testing.T) {
	t.Parallel()
	s := persisted.NewStore(nil, quiet())
	text := []byte("{ a }")
	h := persisted.HashOf(text)
	if s.Find(t.Context(), h) != nil {
		t.Error("an empty store knows a text")
	}
	s.Add(t.Context(), h, text)
	copy(text, "#####")
	if got := s.Find(t.Context(), h); string(got) != "{ a }" {
		t.Errorf("%q", got)
	}
	parsed, ok := persisted.ParseHash([]byte(strings.ToUpper(h.String())))
	if !ok || parsed != h {
		t.Errorf("%v, %v", parsed, ok)
	}
	for _, bad := range []string{"", "x", h.String()[1:], h.String() + "00", strings.Replace(h.String(), h.String()[:1], "g", 1)} {
		if _, ok := persisted.ParseHash([]byte(bad)); ok {
			t.Errorf("%q is no hash", bad)
		}
	}
}

// TestStoreIsBounded floods a store: it stays bounded, and what is in use stays.
func TestStoreIsBounded(t *testing.T) {
	t.Parallel()
	s := persisted.NewStore(nil, quiet())
	used := persisted.HashOf([]byte("used"))
	s.Add(t.Context(), used, []byte("used"))
	for i := range 30_000 {
		text := fmt.Appendf(nil, "{ f%d }", i)
		s.Add(t.Context(), persisted.HashOf(text), text)
		if i%1000 == 0 && s.Find(t.Context(), used) == nil {
			t.Fatalf("what is in use was dropped after %d others", i)
		}
	}
	if n := s.Len(); n != 10_000 {
		t.Errorf("%d texts", n)
	}
	big := persisted.NewStore(nil, quiet())
	for i := range 100 {
		text := fmt.Appendf(nil, "%d%s", i, strings.Repeat("x", 1<<20))
		big.Add(t.Context(), persisted.HashOf(text), text)
	}
	if n := big.Len(); n > 32 {
		t.Errorf("%d texts of a megabyte each", n)
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	s := persisted.NewStore(nil, quiet())
	text := []byte("{ a }")
	s.Add(t.Context(), persisted.HashOf(text), text)
	hash := []byte(persisted.HashOf(text).String())
	if n := testing.AllocsPerRun(100, func() {
		h, ok := persisted.ParseHash(hash)
		if !ok || s.Find(t.Context(), h) == nil {
			t.Fatal("not found")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestRoutersShare holds that what one router learnt the others know, for as long as it is told, and that a text is not
// believed.
func TestRoutersShare(t *testing.T) {
	t.Parallel()
	client := redistest.Client(t)
	shared := persisted.Redis{Client: client, TTL: func() time.Duration { return time.Hour }}
	one, other := persisted.NewStore(shared, quiet()), persisted.NewStore(shared, quiet())
	text := []byte("{ a }")
	h := persisted.HashOf(text)
	if other.Find(t.Context(), h) != nil {
		t.Fatal("known too early")
	}
	one.Add(t.Context(), h, text)
	if got := other.Find(t.Context(), h); string(got) != "{ a }" {
		t.Errorf("%q", got)
	}
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	if ttl := client.TTL(t.Context(), keys[0]).Val(); ttl <= 0 || ttl > time.Hour {
		t.Errorf("it is kept for %v", ttl)
	}
	if err := client.Set(t.Context(), keys[0], "{ forged }", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	if got := persisted.NewStore(shared, quiet()).Find(t.Context(), h); got != nil {
		t.Errorf("a forged text was taken: %q", got)
	}
}

// broken is a shared store that does not answer.
type broken struct {
	mu    sync.Mutex
	asked int
}

func (b *broken) fail() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	return errors.New("connection refused")
}
func (b *broken) Get(context.Context, persisted.Hash) ([]byte, error) { return nil, b.fail() }
func (b *broken) Put(context.Context, persisted.Hash, []byte) error   { return b.fail() }

// TestSharedStoreDown holds that a router goes on alone, and leaves a store that fails in peace.
func TestSharedStoreDown(t *testing.T) {
	t.Parallel()
	b := &broken{}
	s := persisted.NewStore(b, quiet())
	for i := range 1000 {
		text := fmt.Appendf(nil, "{ f%d }", i)
		h := persisted.HashOf(text)
		if s.Find(t.Context(), h) != nil {
			t.Fatal("known too early")
		}
		s.Add(t.Context(), h, text)
		if s.Find(t.Context(), h) == nil {
			t.Fatal("not kept")
		}
	}
	if b.asked > 100 {
		t.Errorf("a store that fails was asked %d times", b.asked)
	}
}
