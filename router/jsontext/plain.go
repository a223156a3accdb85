package jsontext

import (
	"encoding/binary"
	"math/bits"
)

const (
	low  = 0x0101010101010101
	high = 0x8080808080808080
)

// special marks the highest bit of each of the eight bytes of w that is a quote, a backslash, a control character or
// beyond ASCII. A byte may be marked wrongly only above one that is marked rightly, so the lowest mark is right.
func special(w uint64) uint64 {
	// With bit 1 turned a quote becomes a blank and a blank becomes a quote, so that quotes and control characters, and
	// they alone, lie below '!'.
	turned, back := w^low*2, w^low*'\\'
	return ((turned-low*'!')&^turned | (back-low)&^back | w) & high
}

// block is how many bytes plainBlocks looks at together.
const block = 64

// plain gives how many bytes at the beginning of b are none of those that special marks: a word first, as most strings are
// short, then what is longer by blocks where the processor can.
func plain(b []byte) int {
	if len(b) < 8 {
		return plainWords(b)
	}
	if marks := special(binary.LittleEndian.Uint64(b)); marks != 0 {
		return bits.TrailingZeros64(marks) / 8
	}
	return plainLong(b, 8)
}

// plainLong does so from i on, where something long is likely.
func plainLong(b []byte, i int) int {
	if n := len(b) - i; n >= block && hasBlocks() {
		found := plainBlocks(&b[i], n)
		i += found
		if found < n&^(block-1) {
			return i
		}
	}
	return i + plainWords(b[i:])
}

// plainWords does so by words.
func plainWords(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		if marks := special(binary.LittleEndian.Uint64(b[i:])); marks != 0 {
			return i + bits.TrailingZeros64(marks)/8
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

// Short gives where the string ends whose text begins at b[i], if it ends in the next eight bytes, nothing in it is escaped
// or beyond ASCII, and more follows. For anything else it gives 0.
func Short(b []byte, i int) int {
	if i+8 >= len(b) {
		return 0
	}
	i += bits.TrailingZeros64(special(binary.LittleEndian.Uint64(b[i:]))) / 8
	if b[i] != '"' {
		return 0
	}
	return i + 1
}

// Scalar gives where the value ends that begins at b[i], if it is a string in which nothing is escaped or beyond ASCII, a
// whole number, or true or false, and another token follows that can follow it. For anything else, and for what is not JSON,
// it gives 0: then [Scanner.Skip] tells.
func Scalar(b []byte, i int) int {
	if i >= len(b) {
		return 0
	}
	switch c := b[i]; {
	case c == '"':
		i++
		if i = plainLong(b, i); i < len(b) && b[i] == '"' {
			return i + 1
		}
	case c >= '1' && c <= '9':
		for i++; i < len(b); i++ {
			if c := b[i]; c < '0' || c > '9' {
				if c == ',' || c == '}' || c == ']' {
					return i
				}
				return 0
			}
		}
	case c == 't':
		if len(b)-i > 4 && string(b[i:i+4]) == "true" {
			return i + 4
		}
	case c == 'f':
		if len(b)-i > 5 && string(b[i:i+5]) == "false" {
			return i + 5
		}
	}
	return 0
}
