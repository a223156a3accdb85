package execute

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// representations are the distinct ones of a fetch, end to end. They are told apart by keys, which are shorter.
type representations struct {
	text    []byte
	ends    []int
	keys    []byte
	keyEnds []int
	table   []tagged // open addressing; its length is a power of two
}

// tagged is a place of the table of representations; its tag is 0 where it is free.
type tagged struct {
	tag   uint64
	index int32
}

// Seeds keep clients from choosing representations that collide.
var (
	seed  = maphash.MakeSeed()                          //nolint:gochecknoglobals // one seed for the life of the process
	words = [2]uint64{rand.Uint64(), rand.Uint64() | 1} //nolint:gochecknoglobals // the same for short keys
)

func (rs *representations) reset() {
	if len(rs.table) > 1<<14 {
		rs.table = nil
	}
	clear(rs.table)
	rs.text, rs.ends = rs.text[:0], rs.ends[:0]
	rs.keys, rs.keyEnds = rs.keys[:0], rs.keyEnds[:0]
}

// append writes the representations with commas between them.
func (rs *representations) append(dst []byte) []byte {
	dst = slices.Grow(dst, len(rs.text)+len(rs.ends)+len("]}}")) // and what ends the request
	from := 0
	for i, end := range rs.ends {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, rs.text[from:end]...)
		from = end
	}
	return dst
}

// long is what the highest byte of a tag is for keys that the tag does not hold wholly.
const long = 0xff << 56

// tag gives a number other than 0 for a key. It is seldom another's, and never where it is below long: then it holds the key
// itself.
func tag(key []byte) uint64 {
	n := len(key)
	switch {
	case n > 16:
		return maphash.Bytes(seed, key) | long
	case n >= 8:
		first, last := binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[n-8:])
		return mixed(first^uint64(n)<<56, last^words[1]) | long
	case n == 0:
		return long
	}
	t := uint64(n) << 56
	for i, c := range key {
		t |= uint64(c) << (8 * i)
	}
	return t
}

// shortTag gives the tag of the first n bytes of b, of which there are more than these few: 1 to 7.
func shortTag(b []byte, n uint32) uint64 {
	return binary.LittleEndian.Uint64(b)&(1<<(8*n&63)-1) | uint64(n)<<56
}

// mixed gives a number in which every bit depends on all bits of a and b.
func mixed(a, b uint64) uint64 {
	high, low := bits.Mul64(a^words[0], b)
	return high ^ low
}

// find gives the index of the representation with this key, byte for byte. Where there is none it takes the next index,
// under which the caller is to add it, and reports false.
func (rs *representations) find(key []byte) (int32, bool) {
	t := tag(key)
	if i, ok := rs.lookup(key, t); ok {
		return i, true
	}
	return rs.enter(key, t), false
}

// lookup gives the index of the representation with this key, which has the tag t.
func (rs *representations) lookup(key []byte, t uint64) (int32, bool) {
	mask := uint64(len(rs.table) - 1)
	for p := mixed(t, words[1]) & mask; p < uint64(len(rs.table)); p = (p + 1) & mask {
		e := &rs.table[p]
		if e.tag == t && (t < long || bytes.Equal(rs.keyAt(e.index), key)) {
			return e.index, true
		}
		if e.tag == 0 {
			break
		}
	}
	return 0, false
}

// enter gives the next index to a key, which has the tag t.
func (rs *representations) enter(key []byte, t uint64) int32 {
	e := tagged{tag: t, index: int32(len(rs.keyEnds))}
	rs.keys = append(rs.keys, key...)
	rs.keyEnds = append(rs.keyEnds, len(rs.keys))
	if 2*len(rs.keyEnds) > len(rs.table) {
		old := rs.table
		rs.table = make([]tagged, max(32, 2*len(old)))
		for _, e := range old {
			if e.tag != 0 {
				rs.put(e)
			}
		}
	}
	rs.put(e)
	return e.index
}

// put enters an entry into the table.
func (rs *representations) put(e tagged) {
	mask := uint64(len(rs.table) - 1)
	p := mixed(e.tag, words[1]) & mask
	for rs.table[p].tag != 0 {
		p = (p + 1) & mask
	}
	rs.table[p] = e
}

