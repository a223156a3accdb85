//go:build !amd64 || purego

package jsontext

// hasBlocks tells that there is no plainBlocks for this processor.
func hasBlocks() bool { return false }

func plainBlocks(*byte, int) int { return 0 }
