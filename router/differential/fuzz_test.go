package differential_test

import (
	"math/rand/v2"
	"testing"
)

// choices are random numbers that a fuzzer chooses, sixteen bits for each; when they are used up a generator goes on.
type choices struct {
	given [6]uint64
	used  int
	rest  *rand.PCG
}

// Uint64 implements [rand.Source].
func (c *choices) Uint64() uint64 {
	if c.used == 4*len(c.given) {
		return c.rest.Uint64()
	}
	n := c.given[c.used/4] >> (c.used % 4 * 16) & 0xffff
	c.used++
	return n * 0x1000100010001 // whether a choice is made by the first bits or by the last
}

// fuzzedOperations is how many operations one input asks.
const fuzzedOperations = 6

// FuzzDifferential lets a fuzzer choose subgraphs and operations, and compares the router's answers with those of a plain
// executor. The choices are numbers: a fuzzer makes bytes smaller first whenever they cover something new, which takes it
// hundreds of runs each time.
func FuzzDifferential(f *testing.F) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 5))
		f.Add(seed, r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
	}
	f.Fuzz(func(t *testing.T, seed, a, b, c, d, e, g uint64) {
		differBy(t, newCounts(), seed, rand.New(&choices{given: [6]uint64{a, b, c, d, e, g}, rest: rand.NewPCG(seed, 3)}), fuzzedOperations)
	})
}
