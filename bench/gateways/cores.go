package main

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
)

// otherCores gives the cores that taskset's list leaves, as such a list.
func otherCores(taken string) (string, error) {
	used := map[int]bool{}
	for part := range strings.SplitSeq(taken, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		last := first
		if err == nil && isRange {
			last, err = strconv.Atoi(to)
		}
		if err != nil || first < 0 || last < first || last > 4096 {
			return "", fmt.Errorf("-pin %s is no list of cores such as 0 or 0-1,3", taken)
		}
		for c := first; c <= last; c++ {
			used[c] = true
		}
	}
	var out []string
	for c := range runtime.NumCPU() {
		if !used[c] {
			out = append(out, strconv.Itoa(c))
		}
	}
	if len(out) == 0 {
		return "", fmt.Errorf("-pin %s leaves no core for the load and the subgraphs", taken)
	}
	return strings.Join(out, ","), nil
}
