package plan_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/supergraph"
)

// wideSupergraph has an entity in every one of n subgraphs, each with fields of its own, fields that it shares with its
// neighbour, a field that requires one of its neighbour's, and a way to itself.
func wideSupergraph(n int) string {
	var b strings.Builder
	b.WriteString(`schema @link(url: "https://specs.apollo.dev/link/v1.0") @link(url: "https://specs.apollo.dev/join/v0.3", for: EXECUTION) { query: Query }
directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA
scalar link__Import
enum link__Purpose { SECURITY EXECUTION }
scalar join__FieldSet
directive @join__graph(name: String!, url: String!) on ENUM_VALUE
directive @join__type(graph: join__Graph!, key: join__FieldSet, extension: Boolean! = false, resolvable: Boolean! = true, isInterfaceObject: Boolean! = false) repeatable on OBJECT
directive @join__field(graph: join__Graph, requires: join__FieldSet, external: Boolean) repeatable on FIELD_DEFINITION
enum join__Graph {
`)
	for i := range n {
		fmt.Fprintf(&b, "  G%d @join__graph(name: \"g%d\", url: \"http://g%d\")\n", i, i, i)
	}
	b.WriteString("}\ntype Query")
	for i := range n {
		fmt.Fprintf(&b, " @join__type(graph: G%d)", i)
	}
	b.WriteString(" { node: Node @join__field(graph: G0) }\ntype Node")
	for i := range n {
		fmt.Fprintf(&b, " @join__type(graph: G%d, key: \"id\")", i)
	}
	b.WriteString(" {\n  id: ID!\n")
	for i := range n {
		next := (i + 1) % n
		fmt.Fprintf(&b, "  own%d: Int @join__field(graph: G%d) @join__field(graph: G%d, external: true)\n", i, i, (i+n-1)%n)
		fmt.Fprintf(&b, "  shared%d: Int @join__field(graph: G%d) @join__field(graph: G%d)\n", i, i, next)
		fmt.Fprintf(&b, "  derived%d: Int @join__field(graph: G%d, requires: \"own%d\")\n", i, i, next)
		fmt.Fprintf(&b, "  next%d: Node @join__field(graph: G%d)\n", i, i)
	}
	b.WriteString("}\n")
	return b.String()
}

// wideQuery asks for about fields fields of all n subgraphs, on several levels.
func wideQuery(n, fields int) string {
	var b strings.Builder
	asked := 0
	var level func(depth int)
	level = func(depth int) {
		b.WriteString("{ id")
		for i := 0; i < n && asked < fields; i++ {
			fmt.Fprintf(&b, " own%d shared%d derived%d", i, i, i)
			asked += 3
		}
		if asked < fields {
			asked++
			fmt.Fprintf(&b, " next%d ", depth%n)
			level(depth + 1)
		}
		b.WriteString(" }")
	}
	b.WriteString("{ node ")
	level(0)
	b.WriteString(" }")
	return b.String()
}

func load(tb testing.TB, sdl, query string) (*plan.Planner, *ast.QueryDocument) {
	tb.Helper()
	sg, err := supergraph.Parse(sdl)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := plan.NewPlanner(sg)
	if err != nil {
		tb.Fatal(err)
	}
	doc, errs := gqlparser.LoadQueryWithRules(sg.API(), query, rules.NewDefaultRules())
	if len(errs) > 0 {
		tb.Fatal(errs)
	}
	return p, doc
}

// BenchmarkPlan plans operations of growing numbers of fields over growing numbers of subgraphs.
func BenchmarkPlan(b *testing.B) {
	for _, c := range []struct{ subgraphs, fields int }{{10, 100}, {50, 125}, {50, 250}, {50, 500}, {50, 1000}, {50, 2000}, {100, 500}} {
		b.Run(fmt.Sprintf("subgraphs=%d/fields=%d", c.subgraphs, c.fields), func(b *testing.B) {
			benchmarkPlan(b, wideSupergraph(c.subgraphs), wideQuery(c.subgraphs, c.fields))
		})
	}
}

// sharedSupergraph has an entity of which every one of 100 fields is shared by a tenth of n subgraphs.
func sharedSupergraph(n int) string {
	head, _, _ := strings.Cut(wideSupergraph(n), "type Node")
	var b strings.Builder
	b.WriteString(head + "type Node")
	for i := range n {
		fmt.Fprintf(&b, " @join__type(graph: G%d, key: \"id\")", i)
	}
	b.WriteString(" {\n  id: ID!\n  next: Node @join__field(graph: G0)\n")
	for f := range 100 {
		fmt.Fprintf(&b, "  f%d: Int", f)
		seen := map[int]bool{}
		for k := range max(2, n/10) {
			if g := 1 + (f*7+k*k*3+k)%(n-1); !seen[g] {
				seen[g] = true
				fmt.Fprintf(&b, " @join__field(graph: G%d)", g)
			}
		}
		b.WriteString("\n")
	}
	return b.String() + "}\n"
}

