package subgraph_test

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/lethe/lethe/bench/gateways/subgraph"
	"github.com/lethe/lethe/bench/testdata"
)

func world(t *testing.T) *subgraph.World {
	t.Helper()
	files, err := fs.Sub(testdata.Gateways, "gateways")
	if err != nil {
		t.Fatal(err)
	}
	w, err := subgraph.ReadReviews(files)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func request(t *testing.T, query, variables string) []byte {
	t.Helper()
	body, err := json.Marshal(subgraph.Request{Query: query, Variables: json.RawMessage(variables)})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestSubgraphsAnswer(t *testing.T) {
	t.Parallel()
	graphs := map[string]*subgraph.Graph{}
	for _, n := range world(t).Subgraphs {
		graphs[n.Name] = n.Graph
	}
	for name, c := range map[string]struct{ graph, query, variables, want string }{
		"root":                  {"accounts", `{ me { id name birthday __typename } }`, `{}`, `{"data":{"me":{"id":"1","name":"Uri Goldshtein","birthday":null,"__typename":"User"}}}`},
		"default of a variable": {"products", `query($n: Int = 1) { topProducts(first: $n) { upc } }`, `{}`, `{"data":{"topProducts":[{"upc":"1"}]}}`},
		"entities": {"products", `query($r: [_Any!]!) { _entities(representations: $r) { ... on Product { name } ... on User { id } } }`,
			`{"r":[{"__typename":"Product","upc":"2"},{"__typename":"Product","upc":"1"}]}`, `{"data":{"_entities":[{"name":"Couch"},{"name":"Table"}]}}`},
		"entities under aliases": {"accounts", `query($a: [_Any!]!, $b: [_Any!]!) { _e0: _entities(representations: $a) { ... on User { name } } _e1: _entities(representations: $b) { ... on User { username } } }`,
			`{"a":[{"__typename":"User","id":"6"}],"b":[{"__typename":"User","id":"5"}]}`, `{"data":{"_e0":[{"name":"Laurin Quast"}],"_e1":[{"username":"gilgardosh"}]}}`},
		"representations in the query": {"accounts", `{ _entities(representations: [{__typename: "User", id: "4"}]) { ... on User { username } } }`, `{}`, `{"data":{"_entities":[{"username":"ardatan"}]}}`},
		"what is required comes with the representation": {"inventory", `query($r: [_Any!]!) { _entities(representations: $r) { ... on Product { inStock shippingEstimate } } }`,
			`{"r":[{"__typename":"Product","upc":"1","price":500,"weight":30},{"__typename":"Product","upc":"1","price":5000,"weight":30},{"__typename":"Product","upc":"1"}]}`,
			`{"data":{"_entities":[{"inStock":true,"shippingEstimate":15},{"inStock":true,"shippingEstimate":0},{"inStock":true,"shippingEstimate":null}]}}`},
		"fragments merge":    {"accounts", `{ me { ...A id } me { ...B } } fragment A on User { name } fragment B on User { name username }`, `{}`, `{"data":{"me":{"name":"Uri Goldshtein","id":"1","username":"urigo"}}}`},
		"skip and include":   {"accounts", `query($s: Boolean!) { me { id @skip(if: $s) ... @include(if: $s) { name } username @include(if: false) } }`, `{"s":true}`, `{"data":{"me":{"name":"Uri Goldshtein"}}}`},
		"a field of another": {"accounts", `{ me { reviews { id } } }`, `{}`, `{"errors":[{"message":"Query.me: User.reviews: there is no such field here"}]}`},
		"an unknown entity":  {"accounts", `{ _entities(representations: [{__typename: "User", id: "99"}]) { ... on User { username } } }`, `{}`, `{"errors":[`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := request(t, c.query, c.variables)
			for range 2 { // the second answer is the one that was kept
				if got := string(graphs[c.graph].Answer(body)); !strings.HasPrefix(got, c.want) {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			}
		})
	}
}

func TestTheWholeGraphAnswersTheHeavyQuery(t *testing.T) {
	t.Parallel()
	query, err := testdata.Gateways.ReadFile("gateways/heavy.graphql")
	if err != nil {
		t.Fatal(err)
	}
	got := world(t).Whole.Answer(request(t, string(query), "{}"))
	if n := len(got); n < 87_000 || n > 89_000 {
		t.Errorf("the answer has %d bytes, and the public benchmark's about 88,000", n)
	}
}
