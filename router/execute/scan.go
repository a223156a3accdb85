package execute

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/lethe/lethe/router/jsontext"
	"github.com/lethe/lethe/router/plan"
)

// kind is what a slot holds.
type kind uint8

const (
	absent kind = iota // the subgraph did not answer the field
	null
	wrong  // what the subgraph wrote at body[off:off+n] does not fit the field's type: it stands for null
	leaf   // a value of no further structure: body[off:off+n], as the subgraph wrote it
	faulty // a list of leaves, as one leaf, of which some do not fit their type: these stand for null
	object // slots[off:off+shape.size]
	list   // slots[off:off+n], an element each

	repeated // of an object's copies: it stands at several places, and is to be remembered when it is written
	written  // of an object's copies: it stands in the response at [off:off+n]; with the number of the response's cuts before
)

// slot is one value of a subgraph's answer: a place in its body, or in its slots. It holds no pointer, so that the
// garbage collector has nothing to look at in an answer, however large.
type slot struct {
	off, n uint32
	kind   kind
}

// shape is what the router expects of an object in an answer: it wrote the query, so it knows the keys and their order.
// An object takes size slots: one for each field, and one for each entity fetch that attaches its answer there.
type shape struct {
	fields []shapeField
	size   int
	list   int // the number of the list in which the scanner notes these objects; 0 for none
	types  []typeField

	memory         int // the number of the memory of these objects, see [memory]; 0 for none
	probe          int // where in an object begins what tells it from others
	copied, copies int // slots that tell where in the response these objects were written, one for each way to write them
}

type shapeField struct {
	key    []byte // the response key between its quotes
	quoted []byte // "key":
	slot   int
	child  *shape         // nil for a leaf, which is kept as it is
	depth  int            // of the lists around objects, or leaves; -1 where it is not known
	parent string         // the type and
	name   string         // the field, for messages
	value  bool           // of some objects it is a leaf that names no type
	always bool           // every object has it
	when   [][]plan.Guard // under which every object has it: all guards of one of these hold
	names  bool           // an object has no type unless this has its name

	// What a leaf may be. Where opens is a quote, any string will do; takes and quick are the leaf type's.
	leaf  *leafType
	opens byte
	takes token
	quick int
	// Where the only value is a short name: its size between quotes, and what follows the first of them as a word, of which a
	// mask tells what counts. 0 where it is not.
	only         int
	name8, mask8 uint64

	// To compare the key and the comma before it, ,"key": of size bytes: its first sixteen, as words of which masks tell
	// what counts.
	size          int
	first, second uint64
	masks         [2]uint64
}

// shapeFieldOf gives a field of a shape.
func shapeFieldOf(key string, slot int, child *shape) shapeField {
	f := shapeField{key: []byte(key), quoted: append(jsontext.Quote(key), ':'), slot: slot, child: child, depth: -1}
	f.expect(anyLeaf)
	f.size = 1 + len(f.quoted)
	var text, mask [2 * 8]byte
	n := copy(text[:], append([]byte{','}, f.quoted...))
	for i := range n {
		mask[i] = 0xff
	}
	f.first, f.second = binary.LittleEndian.Uint64(text[:]), binary.LittleEndian.Uint64(text[8:])
	f.masks = [2]uint64{binary.LittleEndian.Uint64(mask[:]), binary.LittleEndian.Uint64(mask[8:])}
	return f
}

// expect sets what a leaf field may be.
func (f *shapeField) expect(t *leafType) {
	f.leaf, f.takes, f.quick, f.opens = t, t.takes, t.quick, 0
	if t.depth > 0 {
		f.takes = 0
	}
	if f.takes&textToken != 0 {
		f.opens = '"'
	}
	if f.only = 0; t.values != nil && t.depth == 0 && t.values.only != "" && len(t.values.only) < 8 {
		var text, mask [8]byte
		n := copy(text[:], t.values.only+`"`)
		copy(mask[:], bytes.Repeat([]byte{0xff}, n))
		f.only, f.name8, f.mask8 = n+1, binary.LittleEndian.Uint64(text[:]), binary.LittleEndian.Uint64(mask[:])
	}
}

