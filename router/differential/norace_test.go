//go:build !race

package differential_test

// asked by default.
const defaultOperations = 20_000
