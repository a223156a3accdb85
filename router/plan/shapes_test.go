package plan_test

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/plan"
)

// shape is a family of operations that grow in fields over a supergraph of many subgraphs, made to be hard in one way.
type shape struct {
	name string
	// schemas are the subgraphs' schemas without the link to the federation specification.
	schemas func(subgraphs int) []string
	// query asks for about this many fields.
	query func(subgraphs, fields int) string
}

func (s shape) supergraph(tb testing.TB, subgraphs int) string {
	tb.Helper()
	var list []compose.Subgraph
	for i, sdl := range s.schemas(subgraphs) {
		list = append(list, compose.Subgraph{
			Name: fmt.Sprintf("g%d", i), URL: fmt.Sprintf("http://g%d", i),
			SDL: `extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable", "@requires", "@external", "@provides"])` + "\n" + sdl,
		})
	}
	result, errs := compose.Compose(list)
	if len(errs) > 0 {
		tb.Fatal(compose.FormatText(errs))
	}
	return result.SDL
}

// each makes a schema for each subgraph.
func each(subgraphs int, schema func(i int) string) []string {
	out := make([]string, subgraphs)
	for i := range out {
		out[i] = schema(i)
	}
	return out
}

// repeat joins what text gives for 0 to n-1.
func repeat(n int, text func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(text(i))
	}
	return b.String()
}

// levels nests selections: each level has width fields and leads to the next by the field next, until there are enough.
func levels(fields, width int, level func(from, to int) string) string {
	var b strings.Builder
	depth := 0
	for from := 0; from < fields; from += width {
		if depth++; depth > 1 {
			b.WriteString(" next {")
		}
		b.WriteString(level(from, min(from+width, fields)))
	}
	return b.String() + strings.Repeat("}", depth-1)
}

// perSubgraph is how many fields of its own each subgraph of the flat shapes has.
const perSubgraph = 40

