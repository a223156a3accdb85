package plan

import (
	"encoding/binary"
	"sort"
)

// maxConditions is how many conditions a Guard's masks can tell apart.
const maxConditions = 64

// maxMasks bounds a Guard. A longer one is replaced by one that always holds: the fetch then asks for fields that stay
// conditional by themselves.
const maxMasks = 16

// always holds whatever the request.
func (g Guard) always() bool { return len(g) == 0 }

// or gives a guard that holds when g or o does.
func (g Guard) or(o Guard) Guard {
	if g.always() || o.always() {
		return nil
	}
	return simplified(append(append(Guard{}, g...), o...))
}

// and gives a guard that holds when g and o do.
func (g Guard) and(o Guard) Guard {
	if g.always() {
		return o
	}
	if o.always() {
		return g
	}
	var out Guard
	for _, a := range g {
		for _, b := range o {
			out = append(out, a|b)
		}
	}
	return simplified(out)
}

// simplified sorts the masks and drops those that another one implies.
func simplified(g Guard) Guard {
	sort.Slice(g, func(i, j int) bool { return g[i] < g[j] })
	var out Guard
next:
	for i, m := range g {
		for j, o := range g {
			if i != j && m&o == o && (m != o || j < i) {
				continue next
			}
		}
		out = append(out, m)
	}
	if len(out) > maxMasks {
		return nil
	}
	return out
}

func (g Guard) equal(o Guard) bool {
	if len(g) != len(o) {
		return false
	}
	for i := range g {
		if g[i] != o[i] {
			return false
		}
	}
	return true
}

func (g Guard) key() string {
	b := make([]byte, 0, 8*len(g))
	for _, m := range g {
		b = binary.LittleEndian.AppendUint64(b, m)
	}
	return string(b)
}
