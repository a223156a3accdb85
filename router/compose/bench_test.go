package compose_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/compose"
)

// company is subgraphs of a company of this size: each type is an entity known to so many subgraphs as spread says, which
// add fields to it and lead on to other types; some fields require others.
func company(subgraphs, types, spread int) []compose.Subgraph {
	out := make([]compose.Subgraph, subgraphs)
	for g := range out {
		var b strings.Builder
		b.WriteString(`extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable", "@requires", "@external"])` + "\n")
		fmt.Fprintf(&b, "type Query { root%d: [T%d!]! }\n", g, g%types)
		known := map[int]bool{}
		for t := range types {
			known[t] = t%subgraphs == g || (g-t%subgraphs+subgraphs)%subgraphs < spread
		}
		known[g%types] = true
		for t := range types {
			if !known[t] {
				continue
			}
			fmt.Fprintf(&b, "type T%d @key(fields: \"id\") { id: ID! name: String @shareable", t)
			for f := range 5 {
				fmt.Fprintf(&b, " f%d_%d: Int", g, f)
			}
			for k := range 3 {
				if to := (t*7 + k*13 + g) % types; known[to] {
					fmt.Fprintf(&b, " to%d_%d: T%d", g, k, to)
				}
			}
			if before := (g + subgraphs - 1) % subgraphs; (before-t%subgraphs+subgraphs)%subgraphs < spread && g != t%subgraphs {
				fmt.Fprintf(&b, " f%d_0: Int @external derived%d: Int @requires(fields: \"f%d_0\")", before, g, before)
			}
			b.WriteString(" }\n")
		}
		out[g] = compose.Subgraph{Name: fmt.Sprintf("g%d", g), URL: fmt.Sprintf("http://g%d", g), SDL: b.String()}
	}
	return out
}

// BenchmarkCompose composes companies of growing size.
func BenchmarkCompose(b *testing.B) {
	for _, c := range []struct{ subgraphs, types, spread int }{
		{10, 100, 8}, {50, 50, 8}, {50, 100, 8}, {50, 200, 8}, {100, 100, 8}, {50, 25, 50}, {50, 50, 50}, {50, 100, 50},
	} {
		b.Run(fmt.Sprintf("subgraphs=%d/types=%d/spread=%d", c.subgraphs, c.types, c.spread), func(b *testing.B) {
			list := company(c.subgraphs, c.types, c.spread)
			for b.Loop() {
				if _, errs := compose.Compose(list); len(errs) > 0 {
					b.Fatal(compose.FormatText(errs[:1]))
				}
			}
		})
	}
}

// TestCompositionGrowsWithTheSchemas checks by allocations, which no busy machine changes, that proving that all queries
// can be answered takes no more than in proportion to the types, where every subgraph knows every type. It is alone, since
// it counts the allocations of the process.
func TestCompositionGrowsWithTheSchemas(t *testing.T) { //nolint:paralleltest // it counts the allocations of the process
	const subgraphs, small, times = 12, 15, 4
	count := func(types int) int {
		list := company(subgraphs, types, subgraphs)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, errs := compose.Compose(list); len(errs) > 0 {
			t.Fatal(compose.FormatText(errs[:1]))
		}
		runtime.ReadMemStats(&after)
		return int(after.Mallocs - before.Mallocs)
	}
	few, many := count(small), count(small*times)
	t.Logf("%d allocations for %d types, %d for %d", few, small, many, small*times)
	if many > few*times*6/5 {
		t.Errorf("%d times the types take %.1f times the allocations", times, float64(many)/float64(few))
	}
}