func shapes() []shape {
	return []shape{
		{
			// One entity whose fields are spread over all subgraphs, asked for at once.
			name: "flat",
			schemas: func(n int) []string {
				return each(n, func(i int) string {
					root := ""
					if i == 0 {
						root = "type Query { node: Node } "
					}
					return root + `type Node @key(fields: "id") { id: ID! ` + repeat(perSubgraph, func(f int) string { return fmt.Sprintf("f%d: Int ", f*n+i) }) + "}"
				})
			},
			query: func(_, fields int) string {
				return "{ node {" + repeat(fields, func(f int) string { return fmt.Sprintf(" f%d", f) }) + " } }"
			},
		},
		{
			// One subgraph answers all of it, under aliases.
			name: "aliases",
			schemas: func(n int) []string {
				return each(n, func(i int) string {
					if i > 0 {
						return fmt.Sprintf(`type Node @key(fields: "id") { id: ID! g%d: Int }`, i)
					}
					return `type Query { node: Node } type Node @key(fields: "id") { id: ID! f(n: Int): Int }`
				})
			},
			query: func(_, fields int) string {
				return "{ node {" + repeat(fields, func(f int) string { return fmt.Sprintf(" a%d: f(n: %d)", f, f) }) + " } }"
			},
		},
		{
			// The same, where three subgraphs share each field.
			name: "shared",
			schemas: func(n int) []string {
				return each(n, func(i int) string {
					root := ""
					if i == 0 {
						root = "type Query { node: Node } "
					}
					return root + `type Node @key(fields: "id") { id: ID! ` + repeat(perSubgraph*n, func(f int) string {
						if (f+i)%n < 3 {
							return fmt.Sprintf("f%d: Int @shareable ", f)
						}
						return ""
					}) + "}"
				})
			},
			query: func(_, fields int) string {
				return "{ node {" + repeat(fields, func(f int) string { return fmt.Sprintf(" f%d", f) }) + " } }"
			},
		},
		{
			// A list of an interface of twenty types, whose fields differ in where they come from by type.
			name: "interface",
			schemas: func(n int) []string {
				return each(n, func(i int) string {
					types := repeat(20, func(t int) string {
						own := fmt.Sprintf(" a%d: Int", (i+t)%n)
						if i == 0 {
							return fmt.Sprintf(`type T%d implements Node @key(fields: "id") { id: ID! next: [Node!]!%s } `, t, own)
						}
						return fmt.Sprintf(`type T%d @key(fields: "id") { id: ID!%s } `, t, own)
					})
					if i == 0 {
						return "type Query { nodes: [Node!]! } interface Node { id: ID! next: [Node!]! } " + types
					}
					return types
				})
			},
			query: func(n, fields int) string {
				return "{ nodes {" + levels(fields, 40, func(from, to int) string {
					return " id" + repeat(20, func(t int) string {
						return fmt.Sprintf(" ... on T%d { a%d a%d }", t, (from+t)%n, (from+2*t+1)%n)
					})
				}) + "} }"
			},
		},
		{
			// An interface whose fields each type has from another subgraph, asked for on the interface itself.
			name: "interface fields",
			schemas: func(n int) []string {
				return each(n, func(i int) string {
					if i == 0 {
						return "type Query { nodes: [Node!]! } interface Node { id: ID! next: [Node!]! " +
							repeat(20, func(f int) string { return fmt.Sprintf("a%d: Int ", f) }) + "} " +
							repeat(20, func(t int) string {
								return fmt.Sprintf(`type T%d implements Node @key(fields: "id") { id: ID! next: [Node!]! `, t) +
									repeat(20, func(f int) string { return fmt.Sprintf("a%d: Int @external ", f) }) + "} "
							})
					}
					return repeat(20, func(t int) string {
						fields := repeat(20, func(f int) string {
							if 1+(f+t)%(n-1) == i {
								return fmt.Sprintf(" a%d: Int", f)
							}
							return ""
						})
						return fmt.Sprintf(`type T%d @key(fields: "id") { id: ID!%s } `, t, fields)
					})
				})
			},
			query: func(_, fields int) string {
				return "{ nodes {" + levels(fields, 20, func(_, _ int) string {
					return repeat(20, func(f int) string { return fmt.Sprintf(" a%d", f) })
				}) + "} }"
			},
		},
		{
			// A union of twenty entities, with fields of each from several subgraphs.
			name: "union",
			schemas: func(n int) []string {
				return each(n, func(i int) string {
					types := repeat(20, func(t int) string {
						next := ""
						if i == 0 {
							next = " next: [U!]!"
						}
						return fmt.Sprintf(`type T%d @key(fields: "id") { id: ID! u%d_%d: Int%s } `, t, t, i, next)
					})
					if i == 0 {
						return "type Query { all: [U!]! } union U = " + repeat(20, func(t int) string { return fmt.Sprintf("| T%d ", t) }) + types
					}
					return types
				})
			},
			query: func(n, fields int) string {
				var b strings.Builder
				b.WriteString("{ all {")
				depth := 1
				for from := 0; from < fields; from += 100 {
					for t := range 20 {
						fmt.Fprintf(&b, " ... on T%d { id", t)
						for k := range 5 {
							fmt.Fprintf(&b, " u%d_%d", t, (from/100*5+k*7+t)%n)
						}
						b.WriteString(" }")
					}
					if from+100 < fields {
						fmt.Fprintf(&b, " ... on T%d { next {", from/100%20)
						depth += 2
					}
				}
				return b.String() + strings.Repeat("}", depth+1)
			},
		},
		{
			// A way down from subgraph to subgraph, one field on each level.
			name: "deep",
			schemas: func(n int) []string {
				return each(n, func(i int) string {
					root := ""
					if i == 0 {
						root = "type Query { node: Node } "
					}
					return root + fmt.Sprintf(`type Node @key(fields: "id") { id: ID! n%d: Node v%d: Int v%d: Int @shareable }`, i, i, n+i/2)
				})
			},
			query: func(n, fields int) string {
				// Ways of at most 40 levels, since operations have a depth limit.
				ways := (fields + 79) / 80
				steps := fields / ways / 2
				return "{" + repeat(ways, func(w int) string {
					var b strings.Builder
					fmt.Fprintf(&b, " w%d: node {", w)
					for d := range steps {
						fmt.Fprintf(&b, " v%d n%d {", (d*3+w)%n, (d+w)%n)
					}
					return b.String() + " id " + strings.Repeat("}", steps+1)
				}) + " }"
			},
		},
		{
			// Subgraphs that know their neighbour's key alone: far ones are reached by as many moves as lie between.
			name: "many keys",
			schemas: func(n int) []string {
				return each(n, func(i int) string {
					root := ""
					if i == 0 {
						root = "type Query { node: Node } "
					}
					keys := fmt.Sprintf(`@key(fields: "k%d") @key(fields: "k%d")`, i/5, i/5+1)
					ks := fmt.Sprintf("k%d: ID! k%d: ID! ", i/5, i/5+1)
					return root + "type Node " + keys + " { " + ks + repeat(perSubgraph, func(f int) string { return fmt.Sprintf("f%d: Int ", f*n+i) }) + "}"
				})
			},
			query: func(_, fields int) string {
				return "{ node {" + repeat(fields, func(f int) string { return fmt.Sprintf(" f%d", f) }) + " } }"
			},
		},
		{
			// Keys of several fields and of fields of fields, three ways each.
			name: "compound keys",
			schemas: func(n int) []string {
				return each(n, func(i int) string {
					root := ""
					if i == 0 {
						root = "type Query { node: Node } "
					}
					return root + `type Org { id: ID! @shareable zone: ID! @shareable } type Node @key(fields: "id org { id }") @key(fields: "sku org { id zone }") @key(fields: "id sku") { id: ID! sku: ID! org: Org! @shareable ` +
						repeat(perSubgraph, func(f int) string { return fmt.Sprintf("f%d: Int ", f*n+i) }) + "}"
				})
			},
			query: func(_, fields int) string {
				return "{ node {" + repeat(fields, func(f int) string { return fmt.Sprintf(" f%d", f) }) + " } }"
			},
		},
		{
			// Fields of which each requires the one before, of another subgraph, in chains of ten.
			name: "requires chains",
			schemas: func(n int) []string {
				return each(n, func(i int) string {
					root := ""
					if i == 0 {
						root = "type Query { node: Node } "
					}
					return root + `type Node @key(fields: "id") { id: ID! ` + repeat(perSubgraph, func(k int) string {
						f := k*n + i
						if f%10 == 0 {
							return fmt.Sprintf("f%d: Int ", f)
						}
						return fmt.Sprintf(`f%d: Int @external f%d: Int @requires(fields: "f%d") `, f-1, f, f-1)
					}) + "}"
				})
			},
			query: func(_, fields int) string {
				return "{ node {" + repeat(fields, func(f int) string { return fmt.Sprintf(" f%d", f) }) + " } }"
			},
		},
	}
}

