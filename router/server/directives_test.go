package server_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/server"
)

const directivesOfOperations = `
	extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key", "@shareable"])
	directive @mask(with: String = "x", n: Int) on FIELD
	directive @rank(n: Int!) repeatable on FIELD | INLINE_FRAGMENT
	directive @scope(name: String) on INLINE_FRAGMENT | FRAGMENT_SPREAD
	directive @spread(name: String) on FRAGMENT_SPREAD
	directive @defined on FRAGMENT_DEFINITION
	directive @trace(id: String) on QUERY | MUTATION
	directive @only on MUTATION
	directive @hint(kind: String!) on VARIABLE_DEFINITION
`

// federationTypes are what a subgraph has for the router, for the check of what it is asked.
const federationTypes = `
	directive @key(fields: String!) repeatable on OBJECT
	directive @shareable on OBJECT | FIELD_DEFINITION
	scalar _Any
	union _Entity = Item
	extend type Query { _entities(representations: [_Any!]!): [_Entity]! }
`

// asked starts a router over two subgraphs and returns what each of them is asked. A request that its schema does not take
// fails the test.
func asked(t *testing.T) (s *server.Server, queries func() map[string][]string) {
	t.Helper()
	var mu sync.Mutex
	got := map[string][]string{}
	var inputs []compose.Subgraph
	for name, g := range map[string]struct{ sdl, answer string }{
		"shop":  {`type Query { item(id: ID): Item items: [Item] } type Mutation { buy(id: ID): Item } type Item @key(fields: "id") { id: ID! name: String tag(n: Int): String maker: Maker } type Maker { name: String city: String }`, `{"id":"1","name":"N","_id_0":"1","a":"A","b":"B","tag":"t","maker":{"name":"M","city":"C"},"__typename":"Item"}`},
		"stock": {`type Query { none: Int } type Item @key(fields: "id") { id: ID! count(n: Int): Int }`, `{"count":5,"c":5,"__typename":"Item"}`},
	} {
		schema, err := gqlparser.LoadSchema(&ast.Source{Input: strings.SplitN(directivesOfOperations, "\n", 3)[2] + g.sdl + federationTypes})
		if err != nil {
			t.Fatal(err)
		}
		host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			var request struct{ Query string }
			_ = json.Unmarshal(body, &request)
			if _, errs := gqlparser.LoadQueryWithRules(schema, request.Query, rules.NewDefaultRules()); len(errs) > 0 {
				t.Errorf("%s refuses %s: %v", name, request.Query, errs)
			}
			mu.Lock()
			got[name] = append(got[name], request.Query)
			mu.Unlock()
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"data":{"item":`+g.answer+`,"buy":`+g.answer+`,"items":[`+g.answer+`],"_entities":[`+g.answer+`],"_e0":[`+g.answer+`],"_e1":[`+g.answer+`]}}`)
		}))
		t.Cleanup(host.Close)
		inputs = append(inputs, compose.Subgraph{Name: name, URL: host.URL, SDL: directivesOfOperations + g.sdl})
	}
	composed, errs := compose.Compose(inputs)
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	s, err := newServer(server.Options{Supergraph: composed.SDL, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, func() map[string][]string {
		mu.Lock()
		defer mu.Unlock()
		out := got
		got = map[string][]string{}
		return out
	}
}

// TestDirectivesTravel holds what subgraphs are asked for operations with directives of the schema.
func TestDirectivesTravel(t *testing.T) {
	t.Parallel()
	s, queries := asked(t)
	for query, want := range map[string]map[string][]string{
		`{ item { name @mask(with: "y") } }`:                                                                   {"shop": {`{item{name@mask(with: "y")}}`}},
		`query ($n: Int) { item { name @mask(n: $n) tag } }`:                                                   {"shop": {`query($n:Int){item{name@mask(n: $n) tag}}`}},
		`{ item { a: name @mask b: name } }`:                                                                   {"shop": {`{item{a:name@mask b:name}}`}},
		`{ item { name @mask name } }`:                                                                         {"shop": {`{item{name@mask name}}`}},
		`{ item { name @rank(n: 1) @rank(n: 2) name @rank(n: 2) } }`:                                           {"shop": {`{item{name@rank(n: 1) @rank(n: 2) name@rank(n: 2)}}`}},
		`{ item { maker @mask { name } maker { city } } }`:                                                     {"shop": {`{item{maker@mask{name city} maker{__typename}}}`}},
		`query ($v: Boolean!) { item { name @mask @include(if: $v) name } }`:                                   {"shop": {`query($v:Boolean!){item{name@include(if:$v)@mask name}}`}},
		`query ($v: Boolean!) { item { maker @mask @include(if: $v) { name } maker @skip(if: $v) { name } } }`: {"shop": {`maker@include(if:$v)@mask{__typename name@include(if:$v) name@skip(if:$v)} maker@skip(if:$v){__typename name@include(if:$v)`}},
		`{ item { id @mask count } }`:                                                                          {"shop": {`{item{_id_0:id id@mask}}`}, "stock": {`count`}},
		`{ item { id count @rank(n: 3) } }`:                                                                    {"stock": {`count@rank(n: 3)`}},
		`{ item { ... @scope(name: "s") { name tag } } }`:                                                      {"shop": {`...@scope(name: "s"){name}`, `...@scope(name: "s"){tag}`}},
		`{ item { ... on Item @rank(n: 1) { ... @scope { name @mask } } } }`:                                   {"shop": {`...@rank(n: 1){...@scope{name@mask}}`}},
		`{ item { ...F @scope(name: "f") } } fragment F on Item { name maker { city } }`:                       {"shop": {`...@scope(name: "f"){name}`, `...@scope(name: "f"){maker{city}}`}},
		`{ item { ...F @spread } } fragment F on Item { name }`:                                                {"shop": {`{item{..._d0_0@spread}} fragment _d0_0 on Item{name}`}},
		`{ item { ...F } } fragment F on Item @defined { name count }`:                                         {"shop": {`fragment _d0_0 on Item@defined{name}`}, "stock": {`fragment _d1_0 on Item@defined{count}`}},
		`query Q($i: String) @trace(id: $i) { item { name count } }`:                                           {"shop": {`query Q__shop__0($i:String)@trace(id: $i){`}, "stock": {`$i:String)@trace(id: $i){_entities`}},
		`mutation @trace @only { buy { count } }`:                                                              {"shop": {`mutation@trace@only{`}, "stock": {`query($representations:[_Any!]!)@trace{_entities`}},
		`query ($n: Int = 3 @hint(kind: "k")) { item { tag(n: $n) } }`:                                         {"shop": {`query($n:Int=3@hint(kind: "k")){item{tag(n:$n)}}`}},
		`query @trace { items { ...F } item { ...F } } fragment F on Item @defined { c: count(n: 1) @rank(n: 1) }`: {"stock": {
			`)@trace{_e0:_entities`, `..._d1_0}`, `_e1:_entities`, `..._d2_0}`, `fragment _d1_0 on Item@defined{c:count(n:1)@rank(n: 1)}`, `fragment _d2_0 on Item@defined{c:count(n:1)@rank(n: 1)}`,
		}},
	} {
		got := ask(t, s, query, map[string]any{"n": 1, "v": true, "i": "I"})
		if len(got.Errors) > 0 {
			t.Errorf("%s: %s", query, got.body(t))
		}
		asked := queries()
		for name, parts := range want {
			for _, part := range parts {
				if !slices.ContainsFunc(asked[name], func(q string) bool { return strings.Contains(q, part) }) {
					t.Errorf("%s: %s is asked %q, want %q in it", query, name, asked[name], part)
				}
			}
		}
	}
}
