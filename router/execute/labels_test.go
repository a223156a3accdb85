package execute

import (
	"math/rand/v2"
	"testing"
)

// TestLabels checks that labels are active as often as they say, and alike for equal draws.
func TestLabels(t *testing.T) {
	t.Parallel()
	const draws = 100_000
	named := map[string]float64{"half": 50, "all": 100, "hardly/ever": 0.5}
	for name, want := range map[string]float64{
		"percent(0)": 0, "percent(100)": 100, "percent(25)": 25, "percent(0.5)": 0.5, "half": 50, "all": 100, "hardly/ever": 0.5, "unknown": 0,
	} {
		l, random, active := newLabel(name), rand.New(rand.NewPCG(1, 2)), 0
		for range draws {
			labels := Labels{Draw: random.Uint64(), Percent: named}
			on := l.active(labels)
			if on != l.active(labels) {
				t.Fatalf("%s is decided differently for one draw", name)
			}
			if on {
				active++
			}
		}
		if got := float64(active) / draws * 100; got < want-0.7 || got > want+0.7 || (want == 0 || want == 100) && got != want {
			t.Errorf("%s is active in %v %% of requests, want %v", name, got, want)
		}
	}
}

// TestLabelsAreIndependent checks that two labels of one percentage and another name are decided apart.
func TestLabelsAreIndependent(t *testing.T) {
	t.Parallel()
	a, b, both := newLabel("a"), newLabel("b"), 0
	random, named := rand.New(rand.NewPCG(3, 4)), map[string]float64{"a": 50, "b": 50}
	const draws = 100_000
	for range draws {
		if labels := (Labels{Draw: random.Uint64(), Percent: named}); a.active(labels) && b.active(labels) {
			both++
		}
	}
	if got := float64(both) / draws; got < 0.24 || got > 0.26 {
		t.Errorf("both are active in %v of requests, want a quarter", got)
	}
}
