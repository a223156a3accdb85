package execute

import (
	"bytes"
	"errors"
)

// kind is what a slot holds.
type kind uint8

const (
	absent kind = iota // the subgraph did not answer the field
	null
	leaf   // a value of no further structure: body[off:off+n], as the subgraph wrote it
	object // slots[off:off+shape.size]
	list   // slots[off:off+n], an element each
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
}

type shapeField struct {
	key   []byte // the response key between its quotes
	slot  int
	child *shape // nil for a leaf, which is kept as it is
}

// answer is one subgraph's answer: its body, and where the values stand in it.
type answer struct {
	body  []byte
	slots []slot
	root  slot
}

// Limits of what a subgraph may answer.
const (
	maxDepth = 200
	maxSlots = 20_000_000
)

var (
	errGarbled = errors.New("the answer is not the JSON that was asked for")
	errTooDeep = errors.New("the answer is nested too deeply")
	errTooMany = errors.New("the answer holds too many values")
)

// scanner reads JSON (RFC 8259) once, from left to right.
type scanner struct {
	b     []byte
	i     int
	depth int
	slots []slot
	stack []slot // elements of the lists that are being read
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\n', '\r', '\t':
			s.i++
		default:
			return
		}
	}
}

// next skips white space and gives the byte that follows, or 0 at the end.
func (s *scanner) next() byte {
	if s.i < len(s.b) && s.b[s.i] > ' ' {
		return s.b[s.i]
	}
	s.space()
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

// str reads a string and gives where its content stands, escapes left as they are.
func (s *scanner) str() (from, to int, err error) {
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		return 0, 0, errGarbled
	}
	s.i++
	from = s.i
	for {
		j := bytes.IndexByte(s.b[s.i:], '"')
		if j < 0 {
			return 0, 0, errGarbled
		}
		chunk := s.b[s.i : s.i+j]
		end := s.i + j
		// An odd number of backslashes before the quote escapes it.
		backslashes := 0
		for k := end - 1; k >= from && s.b[k] == '\\'; k-- {
			backslashes++
		}
		if hasControl(chunk) {
			return 0, 0, errGarbled
		}
		s.i = end + 1
		if backslashes%2 == 0 {
			if bytes.IndexByte(s.b[from:end], '\\') >= 0 && !validEscapes(s.b[from:end]) {
				return 0, 0, errGarbled
			}
			return from, end, nil
		}
	}
}

func hasControl(b []byte) bool {
	for _, c := range b {
		if c < 0x20 {
			return true
		}
	}
	return false
}

func validEscapes(b []byte) bool {
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		i++
		if i >= len(b) {
			return false
		}
		switch b[i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		case 'u':
			if i+4 >= len(b) {
				return false
			}
			for k := 1; k <= 4; k++ {
				if !isHex(b[i+k]) {
					return false
				}
			}
			i += 4
		default:
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// number reads a number as RFC 8259 has it.
func (s *scanner) number() error {
	digits := func() bool {
		from := s.i
		for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
			s.i++
		}
		return s.i > from
	}
	if s.i < len(s.b) && s.b[s.i] == '-' {
		s.i++
	}
	zero := s.i < len(s.b) && s.b[s.i] == '0'
	from := s.i
	if !digits() || zero && s.i > from+1 {
		return errGarbled
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !digits() {
			return errGarbled
		}
	}
	if s.i < len(s.b) && (s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if !digits() {
			return errGarbled
		}
	}
	return nil
}

func (s *scanner) word(w string) error {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return errGarbled
	}
	s.i += len(w)
	return nil
}

