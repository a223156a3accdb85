// Package jsontext reads JSON text (RFC 8259) in place: it says where values stand and copies nothing. It is strict, so
// that what was read can be written on to another party as it is.
package jsontext

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deeply objects and lists may be nested.
const MaxDepth = 200

// The errors of a [Scanner].
var (
	ErrSyntax = errors.New("not JSON")
	ErrDepth  = errors.New("nested too deeply")
)

// Scanner reads Data from Pos on. The zero value with Data set is ready for use.
type Scanner struct {
	Data  []byte
	Pos   int
	depth int
}

// Reset makes s read data from its beginning.
func (s *Scanner) Reset(data []byte) { s.Data, s.Pos, s.depth = data, 0, 0 }

// Next skips white space and gives the byte that follows without taking it, or 0 at the end.
func (s *Scanner) Next() byte {
	for s.Pos < len(s.Data) {
		c := s.Data[s.Pos]
		if c > ' ' {
			return c
		}
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c
		}
		s.Pos++
	}
	return 0
}

// Enter takes the bracket that opens an object or a list.
func (s *Scanner) Enter(open byte) error {
	if s.Next() != open {
		return ErrSyntax
	}
	if s.depth++; s.depth > MaxDepth {
		return ErrDepth
	}
	s.Pos++
	return nil
}

// Open takes the bracket at Pos that opens an object or a list, and that the caller saw there.
func (s *Scanner) Open() error {
	if s.depth++; s.depth > MaxDepth {
		return ErrDepth
	}
	s.Pos++
	return nil
}

// Close takes the bracket at Pos that closes an object or a list, and that the caller saw there.
func (s *Scanner) Close() {
	s.Pos++
	s.depth--
}

// More tells whether another element follows in the object or list that end closes, and takes the comma before it, or
// the bracket. First is true for the first element.
func (s *Scanner) More(end byte, first bool) (bool, error) {
	switch c := s.Next(); {
	case c == end:
		s.Pos++
		s.depth--
		return false, nil
	case first:
		return true, nil
	case c == ',':
		s.Pos++
		return true, nil
	}
	return false, ErrSyntax
}

// Key takes an object's key with its colon and gives where its text stands, escapes left as they are.
func (s *Scanner) Key() (from, to int, err error) {
	if s.Next() != '"' {
		return 0, 0, ErrSyntax
	}
	if from, to, err = s.String(); err != nil {
		return 0, 0, err
	}
	if s.Next() != ':' {
		return 0, 0, ErrSyntax
	}
	s.Pos++
	return from, to, nil
}

// String takes the string that begins at Pos and gives where its text stands, escapes left as they are.
func (s *Scanner) String() (from, to int, err error) {
	if s.Pos >= len(s.Data) || s.Data[s.Pos] != '"' {
		return 0, 0, ErrSyntax
	}
	b, from := s.Data, s.Pos+1
	for i := from; ; {
		if i += plain(b[i:]); i >= len(b) {
			return 0, 0, ErrSyntax
		}
		switch c := b[i]; {
		case c == '"':
			s.Pos = i + 1
			return from, i, nil
		case c == '\\':
			n := escape(b[i:])
			if n == 0 {
				return 0, 0, ErrSyntax
			}
			i += n
		case c < utf8.RuneSelf:
			return 0, 0, ErrSyntax // a control character
		default:
			for i < len(b) && b[i] >= utf8.RuneSelf {
				r, n := utf8.DecodeRune(b[i:])
				if r == utf8.RuneError && n == 1 {
					return 0, 0, ErrSyntax
				}
				i += n
			}
		}
	}
}

// escape gives the length of the escape that b begins with, 0 where it is none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) >= 6 && isHex(b[2]) && isHex(b[3]) && isHex(b[4]) && isHex(b[5]) {
			return 6
		}
	}
	return 0
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// Word takes one of true, false and null.
func (s *Scanner) Word(w string) error {
	if len(s.Data)-s.Pos < len(w) || string(s.Data[s.Pos:s.Pos+len(w)]) != w {
		return ErrSyntax
	}
	s.Pos += len(w)
	return nil
}

// Number takes a number.
func (s *Scanner) Number() error {
	b, i := s.Data, s.Pos
	digits := func() bool {
		from := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	from := i
	if !digits() || b[from] == '0' && i > from+1 {
		return ErrSyntax
	}
	if i < len(b) && b[i] == '.' {
		i++
		if !digits() {
			return ErrSyntax
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return ErrSyntax
		}
	}
	s.Pos = i
	return nil
}

// Skip takes any value.
func (s *Scanner) Skip() error {
	switch c := s.Next(); c {
	case '"':
		_, _, err := s.String()
		return err
	case '{':
		return s.skipObject()
	case '[':
		return s.skipList()
	case 't':
		return s.Word("true")
	case 'f':
		return s.Word("false")
	case 'n':
		return s.Word("null")
	default:
		return s.Number()
	}
}

func (s *Scanner) skipObject() error {
	if err := s.Enter('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		if more, err := s.More('}', first); err != nil || !more {
			return err
		}
		if _, _, err := s.Key(); err != nil {
			return err
		}
		if err := s.Skip(); err != nil {
			return err
		}
	}
}

func (s *Scanner) skipList() error {
	if err := s.Enter('['); err != nil {
		return err
	}
	for first := true; ; first = false {
		if more, err := s.More(']', first); err != nil || !more {
			return err
		}
		if err := s.Skip(); err != nil {
			return err
		}
	}
}

// End fails where anything but white space follows.
func (s *Scanner) End() error {
	if s.Next() != 0 || s.Pos < len(s.Data) {
		return ErrSyntax
	}
	return nil
}

// Value takes any value and gives its text.
func (s *Scanner) Value() ([]byte, error) {
	s.Next()
	from := s.Pos
	if err := s.Skip(); err != nil {
		return nil, err
	}
	return s.Data[from:s.Pos], nil
}

// AppendText appends the text that a string's content stands for, which [Scanner.String] took, to dst. A surrogate
// without its pair becomes U+FFFD.
func AppendText(dst, content []byte) []byte {
	for i := 0; i < len(content); {
		n := bytes.IndexByte(content[i:], '\\')
		if n < 0 {
			return append(dst, content[i:]...)
		}
		dst = append(dst, content[i:i+n]...)
		i += n
		if n = escape(content[i:]); n == 0 {
			return dst
		}
		switch content[i+1] {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := unit(content[i+2:])
			if utf16.IsSurrogate(r) {
				var second rune
				if rest := content[i+6:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
					second = unit(rest[2:])
				}
				if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
					n += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, content[i+1])
		}
		i += n
	}
	return dst
}

// unit reads four hexadecimal digits.
func unit(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		r <<= 4
		switch {
		case c <= '9':
			r |= rune(c - '0')
		case c >= 'a':
			r |= rune(c-'a') + 10
		default:
			r |= rune(c-'A') + 10
		}
	}
	return r
}

const digits = "0123456789abcdef"

// AppendString appends s as a JSON string to dst. What is not UTF-8 becomes U+FFFD.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		i++
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// Quote gives s as a JSON string.
func Quote(s string) []byte { return AppendString(make([]byte, 0, len(s)+2), s) }

// Int32 reads a number that is a whole one of 32 bits: 1, 1.0 and 1e0 alike.
func Int32(raw []byte) (int32, bool) {
	if len(raw) <= 11 {
		if n, err := strconv.ParseInt(string(raw), 10, 32); err == nil {
			return int32(n), true
		}
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f != float64(int32(f)) {
		return 0, false
	}
	return int32(f), true
}