// typeField is a field of a shape that has the name of an object's type, as __typename has.
type typeField struct {
	slot int
	must bool // the object means nothing without it
}

// slotSize is the size of a slot in bytes.
const slotSize = 12

// answer is one subgraph's answer: its body, and where the values stand in it.
type answer struct {
	body   []byte
	slots  []slot
	lists  [][]int32 // where the objects of some shapes stand in slots
	root   slot
	failed bool // it lacks something for which an error was reported, here or in a fetch before it
	shared bool // the body is another answer's too, which has it to use again
}

func (a *answer) reset() {
	if a.shared {
		a.body, a.shared = nil, false
	}
	a.body, a.root, a.failed = a.body[:0], slot{}, false
	a.clear()
}

// fail leaves nothing of an answer.
func (a *answer) fail() {
	a.root, a.failed = slot{}, true
	a.clear()
}

// clear forgets what was scanned.
func (a *answer) clear() {
	a.slots = a.slots[:0]
	for i := range a.lists {
		a.lists[i] = a.lists[i][:0]
	}
}

// maxSlots bounds how many values one answer may hold.
const maxSlots = 20_000_000

var (
	errGarbled = errors.New("the answer is not the JSON that was asked for")
	errTooMany = errors.New("the answer holds too many values")
	errTwice   = errors.New("the answer has data, or errors, twice")
)

// scanner reads an answer into slots.
type scanner struct {
	jsontext.Scanner
	slots []slot
	lists [][]int32
	stack []slot // elements of the lists that are being read

	memories []memory

	faults int         // values that do not fit their fields' types
	fault  *shapeField // the first field that has one
}

// value reads objects of the given shape, or what stands in their place.
func (s *scanner) value(sh *shape) (slot, error) {
	switch s.Next() {
	case 'n':
		return slot{kind: null}, s.Word("null")
	case '[':
		return s.list(sh)
	case '{':
		return s.object(sh)
	}
	from := s.Pos
	if err := s.Skip(); err != nil {
		return slot{}, err
	}
	s.faults++
	return slot{kind: wrong, off: uint32(from), n: uint32(s.Pos - from)}, nil
}

// of reads a field's value.
func (s *scanner) of(f *shapeField) (slot, error) {
	if f.child == nil {
		return s.leaf(f)
	}
	faults := s.faults
	v, err := s.value(f.child)
	if faults == 0 && s.faults > 0 && s.fault == nil {
		s.fault = f
	}
	return v, err
}

func (s *scanner) list(sh *shape) (slot, error) {
	if err := s.Enter('['); err != nil {
		return slot{}, err
	}
	base := len(s.stack)
	for first := true; ; first = false {
		var v slot
		var err error
		if i := s.Pos + 1; !first && i < len(s.Data) && s.Data[i] == '{' && s.Data[i-1] == ',' {
			s.Pos = i
			v, err = s.object(sh)
		} else {
			var more bool
			if more, err = s.More(']', first); err == nil && !more {
				out := slot{kind: list, off: uint32(len(s.slots)), n: uint32(len(s.stack) - base)}
				s.slots = append(roomFor(s, s.slots, int(out.n)), s.stack[base:]...)
				s.stack = s.stack[:base]
				return out, nil
			}
			if err == nil {
				v, err = s.value(sh)
			}
		}
		if err != nil {
			return slot{}, err
		}
		if len(s.stack) == cap(s.stack) {
			s.stack = roomFor(s, s.stack, 1)
		}
		if s.stack = append(s.stack, v); len(s.slots)+len(s.stack) > maxSlots {
			return slot{}, errTooMany
		}
	}
}

