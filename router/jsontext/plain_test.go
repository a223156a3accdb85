package jsontext

import (
	"bytes"
	"testing"
)

// plainBytes is what plain does, in as few words as can be.
func plainBytes(b []byte) int {
	n := bytes.IndexFunc(b, func(r rune) bool { return r < 0x20 || r >= 0x80 || r == '"' || r == '\\' })
	if n < 0 {
		n = len(b)
	}
	return n
}

func holdPlain(t *testing.T, b []byte) {
	t.Helper()
	want := plainBytes(b)
	if got := plain(b); got != want {
		t.Fatalf("%q: plain gives %d, want %d", b, got, want)
	}
	if got := plainWords(b); got != want {
		t.Fatalf("%q: plainWords gives %d, want %d", b, got, want)
	}
	if len(b) > 0 && hasBlocks() {
		if got, want := plainBlocks(&b[0], len(b)), min(want, len(b)/block*block); got != want {
			t.Fatalf("%q: plainBlocks gives %d, want %d", b, got, want)
		}
	}
}

// TestPlain puts each byte at each place of a text of several blocks, alone and with one that is special behind it.
func TestPlain(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		for at := range 4 * block {
			b := bytes.Repeat([]byte{'x'}, 4*block+7)
			b[at] = byte(c)
			holdPlain(t, b)
			holdPlain(t, b[:at+1])
			b[at+1] = '"'
			holdPlain(t, b)
		}
	}
	holdPlain(t, nil)
}

// FuzzPlain holds the ways to look for what is special against the plainest one.
func FuzzPlain(f *testing.F) {
	f.Add([]byte(`Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua"`))
	f.Add([]byte("\x7f\x80!\"#\x1f \\[]^"))
	f.Fuzz(func(t *testing.T, b []byte) { holdPlain(t, b) })
}
