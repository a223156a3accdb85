package execute

import (
	"errors"
	"math"
	"slices"
	"sync"
	"time"
)

// Stream takes a long response in pieces, so that it never stands in memory as a whole.
type Stream interface {
	// Begin is told of how many bytes the response is, before the first piece.
	Begin(length int)
	// Write takes a piece, whose bytes are the executor's again when it returns. After an error it is not called again.
	Write(piece []byte) (int, error)
}

const (
	// streamFrom is the bytes of a response from which it is sent in pieces, where nothing else is said. What is shorter is
	// written once, what is longer twice: to see whether anything has to be taken back, and to be sent.
	streamFrom = 256 << 10
	// pieceSize is about how long the pieces are after the first.
	pieceSize = 64 << 10
	// patient is how long a client may take what it is sent before it loses its place at the gate: one that reads slowly must
	// not keep others waiting.
	patient = time.Second
	// stop is a limit that everything is beyond: what is being written ends as soon as it can.
	stop = -1
)

// spilling is how a response leaves its buffer in pieces while it is written. A null where none may be takes back what was
// written since the nearest place that takes it, so that nothing may be sent before it is known that this does not happen. So
// a long response is written twice, and the first time its pieces are only counted. Where nothing was taken back that reached
// beyond the first piece, nothing will be the second time, wherever a piece then ends.
//
// Places in the buffer are good up to the next piece; places in the response, as written gives them, always are.
type spilling struct {
	limit int    // bytes in the buffer from which on a piece is taken from it
	first int    // bytes of the response of which everything may be taken back: the first piece has as many at least
	gone  int    // bytes that were
	to    Stream // where they go; nil while they are counted
	whole bool   // the response cannot be sent in pieces
	err   error  // of the stream: nothing more is to be written
}

// errTakenBack is a fault in the router: what was sent turned out to be wrong. It cannot come of anything that a subgraph
// or a client sends, since the response was written once before.
var errTakenBack = errors.New("a part of the response that was sent already had to be taken back")

// keep has the response stay in its buffer.
func (s *spilling) keep() { *s = spilling{limit: math.MaxInt, first: math.MaxInt} }

// spill takes a piece from the buffer.
func (s *spilling) spill(dst []byte) []byte {
	if s.err == nil && s.to != nil {
		_, s.err = s.to.Write(dst)
	}
	s.gone += len(dst)
	if s.limit = min(s.limit, pieceSize); s.err != nil {
		s.limit = stop
	}
	return dst[:0]
}

// written gives how many bytes of the response were written: those that are gone and those in the buffer.
func (s *spilling) written(dst []byte) int { return s.gone + len(dst) }

// back takes back what was written since a place in the response.
func (s *spilling) back(dst []byte, place int) []byte {
	if end := s.written(dst); end > place && end > s.first {
		s.whole = true
	}
	if place >= s.gone {
		return dst[:place-s.gone]
	}
	if s.to != nil && s.err == nil {
		s.err, s.limit = errTakenBack, stop
	}
	s.gone = place
	return dst[:0]
}

// respondTo writes the response into dst, which is empty, or where it is long to the request's stream.
func (r *run) respondTo(dst []byte) (_ []byte, streamed bool, err error) {
	to := r.request.Stream
	if to == nil {
		return r.respond(dst), false, nil
	}
	from, errs := r.executor.options.StreamFrom, len(r.errors)
	r.spilling = spilling{limit: from, first: from}
	defer r.spilling.keep()
	dst = r.respond(dst)
	length := r.written(dst)
	if r.gone == 0 {
		return dst, false, nil
	}
	// What the first time told is told again.
	clear(r.errors[errs:])
	r.errors, r.refs, r.vals, r.path = r.errors[:errs], r.refs[:0], r.vals[:0], r.path[:0]
	if r.whole {
		r.spilling.keep()
		return r.respond(slices.Grow(dst[:0], length)), false, nil
	}
	timer := time.AfterFunc(patient, r.place.leaveEarly())
	defer timer.Stop()
	r.spilling = spilling{limit: from, first: from, to: to}
	to.Begin(length)
	if dst = r.respond(dst[:0]); len(dst) > 0 {
		dst = r.spill(dst)
	}
	return dst, true, r.err
}

// place is a request's place at the gate.
type place struct {
	gate   *gate
	queue  *queue
	weight int64
	// response is what of it the response takes, where that is written by another; see [Executor.Written].
	response int64
	early    *sync.Once // whoever leaves; nil where nobody does before the request ends
}

// leaveEarly gives what leaves the gate before the request ends. It may be called after that.
func (p *place) leaveEarly() func() {
	p.early = &sync.Once{}
	at := *p
	return at.leave
}

// leave leaves the gate, once.
func (p *place) leave() {
	if p.early == nil {
		p.gate.finish(p.queue, p.weight, p.response)
		return
	}
	p.early.Do(func() { p.gate.finish(p.queue, p.weight, p.response) })
}
