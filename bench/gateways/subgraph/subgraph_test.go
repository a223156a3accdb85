package subgraph_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lethe/lethe/bench/gateways/garden"
	"github.com/lethe/lethe/bench/gateways/subgraph"
)

func world(t *testing.T) *subgraph.World {
	t.Helper()
	w, err := garden.Small()
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
		"root":                  {"growers", `{ me { id name birthday __typename } }`, `{}`, `{"data":{"me":{"id":"1","name":"Ottilie Brandt","birthday":null,"__typename":"Grower"}}}`},
		"default of a variable": {"varieties", `query($n: Int = 1) { bestsellers(first: $n) { sku } }`, `{}`, `{"data":{"bestsellers":[{"sku":"1"}]}}`},
		"entities": {"varieties", `query($r: [_Any!]!) { _entities(representations: $r) { ... on Variety { name } ... on Grower { id } } }`,
			`{"r":[{"__typename":"Variety","sku":"2"},{"__typename":"Variety","sku":"1"}]}`, `{"data":{"_entities":[{"name":"Chard"},{"name":"Cress"}]}}`},
		"entities under aliases": {"growers", `query($a: [_Any!]!, $b: [_Any!]!) { _e0: _entities(representations: $a) { ... on Grower { name } } _e1: _entities(representations: $b) { ... on Grower { nickname } } }`,
			`{"a":[{"__typename":"Grower","id":"6"}],"b":[{"__typename":"Grower","id":"5"}]}`, `{"data":{"_e0":[{"name":"Jonas Feldt"}],"_e1":[{"nickname":"anja 400"}]}}`},
		"representations in the query": {"growers", `{ _entities(representations: [{__typename: "Grower", id: "2"}]) { ... on Grower { nickname } } }`, `{}`, `{"data":{"_entities":[{"nickname":"rhys 100"}]}}`},
		"what is required comes with the representation": {"barn", `query($r: [_Any!]!) { _entities(representations: $r) { ... on Variety { inStore packagingExpense } } }`,
			`{"r":[{"__typename":"Variety","sku":"1","price":500,"weight":30},{"__typename":"Variety","sku":"1","price":5000,"weight":30},{"__typename":"Variety","sku":"1"}]}`,
			`{"data":{"_entities":[{"inStore":true,"packagingExpense":15},{"inStore":true,"packagingExpense":0},{"inStore":true,"packagingExpense":null}]}}`},
		"fragments merge":    {"growers", `{ me { ...A id } me { ...B } } fragment A on Grower { name } fragment B on Grower { name nickname }`, `{}`, `{"data":{"me":{"name":"Ottilie Brandt","id":"1","nickname":"ottil0"}}}`},
		"skip and include":   {"growers", `query($s: Boolean!) { me { id @skip(if: $s) ... @include(if: $s) { name } nickname @include(if: false) } }`, `{"s":true}`, `{"data":{"me":{"name":"Ottilie Brandt"}}}`},
		"a field of another": {"growers", `{ me { reports { id } } }`, `{}`, `{"errors":[{"message":"Query.me: Grower.reports: there is no such field here"}]}`},
		"an unknown entity":  {"growers", `{ _entities(representations: [{__typename: "Grower", id: "99"}]) { ... on Grower { nickname } } }`, `{}`, `{"errors":[`},
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

func TestTheHeavyQueryIsAsLargeAsThePublicBenchmarks(t *testing.T) {
	t.Parallel()
	got := world(t).Whole.Answer(request(t, garden.Heavy(), "{}"))
	if n := len(got); n < 86_000 || n > 89_000 {
		t.Errorf("the answer has %d bytes, and the public benchmark's about 87,000", n)
	}
}
