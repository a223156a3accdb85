package store

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/btree"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// Store is everything that a server keeps.
type Store struct {
	log   *slog.Logger
	state atomic.Pointer[State]
	// records is the last record number that was given.
	records atomic.Uint64

	// mu is held while a draft is written, a transaction's statement included: writers go one at a time.
	mu     sync.Mutex
	claims map[string]*Txn
	done   map[string]*Done
	closed bool

	journal    *journal // nil when nothing is kept
	compacting bool
	background sync.WaitGroup
	// compactAt is the journal's size in bytes at which a snapshot replaces it.
	compactAt int64
}

// Done is the last write that a driver's session did, remembered so that its repetition gets the same answer.
type Done struct {
	Session string
	Number  int64
	Reply   value.Encoded
	At      time.Time
}

// SessionTimeout is how long an idle session is remembered.
const SessionTimeout = 30 * time.Minute

// Open opens the store in a directory, replaying what it holds; without a directory nothing is kept.
func Open(dir string, log *slog.Logger) (*Store, error) {
	s := &Store{log: log, claims: map[string]*Txn{}, done: map[string]*Done{}, compactAt: 64 << 20}
	s.state.Store(&State{collections: &btree.Map[string, *Collection]{}})
	if dir != "" {
		if err := s.replay(dir); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Close makes everything durable and lets the directory go.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	txns := map[*Txn]struct{}{}
	for _, t := range s.claims {
		txns[t] = struct{}{}
	}
	s.mu.Unlock()
	for t := range txns {
		t.Abort()
	}
	s.background.Wait()
	if s.journal == nil {
		return nil
	}
	return s.journal.close()
}

// View gives the present state.
func (s *Store) View() *State { return s.state.Load() }

// held says that another transaction has written what a draft wants to write.
type held struct{ by *Txn }

func (held) Error() string { return "waiting for a transaction" }

// Retry tells whether an error asks for the whole draft to be made again: it must be handed back as it is.
func Retry(err error) bool {
	_, is := errors.AsType[held](err)
	return is
}

// Write makes a draft by f and publishes it. When f fails nothing changes. What a transaction has claimed is waited for,
// and then f runs again. The answer is the number to call Durable with.
func (s *Store) Write(ctx context.Context, f func(*Draft) error) (lsn uint64, err error) {
	for {
		lsn, err = s.try(f)
		h, waiting := errors.AsType[held](err)
		if !waiting {
			return lsn, err
		}
		select {
		case <-h.by.done:
		case <-ctx.Done():
			return 0, TimedOut(ctx)
		}
	}
}

// TimedOut is the error for an operation whose context ended.
func TimedOut(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return fault.New(fault.MaxTimeMSExpired, "operation exceeded time limit")
	}
	return fault.New(fault.Code(11601), "operation was interrupted")
}

func (s *Store) try(f func(*Draft) error) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return 0, err
	}
	d := s.draft(s.View())
	if err := f(d); err != nil {
		return 0, err
	}
	return s.publish(d)
}

func (s *Store) usable() error {
	if s.closed {
		return fault.New(fault.ShutdownInProgress, "the server is closing")
	}
	if s.journal != nil {
		return s.journal.failed()
	}
	return nil
}

// publish makes a draft the present state and hands it to the journal. The caller holds mu.
func (s *Store) publish(d *Draft) (uint64, error) {
	lsn := s.View().lsn
	if d.Session != nil {
		d.Session.At = time.Now()
	}
	if len(d.ops) == 0 && d.Session == nil {
		return lsn, nil
	}
	if s.journal != nil {
		s.compactIfLarge()
		record, err := encodeRecord(d.ops, d.Session)
		if err != nil {
			return 0, err
		}
		lsn = s.journal.append(record)
	} else {
		lsn++
	}
	if d.Session != nil {
		s.done[d.Session.Session] = d.Session
	}
	next := d.state()
	next.lsn = lsn
	s.state.Store(next)
	return lsn, nil
}

// Durable waits until everything up to a number is on the disk.
func (s *Store) Durable(ctx context.Context, lsn uint64) error {
	if s.journal == nil {
		return nil
	}
	return s.journal.wait(ctx, lsn)
}

// Settle waits like Durable, but only when the journal is far behind: for writers that do not care.
func (s *Store) Settle(ctx context.Context, lsn uint64) error {
	if s.journal == nil || !s.journal.behind() {
		return nil
	}
	return s.journal.wait(ctx, lsn)
}

// LSN is the number of the last record that a state holds.
func (s *State) LSN() uint64 { return s.lsn }

// Recall gives the last write that a session did. Within a draft it sees every write that was published before.
func (d *Draft) Recall(session string) *Done { return d.store.done[session] }

// Recall gives the last write that a session did.
func (s *Store) Recall(session string) *Done {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done[session]
}

// Forget lets sessions go that were idle for SessionTimeout.
func (s *Store) Forget(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.done, func(_ string, d *Done) bool { return now.Sub(d.At) > SessionTimeout })
}
