package plan

import "encoding/binary"

// typeID is the index of a type in a graph.
type typeID int32

// typeSet is a set of object types, sorted and without duplicates. Sets are shared and never changed.
type typeSet []typeID

func (s typeSet) has(t typeID) bool {
	lo, hi := 0, len(s)
	for lo < hi {
		mid := (lo + hi) / 2
		if s[mid] < t {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(s) && s[lo] == t
}

func (s typeSet) equal(o typeSet) bool {
	if len(s) != len(o) {
		return false
	}
	for i := range s {
		if s[i] != o[i] {
			return false
		}
	}
	return true
}

// within reports whether s is a subset of o.
func (s typeSet) within(o typeSet) bool {
	if len(s) > len(o) {
		return false
	}
	for _, t := range s {
		if !o.has(t) {
			return false
		}
	}
	return true
}

func (s typeSet) intersect(o typeSet) typeSet {
	if s.within(o) {
		return s
	}
	if o.within(s) {
		return o
	}
	var out typeSet
	for _, t := range s {
		if o.has(t) {
			out = append(out, t)
		}
	}
	return out
}

func (s typeSet) minus(o typeSet) typeSet {
	var out typeSet
	for _, t := range s {
		if !o.has(t) {
			out = append(out, t)
		}
	}
	return out
}

func (s typeSet) union(o typeSet) typeSet {
	if o.within(s) {
		return s
	}
	if s.within(o) {
		return o
	}
	out := make(typeSet, 0, len(s)+len(o))
	i, j := 0, 0
	for i < len(s) || j < len(o) {
		switch {
		case j == len(o) || i < len(s) && s[i] < o[j]:
			out = append(out, s[i])
			i++
		case i == len(s) || o[j] < s[i]:
			out = append(out, o[j])
			j++
		default:
			out = append(out, s[i])
			i++
			j++
		}
	}
	return out
}

// key identifies the set in a map.
func (s typeSet) key() string {
	b := make([]byte, 0, 4*len(s))
	for _, t := range s {
		b = binary.LittleEndian.AppendUint32(b, uint32(t))
	}
	return string(b)
}
