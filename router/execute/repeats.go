package execute

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
)

// Subgraphs repeat themselves: the author of many reviews stands in each of them, with all that was asked of authors. An
// object that is byte for byte like one before it at the same place of the query is not read again. It is that object, so
// that fetches ask for it once, and it is written by copying what was written before.

const (
	// ways is how many objects are remembered for a shape: one for each value of some bits of a hash.
	ways = 1 << wayBits
	// wayBits are those.
	wayBits = 4
	// probed is how many bytes are hashed: an object that is not longer costs little to read.
	probed = 32
	// patience is how often in a row no object may be found before a shape's are no longer looked for; each that is found
	// gives some of it back.
	patience, reward = 32, 8
)

// memory is what a scanner remembers of the objects of one shape.
type memory struct {
	patience int32
	met      [ways]met
}

// met is an object that was read: where it stands in the body and in the slots.
type met struct {
	hash     uint32
	from, to uint32 // to is 0 where there is none
	slots    uint32
}

// recall gives the memory of a shape, and where in it an object that begins at Pos belongs; nil where it is not worth the while.
func (s *scanner) recall(sh *shape) (m *memory, hash uint32) {
	if sh.memory == 0 || len(s.Data)-s.Pos < sh.probe+probed {
		return nil, 0
	}
	for len(s.memories) < sh.memory {
		if n := len(s.memories); n < cap(s.memories) {
			s.memories = s.memories[:n+1]
			s.memories[n] = memory{patience: patience}
		} else {
			s.memories = append(s.memories, memory{patience: patience})
		}
	}
	if m = &s.memories[sh.memory-1]; m.patience <= 0 {
		return nil, 0
	}
	b := s.Data[s.Pos+sh.probe:]
	b = b[:probed]
	const odd = 0x9e3779b97f4a7c15
	h := binary.LittleEndian.Uint64(b) * odd
	h = (bits.RotateLeft64(h, 23) ^ binary.LittleEndian.Uint64(b[8:])) * odd
	h = (bits.RotateLeft64(h, 23) ^ binary.LittleEndian.Uint64(b[16:])) * odd
	h = (bits.RotateLeft64(h, 23) ^ binary.LittleEndian.Uint64(b[24:])) * odd
	return m, uint32(h >> 32)
}

// again gives the object that was met before and is byte for byte what begins at Pos, and takes that.
func (s *scanner) again(sh *shape, m *memory, hash uint32) (slot, bool) {
	e := &m.met[hash>>(32-wayBits)]
	n := int(e.to - e.from)
	if e.hash != hash || n == 0 || len(s.Data)-s.Pos < n || !bytes.Equal(s.Data[s.Pos:s.Pos+n], s.Data[e.from:e.to]) {
		m.patience--
		return slot{}, false
	}
	m.patience = min(m.patience+reward, patience)
	s.Pos += n
	for i := range sh.copies {
		if at := &s.slots[int(e.slots)+sh.copied+i]; at.kind == absent {
			at.kind = repeated
		}
	}
	return slot{kind: object, off: e.slots}, true
}

// remember notes an object that was read.
func (s *scanner) remember(sh *shape, hash uint32, from int, v slot) {
	m := &s.memories[sh.memory-1]
	m.met[hash>>(32-wayBits)] = met{hash: hash, from: uint32(from), to: uint32(s.Pos), slots: v.off}
}

// copying is what a run knows of the objects that it wrote. Where they stand in the response is told in their slots.
type copying struct {
	cuts     kind // how often the end of the response was taken back: what was written before may not be there any more
	until    kind // of cuts, where nothing is copied any more
	troubles int  // how often something was written that is not the same at another place: an error with its path
}

// maxCuts is how often the end of a response may be taken back until nothing is copied any more. A response is written twice
// at most, and [written] with what is added stays below [pending].
const maxCuts = 100

// begin begins a response, of which nothing is there yet.
func (c *copying) begin() { c.cuts, c.until = c.until, c.until+maxCuts }

// cut takes back what was written since a place in the response.
func (r *run) cut(dst []byte, place int) []byte {
	if r.written(dst) > place && r.cuts < r.until {
		r.cuts++
	}
	return r.back(dst, place)
}

// copied writes an object of a sole projection, by copying it where it was written before and is still in the buffer. It
// reports whether it is null.
func (r *run) copied(dst []byte, p *objectProjection, v slot) ([]byte, bool) {
	var at *slot
	if p.copies > 0 && r.cuts < r.until {
		at = &r.answers[p.node.sources[p.source].fetch].slots[int(v.off)+p.copies]
		if at.kind == absent {
			at = nil
		} else if from := int(at.off) - r.gone; at.kind == written+r.cuts && from >= 0 {
			return append(dst, dst[from:from+int(at.n)]...), false
		}
	}
	from, begun, troubles := r.written(dst), r.begun(), r.troubles
	base := r.enterOne(p.node, p.source, int32(v.off))
	dst, ok := r.object(dst, p, base)
	r.refs = r.refs[:base]
	if !ok {
		r.forget(begun)
		return append(r.cut(dst, from), "null"...), true
	}
	if at != nil && r.troubles == troubles {
		if to := r.written(dst); to <= math.MaxUint32 {
			*at = slot{off: uint32(from), n: uint32(to - from), kind: written + r.cuts}
		}
	}
	return dst, false
}