// object reads the object whose bracket stands at Pos, or finds that it was met before.
func (s *scanner) object(sh *shape) (slot, error) {
	memory, hash := s.recall(sh)
	if memory == nil {
		return s.read(sh)
	}
	if v, ok := s.again(sh, memory, hash); ok {
		return v, nil
	}
	from := s.Pos
	v, err := s.read(sh)
	if err == nil && v.kind == object {
		s.remember(sh, hash, from, v)
	}
	return v, err
}

// read reads the object whose bracket stands at Pos: here its fields as far as they are as nearly every subgraph writes
// them, in the order that was asked for and without white space before them.
func (s *scanner) read(sh *shape) (slot, error) {
	at := len(s.slots)
	if at+sh.size > maxSlots {
		return slot{}, errTooMany
	}
	if cap(s.slots)-len(s.slots) < sh.size {
		s.slots = roomFor(s, s.slots, sh.size)
	}
	s.slots = extend(s.slots, sh.size)
	if sh.list > 0 {
		for len(s.lists) < sh.list {
			s.lists = append(s.lists, nil)
		}
		l := s.lists[sh.list-1]
		if len(l) == cap(l) {
			l = roomFor(s, l, 1)
		}
		s.lists[sh.list-1] = append(l, int32(at))
	}
	b, i, separator := s.Data, s.Pos, uint64('{'^',')
	if err := s.Open(); err != nil {
		return slot{}, err
	}
	for n := range sh.fields {
		f := &sh.fields[n]
		end := i + 2*8
		if end >= len(b) {
			return s.rest(sh, at, n)
		}
		ahead := b[i:end:end]
		if (binary.LittleEndian.Uint64(ahead)^f.first^separator)&f.masks[0]|(binary.LittleEndian.Uint64(ahead[8:])^f.second)&f.masks[1] != 0 ||
			f.size > 2*8 && !bytes.HasPrefix(b[i+1:], f.quoted) {
			return s.rest(sh, at, n)
		}
		if i += f.size; i >= len(b) {
			return s.rest(sh, at, n)
		}
		separator = 0
		c := b[i]
		if f.child == nil {
			end = 0
			switch {
			case c == f.opens:
				if end = jsontext.Short(b, i+1); end == 0 {
					end = jsontext.Scalar(b, i)
				}
			case c == '"' && f.only > 0 && i+2*8 < len(b) && (binary.LittleEndian.Uint64(b[i+1:])^f.name8)&f.mask8 == 0:
				end = i + f.only
			default:
				if c == '"' {
					end = jsontext.Short(b, i+1)
				}
				if end == 0 {
					end = jsontext.Scalar(b, i)
				}
				if end > 0 && (tokenOf[c]&f.takes == 0 || end-i > f.quick) && !f.leaf.has(b[i:end]) {
					end = 0
				}
			}
			if end > 0 {
				s.slots[at+f.slot] = slot{kind: leaf, off: uint32(i), n: uint32(end - i)}
				s.Pos, i = end, end
				continue
			}
		}
		s.Pos = i
		var v slot
		var err error
		if f.child != nil && c == '{' {
			v, err = s.object(f.child)
		} else {
			v, err = s.of(f)
		}
		if err != nil {
			return slot{}, err
		}
		s.slots[at+f.slot] = v
		if v.kind == wrong || v.kind == null && f.names {
			return s.rest(sh, at, n+1)
		}
		i = s.Pos
	}
	if i < len(b) && b[i] == '}' {
		s.Close()
		return slot{kind: object, off: uint32(at)}, nil
	}
	return s.rest(sh, at, len(sh.fields))
}

// rest reads what follows the first fields of an object, in whatever order and with white space wherever it may stand.
func (s *scanner) rest(sh *shape, at, expect int) (slot, error) {
	from := s.Pos
	for first := expect == 0; ; first = false {
		more, err := s.More('}', first)
		if err != nil {
			return slot{}, err
		}
		if !more {
			return s.typed(sh, at, from), nil
		}
		f := expect
		if f < len(sh.fields) && bytes.HasPrefix(s.Data[s.Pos:], sh.fields[f].quoted) {
			s.Pos += len(sh.fields[f].quoted)
		} else {
			from, to, err := s.Key()
			if err != nil {
				return slot{}, err
			}
			if f = sh.find(s.Data[from:to], expect); f < 0 {
				if err := s.Skip(); err != nil {
					return slot{}, err
				}
				continue
			}
		}
		v, err := s.of(&sh.fields[f])
		if err != nil {
			return slot{}, err
		}
		s.slots[at+sh.fields[f].slot] = v
		expect = f + 1
	}
}

