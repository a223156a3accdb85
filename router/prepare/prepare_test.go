package prepare_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lethe/lethe/router/prepare"
	"github.com/lethe/lethe/router/supergraph"
	"github.com/lethe/lethe/schema"
)

func newPreparer(t testing.TB, limits prepare.Limits) *prepare.Preparer {
	t.Helper()
	sg, err := supergraph.Parse(schema.Supergraph())
	if err != nil {
		t.Fatal(err)
	}
	p, err := prepare.New(sg, prepare.Options{Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const productQuery = `query Page($id: ID!, $first: Int = 3) { product(id: $id) { id name } products(first: $first) { totalCount } }`

// TestHitAllocatesNothing holds what makes the router cheap: an operation that was met before costs no memory until its
// first fetch, and so do its variables.
func TestHitAllocatesNothing(t *testing.T) {
	p := newPreparer(t, prepare.Limits{})
	ctx, query, name := context.Background(), []byte(productQuery), []byte("Page")
	variables := []byte(`{"id": "prd_1", "first": 12}`)
	var values prepare.Values
	hit := func() {
		got, err := p.Prepare(ctx, query, name)
		if err != nil || got.Program == nil {
			t.Fatal(err, got.Errors)
		}
		if errs := got.Coerce(&values, variables); len(errs) > 0 {
			t.Fatal(errs)
		}
	}
	hit()
	if n := testing.AllocsPerRun(100, hit); n > 0 {
		t.Errorf("a hit makes %v allocations, want none", n)
	}
	if string(values.JSON[0]) != `"prd_1"` || string(values.JSON[1]) != "12" {
		t.Errorf("values %s", values.JSON)
	}
}

func TestOnePreparesForAll(t *testing.T) {
	t.Parallel()
	p := newPreparer(t, prepare.Limits{})
	var wg sync.WaitGroup
	got := make([]*prepare.Prepared, 32)
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], err = p.Prepare(context.Background(), []byte(productQuery), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, g := range got {
		if g != got[0] {
			t.Fatal("two callers have different programs")
		}
	}
}

// TestBadOperationsCostTheGoodNothing checks that what is refused is kept apart, and bounded.
func TestBadOperationsCostTheGoodNothing(t *testing.T) {
	t.Parallel()
	p := newPreparer(t, prepare.Limits{})
	ctx := context.Background()
	good, err := p.Prepare(ctx, []byte(productQuery), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		if bad, err := p.Prepare(ctx, fmt.Appendf(nil, "{ nothing%d }", i), nil); err != nil || bad.Program != nil {
			t.Fatal(err)
		}
	}
	if again, err := p.Prepare(ctx, []byte(productQuery), nil); err != nil || again != good || p.Len() != 1 {
		t.Errorf("prepared again: %v, %d kept", err, p.Len())
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	p := newPreparer(t, prepare.Limits{Tokens: 500, Depth: 6, Aliases: 5, Directives: 5, RootFields: 4, Bytes: 20_000})
	for name, c := range map[string]struct{ query, code string }{
		"tokens":         {"{" + strings.Repeat(" __typename", 600) + "}", "MAX_TOKENS_EXCEEDED"},
		"bytes":          {"{ __typename } #" + strings.Repeat("x", 20_000), "QUERY_TOO_LARGE"},
		"depth":          {"{ products { edges { node { id availability { inStock { x { y } } } } } } }", "MAX_DEPTH_EXCEEDED"},
		"aliases":        {"{ products { a: totalCount b: totalCount c: totalCount d: totalCount e: totalCount f: totalCount } }", "MAX_ALIASES_EXCEEDED"},
		"directives":     {"{ __typename " + strings.Repeat("@skip(if: false) ", 6) + "}", "MAX_DIRECTIVES_EXCEEDED"},
		"root fields":    {"{ a: __typename b: __typename c: __typename d: __typename __typename }", "MAX_ROOT_FIELDS_EXCEEDED"},
		"fragment bomb":  {bomb(12), "MAX_ALIASES_EXCEEDED"},
		"fragment cycle": {"{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }", "GRAPHQL_VALIDATION_FAILED"},
	} {
		got, err := p.Prepare(context.Background(), []byte(c.query), nil)
		if err != nil || len(got.Errors) == 0 || got.Errors[0].Extensions["code"] != c.code {
			t.Errorf("%s: %v %v, want %s", name, err, got.Errors, c.code)
		}
	}
}

// bomb spreads each fragment twice in the one before it.
func bomb(depth int) string {
	var b strings.Builder
	b.WriteString("{ ...F0 }")
	for i := range depth {
		fmt.Fprintf(&b, " fragment F%d on Query { ...F%d ...F%d a%d: __typename }", i, i+1, i+1, i)
	}
	fmt.Fprintf(&b, " fragment F%d on Query { x: __typename }", depth)
	return b.String()
}

// FuzzPrepare feeds anything as an operation and its variables: it is refused or prepared, and never panics.
func FuzzPrepare(f *testing.F) {
	p := newPreparer(f, prepare.Limits{})
	f.Add([]byte(productQuery), []byte(`{"id":1,"first":null}`))
	f.Add([]byte(`mutation($i: PlaceOrderInput!) { placeOrder(input: $i) { order { id } } }`), []byte(`{"i":{"lines":{"productId":1}}}`))
	f.Add([]byte(`{ __schema { types { name fields { name } } } }`), []byte(`[]`))
	f.Add([]byte(`query($x: Boolean) { products(first: 1) { nodes { id ...@defer(if: $x, label: "x") { name ...@defer { id __typename } } } } ...@defer { __schema { description } } }`), []byte(`{"x":true}`))
	f.Fuzz(func(t *testing.T, query, variables []byte) {
		got, err := p.Prepare(context.Background(), query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.Program == nil {
			if len(got.Errors) == 0 {
				t.Fatalf("%q: neither a program nor an error", query)
			}
			return
		}
		var values prepare.Values
		if errs := got.Coerce(&values, variables); len(errs) > 0 {
			return
		}
		for _, v := range values.JSON {
			if v != nil && !json.Valid(v) {
				t.Fatalf("%q with %q: the value %q is no JSON", query, variables, v)
			}
		}
		if program, errs := got.For(prepare.Traits{Parts: true, Values: &values}); program == nil && len(errs) == 0 {
			t.Fatalf("%q in parts: neither a program nor an error", query)
		}
	})
}
