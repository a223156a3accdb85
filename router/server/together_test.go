package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
)

// lists answers a request that holds several lists of entities: each representation with what each gives for it, the
// variables of the request and the number of its list.
func lists(t *testing.T, each func(rep map[string]any, variables map[string]json.RawMessage, list string) string) script {
	t.Helper()
	field := regexp.MustCompile(`(\w+:)?_entities\(representations:\$(\w+)\)`)
	return func(a asking) (int, string) {
		var out []string
		for _, m := range field.FindAllStringSubmatch(a.Query, -1) {
			key := strings.TrimSuffix(m[1], ":")
			if key == "" {
				key = "_entities"
			}
			var reps []map[string]any
			if err := json.Unmarshal(a.Variables.Rest[m[2]], &reps); err != nil {
				t.Errorf("%s: %v", m[2], err)
			}
			var answers []string
			for _, r := range reps {
				answers = append(answers, each(r, a.Variables.Rest, strings.TrimPrefix(key, "_e")))
			}
			out = append(out, fmt.Sprintf("%q:[%s]", key, strings.Join(answers, ",")))
		}
		return http.StatusOK, `{"data":{` + strings.Join(out, ",") + `}}`
	}
}

const ordersAndPeople = `
type Query { order: Order newest: Order }
type Order { id: ID! buyer: Person seller: Person again: Order }
type Person @key(fields: "id") { id: ID! }`

func togetherSDL(t *testing.T) string {
	t.Helper()
	return composed(t, map[string]string{"orders": federation + ordersAndPeople, "people": federation + `
type Person @key(fields: "id") { id: ID! name: String! nick(length: Int): String }`})
}

func TestFetchesToOneSubgraphTravelTogether(t *testing.T) {
	t.Parallel()
	sdl := togetherSDL(t)
	const order = `{"data":{"order":{"id":"o1","buyer":{"__typename":"Person","id":"1"},"seller":{"__typename":"Person","id":"2"},"again":{"id":"o2","buyer":null}}}}`
	names := lists(t, func(rep map[string]any, v map[string]json.RawMessage, _ string) string {
		return fmt.Sprintf(`{"name":"N%s","nick":%q}`, rep["id"], strings.Repeat("n", len(v["l"])))
	})
	for name, c := range map[string]struct {
		query, want string
		variables   map[string]any
		people      script
		lists       int // of entities in the one request
		errors      []string
	}{
		"two fields": {`{ order { buyer { name } seller { name } } }`, `{"order":{"buyer":{"name":"N1"},"seller":{"name":"N2"}}}`, nil, names, 2, nil},
		"variables":  {`query ($l: Int) { order { buyer { nick(length: $l) } seller { name } } }`, `{"order":{"buyer":{"nick":"nn"},"seller":{"name":"N2"}}}`, map[string]any{"l": 42}, names, 2, nil},
		"one has nothing to ask": {`{ order { buyer { name } again { buyer { name } } } }`,
			`{"order":{"buyer":{"name":"N1"},"again":{"buyer":null}}}`, nil, names, 1, nil},
		"one is left out": {`query ($s: Boolean = true) { order { buyer { name } seller @skip(if: $s) { name } } }`, `{"order":{"buyer":{"name":"N1"}}}`, nil, names, 1, nil},
		"a client's variable of the same name": {`query ($representations0: Int) { order { buyer { nick(length: $representations0) } seller { name } } }`,
			`{"order":{"buyer":{"nick":""},"seller":{"name":"N2"}}}`, map[string]any{"representations0": 3}, names, 2, nil},
		"an error of one": {`{ order { buyer { nick } seller { name } } }`, `{"order":{"buyer":{"nick":null},"seller":{"name":"N2"}}}`, nil,
			says(`{"data":{"_e0":[{"nick":null}],"_e1":[{"name":"N2"}]},"errors":[{"message":"no","path":["_e0",0,"nick"]}]}`), 2, []string{`["order","buyer","nick"]`}},
		"an error of the other": {`{ order { buyer { nick } seller { name } } }`, `{"order":{"buyer":{"nick":"x"},"seller":null}}`, nil,
			says(`{"data":{"_e0":[{"nick":"x"}],"_e1":[null]},"errors":[{"message":"no","path":["_e1",0,"name"]}]}`), 2, []string{`["order","seller","name"]`}},
		"one list is missing": {`{ order { buyer { nick } seller { name } } }`, `{"order":{"buyer":{"nick":"x"},"seller":null}}`, nil,
			says(`{"data":{"_e0":[{"nick":"x"}]}}`), 2, []string{`["order","seller","name"]`}},
		"garbled": {`{ order { id buyer { nick } seller { name } } }`, `{"order":{"id":"o1","buyer":{"nick":null},"seller":null}}`, nil,
			says(`{"data":{"_e0":[{"nick":`), 2, []string{`["order","buyer","nick"]`, `["order","seller","name"]`}},
		"no data": {`{ order { id buyer { nick } seller { name } } }`, `{"order":{"id":"o1","buyer":{"nick":null},"seller":null}}`, nil,
			says(`{"data":null,"errors":[{"message":"no"}]}`), 2, []string{`["order","buyer","nick"]`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, map[string]script{"orders": says(order), "people": c.people}, func(o *server.Options) { o.Supergraph = sdl })
			for range 3 { // buffers are used again
				got := ask(t, s, c.query, c.variables)
				var want, is any
				_ = json.Unmarshal([]byte(c.want), &want)
				data, _ := json.Marshal(got.Data)
				_ = json.Unmarshal(data, &is)
				if a, _ := json.Marshal(want); string(a) != string(data) {
					t.Errorf("got  %s\nwant %s", data, a)
				}
				var paths []string
				for _, e := range got.Errors {
					var at struct{ Path json.RawMessage }
					_ = json.Unmarshal(e, &at)
					paths = append(paths, string(at.Path))
				}
				if !slices.Equal(paths, c.errors) {
					t.Errorf("errors at %v, want %v", paths, c.errors)
				}
			}
			asked := s.asked("people")
			if len(asked) != 3 {
				t.Fatalf("%d requests for three operations: %v", len(asked), asked)
			}
			if n := strings.Count(asked[0].Query, "_entities("); n != c.lists {
				t.Errorf("%d lists in %s", n, asked[0].Query)
			}
		})
	}
}