// abstractSupergraph has an interface of n types, of which each has fields in two of ten subgraphs, and a way from the
// interface to itself that three subgraphs share.
func abstractSupergraph(n int) string {
	head, _, _ := strings.Cut(wideSupergraph(10), "type Query")
	var b strings.Builder
	b.WriteString(strings.Replace(head, "enum link__Purpose", "directive @join__implements(graph: join__Graph!, interface: String!) repeatable on OBJECT | INTERFACE\nenum link__Purpose", 1))
	b.WriteString("type Query")
	for i := range 10 {
		fmt.Fprintf(&b, " @join__type(graph: G%d)", i)
	}
	b.WriteString(" { node: Node @join__field(graph: G0) @join__field(graph: G1) @join__field(graph: G2) }\ninterface Node")
	for i := range 3 {
		fmt.Fprintf(&b, " @join__type(graph: G%d)", i)
	}
	b.WriteString(" { id: ID! next: Node f: Int @join__field(graph: G0) g: Int @join__field(graph: G1) }\n")
	for t := range n {
		fmt.Fprintf(&b, "type T%d implements Node", t)
		for i := range 3 {
			fmt.Fprintf(&b, " @join__implements(graph: G%d, interface: \"Node\")", i)
		}
		for i := range 10 {
			fmt.Fprintf(&b, " @join__type(graph: G%d, key: \"id\")", i)
		}
		fmt.Fprintf(&b, " { id: ID! next: Node @join__field(graph: G0) @join__field(graph: G1) @join__field(graph: G2) f: Int @join__field(graph: G0) g: Int @join__field(graph: G1) own%d: Int @join__field(graph: G%d) }\n", t, 3+t%7)
	}
	return b.String()
}

// BenchmarkPlanShared plans for fields that many subgraphs share, so that there is much to choose.
func BenchmarkPlanShared(b *testing.B) {
	for _, levels := range []int{1, 5, 20} {
		b.Run(fmt.Sprintf("fields=%d", 100*levels), func(b *testing.B) {
			benchmarkPlan(b, sharedSupergraph(50), sharedQuery(levels))
		})
	}
}

func sharedQuery(levels int) string {
	var b strings.Builder
	b.WriteString("{ node ")
	for range levels {
		b.WriteString("{")
		for f := range 100 {
			fmt.Fprintf(&b, " f%d", f)
		}
		b.WriteString(" next ")
	}
	return b.String() + "{ id } " + strings.Repeat("} ", levels) + "}"
}

// BenchmarkPlanAbstract plans for an interface of many types, over several levels.
func BenchmarkPlanAbstract(b *testing.B) {
	for _, c := range []struct{ types, levels int }{{10, 2}, {50, 2}, {50, 4}, {50, 8}, {100, 4}} {
		b.Run(fmt.Sprintf("types=%d/levels=%d", c.types, c.levels), func(b *testing.B) {
			var q strings.Builder
			q.WriteString("{ node ")
			for l := range c.levels {
				q.WriteString("{ id f g")
				for t := l; t < c.types; t += c.levels {
					fmt.Fprintf(&q, " ... on T%d { own%d }", t, t)
				}
				q.WriteString(" next ")
			}
			q.WriteString("{ id f g } " + strings.Repeat("} ", c.levels) + "}")
			benchmarkPlan(b, abstractSupergraph(c.types), q.String())
		})
	}
}

// benchmarkPlan gives what planning once takes of the processors.
func benchmarkPlan(b *testing.B, sdl, query string) time.Duration {
	b.Helper()
	p, doc := load(b, sdl, query)
	var got *plan.Plan
	began, n := processorTime(b), 0
	for b.Loop() {
		var err error
		if got, err = p.Plan(doc, ""); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(len(got.Fetches)), "fetches")
	return (processorTime(b) - began) / time.Duration(n)
}

// BenchmarkPlanDeferred plans 500 fields over 50 subgraphs, in more and more deferred fragments.
func BenchmarkPlanDeferred(b *testing.B) {
	for _, fragments := range []int{0, 1, 10, 60} {
		b.Run(fmt.Sprintf("fragments=%d", fragments), func(b *testing.B) {
			p, doc := load(b, wideSupergraph(50), deferredQuery(50, 500, fragments))
			for b.Loop() {
				if _, err := p.PlanFor(doc, "", plan.Options{Defer: func(string) bool { return true }}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// deferredQuery asks for about fields fields of all n subgraphs, the first of them in deferred fragments of three each.
func deferredQuery(n, fields, fragments int) string {
	text := wideQuery(n, fields)
	for i := range fragments {
		group := fmt.Sprintf(" own%d shared%d derived%d", i%n, i%n, i%n)
		at := 0
		for range i / n { // on the next level
			at += strings.Index(text[at:], " next") + 1
		}
		rest := strings.Replace(text[at:], group, " ...@defer {"+group+" }", 1)
		text = text[:at] + rest
	}
	return text
}
