package execute

import (
	"math"
	"strconv"

	"github.com/lethe/lethe/router/jsontext"
)

// token is the kind of a JSON value, as its first byte shows it. A set of kinds is their sum; null is none of them.
type token uint8

const (
	textToken token = 1 << iota
	numberToken
	booleanToken
	listToken
	objectToken

	anyToken = textToken | numberToken | booleanToken | listToken | objectToken
)

// tokenOf holds the kind of value that begins with a byte.
var tokenOf = [256]token{ //nolint:gochecknoglobals // a constant
	'"': textToken, '-': numberToken, '0': numberToken, '1': numberToken, '2': numberToken, '3': numberToken, '4': numberToken,
	'5': numberToken, '6': numberToken, '7': numberToken, '8': numberToken, '9': numberToken, 't': booleanToken, 'f': booleanToken,
	'[': listToken, '{': objectToken,
}

// leafType is what a subgraph may answer for a leaf field (GraphQL specification, sections 3.5 and 3.9, "Result Coercion").
// A service coerces its values before it writes them, so that the router accepts only what a service may write:
//
//	Int      a number that is whole and has 32 bits, in any form: 1, 1.0 and 1e0 are one number
//	Float    a number that is finite in 64 bits
//	String   a string
//	Boolean  true or false
//	ID       a string, or digits with or without a sign
//	an enum  a string that is one of its values
//	others   anything
type leafType struct {
	name  string
	depth int   // of the lists around
	takes token // of a value within all lists; none for an enum
	// quick is the longest value of these kinds, in the plainest of forms, that needs no closer look.
	quick  int
	values *names // of an enum; nil for another type
}

// The type of a leaf of which nothing is known.
var anyLeaf = &leafType{takes: anyToken, quick: math.MaxInt} //nolint:gochecknoglobals // a constant

const (
	quickInt   = 9   // digits that 32 bits always hold
	quickFloat = 300 // digits that a float of 64 bits always holds
)

// leafTypeOf returns what may be answered for a scalar in lists of the given depth.
func leafTypeOf(scalar string, depth int) *leafType {
	t := &leafType{name: scalar, depth: depth, takes: anyToken, quick: math.MaxInt}
	switch scalar {
	case "Int":
		t.takes, t.quick = numberToken, quickInt
	case "Float":
		t.takes, t.quick = numberToken, quickFloat
	case "String":
		t.takes = textToken
	case "Boolean":
		t.takes = booleanToken
	case "ID":
		t.takes = textToken | numberToken
	}
	return t
}

// enumTypeOf returns what may be answered for an enum in lists of the given depth.
func enumTypeOf(name string, values []string, depth int) *leafType {
	return &leafType{name: name, depth: depth, values: newNames(values)}
}

// fits reports whether a value that is no null, and stands within all lists of the type, is one of the type. Raw is
// well-formed JSON.
func (t *leafType) fits(raw []byte) bool {
	token := tokenOf[raw[0]]
	if t.values != nil {
		return token == textToken && t.values.hasText(raw[1:len(raw)-1])
	}
	if token&t.takes == 0 {
		return false
	}
	if token != numberToken {
		return true
	}
	switch t.name {
	case "Int":
		_, ok := jsontext.Int32(raw)
		return ok
	case "Float":
		_, err := strconv.ParseFloat(string(raw), 64)
		return err == nil
	case "ID":
		return wholeNumber(raw)
	}
	return true
}

// has reports whether a value without an escape is one of the type's, which is an enum and no list.
func (t *leafType) has(raw []byte) bool {
	return t.values != nil && t.depth == 0 && raw[0] == '"' && t.values.has(raw[1:len(raw)-1])
}

