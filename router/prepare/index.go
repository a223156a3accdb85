package prepare

import (
	"maps"
	"sync/atomic"
)

// index finds entries by their hash. A reader takes no lock: each part is a map that is never written, and a change puts
// a copy in its place. The parts keep the copies small.
type index struct {
	parts [256]atomic.Pointer[map[uint64]*entry]
}

func (x *index) part(key uint64) *atomic.Pointer[map[uint64]*entry] { return &x.parts[key>>56] }

// get gives the entry with a hash, nil where there is none.
func (x *index) get(key uint64) *entry {
	if m := x.part(key).Load(); m != nil {
		return (*m)[key]
	}
	return nil
}

// put adds an entry in place of any other with its hash. Callers take turns.
func (x *index) put(e *entry) { x.change(e.key, func(m map[uint64]*entry) { m[e.key] = e }) }

// remove takes an entry out, unless another has its hash by now. Callers take turns.
func (x *index) remove(e *entry) {
	if x.get(e.key) == e {
		x.change(e.key, func(m map[uint64]*entry) { delete(m, e.key) })
	}
}

func (x *index) change(key uint64, change func(map[uint64]*entry)) {
	m := map[uint64]*entry{}
	if old := x.part(key).Load(); old != nil {
		m = maps.Clone(*old)
	}
	change(m)
	x.part(key).Store(&m)
}
