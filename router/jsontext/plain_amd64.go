//go:build !purego

package jsontext

import "golang.org/x/sys/cpu"

// hasBlocks tells whether the processor can run plainBlocks.
func hasBlocks() bool { return cpu.X86.HasAVX2 }

// plainBlocks gives how many of the n bytes at p, of which it looks at whole blocks only, stand before the first that
// special marks.
//
//go:noescape
func plainBlocks(p *byte, n int) int
