// Package persisted keeps the texts of operations that clients name rather than send: those that they registered by their
// hash (automatic persisted queries), and those that an operator trusts (manifests).
package persisted

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Hash is the SHA-256 of an operation's text.
type Hash [sha256.Size]byte

// HashOf gives the hash of a text.
func HashOf(text []byte) Hash { return sha256.Sum256(text) }

// ParseHash reads a hash in hexadecimal.
func ParseHash(text []byte) (Hash, bool) {
	var h Hash
	if len(text) != hex.EncodedLen(len(h)) {
		return h, false
	}
	_, err := hex.Decode(h[:], text)
	return h, err == nil
}

// String gives a hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Shared is a store that several routers have in common. What it gives is not trusted: a text counts only where it has
// the hash that was asked for.
type Shared interface {
	// Get gives a text, nil where there is none.
	Get(ctx context.Context, h Hash) ([]byte, error)
	// Put keeps a text for a while.
	Put(ctx context.Context, h Hash, text []byte) error
}

// The bounds of what a router keeps by itself.
const (
	maxTexts = 10_000
	maxBytes = 32 << 20
)

// patience bounds how long a request waits for the shared store, and rest how long that is left alone after it failed.
const (
	patience = 250 * time.Millisecond
	rest     = time.Second
)

// Store keeps the texts of operations by their hash, in memory, and where there is one in a shared store. Memory is
// bounded by count and bytes: when it is full, what was not asked for since the last round goes first. It is safe for
// concurrent use.
type Store struct {
	shared Shared // nil for none
	log    *slog.Logger
	until  atomic.Int64 // when the shared store is asked again, in nanoseconds since 1970

	mu     sync.RWMutex
	byHash map[Hash]*kept
	ring   []*kept
	hand   int
	bytes  int
}

type kept struct {
	hash Hash
	text []byte
	used atomic.Bool
}

// NewStore gives an empty store. Shared may be nil.
func NewStore(shared Shared, log *slog.Logger) *Store {
	return &Store{shared: shared, log: log, byHash: map[Hash]*kept{}}
}

// Find gives the text with a hash, nil where none is known. The text must not be changed. Where the shared store does
// not answer, what it holds counts as not known.
func (s *Store) Find(ctx context.Context, h Hash) []byte {
	s.mu.RLock()
	k := s.byHash[h]
	s.mu.RUnlock()
	if k != nil {
		if !k.used.Load() {
			k.used.Store(true)
		}
		return k.text
	}
	if !s.reachable() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	text, err := s.shared.Get(ctx, h)
	if err != nil {
		s.failed(ctx, err)
		return nil
	}
	if text == nil || HashOf(text) != h {
		return nil
	}
	return s.keep(h, text)
}

// Add keeps a text, of which the caller knows that it has the hash.
func (s *Store) Add(ctx context.Context, h Hash, text []byte) {
	s.mu.RLock()
	known := s.byHash[h] != nil
	s.mu.RUnlock()
	if known {
		return
	}
	text = s.keep(h, append([]byte(nil), text...))
	if !s.reachable() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.shared.Put(ctx, h, text); err != nil {
		s.failed(ctx, err)
	}
}

// Len gives how many texts are in memory.
func (s *Store) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.ring)
}

func (s *Store) reachable() bool { return s.shared != nil && time.Now().UnixNano() >= s.until.Load() }

func (s *Store) failed(ctx context.Context, err error) {
	s.until.Store(time.Now().Add(rest).UnixNano())
	s.log.WarnContext(ctx, "the store of persisted queries that routers share does not answer: this one goes on with its own", "reason", err)
}

// keep puts a text into memory and gives the one that is there.
func (s *Store) keep(h Hash, text []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.byHash[h]; k != nil {
		return k.text
	}
	if len(text) > maxBytes/16 {
		return text
	}
	for len(s.ring) >= maxTexts || s.bytes+len(text) > maxBytes {
		s.hand %= len(s.ring)
		victim := s.ring[s.hand]
		if victim.used.Swap(false) {
			s.hand++
			continue
		}
		last := len(s.ring) - 1
		s.ring[s.hand], s.ring[last] = s.ring[last], nil
		s.ring = s.ring[:last]
		s.bytes -= len(victim.text)
		delete(s.byHash, victim.hash)
	}
	k := &kept{hash: h, text: text}
	s.byHash[h] = k
	s.ring = append(s.ring, k)
	s.bytes += len(text)
	return text
}
