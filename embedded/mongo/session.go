package mongo

import (
	"errors"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/store"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// sessions are the drivers' sessions, by their ids.
type sessions struct {
	mu   sync.Mutex
	byID map[string]*session
}

// session is one driver's session; its transactions come one after another.
type session struct {
	mu     sync.Mutex // held while a command of a transaction runs
	number int64
	txn    *store.Txn // nil when none is open

	used time.Time // guarded by sessions.mu
}

func newSessions() *sessions { return &sessions{byID: map[string]*session{}} }

// maxSessions bounds the sessions that are remembered, as in MongoDB.
const maxSessions = 1_000_000

// touch finds or makes a session and notes that it is in use.
func (s *sessions) touch(id string, now time.Time) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byID[id]
	if x == nil {
		if len(s.byID) >= maxSessions {
			return nil, fault.New(fault.TooManySessions, "more than %d sessions are open", maxSessions)
		}
		x = &session{number: -1}
		s.byID[id] = x
	}
	x.used = now
	return x, nil
}

func (s *sessions) expire(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, x := range s.byID {
		if now.Sub(x.used) > store.SessionTimeout {
			delete(s.byID, id) // a transaction that is open still ends by its own timer
		}
	}
}

// end lets a session go and aborts its transaction.
func (s *sessions) end(id string) {
	s.mu.Lock()
	x := s.byID[id]
	delete(s.byID, id)
	s.mu.Unlock()
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.abort()
}

func (x *session) abort() {
	if x.txn != nil {
		x.txn.Abort()
		x.txn = nil
	}
}

// inTransaction runs a command as part of its session's transaction. An error ends the transaction.
func (r *request) inTransaction(cmd command) (bson.D, error) {
	x, err := r.s.sessions.touch(r.session, r.now)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	ends := r.name == "commitTransaction" || r.name == "abortTransaction"
	switch {
	case r.number < x.number:
		return nil, fault.New(fault.TransactionTooOld, "Cannot start transaction with txnNumber %d on session because a newer transaction with txnNumber %d has already started", r.number, x.number)
	case r.start && r.number == x.number:
		return nil, fault.New(fault.Code(117), "a transaction with txnNumber %d has been started on the session already", r.number)
	case r.start:
		x.abort()
		x.number, x.txn = r.number, r.s.store.Begin()
	case r.number != x.number && !ends:
		return nil, noTransaction(r.number)
	}
	if ends {
		return r.endTransaction(x)
	}
	if x.txn == nil {
		return nil, noTransaction(r.number)
	}
	r.txn = x.txn
	reply, err := cmd.run(r)
	_, failed := value.Get(reply, "writeErrors")
	if err != nil || failed {
		x.abort()
	}
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Code == fault.WriteConflict && len(e.Labels) == 0 {
		e.Labels = []string{fault.TransientTransaction}
	}
	return reply, err
}

func noTransaction(number int64) error {
	return &fault.Error{
		Code: fault.NoSuchTransaction, Labels: []string{fault.TransientTransaction},
		Message: "Given transaction number does not match any in-progress transactions, or it has been aborted.",
		Details: bson.D{{Key: "txnNumber", Value: number}},
	}
}

func (r *request) endTransaction(x *session) (bson.D, error) {
	r.permitted("recoveryToken")
	if err := r.finish(); err != nil {
		return nil, err
	}
	if r.name == "abortTransaction" {
		if x.txn == nil || r.number != x.number {
			return nil, fault.New(fault.NoSuchTransaction, "no such transaction")
		}
		x.abort()
		return bson.D{}, nil
	}
	if x.txn == nil || r.number != x.number {
		// A commit that is repeated, as drivers do when they did not see the answer.
		if done := r.s.store.Recall(r.session); done != nil && done.Number == r.number {
			return bson.D{}, r.s.store.Durable(r.ctx, r.s.store.View().LSN())
		}
		return nil, noTransaction(r.number)
	}
	txn := x.txn
	x.txn = nil
	lsn, err := txn.Commit(&store.Done{Session: r.session, Number: r.number, Reply: "\x05\x00\x00\x00\x00"})
	if err != nil {
		return nil, err
	}
	return bson.D{}, r.s.store.Durable(r.ctx, lsn)
}

func commitTransaction(r *request) (bson.D, error) {
	return nil, fault.New(fault.Code(125), "%s may only be run within a transaction", r.name)
}

func abortTransaction(r *request) (bson.D, error) { return commitTransaction(r) }

func (r *request) sessionIDs() ([]string, error) {
	list, ok := r.first.(bson.A)
	if !ok {
		r.mismatch(r.name, r.first, "array")
	}
	var ids []string
	for _, x := range list {
		d, _ := x.(bson.D)
		id, _ := value.Get(d, "id")
		b, ok := id.(bson.Binary)
		if !ok {
			r.fail(fault.New(fault.BadValue, "%s needs a list of session ids", r.name))
		}
		ids = append(ids, string(b.Data))
	}
	return ids, r.finish()
}

func endSessions(r *request) (bson.D, error) {
	ids, err := r.sessionIDs()
	for _, id := range ids {
		r.s.sessions.end(id)
	}
	return bson.D{}, err
}

func refreshSessions(r *request) (bson.D, error) {
	ids, err := r.sessionIDs()
	for _, id := range ids {
		if _, err := r.s.sessions.touch(id, r.now); err != nil {
			return nil, err
		}
	}
	return bson.D{}, err
}