// wholeNumber reports whether a JSON number is written as digits alone.
func wholeNumber(raw []byte) bool {
	if raw[0] == '-' {
		raw = raw[1:]
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// names is a set of names in which looking up takes one comparison, nearly always.
type names struct {
	only   string   // where there is no other
	table  []string // open addressing; its length is a power of two
	factor uint32
	shift  uint32
}

// newNames returns the set of some names, of which none is empty.
func newNames(list []string) *names {
	bits := uint32(1)
	for 1<<bits < 2*len(list) {
		bits++
	}
	if len(list) == 1 {
		return &names{only: list[0]}
	}
	best, fewest := (*names)(nil), math.MaxInt
	for i := range uint32(64) {
		n := &names{table: make([]string, 1<<bits), factor: 0x9e3779b1 + 2*i*0x85ebca6b, shift: 32 - bits}
		moved := 0
		for _, name := range list {
			at := n.place([]byte(name))
			for n.table[at] != "" && n.table[at] != name {
				at = (at + 1) & uint32(len(n.table)-1)
				moved++
			}
			n.table[at] = name
		}
		if moved < fewest {
			best, fewest = n, moved
		}
		if moved == 0 {
			break
		}
	}
	return best
}

// place returns where in the table a name belongs.
func (n *names) place(name []byte) uint32 {
	l := len(name)
	return (uint32(l) ^ uint32(name[0])<<8 ^ uint32(name[l/2])<<16 ^ uint32(name[l-1])<<24) * n.factor >> n.shift
}

// has reports whether the set holds a name.
func (n *names) has(name []byte) bool {
	if n.table == nil {
		return string(name) == n.only
	}
	if len(name) == 0 {
		return false
	}
	for at := n.place(name); ; at = (at + 1) & uint32(len(n.table)-1) {
		if n.table[at] == string(name) {
			return true
		}
		if n.table[at] == "" {
			return false
		}
	}
}

// hasText does so for the content of a JSON string, in which escapes may stand.
func (n *names) hasText(content []byte) bool {
	for _, c := range content {
		if c == '\\' {
			return n.has(jsontext.AppendText(nil, content))
		}
	}
	return n.has(content)
}

// leaf reads the value of a leaf field. What does not fit the field's type is noted, and stands for null.
func (s *scanner) leaf(f *shapeField) (slot, error) {
	first := s.Next()
	if first == 'n' {
		return slot{kind: null}, s.Word("null")
	}
	from, fits := s.Pos, true
	var err error
	t := f.leaf
	listed := t.depth > 0 && first == '['
	if listed {
		fits, err = s.leaves(t, t.depth)
	} else if err = s.Skip(); err == nil {
		fits = t.depth == 0 && t.fits(s.Data[from:s.Pos])
	}
	if err != nil {
		return slot{}, err
	}
	v := slot{kind: leaf, off: uint32(from), n: uint32(s.Pos - from)}
	if fits && t.values != nil && t.depth == 0 {
		v.n = uint32(plainly(s.Data[from:s.Pos]))
	}
	if !fits {
		s.misfit(f)
		if v.kind = wrong; listed {
			v.kind = faulty
		}
	}
	return v, nil
}

// plainly writes a JSON string without escapes in its own place, with blanks after it, and returns its length: names are compared
// as they stand. The content is that of a name.
func plainly(raw []byte) int {
	content := raw[1 : len(raw)-1]
	name := unescaped(content)
	if len(name) == len(content) {
		return len(raw)
	}
	n := copy(content, name)
	content[n] = '"'
	for i := n + 1; i < len(content); i++ {
		content[i] = ' '
	}
	raw[len(raw)-1] = ' '
	return n + len(`""`)
}

// leaves reads a list of leaves, or of lists of them, and reports whether all fit the type.
func (s *scanner) leaves(t *leafType, depth int) (fit bool, err error) {
	if err := s.Enter('['); err != nil {
		return false, err
	}
	fit = true
	for first := true; ; first = false {
		more, err := s.More(']', first)
		if err != nil || !more {
			return fit, err
		}
		c := s.Next()
		from := s.Pos
		switch {
		case c == 'n':
			err = s.Word("null")
		case depth > 1 && c == '[':
			var all bool
			all, err = s.leaves(t, depth-1)
			fit = fit && all
		case depth > 1:
			fit, err = false, s.Skip()
		default:
			if end := jsontext.Scalar(s.Data, from); end > 0 && tokenOf[c]&t.takes != 0 && end-from <= t.quick {
				s.Pos = end
			} else if err = s.Skip(); err == nil {
				fit = t.fits(s.Data[from:s.Pos]) && fit
			}
		}
		if err != nil {
			return false, err
		}
	}
}

// misfit notes that a field's value does not fit its type.
func (s *scanner) misfit(f *shapeField) {
	if s.faults == 0 {
		s.fault = f
	}
	s.faults++
}
