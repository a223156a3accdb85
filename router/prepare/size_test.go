package prepare_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/prepare"
	"github.com/lethe/lethe/router/supergraph"
)

// sized is a family of operations whose text has a place for a number, so that there are many of them.
type sized struct {
	name, operation string
	subgraphs       []string
}

// sizedFamilies are operations that are large in different ways: wide, deep, over many subgraphs, with fragments on every type,
// under many conditions, with arguments.
func sizedFamilies() []sized {
	leaves := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " f%d", i)
		}
		return b.String()
	}
	fields := func(n int, of string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " f%d: %s", i, of)
		}
		return b.String()
	}
	var charts []string
	for g := range 5 {
		var b strings.Builder
		b.WriteString(`type Query { start: P @shareable } type P @key(fields: "id") { id: ID!`)
		for i := range 8 {
			if (i+g)%5 < 3 {
				fmt.Fprintf(&b, " w%d: P @shareable n%d: String @shareable", i, i)
			}
		}
		charts = append(charts, b.String()+" }")
	}
	var ways func(depth int) string
	ways = func(depth int) string {
		if depth == 0 {
			return "{ n0 n3 n5 }"
		}
		return "{ w1 " + ways(depth-1) + " w4 " + ways(depth-1) + " w6 " + ways(depth-1) + " }"
	}
	var types, spreads strings.Builder
	for i := range 20 {
		fmt.Fprintf(&types, " type T%d implements I @key(fields: \"id\") { id: ID! name: String own%d: String }", i, i)
		fmt.Fprintf(&spreads, " ... on T%d { own%d x: name }", i, i)
	}
	var aliases, conditions strings.Builder
	for i := range 150 {
		fmt.Fprintf(&aliases, " a%d: f(n: %d) { id }", i, i)
		fmt.Fprintf(&conditions, " f%d @include(if: $v%d)", i, i%20)
	}
	var variables []string
	for i := range 20 {
		variables = append(variables, fmt.Sprintf("$v%d: Boolean!", i))
	}
	return []sized{
		{"one leaf", "query Q_ { a { f0 } }", []string{"type Query { a: A } type A {" + fields(1, "Int") + " }"}},
		{"wide", "query Q_ { a {" + leaves(400) + " } }", []string{"type Query { a: A } type A {" + fields(400, "Int") + " }"}},
		{"deep", "query Q_ { a " + strings.Repeat("{ f0 next ", 40) + "{ f0 }" + strings.Repeat("}", 40) + " }", []string{"type Query { a: A } type A { next: A f0: Int }"}},
		{"many plans", "query Q_ { start " + ways(4) + " }", charts},
		{"every type", "query Q_ { i { id name" + spreads.String() + " } }", []string{"type Query { i: [I] } interface I { id: ID! name: String }" + types.String()}},
		{"arguments", "query Q_ {" + " q {" + aliases.String() + " } }", []string{"type Query { q: A } type A { id: ID f(n: Int): A }"}},
		{"conditions", "query Q_(" + strings.Join(variables, " ") + ") { a {" + conditions.String() + " } }", []string{"type Query { a: A } type A {" + fields(150, "Int") + " }"}},
	}
}

// TestSizeIsWhatTheHeapHolds holds that what a program is said to take is what it takes, within a factor, whatever its shape:
// the bound on what all prepared operations take together rests on it.
func TestSizeIsWhatTheHeapHolds(t *testing.T) {
	const many = 60
	for _, f := range sizedFamilies() {
		p := preparerOf(t, f.subgraphs, prepare.Options{})
		var before, after runtime.MemStats
		size := 0
		collect(&before)
		for i := range many {
			one, err := p.Prepare(context.Background(), []byte(strings.ReplaceAll(f.operation, "Q_", fmt.Sprintf("Q%d", i))), nil)
			if err != nil || one.Program == nil {
				t.Fatalf("%s: %v %v", f.name, err, one.Errors)
			}
			size += one.Program.Size()
		}
		collect(&after)
		held := float64(after.HeapAlloc) - float64(before.HeapAlloc)
		ratio := held / float64(size)
		t.Logf("%s: %.0f bytes held for each, %d counted, %.2f", f.name, held/many, size/many, ratio)
		if ratio > 1.6 || ratio < 0.3 {
			t.Errorf("%s: %.0f bytes are held for each operation and %d are counted", f.name, held/many, size/many)
		}
		runtime.KeepAlive(p)
	}
}

// TestWhatIsPreparedIsBoundedInBytes holds that large operations that nobody asks twice leave the bound on bytes whole, and do
// not drive out the one that is in use; nor do the programs of one operation's variants.
func TestWhatIsPreparedIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	const bound = 8 << 20
	for _, f := range sizedFamilies() {
		p := preparerOf(t, f.subgraphs, prepare.Options{Limits: prepare.Limits{PreparedBytes: bound}})
		hot := []byte(strings.ReplaceAll(f.operation, "Q_", "Hot"))
		first, err := p.Prepare(t.Context(), hot, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2*bound/first.Program.Size() + 10 {
			if i > 300 {
				break
			}
			if _, err := p.Prepare(t.Context(), []byte(strings.ReplaceAll(f.operation, "Q_", fmt.Sprintf("Q%d", i))), nil); err != nil {
				t.Fatal(err)
			}
			if got := p.Bytes(); got > bound {
				t.Fatalf("%s: %d bytes are kept after %d operations, and %d may be", f.name, got, i, bound)
			}
			if again, err := p.Prepare(t.Context(), hot, nil); err != nil || again != first {
				t.Fatalf("%s: the operation in use was dropped after %d others: %v", f.name, i, err)
			}
		}
	}
}

func TestVariantsCountAsMemory(t *testing.T) {
	t.Parallel()
	p := preparerOf(t, []string{"type Query { a: A } type A { f0: Int f1: Int next: A }"}, prepare.Options{})
	one, err := p.Prepare(t.Context(), []byte(`query($x: Boolean!, $y: Boolean!) { a { f0 ... @defer(if: $x) { f1 } next { ... @defer(if: $y) { f1 } } } }`), nil)
	if err != nil || one.Program == nil {
		t.Fatal(err, one.Errors)
	}
	before := p.Bytes()
	for _, values := range []string{"true false", "false true", "true true"} {
		x, y, _ := strings.Cut(values, " ")
		if _, errs := one.For(prepare.Traits{Parts: true, Values: &prepare.Values{JSON: [][]byte{[]byte(x), []byte(y)}}}); len(errs) > 0 {
			t.Fatal(errs)
		}
	}
	if got := p.Bytes() - before; got < 3*one.Program.Size()/2 || one.Programs() != 4 {
		t.Errorf("%d bytes are counted for the %d programs beside the first, which takes %d", got, one.Programs()-1, one.Program.Size())
	}
}

func collect(m *runtime.MemStats) {
	runtime.GC()
	runtime.GC() // what a finalizer or a pool held by the first
	runtime.ReadMemStats(m)
}

func preparerOf(t testing.TB, schemas []string, options prepare.Options) *prepare.Preparer {
	t.Helper()
	var list []compose.Subgraph
	for i, sdl := range schemas {
		list = append(list, compose.Subgraph{
			Name: fmt.Sprintf("g%d", i), URL: fmt.Sprintf("http://g%d", i),
			SDL: `extend schema @link(url: "https://specs.apollo.dev/federation/v2.7", import: ["@key", "@shareable"])` + "\n" + sdl,
		})
	}
	result, errs := compose.Compose(list)
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	sg, err := supergraph.Parse(result.SDL)
	if err != nil {
		t.Fatal(err)
	}
	p, err := prepare.New(sg, options)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
