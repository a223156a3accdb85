package store

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
)

const (
	// TxnLifetime is how long a transaction may stay open, as in MongoDB.
	TxnLifetime = 60 * time.Second
	// MaxTxnBytes bounds what one transaction writes.
	MaxTxnBytes = 64 << 20
)

// Txn is an open transaction: it reads the state of its beginning and what it has written itself. What it has written
// is claimed until its end: other transactions that want to write it fail with a WriteConflict, other writers wait.
type Txn struct {
	store *Store
	base  *State
	draft *Draft
	keys  []string
	done  chan struct{}
	once  sync.Once
	timer *time.Timer
}

// Begin opens a transaction on the present state.
func (s *Store) Begin() *Txn {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &Txn{store: s, base: s.View(), done: make(chan struct{})}
	t.draft = s.draft(t.base)
	t.draft.txn = t
	t.timer = time.AfterFunc(TxnLifetime, t.Abort)
	return t
}

// Ended is closed when the transaction is over.
func (t *Txn) Ended() <-chan struct{} { return t.done }

// View is what the transaction reads. It must not be used while Write runs.
func (t *Txn) View() View { return t.draft }

// LSN is the number of the last record that the transaction's state holds.
func (t *Txn) LSN() uint64 { return t.base.lsn }

func (t *Txn) over() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

func gone() error {
	return &fault.Error{Code: fault.NoSuchTransaction, Message: "Transaction has been aborted.", Labels: []string{fault.TransientTransaction}}
}

// Write runs one statement of the transaction. After an error the caller must abort.
func (t *Txn) Write(f func(*Draft) error) error {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	if err := t.store.usable(); err != nil {
		return err
	}
	if t.over() {
		return gone()
	}
	if err := f(t.draft); err != nil {
		return err
	}
	if t.draft.size > MaxTxnBytes {
		return fault.New(fault.TransactionTooLarge, "a transaction may write %d bytes at most", MaxTxnBytes)
	}
	return nil
}

// Commit publishes what the transaction has written, and remembers it for the session.
func (t *Txn) Commit(done *Done) (lsn uint64, err error) {
	s := t.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.over() {
		return 0, gone()
	}
	defer t.end()
	if err := s.usable(); err != nil {
		return 0, err
	}
	d := s.draft(s.View())
	d.settled = true
	if len(t.draft.ops) > 0 {
		d.Session = done
	}
	for _, o := range t.draft.ops {
		if err := t.reapply(d, o); err != nil {
			return 0, err
		}
	}
	return s.publish(d)
}

// reapply repeats a change of the transaction on the present state.
func (t *Txn) reapply(d *Draft, o op) error {
	c := d.Collection(o.ns)
	if o.kind == "create" {
		if c != nil {
			return nil
		}
		return d.Create(o.ns, optionsFrom(o.arg))
	}
	if c == nil {
		return fault.Conflict()
	}
	if was := t.base.Collection(o.ns); was != nil && string(was.UUID.Data) != string(c.UUID.Data) {
		return fault.Conflict()
	}
	old, _ := c.records.Get(o.record)
	switch o.kind {
	case "put":
		if err := d.put(o.ns, o.doc, old); err != nil {
			return fault.Conflict()
		}
	case "del":
		if old == nil {
			return fault.Conflict()
		}
		return d.Delete(o.ns, old)
	}
	return nil
}

// Abort drops what the transaction has written. It does nothing to one that is over.
func (t *Txn) Abort() {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	t.end()
}

func (t *Txn) end() {
	t.once.Do(func() {
		t.timer.Stop()
		for _, k := range t.keys {
			delete(t.store.claims, k)
		}
		close(t.done)
	})
}

// claim makes sure that no other transaction has written a document, nor anyone since this one's beginning.
func (d *Draft) claim(ns string, old *Document) error {
	if d.settled || d.txn == nil && len(d.store.claims) == 0 {
		return nil
	}
	key := string(binary.BigEndian.AppendUint64(append([]byte(ns), 0), old.Record))
	mine, err := d.take(key)
	if err != nil || mine || d.txn == nil {
		return err
	}
	var was, is *Document
	if c := d.txn.base.Collection(ns); c != nil {
		was, _ = c.records.Get(old.Record)
	}
	if c := d.store.View().Collection(ns); c != nil {
		is, _ = c.records.Get(old.Record)
	}
	if was != is {
		return fault.Conflict()
	}
	return nil
}

// claimKey makes the same sure of a unique key that a document is about to take.
func (d *Draft) claimKey(ns, index, key string, record uint64) error {
	if d.settled || d.txn == nil && len(d.store.claims) == 0 {
		return nil
	}
	mine, err := d.take(ns + "\x00" + index + "\x00" + key)
	if err != nil || mine || d.txn == nil {
		return err
	}
	c := d.store.View().Collection(ns)
	if c == nil {
		return nil
	}
	if ix := c.Index(index); ix != nil {
		if r := ix.holder(key, record); r != 0 {
			if d.store.claims[string(binary.BigEndian.AppendUint64(append([]byte(ns), 0), r))] != d.txn {
				return fault.Conflict()
			}
		}
	}
	return nil
}

// take claims a key for the draft's transaction; mine tells that it had it before.
func (d *Draft) take(key string) (mine bool, err error) {
	switch by := d.store.claims[key]; {
	case by == nil:
		if d.txn != nil {
			d.store.claims[key] = d.txn
			d.txn.keys = append(d.txn.keys, key)
		}
		return false, nil
	case by == d.txn:
		return true, nil
	case d.txn != nil:
		return false, fault.Conflict()
	default:
		return false, held{by}
	}
}