// skip reads any value without keeping it.
func (s *scanner) skip() error {
	switch c := s.next(); {
	case c == '"':
		_, _, err := s.str()
		return err
	case c == '{' || c == '[':
		return s.skipNested(c)
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

func (s *scanner) skipNested(open byte) error {
	if s.depth++; s.depth > maxDepth {
		return errTooDeep
	}
	defer func() { s.depth-- }()
	s.i++
	end := byte('}')
	if open == '[' {
		end = ']'
	}
	if s.next() == end {
		s.i++
		return nil
	}
	for {
		if open == '{' {
			if s.next() != '"' {
				return errGarbled
			}
			if _, _, err := s.str(); err != nil {
				return err
			}
			if s.next() != ':' {
				return errGarbled
			}
			s.i++
		}
		if err := s.skip(); err != nil {
			return err
		}
		switch s.next() {
		case ',':
			s.i++
		case end:
			s.i++
			return nil
		default:
			return errGarbled
		}
	}
}

// value reads a value of the given shape; nil reads a leaf.
func (s *scanner) value(sh *shape) (slot, error) {
	switch s.next() {
	case 'n':
		return slot{kind: null}, s.word("null")
	case '[':
		if sh != nil {
			return s.list(sh)
		}
	case '{':
		if sh != nil {
			return s.object(sh)
		}
	}
	if sh != nil {
		return slot{}, errGarbled
	}
	from := s.i
	if err := s.skip(); err != nil {
		return slot{}, err
	}
	return slot{kind: leaf, off: uint32(from), n: uint32(s.i - from)}, nil
}

func (s *scanner) list(sh *shape) (slot, error) {
	if s.depth++; s.depth > maxDepth {
		return slot{}, errTooDeep
	}
	defer func() { s.depth-- }()
	s.i++
	base := len(s.stack)
	if s.next() == ']' {
		s.i++
		return slot{kind: list, off: uint32(len(s.slots))}, nil
	}
	for {
		v, err := s.value(sh)
		if err != nil {
			return slot{}, err
		}
		s.stack = append(s.stack, v)
		switch s.next() {
		case ',':
			s.i++
			s.space()
		case ']':
			s.i++
			out := slot{kind: list, off: uint32(len(s.slots)), n: uint32(len(s.stack) - base)}
			s.slots = append(s.slots, s.stack[base:]...)
			s.stack = s.stack[:base]
			if len(s.slots) > maxSlots {
				return slot{}, errTooMany
			}
			return out, nil
		default:
			return slot{}, errGarbled
		}
	}
}

func (s *scanner) object(sh *shape) (slot, error) {
	if s.depth++; s.depth > maxDepth {
		return slot{}, errTooDeep
	}
	defer func() { s.depth-- }()
	s.i++
	at := len(s.slots)
	if at+sh.size > maxSlots {
		return slot{}, errTooMany
	}
	for range sh.size {
		s.slots = append(s.slots, slot{})
	}
	out := slot{kind: object, off: uint32(at)}
	if s.next() == '}' {
		s.i++
		return out, nil
	}
	expect := 0
	for {
		s.next()
		from, to, err := s.str()
		if err != nil {
			return slot{}, err
		}
		if s.next() != ':' {
			return slot{}, errGarbled
		}
		s.i++
		f := sh.find(s.b[from:to], expect)
		if f < 0 {
			if err := s.skip(); err != nil {
				return slot{}, err
			}
		} else {
			v, err := s.value(sh.fields[f].child)
			if err != nil {
				return slot{}, err
			}
			s.slots[at+sh.fields[f].slot] = v
			expect = f + 1
		}
		switch s.next() {
		case ',':
			s.i++
		case '}':
			s.i++
			return out, nil
		default:
			return slot{}, errGarbled
		}
	}
}

// find gives the field with this key, which is nearly always the expected one, or -1.
func (sh *shape) find(key []byte, expect int) int {
	if expect < len(sh.fields) && bytes.Equal(sh.fields[expect].key, key) {
		return expect
	}
	for i := range sh.fields {
		if bytes.Equal(sh.fields[i].key, key) {
			return i
		}
	}
	return -1
}

// scan reads a subgraph's response: data by its shape, and where errors stand. A response without data gives an absent
// root.
func (a *answer) scan(sh *shape, s *scanner) (errs []byte, err error) {
	s.b, s.i, s.depth = a.body, 0, 0
	s.slots, s.stack = a.slots[:0], s.stack[:0]
	a.root = slot{}
	if s.next() != '{' {
		return nil, errGarbled
	}
	s.i++
	if s.next() == '}' {
		return nil, errGarbled
	}
	for {
		s.next()
		from, to, err := s.str()
		if err != nil {
			return nil, err
		}
		if s.next() != ':' {
			return nil, errGarbled
		}
		s.i++
		s.space()
		at := s.i
		switch string(a.body[from:to]) {
		case "data":
			if a.root, err = s.value(sh); err != nil {
				return nil, err
			}
		case "errors":
			if err := s.skip(); err != nil {
				return nil, err
			}
			if errs = a.body[at:s.i]; string(errs) == "null" || string(errs) == "[]" {
				errs = nil
			}
		default:
			if err := s.skip(); err != nil {
				return nil, err
			}
		}
		switch s.next() {
		case ',':
			s.i++
		case '}':
			s.i++
			if s.space(); s.i != len(s.b) {
				return nil, errGarbled
			}
			a.slots = s.slots
			return errs, nil
		default:
			return nil, errGarbled
		}
	}
}
