//go:build race

package differential_test

// asked by default: the race detector makes an operation ten times as slow, and what it looks for shows early.
const defaultOperations = 3_000