func TestArgumentsFromContext(t *testing.T) {
	t.Parallel()
	const linked = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.8", import: ["@key", "@external", "@context", "@fromContext"])
`
	sdl := composed(t, map[string]string{
		"trips": linked + `
type Query { trips: [Trip] }
type Trip @key(fields: "id") { id: ID! currency: String items: [Item] }
type Item @key(fields: "id") { id: ID! parts: [Part] }
type Part @key(fields: "id") { id: ID! }`,
		"prices": linked + `
type Trip @key(fields: "id") @context(name: "trip") { id: ID! currency: String @external }
type Item @key(fields: "id") { id: ID! price(currency: String @fromContext(field: "$trip { currency }"), round: Boolean): String }
type Part @key(fields: "id") { id: ID! price(in: String @fromContext(field: "$trip { currency }")): String }`,
	})
	const trips = `{"data":{"trips":[
{"__typename":"Trip","id":"t1","currency":"EUR","items":[{"__typename":"Item","id":"i1","parts":[{"__typename":"Part","id":"p"}]},{"__typename":"Item","id":"i2","parts":[]}]},
{"__typename":"Trip","id":"t2","currency":"GBP","items":[{"__typename":"Item","id":"i1","parts":[{"__typename":"Part","id":"p"}]}]},
{"__typename":"Trip","id":"t3","currency":null,"items":[{"__typename":"Item","id":"i3","parts":null}]}]}}`
	prices := lists(t, func(rep map[string]any, v map[string]json.RawMessage, list string) string {
		for name, value := range v {
			if strings.HasPrefix(name, "context_") && strings.HasSuffix(name, "_"+list) {
				return fmt.Sprintf(`{"price":"%s in %s"}`, rep["id"], strings.Trim(string(value), `"`))
			}
		}
		t.Errorf("list %s has no context: %v", list, v)
		return "null"
	})
	s := newShop(t, map[string]script{"trips": says(trips), "prices": prices}, func(o *server.Options) { o.Supergraph = sdl })
	got := ask(t, s, `{ trips { items { price(round: true) parts { price } } } }`, nil)
	const want = `{"trips":[{"items":[{"parts":[{"price":"p in EUR"}],"price":"i1 in EUR"},{"parts":[],"price":"i2 in EUR"}]},` +
		`{"items":[{"parts":[{"price":"p in GBP"}],"price":"i1 in GBP"}]},{"items":[{"parts":null,"price":"i3 in null"}]}]} null`
	if got.body(t) != want {
		t.Errorf("got  %s\nwant %s", got.body(t), want)
	}
	if n := len(s.asked("prices")); n != 1 {
		t.Errorf("%d requests for prices: %v", n, s.asked("prices"))
	}
}