// TestPlanningGrowsWithTheOperation checks by steps and allocations, which no busy machine changes, that planning takes no
// more than in proportion to the fields. It is alone, since it counts the allocations of the process.
func TestPlanningGrowsWithTheOperation(t *testing.T) { //nolint:paralleltest // it counts the allocations of the process
	const subgraphs, small, times = 20, 200, 4
	for _, s := range shapes() {
		sdl := s.supergraph(t, subgraphs)
		count := func(fields int) (steps, allocations int) {
			p, doc := load(t, sdl, s.query(subgraphs, fields))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			steps, err := plan.Work(p, doc)
			if err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			return steps, int(after.Mallocs - before.Mallocs)
		}
		steps, allocations := count(small)
		moreSteps, moreAllocations := count(small * times)
		t.Logf("%s: %d and %d steps, %d and %d allocations", s.name, steps, moreSteps, allocations, moreAllocations)
		// A fifth beyond the proportion is for what differs between the operations.
		if moreSteps > steps*times*6/5 || moreAllocations > allocations*times*6/5 {
			t.Errorf("%s: %d times the fields take %.1f times the steps and %.1f times the allocations", s.name, times,
				float64(moreSteps)/float64(steps), float64(moreAllocations)/float64(allocations))
		}
	}
}

// processorTime is what the process has used so far, which other processes of a busy machine do not change.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkShapes plans operations of growing size over 50 subgraphs, and reports what a field costs at each size in
// proportion to the size before: about 1 where planning is linear.
func BenchmarkShapes(b *testing.B) {
	const subgraphs = 50
	for _, s := range shapes() {
		sdl := s.supergraph(b, subgraphs)
		before := 0.0
		for _, fields := range []int{100, 200, 400, 800, 1600} {
			b.Run(fmt.Sprintf("%s/fields=%d", strings.ReplaceAll(s.name, " ", "-"), fields), func(b *testing.B) {
				each := float64(benchmarkPlan(b, sdl, s.query(subgraphs, fields))) / float64(fields)
				b.ReportMetric(each, "cpu-ns/field")
				if before > 0 {
					b.ReportMetric(each/before, "ratio")
				}
				before = each
			})
		}
	}
}
