package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/maphash"
	"sync"

	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/prepare"
)

// sharing lets queries that are alike in everything, and under way at the same time, have one answer: the same operation
// with the same variables for the same identity under the same schema. What they are told apart by is compared whole.
type sharing struct {
	seed maphash.Seed
	mu   sync.Mutex
	by   map[uint64]*flight
}

// flight is one execution, and those who wait for it.
type flight struct {
	sharing *sharing
	hash    uint64
	program *execute.Program
	key     []byte
	waiters int
	done    chan struct{}
	// answer is there once done is closed; nil where it may not be shared.
	answer []byte
}

func newSharing() *sharing {
	return &sharing{seed: maphash.MakeSeed(), by: map[uint64]*flight{}}
}

// shareable reports whether the answer to an operation may be another's too, and completes x.shared, which tells it apart
// from others.
func (s *Server) shareable(ctx context.Context, x *exchange, e *engine, prepared *prepare.Prepared, req *execute.Request) bool {
	if !e.config.ShareInFlight || prepared.Kind != plan.Query || len(req.Extensions) > 0 || req.Files != nil {
		return false
	}
	identity := ""
	if s.options.Authenticator != nil {
		if s.options.Identity == nil {
			return false
		}
		var ok bool
		if identity, ok = s.options.Identity(ctx); !ok {
			return false
		}
	}
	key := binary.AppendUvarint(x.shared[:0], uint64(len(identity)))
	key = append(key, identity...)
	for _, v := range req.Variables {
		if v == nil {
			key = append(key, 0)
			continue
		}
		key = binary.AppendUvarint(key, uint64(len(v))+1)
		key = append(key, v...)
	}
	x.shared = key
	return true
}

// join gives the flight of an operation, and whether it is the caller's to run.
func (h *sharing) join(program *execute.Program, key []byte) (f *flight, leads bool) {
	hash := maphash.Bytes(h.seed, key)
	h.mu.Lock()
	defer h.mu.Unlock()
	f = h.by[hash]
	if f != nil && f.program == program && bytes.Equal(f.key, key) {
		f.waiters++
		return f, false
	}
	f = &flight{sharing: h, hash: hash, program: program, key: bytes.Clone(key), done: make(chan struct{})}
	if h.by[hash] != nil {
		return f, true // another with the same hash is under way: this one is nobody's to join
	}
	h.by[hash] = f
	return f, true
}

// withdraw ends that others may join, and reports whether nobody has.
func (f *flight) withdraw() bool {
	h := f.sharing
	h.mu.Lock()
	defer h.mu.Unlock()
	if f.waiters > 0 {
		return false
	}
	if h.by[f.hash] == f {
		delete(h.by, f.hash)
	}
	return true
}

// land ends a flight with its answer, nil where it may not be shared. Where the answer's buffer is used again, as reused says,
// the others get a copy.
func (f *flight) land(answer []byte, reused bool) {
	h := f.sharing
	h.mu.Lock()
	if h.by[f.hash] == f {
		delete(h.by, f.hash)
	}
	waiters := f.waiters
	h.mu.Unlock()
	if waiters > 0 && answer != nil {
		if f.answer = answer; reused {
			f.answer = bytes.Clone(answer)
		}
	}
	close(f.done)
}

// share answers an operation together with those that are like it. An answer with errors is told to nobody else, since it
// may be a passing trouble of one request, and names it. A long one is sent in pieces while nobody waits for it too.
func (s *Server) share(ctx context.Context, x *exchange, e *engine, program *execute.Program, req execute.Request) ([]byte, execute.Outcome) {
	f, leads := e.sharing.join(program, x.shared)
	if leads {
		var answer []byte
		reused := true
		defer func() { f.land(answer, reused) }()
		x.flight = f
		body, outcome := e.execute.Execute(ctx, program, req, nil)
		x.response = body
		if outcome.Streamed && x.long.whole != nil {
			x.giveBack(e)
			body, outcome.Streamed, reused = x.long.whole, false, false
		}
		if outcome == (execute.Outcome{}) {
			answer = body
		}
		return body, outcome
	}
	select {
	case <-f.done:
	case <-ctx.Done():
	}
	if f.landed() {
		return f.answer, execute.Outcome{}
	}
	body, outcome := e.execute.Execute(ctx, program, req, nil)
	x.response = body
	return body, outcome
}

func (f *flight) landed() bool {
	select {
	case <-f.done:
		return f.answer != nil
	default:
		return false
	}
}
