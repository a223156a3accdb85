package cost_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/cost"
	"github.com/lethe/lethe/router/supergraph"
)

func readStore(t testing.TB) *supergraph.Supergraph {
	t.Helper()
	sdl, err := os.ReadFile("testdata/store.graphql")
	if err != nil {
		t.Fatal(err)
	}
	return read(t, composed(t, string(sdl)))
}

func composed(t testing.TB, sdl string) string {
	t.Helper()
	result, errs := compose.Compose([]compose.Subgraph{{Name: "store", URL: "http://store", SDL: sdl}})
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	return result.SDL
}

func read(t testing.TB, sdl string) *supergraph.Supergraph {
	t.Helper()
	sg, err := supergraph.Parse(sdl)
	if err != nil {
		t.Fatal(err)
	}
	return sg
}

// compile compiles the only operation of a text, or the first.
func compile(t testing.TB, sg *supergraph.Supergraph, m *cost.Model, query string) *cost.Program {
	t.Helper()
	doc, errs := gqlparser.LoadQueryWithRules(sg.API(), query, rules.NewDefaultRules())
	if len(errs) > 0 {
		t.Fatalf("%s\n%v", query, errs)
	}
	p, err := m.Compile(doc, doc.Operations[0])
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// values puts JSON values in the order of an operation's variables.
func values(t testing.TB, sg *supergraph.Supergraph, query string, by map[string]string) [][]byte {
	t.Helper()
	doc, errs := gqlparser.LoadQueryWithRules(sg.API(), query, rules.NewDefaultRules())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var out [][]byte
	for _, v := range doc.Operations[0].VariableDefinitions {
		switch text, given := by[v.Variable]; {
		case given:
			out = append(out, []byte(text))
		case v.DefaultValue != nil && v.DefaultValue.Kind != ast.ObjectValue:
			out = append(out, []byte(v.DefaultValue.Raw))
		default:
			out = append(out, nil)
		}
	}
	return out
}

type given = map[string]string

func TestEstimates(t *testing.T) {
	t.Parallel()
	sg := readStore(t)
	m := cost.New(sg, cost.Options{ListSize: 10})
	for _, c := range []struct {
		name, query string
		variables   given
		want        float64
	}{
		{"a leaf", `{ __typename }`, nil, 0},
		{"an object", `{ item(id: 1) { id name } }`, nil, 1},
		{"objects in objects", `{ item(id: 1) { parent { parent { id } } } }`, nil, 3},
		{"a weighted leaf", `{ item(id: 1) { dear } }`, nil, 10},
		{"a weighted type", `{ item(id: 1) { heavy { id } } }`, nil, 6},
		{"a list of no known length", `{ plain { id } }`, nil, 10},
		{"a list in it", `{ plain { heavy { id } parent { id } } }`, nil, 10 * (1 + 5 + 1)},
		{"a list of lists", `{ grid { id } }`, nil, 100},
		{"a list of leaves", `{ item(id: 1) { tags } }`, nil, 1},
		{"a list of weighted leaves", `{ item(id: 1) { colours } }`, nil, 31},
		{"an assumed length", `{ assumed { id } }`, nil, 50},
		{"a slicing argument", `{ items(first: 20) { id } }`, nil, 20},
		{"of two the larger", `{ items(first: 20, last: 30) { id } }`, nil, 30},
		{"none", `{ items { id } }`, nil, 7},
		{"null", `{ items(first: null) { id } }`, nil, 7},
		{"below zero", `{ items(first: -1) { id } }`, nil, 7},
		{"zero", `{ items(first: 0) { id parent { id } } }`, nil, 0},
		{"huge", `{ items(first: 2147483647) { id heavy { id } } }`, nil, 2147483647 * 6},
		{"beyond all", `{ items(first: 2147483647) { children { ... on Item { page: reviews(first: 2147483647) { edges { node { id } } } } } } }`, nil, cost.Ceiling},
		{"a variable", `query($n: Int) { items(first: $n) { id } }`, given{"n": "12"}, 12},
		{"a variable left out", `query($n: Int) { items(first: $n) { id } }`, nil, 7},
		{"a variable that is null", `query($n: Int) { items(first: $n) { id } }`, given{"n": "null"}, 7},
		{"a variable below zero", `query($n: Int) { items(first: $n) { id } }`, given{"n": "-2147483648"}, 7},
		{"a variable with a default", `query($n: Int = 9) { items(first: $n) { id } }`, nil, 9},
		{"a default overridden", `query($n: Int = 9) { items(first: $n) { id } }`, given{"n": "2147483647"}, 2147483647},
		{"the schema's default", `{ defaulted { id } }`, nil, 4},
		{"the schema's default for a variable left out", `query($n: Int) { defaulted(first: $n) { id } }`, nil, 4},
		{"one of one", `{ one(last: 5) { id } }`, nil, 5},
		{"one by variables", `query($a: Int, $b: Int) { one(first: $a, last: $b) { id } }`, given{"b": "6"}, 6},
		{"aliases", `{ a: items(first: 5) { id } b: items(first: 5) { id } }`, nil, 10},
		{"the same twice", `{ items(first: 5) { id } items(first: 5) { parent { id } } }`, nil, 10},
		{"sized fields", `{ page(first: 5) { edges { node { id } } nodes { id } total } }`, nil, 1 + 5*2 + 5},
		{"sized fields without an argument", `{ page { nodes { id } } }`, nil, 1 + 10},
		{"sized fields in a list", `{ items(first: 3) { reviews(first: 4) { edges { node { id } } nodes { id } } } }`, nil, 3 * (1 + 1 + 4*2 + 10)},
		{"a page in a page", `{ page(first: 3) { nodes { reviews(first: 5) { edges { node { id } } } } } }`, nil, 1 + 3*(1+1+5*2)},
		{"a page by a variable", `query($n: Int!) { page(first: $n) { edges { node { id } } } }`, given{"n": "100"}, 1 + 100*2},
		{"a strict page", `{ strictPage(first: 3) { nodes { id } } }`, nil, 4},
		{"no page that is counted", `{ page(first: 100000) { total } }`, nil, 1},
		{"the dearest member", `{ found { ... on Item { id } ... on Heavy { id } } }`, nil, 3 * 5},
		{"the dearest selection", `{ found { ... on Item { dear parent { id } } ... on Heavy { id } } }`, nil, 3 * (1 + 9 + 1)},
		{"members do not add up", `{ found { ... on Item { parent { id } } ... on Heavy { item { id } } } }`, nil, 3 * 6},
		{"an interface", `{ node(id: 1) { id } }`, nil, 5},
		{"a length of the interface's", `{ node(id: 1) { ... on Item { children { id } } } }`, nil, 11},
		{"a length of the type's", `{ node(id: 1) { children { id } } }`, nil, 5 + 4*5},
		{"fragments on interfaces", `{ found { ... on Node { ... on Heavy { item { id } } } } }`, nil, 18},
		{"a fragment used twice", `{ item(id: 1) { ...F ...F } } fragment F on Item { parent { id } }`, nil, 2},
		{"skipped", `{ plain @skip(if: true) { id } }`, nil, 0},
		{"not included", `{ ... @include(if: false) { plain { id } } }`, nil, 0},
		{"skipped by a variable", `query($s: Boolean!) { plain @skip(if: $s) { id } }`, given{"s": "true"}, 0},
		{"not skipped by a variable", `query($s: Boolean!) { plain @skip(if: $s) { id } }`, given{"s": "false"}, 10},
		{"included by default", `query($s: Boolean! = true) { plain @include(if: $s) { id } }`, nil, 10},
		{"one of two", `query($s: Boolean!) { plain @include(if: $s) { id } item(id: 1) @skip(if: $s) { id } }`, given{"s": "true"}, 10},
		{"the same under two conditions", `query($s: Boolean!) { plain @include(if: $s) { id } plain @skip(if: $s) { parent { id } } }`, given{"s": "false"}, 20},
		{"conditions that exclude each other", `query($s: Boolean!) { ... @include(if: $s) { plain @skip(if: $s) { id } } }`, given{"s": "true"}, 0},
		{"a fragment under two conditions", `query($s: Boolean!) { item(id: 1) { ...F @include(if: $s) ...F @skip(if: $s) } } fragment F on Item { parent { id } }`, given{"s": "true"}, 2},
		{"a field's weight", `{ named { id } }`, nil, 6},
		{"an argument's weight", `{ named(loud: true) { id } }`, nil, 10},
		{"weights in a list", `{ named(words: ["a", "b", "c"]) { id } }`, nil, 12},
		{"weights in a variable's list", `query($w: [Word!]) { named(words: $w) { id } }`, given{"w": `["a","b"]`}, 10},
		{"an argument that takes off", `{ named(cheap: true) { id } }`, nil, 1},
		{"an argument that takes off too much", `{ named(cheap: true) { parent { id } } }`, nil, 2},
		{"an input object", `{ found(filter: {}) { ... on Item { id } } }`, nil, 3*5 + 1},
		{"in it", `{ found(filter: {colour: RED, words: ["a"], and: [{}, {words: ["b"]}]}) { ... on Item { id } } }`, nil, 3*5 + 1 + 8 + 2 + 1 + 1 + 2},
		{"an input object by variable", `query($f: Filter) { found(filter: $f) { ... on Item { id } } }`, given{"f": `{"colour":"RED","words":["a"],"and":[{},{"words":["b"]}]}`}, 3*5 + 15},
		{"a variable in an input object", `query($w: [Word!], $c: Colour) { found(filter: {words: $w, colour: $c}) { ... on Item { id } } }`, given{"w": `["a","b"]`, "c": `"RED"`}, 3*5 + 1 + 4 + 8},
		{"null for an input object", `query($f: Filter) { found(filter: $f) { ... on Item { id } } }`, given{"f": "null"}, 15},
		{"a mutation", `mutation { touch }`, nil, 10},
		{"a mutation with an answer", `mutation { add(input: {name: "x", lines: [{id: 1, note: "y"}, {id: 2}]}) { id } }`, nil, 10 + 1 + 1 + 2 + 1},
		{"several mutations", `mutation { a: touch b: touch c: touch }`, nil, 30},
		{"a subscription", `subscription { ticks { id parent { id } } }`, nil, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := compile(t, sg, m, c.query)
			got, err := p.Estimate(values(t, sg, c.query, c.variables))
			if err != nil || got != c.want {
				t.Errorf("it costs %v, %v; want %v", got, err, c.want)
			}
			constant, ok, _ := p.Constant()
			if varies := strings.Contains(c.query, "$") && !strings.Contains(c.name, "exclude"); ok == varies || ok && constant != c.want {
				t.Errorf("constant %v, %v", constant, ok)
			}
		})
	}
}

