package prepare_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/prepare"
	"github.com/lethe/lethe/router/supergraph"
)

func preparer(t *testing.T, sdl string) *prepare.Preparer {
	t.Helper()
	composed, errs := compose.Compose([]compose.Subgraph{{
		Name: "a", URL: "http://a", SDL: `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])` + sdl,
	}})
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	sg, err := supergraph.Parse(composed.SDL)
	if err != nil {
		t.Fatal(err)
	}
	p, err := prepare.New(sg, prepare.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const deferSDL = `
	type Query { t: T } type Mutation { change: T } type Subscription { changed: T }
	type T @key(fields: "id") { id: ID! a: Int b: Int }`

func TestWhatIsDeferredDependsOnTheRequest(t *testing.T) {
	t.Parallel()
	p := preparer(t, deferSDL)
	prepared, err := p.Prepare(context.Background(), []byte(`query ($x: Boolean = true, $y: Boolean!) { t { id ...@defer(if: $x) { a } ...@defer(if: $y) { b } } }`), nil)
	if err != nil || len(prepared.Errors) > 0 {
		t.Fatal(err, prepared.Errors)
	}
	for _, test := range []struct {
		parts     bool
		variables string
		deferred  int
	}{
		{false, `{"x":true,"y":true}`, 0},
		{true, `{"x":true,"y":true}`, 2},
		{true, `{"x":false,"y":true}`, 1},
		{true, `{"y":false}`, 1},
		{true, `{"x":null,"y":false}`, 1},
		{true, `{"x":false,"y":false}`, 0},
	} {
		var values prepare.Values
		if errs := prepared.Coerce(&values, []byte(test.variables)); len(errs) > 0 {
			t.Fatal(errs)
		}
		for range 2 {
			program, errs := prepared.For(prepare.Traits{Parts: test.parts, Values: &values})
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			if got := len(program.Plan().Operation.Deferred); got != test.deferred || program.Incremental() != (got > 0) {
				t.Errorf("%v %s: %d parts", test.parts, test.variables, got)
			}
		}
	}
}

func TestWhereNothingMayBeDeferred(t *testing.T) {
	t.Parallel()
	p := preparer(t, deferSDL)
	for query, code := range map[string]string{
		`mutation { ...@defer { change { id } } }`:                                             "DEFER_NOT_ALLOWED",
		`mutation { ...F } fragment F on Mutation { ...@defer(label: "x") { change { id } } }`: "DEFER_NOT_ALLOWED",
		`mutation { change { id ...@defer { a } } }`:                                           "",
		`mutation { ...@defer(if: false) { change { id } } }`:                                  "",
		`subscription { changed { id ...@defer { a } } }`:                                      "DEFER_NOT_ALLOWED",
		`subscription ($x: Boolean!) { changed { id ...@defer(if: $x) { a } } }`:               "",
		`{ t { ...@defer(label: "x") { a } ...@defer(label: "x") { b } } }`:                    "DEFER_NOT_ALLOWED",
		`{ t { ...F } again: t { ...F } } fragment F on T { ...@defer(label: "x") { a } }`:     "",
		`{ t { ...@defer(label: "` + strings.Repeat("x", 600) + `") { a } } }`:                 "DEFER_NOT_ALLOWED",
		`{ t { id @defer } }`: "GRAPHQL_VALIDATION_FAILED",
	} {
		prepared, err := p.Prepare(context.Background(), []byte(query), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(prepared.Errors) > 0 {
			got, _ = prepared.Errors[0].Extensions["code"].(string)
		}
		if got != code {
			t.Errorf("%s: %q, want %q: %v", query, got, code, prepared.Errors)
		}
	}
}

// TestTooManyDeferredFragments holds that there is a bound, which concerns nobody who takes the answer whole.
func TestTooManyDeferredFragments(t *testing.T) {
	t.Parallel()
	p := preparer(t, deferSDL)
	prepared, err := p.Prepare(context.Background(), []byte(`{ t { id `+strings.Repeat("...@defer { a } ", 65)+` } }`), nil)
	if err != nil || len(prepared.Errors) > 0 {
		t.Fatal(err, prepared.Errors)
	}
	if _, errs := prepared.For(prepare.Traits{}); len(errs) > 0 {
		t.Error(errs)
	}
	if _, errs := prepared.For(prepare.Traits{Parts: true}); len(errs) == 0 || errs[0].Extensions["code"] != "OPERATION_TOO_COMPLEX" {
		t.Errorf("got %v", errs)
	}
}

// TestReloadWarmsDeferredPrograms holds that a new schema has the programs ready that are in use.
func TestReloadWarmsDeferredPrograms(t *testing.T) {
	t.Parallel()
	query := []byte(`{ t { id ...@defer { a } } }`)
	old, next := preparer(t, deferSDL), preparer(t, deferSDL)
	prepared, err := old.Prepare(context.Background(), query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, errs := prepared.For(prepare.Traits{Parts: true}); len(errs) > 0 {
		t.Fatal(errs)
	}
	next.Warm(context.Background(), old)
	fresh, err := next.Prepare(context.Background(), query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := fresh.Programs(); got != 2 {
		t.Errorf("%d programs are ready, want 2", got)
	}
}
