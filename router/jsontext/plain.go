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

// plain gives how many bytes at the beginning of b are none of those that special marks: short ones by words, as most
// strings are short, what is longer by blocks where the processor can.
func plain(b []byte) int {
	i := 0
	if len(b) >= 2*8+block {
		if marks := special(binary.LittleEndian.Uint64(b)); marks != 0 {
			return bits.TrailingZeros64(marks) / 8
		}
		if marks := special(binary.LittleEndian.Uint64(b[8:])); marks != 0 {
			return 8 + bits.TrailingZeros64(marks)/8
		}
		if hasBlocks() {
			i = 2*8 + plainBlocks(&b[2*8], len(b)-2*8)
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
