package execute

import "slices"

const (
	// manyValues is how many values were read before what is still to come is guessed from them.
	manyValues = 4 << 10
	// maxGuess bounds how many times the values read so far are taken to come.
	maxGuess = 16
)

// roomFor gives a list of what was read of an answer room for n elements more. Where there are many already it gets as much as
// the rest of the answer is likely to take, so that those of a large answer are hardly ever moved.
func roomFor[T any](s *scanner, list []T, n int) []T {
	if cap(list)-len(list) >= n {
		return list
	}
	if len(list) < manyValues || s.Pos == 0 {
		return slices.Grow(list, n)
	}
	likely := int64(len(list)) * int64(len(s.Data)) / int64(s.Pos)
	likely += likely / 32
	likely = max(min(likely, maxGuess*int64(len(list))), int64(len(list)+len(list)/4+n))
	grown := make([]T, len(list), likely)
	copy(grown, list)
	return grown
}
