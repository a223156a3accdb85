package differential_test

import (
	"math/rand/v2"
	"testing"
)

// choices are random numbers that a fuzzer chooses, two bytes for each; when they are used up a generator goes on.
type choices struct {
	data []byte
	rest *rand.PCG
}

// Uint64 implements [rand.Source].
func (c *choices) Uint64() uint64 {
	if len(c.data) < 2 {
		return c.rest.Uint64()
	}
	n := uint64(c.data[0])<<56 | uint64(c.data[1])<<48
	c.data = c.data[2:]
	return n
}

// FuzzDifferential lets a fuzzer choose subgraphs and operations, and compares the router's answers with those of a plain
// executor.
func FuzzDifferential(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, []byte("subgraphs and operations"))
	}
	f.Fuzz(func(t *testing.T, seed uint64, data []byte) {
		differBy(t, newCounts(), seed, rand.New(&choices{data, rand.NewPCG(seed, 3)}))
	})
}
