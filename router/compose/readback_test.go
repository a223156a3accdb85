package compose

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"

	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/supergraph"
)

// readBack returns what is wrong with an outcome of composition, "" when nothing is: there is a supergraph or errors about
// the subgraphs, never a defect of the composer; and a supergraph is valid GraphQL, is read by the router's own reader, can
// be planned for, and has an API schema that is valid by itself.
func readBack(result *Result, errs []Error) string {
	if (result == nil) == (len(errs) == 0) {
		return "neither a supergraph nor errors, or both"
	}
	for _, e := range errs {
		if e.Code == codeInternal {
			return e.Message
		}
	}
	if result == nil {
		return ""
	}
	sg, err := supergraph.Parse(result.SDL)
	if err != nil && strings.Contains(err.Error(), connectIdentity+" for EXECUTION, which this router does not know") {
		return "" // connectors are for another router
	}
	if err != nil {
		return fmt.Sprintf("the router does not read it: %v", err)
	}
	if _, err := plan.NewPlanner(sg); err != nil {
		return fmt.Sprintf("the router cannot plan for it: %v", err)
	}
	if _, err := gqlparser.LoadSchema(&ast.Source{Name: "supergraph", Input: result.SDL}); err != nil {
		return fmt.Sprintf("it is no valid schema: %v", err)
	}
	var api bytes.Buffer
	formatter.NewFormatter(&api).FormatSchema(sg.API())
	if !bytes.HasPrefix(api.Bytes(), []byte("schema")) {
		// The formatter leaves the roots out where they have their usual names, although other types may have these.
		fmt.Fprintf(&api, "schema { query: Query")
		if sg.API().Mutation != nil {
			fmt.Fprintf(&api, " mutation: Mutation")
		}
		if sg.API().Subscription != nil {
			fmt.Fprintf(&api, " subscription: Subscription")
		}
		fmt.Fprintf(&api, " }")
	}
	if _, err := gqlparser.LoadSchema(&ast.Source{Name: "API", Input: api.String()}); err != nil {
		return fmt.Sprintf("its API is no valid schema: %v\n%s", err, api.String())
	}
	return ""
}

// composable returns the sets of subgraphs that the tests of rules and merging compose.
func composable(t testing.TB) [][]Subgraph {
	t.Helper()
	var out [][]Subgraph
	rules, err := filepath.Glob("testdata/rules/*.graphql")
	if err != nil || len(rules) == 0 {
		t.Fatal("no rules", err)
	}
	for _, file := range rules {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range strings.Split("\n"+string(text), "\n## ")[1:] {
			_, body, _ := strings.Cut(c, "\n")
			out = append(out, ruleSubgraphs(body))
		}
	}
	return out
}

// word finds what a mutation may exchange: names, directives, strings, punctuation.
var word = regexp.MustCompile(`"""(?s:.*?)"""|"(?:[^"\\\n]|\\.)*"|@?[A-Za-z_][A-Za-z0-9_]*|-?[0-9.]+|[{}()\[\]!|&=:$]`)

// mutate changes subgraphs in a few places: words are exchanged for others of the set, repeated, left out, or moved to
// another subgraph.
func mutate(r *rand.Rand, in []Subgraph) []Subgraph {
	out := slices.Clone(in)
	extra := []string{"@oneOf", "@deprecated", "@tag", "@inaccessible", "@shareable", "@external", "repeatable", "Int", "ID", "String", "!", "null", "true", "7", `"x"`, "on", "FIELD", "OBJECT", "INPUT_OBJECT", "QUERY", "ENUM_VALUE", "Query", "__x", "join__Graph", "link__Import", "extend", "implements", "= 1", "[", "]", "input", "enum", "interface", "type", "scalar"}
	for range 1 + r.IntN(4) {
		i := r.IntN(len(out))
		at := word.FindAllStringIndex(out[i].SDL, -1)
		if len(at) == 0 {
			continue
		}
		a := at[r.IntN(len(at))]
		from := out[r.IntN(len(out))].SDL
		donors := word.FindAllString(from, -1)
		sdl, is := out[i].SDL, out[i].SDL[a[0]:a[1]]
		with := ""
		switch n := r.IntN(10); {
		case n < 4 && len(donors) > 0:
			with = donors[r.IntN(len(donors))]
		case n < 6:
			with = is + " " + extra[r.IntN(len(extra))]
		case n < 7:
			with = extra[r.IntN(len(extra))]
		case n < 8:
			with = is + " " + is
		case n < 9 && len(donors) > 0:
			// A directive or a word with its arguments, as it stands elsewhere.
			d := word.FindAllStringIndex(from, -1)
			p := d[r.IntN(len(d))]
			with = is + " " + from[p[0]:min(len(from), p[1]+r.IntN(24))]
		}
		out[i].SDL = sdl[:a[0]] + with + sdl[a[1]:]
	}
	return out
}

// TestWhatIsComposedIsRead composes the sets of the rules, and mutants of them, and reads back what is written.
func TestWhatIsComposedIsRead(t *testing.T) {
	t.Parallel()
	sets := composable(t)
	for _, set := range sets {
		if problem := readBack(Compose(set)); problem != "" {
			t.Errorf("%v\n%s", set, problem)
		}
	}
	for seed := range uint64(800) {
		r := rand.New(rand.NewPCG(seed, 9))
		set := mutate(r, sets[r.IntN(len(sets))])
		if problem := readBack(Compose(set)); problem != "" {
			t.Fatalf("seed %d: %s\n%v", seed, problem, set)
		}
	}
}

// TestGeneratedIsRead composes generated subgraphs that share their types in part, and reads back what is written.
func TestGeneratedIsRead(t *testing.T) {
	t.Parallel()
	const sets = 300
	composed := 0
	codes := map[string]int{}
	for seed := range uint64(sets) {
		set := generate(rand.New(rand.NewPCG(seed, 14)))
		result, errs := Compose(set)
		if problem := readBack(result, errs); problem != "" {
			t.Fatalf("seed %d: %s\n%v", seed, problem, set)
		}
		for _, code := range codesOf(errs) {
			codes[code]++
		}
		if result != nil {
			composed++
		}
	}
	t.Logf("%d of %d compose; errors of the others: %v", composed, sets, codes)
	if composed < sets/5 {
		t.Errorf("only %d of %d compose", composed, sets)
	}
}
