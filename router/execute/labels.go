package execute

import (
	"hash/fnv"
	"strconv"
	"strings"
)

// Labels decide which labels of progressive overrides are active for a request. A label percent(x) is in x of a hundred
// requests (Federation 2.7, progressive @override), and one that has a name in as many as Percent says, or in none.
type Labels struct {
	// Draw is a number by chance, or made of who asks: equal draws decide alike.
	Draw    uint64
	Percent map[string]float64
}

// label is a label of a progressive override, made ready to be decided.
type label struct {
	name    string
	percent float64 // -1 where the label is a name
	hash    uint64
}

func newLabel(name string) label {
	l := label{name: name, percent: -1}
	if digits, ok := strings.CutPrefix(name, "percent("); ok {
		if p, err := strconv.ParseFloat(strings.TrimSuffix(digits, ")"), 64); err == nil {
			l.percent = p
		}
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	l.hash = h.Sum64()
	return l
}

// active decides a label. Labels are decided independently of each other.
func (l *label) active(labels Labels) bool {
	percent := l.percent
	if percent < 0 {
		percent = labels.Percent[l.name]
	}
	// The finaliser of SplitMix64, by which every bit of the draw and of the label counts.
	x := labels.Draw ^ l.hash
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11)/(1<<53)*100 < percent
}