func (rs *representations) keyAt(i int32) []byte {
	from := 0
	if i > 0 {
		from = rs.keyEnds[i-1]
	}
	return rs.keys[from:rs.keyEnds[i]]
}

// add takes the representation that was appended to the text.
func (rs *representations) add() { rs.ends = append(rs.ends, len(rs.text)) }

// appendKey writes what tells an object's representation from others. It reports false where the object has none.
func (w *walk) appendKey(b []byte, n *node, base int, rep *representation, number int) ([]byte, bool) {
	b = append(b, byte(number), byte(number>>8))
	if !rep.flat {
		return w.represent(b, n, base, rep)
	}
	if rep.typename == nil {
		b = w.appendTypename(b, n, base, rep.types)
	}
	for i := range rep.fields {
		f := &rep.fields[i]
		v, body := w.read(base, f.access)
		switch v.kind {
		case leaf:
			b = append(b, body[v.off:v.off+v.n]...)
		case null:
			if !mayBeNull(f.typ) {
				return b, false
			}
		default:
			return b, false
		}
		b = append(b, 0) // which stands in no JSON text
	}
	return b, true
}

// represent writes an object as a representation. It reports false where a field that must have a value has none.
func (w *walk) represent(b []byte, n *node, base int, rep *representation) ([]byte, bool) {
	b = append(b, `{"__typename":`...)
	if rep.typename != nil {
		b = append(b, rep.typename...)
	} else {
		b = w.appendTypename(b, n, base, rep.types)
	}
	return w.representFields(b, n, base, rep.fields, false)
}

func (w *walk) appendTypename(b []byte, n *node, base int, types []string) []byte {
	name := w.runtimeType(n, base)
	b = append(b, '"')
	if name != nil {
		b = append(b, name...)
	} else if static := w.staticType(n, base); static != "" {
		b = append(b, static...)
	} else if len(types) == 1 {
		b = append(b, types[0]...)
	}
	return append(b, '"')
}

// representFields writes fields and the bracket after them; first says that none was written before.
func (w *walk) representFields(b []byte, n *node, base int, fields []representationField, first bool) ([]byte, bool) {
	for i := range fields {
		f := &fields[i]
		if !f.guard.Holds(w.mask) || !w.isOneOf(n, base, f.types) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, f.key...)
		ok := false
		if f.child == nil {
			v, body := w.read(base, f.access)
			switch v.kind {
			case leaf:
				b, ok = append(b, body[v.off:v.off+v.n]...), true
			case null:
				b, ok = append(b, "null"...), mayBeNull(f.typ)
			}
		} else {
			vals := w.childVals(n, f.child, base)
			b, ok = w.representChild(b, f, f.typ, vals, len(w.vals)-vals)
			w.vals = w.vals[:vals]
		}
		if !ok {
			return b, false
		}
	}
	return append(b, '}'), true
}

// representChild writes an object, or lists of objects of the type t.
func (w *walk) representChild(b []byte, f *representationField, t *ast.Type, vals, count int) ([]byte, bool) {
	if length := w.listLength(vals, count); length >= 0 {
		if t != nil && t.Elem == nil {
			return b, false
		}
		b = append(b, '[')
		for i := range length {
			if i > 0 {
				b = append(b, ',')
			}
			from := len(w.vals)
			w.elements(f.child, vals, count, i)
			var ok bool
			b, ok = w.representChild(b, f, elementOf(t), from, count)
			w.vals = w.vals[:from]
			if !ok {
				return b, false
			}
		}
		return append(b, ']'), true
	}
	base, ok := w.objects(f.child, vals)
	if ok && t != nil && t.Elem != nil {
		w.refs = w.refs[:base]
		return b, false
	}
	if !ok {
		w.refs = w.refs[:base]
		known := slices.ContainsFunc(w.vals[vals:vals+count], func(v slot) bool { return v.kind == null })
		return append(b, "null"...), known && mayBeNull(t)
	}
	b = append(b, '{')
	if f.typename {
		b = w.appendTypename(append(b, `"__typename":`...), f.child, base, nil)
	}
	b, ok = w.representFields(b, f.child, base, f.fields, !f.typename)
	w.refs = w.refs[:base]
	return b, ok
}