// typed returns an object that was read, unless its type is none that can stand there, or is not known where it has to be
// (GraphQL specification, section 6.4.3, "ResolveAbstractType"). From is any place in the object's text.
func (s *scanner) typed(sh *shape, at, from int) slot {
	for _, t := range sh.types {
		kind := s.slots[at+t.slot].kind
		if kind == leaf || kind != wrong && !t.must {
			continue
		}
		if kind != wrong {
			s.misfit(&sh.fields[slices.IndexFunc(sh.fields, func(f shapeField) bool { return f.slot == t.slot })])
		}
		if sh.list > 0 {
			l := &s.lists[sh.list-1]
			*l = (*l)[:len(*l)-1]
		}
		return slot{kind: wrong, off: uint32(from), n: noType}
	}
	return slot{kind: object, off: uint32(at)}
}

// noType is the length of what is wrong where that is an object without a type.
const noType = math.MaxUint32

// extend appends n empty slots, for which there is room.
func extend(slots []slot, n int) []slot {
	from := len(slots)
	slots = slots[:from+n]
	clear(slots[from:])
	return slots
}

// find returns the field with this key, which is nearly always the expected one, or -1.
func (sh *shape) find(key []byte, expect int) int {
	if expect < len(sh.fields) && bytes.Equal(sh.fields[expect].key, key) {
		return expect
	}
	key = unescaped(key)
	for i := range sh.fields {
		if bytes.Equal(sh.fields[i].key, key) {
			return i
		}
	}
	return -1
}

// unescaped returns what the content of a JSON string stands for.
func unescaped(content []byte) []byte {
	if bytes.IndexByte(content, '\\') < 0 {
		return content
	}
	return jsontext.AppendText(nil, content)
}

// scan reads a subgraph's response: data by its shape, and where errors stand. A response without data gives an absent
// root.
func (a *answer) scan(sh *shape, s *scanner) (errs []byte, err error) {
	a.clear()
	s.slots, s.lists = a.slots, a.lists
	a.root = slot{}
	errs, err = s.response(a.body, func() error {
		var err error
		if a.root, err = s.value(sh); err == nil && (a.root.kind == list || a.root.kind == wrong) {
			err = errGarbled
		}
		return err
	})
	a.slots, a.lists = s.slots, s.lists
	return errs, err
}

// response reads a response: data by what is given, and where errors stand.
func (s *scanner) response(body []byte, data func() error) (errs []byte, err error) {
	s.Reset(body)
	s.stack, s.memories = s.stack[:0], s.memories[:0]
	s.faults, s.fault = 0, nil
	hasData, hasErrors := false, false
	if err := s.Enter('{'); err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		more, err := s.More('}', first)
		if err != nil {
			return nil, err
		}
		if !more {
			return errs, s.End()
		}
		from, to, err := s.Key()
		if err != nil {
			return nil, err
		}
		switch string(unescaped(body[from:to])) {
		case "data":
			if hasData {
				return nil, errTwice
			}
			hasData = true
			if err := data(); err != nil {
				return nil, err
			}
		case "errors":
			if hasErrors {
				return nil, errTwice
			}
			hasErrors = true
			if errs, err = s.Value(); err != nil {
				return nil, err
			}
			if string(errs) == "null" || errs[0] == '[' && len(bytes.TrimSpace(errs[1:len(errs)-1])) == 0 {
				errs = nil
			}
		default:
			if err := s.Skip(); err != nil {
				return nil, err
			}
		}
	}
}