func TestSlicingArgumentsThatAreNeeded(t *testing.T) {
	t.Parallel()
	sg := readStore(t)
	m := cost.New(sg, cost.Options{ListSize: 10})
	for query, variables := range map[string]given{
		`{ one { id } }`:                                                       nil,
		`{ one(first: null) { id } }`:                                          nil,
		`{ one(first: 1, last: 1) { id } }`:                                    nil,
		`{ strictPage { nodes { id } } }`:                                      nil,
		`{ strictPage { total } }`:                                             nil,
		`query($n: Int) { one(first: $n) { id } }`:                             nil,
		`query($n: Int, $m: Int) { one(first: $n, last: $m) { id } }`:          {"n": "1", "m": "2"},
		`query($n: Int) { strictPage(first: $n) { nodes { id } } }`:            {"n": "null"},
		`query($n: Int, $s: Boolean!) { one(first: $n) @skip(if: $s) { id } }`: {"s": "false"},
	} {
		var refused *cost.SlicingError
		if _, err := compile(t, sg, m, query).Estimate(values(t, sg, query, variables)); !errors.As(err, &refused) {
			t.Errorf("%s: %v", query, err)
		}
	}
	for query, variables := range map[string]given{
		`{ one @skip(if: true) { id } }`:                                       nil,
		`{ defaulted { id } }`:                                                 nil,
		`{ defaulted(first: -1) { id } }`:                                      nil,
		`query($n: Int, $s: Boolean!) { one(first: $n) @skip(if: $s) { id } }`: {"s": "true"},
	} {
		if _, err := compile(t, sg, m, query).Estimate(values(t, sg, query, variables)); err != nil && !strings.Contains(query, "-1") {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// TestFragmentsThatMultiply holds that what text can multiply is counted, and counted soon.
func TestFragmentsThatMultiply(t *testing.T) {
	t.Parallel()
	m := cost.New(readStore(t), cost.Options{ListSize: 10})
	const levels = 40
	lists := 0.0
	for range levels {
		lists = 2 * max(1+lists, 5) // of two, among which a Heavy of which nothing is selected
	}
	for each, want := range map[string]float64{
		"...NEXT ...NEXT": 1, // the same fields again
		"a: parent { ...NEXT } b: parent { ...NEXT }": 1<<(levels+1) - 1,
		"children { ... on Item { ...NEXT } }":        1 + lists,
	} {
		query := "{ item(id: 1) { ...F0 } }"
		for i := range levels {
			next := fmt.Sprintf("F%d", i+1)
			query += fmt.Sprintf(" fragment F%d on Item { %s }", i, strings.ReplaceAll(each, "NEXT", next))
		}
		query += fmt.Sprintf(" fragment F%d on Item { id }", levels)
		if got, err := compileUnchecked(t, m, query).Estimate(nil); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", each, got, err, want)
		}
	}
}

// TestConditionsThatMultiply holds the same of conditions, which may be counted as if all held.
func TestConditionsThatMultiply(t *testing.T) {
	t.Parallel()
	m := cost.New(readStore(t), cost.Options{ListSize: 10})
	const levels = 20
	query, variables := " { item(id: 1) { ...F0 } }", ""
	var values [][]byte
	for i := range levels {
		variables += fmt.Sprintf("$a%d: Boolean!, $b%d: Boolean!, ", i, i)
		query += fmt.Sprintf(" fragment F%d on Item { ...F%d @include(if: $a%d) ...F%d @include(if: $b%d) }", i, i+1, i, i+1, i)
		values = append(values, []byte("true"), []byte("true"))
	}
	query = "query(" + variables + ")" + query + fmt.Sprintf(" fragment F%d on Item { parent { id } }", levels)
	if got, err := compileUnchecked(t, m, query).Estimate(values); err != nil || got != 2 {
		t.Errorf("%v, %v", got, err)
	}
}
