package execute_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/execute"
)

const (
	catalogueSDL = `type Query { product(id: ID!): Product products: [Product!]! nodes: [Node!]! }
		type Mutation { rename(id: ID!): Renamed }
		type Renamed { ok: Boolean! product: Product }
		interface Node { id: ID! }
		type Product implements Node @key(fields: "id") { id: ID! name: String price: Int! }
		type Maker implements Node @key(fields: "id") { id: ID! country: String! }`
	reviewsSDL = `type Product @key(fields: "id") { id: ID! rating: Float! reviews: [Review!] }
		type Review @key(fields: "id") { id: ID! body: String! author: User }
		type User @key(fields: "id") { id: ID! }`
	peopleSDL = `type Query { me: User } type User @key(fields: "id") { id: ID! name: String! }`
)

// shelf is what subgraphs answer: values by entity, such as "Product:1", and of those the fields that a query names.
type shelf struct {
	data map[string]map[string]any
	// gates hold back the requests to a subgraph that mention a word, until they are closed.
	gates map[string]chan struct{}
	// broken are the subgraphs that do not answer.
	broken map[string]bool

	mu    sync.Mutex
	calls []string
}

func newShelf() *shelf {
	product := func(id string, reviews ...any) map[string]any {
		return map[string]any{"__typename": "Product", "id": id, "name": "product " + id, "price": 10, "rating": 4.5, "reviews": reviews}
	}
	review := func(id string) any { return map[string]any{"__typename": "Review", "id": id} }
	return &shelf{gates: map[string]chan struct{}{}, broken: map[string]bool{}, data: map[string]map[string]any{
		"Product:1": product("1", review("a"), review("b")),
		"Product:2": product("2", review("c")),
		"Product:3": product("3"),
		"Maker:9":   {"__typename": "Maker", "id": "9", "country": "NZ"},
		"Review:a":  {"__typename": "Review", "id": "a", "body": "good", "author": map[string]any{"__typename": "User", "id": "u"}},
		"Review:b":  {"__typename": "Review", "id": "b", "body": "bad", "author": nil},
		"Review:c":  {"__typename": "Review", "id": "c", "body": "so so", "author": map[string]any{"__typename": "User", "id": "u"}},
		"User:u":    {"__typename": "User", "id": "u", "name": "Ada"},
	}}
}

// Call implements execute.Caller. It answers more than is asked: what is not asked is skipped.
func (s *shelf) Call(ctx context.Context, call execute.Call, into []byte) ([]byte, error) {
	var body struct {
		Query     string `json:"query"`
		Variables struct {
			Representations []struct {
				Typename string `json:"__typename"`
				ID       string `json:"id"`
			} `json:"representations"`
		} `json:"variables"`
	}
	if err := json.Unmarshal(call.Body, &body); err != nil {
		return into, err
	}
	s.mu.Lock()
	s.calls = append(s.calls, call.Subgraph+" "+body.Query)
	s.mu.Unlock()
	for name, gate := range s.gates {
		if subgraph, word, _ := strings.Cut(name, " "); subgraph == call.Subgraph && strings.Contains(body.Query, word) {
			select {
			case <-gate:
			case <-ctx.Done():
				return into, ctx.Err()
			}
		}
	}
	if s.broken[call.Subgraph] {
		return into, &execute.Failure{Code: execute.CodeUnavailable, Message: "is not available"}
	}
	data := map[string]any{}
	if body.Variables.Representations != nil {
		entities, errs := []any{}, []any{}
		for i, r := range body.Variables.Representations {
			e := s.data[r.Typename+":"+r.ID]
			if text, failed := e["error"]; failed {
				errs = append(errs, map[string]any{"message": text, "path": []any{"_entities", i, "rating"}})
			}
			entities = append(entities, s.expand(e))
		}
		data["_entities"] = entities
		out, err := json.Marshal(map[string]any{"data": data, "errors": errs})
		return append(into, out...), err
	}
	all := []any{s.entity("Product:1"), s.entity("Product:2"), s.entity("Product:3")}
	data = map[string]any{
		"product": s.entity("Product:1"), "products": all, "nodes": append(all, s.entity("Maker:9")), "me": s.entity("User:u"),
		"rename": map[string]any{"ok": true, "product": s.entity("Product:1")}, "again": map[string]any{"ok": true, "product": s.entity("Product:1")},
	}
	out, err := json.Marshal(map[string]any{"data": data})
	return append(into, out...), err
}

func (s *shelf) entity(key string) any {
	if e := s.data[key]; e != nil {
		return s.expand(e)
	}
	return nil
}

// expand puts the entities that an entity leads to in place.
func (s *shelf) expand(e map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range e {
		switch v := v.(type) {
		case map[string]any:
			out[k] = s.expand(s.data[fmt.Sprint(v["__typename"], ":", v["id"])])
		case []any:
			list := []any{}
			for _, x := range v {
				o, _ := x.(map[string]any)
				list = append(list, s.expand(s.data[fmt.Sprint(o["__typename"], ":", o["id"])]))
			}
			out[k] = list
		default:
			out[k] = v
		}
	}
	return out
}

// programOf compiles an operation, with what it defers or without.
func programOf(t testing.TB, query string, deferred bool) *execute.Program {
	t.Helper()
	const link = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])` + "\n"
	return compileComposed(t, []compose.Subgraph{
		{Name: "catalogue", URL: "http://catalogue", SDL: link + catalogueSDL},
		{Name: "reviews", URL: "http://reviews", SDL: link + reviewsSDL},
		{Name: "people", URL: "http://people", SDL: link + peopleSDL},
	}, query, deferred)
}

// compileComposed gives the program of a query to the supergraph that the subgraphs compose to; deferred is what labels of
// @defer are taken for.
func compileComposed(t testing.TB, subgraphs []compose.Subgraph, query string, deferred bool) *execute.Program {
	t.Helper()
	result, composed := compose.Compose(subgraphs)
	if len(composed) > 0 {
		t.Fatal(compose.FormatText(composed))
	}
	return compileFor(t, result.SDL, query, deferred)
}

func quiet(s *shelf) *execute.Executor {
	return execute.New(s, execute.Options{Log: slog.New(slog.DiscardHandler)})
}

// payloads runs a program and gives all that it sends.
func payloads(t testing.TB, s *shelf, query string, form execute.Form) []string {
	t.Helper()
	var out []string
	_, err := quiet(s).ExecuteIncremental(context.Background(), programOf(t, query, true), execute.Request{}, form, func(payload []byte, last bool) error {
		if !json.Valid(payload) {
			t.Errorf("not JSON: %s", payload)
		}
		if more := strings.Contains(string(payload), `"hasNext":true`); more == last {
			t.Errorf("last is %v of %s", last, payload)
		}
		out = append(out, string(payload))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestIncrementalPayloads(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, query string
		form        execute.Form
		change      func(*shelf)
		want        []string
	}{
		{name: "a part with a label", query: `{ product(id: 1) { id ...@defer(label: "more") { name } } }`, want: []string{
			`{"data":{"product":{"id":"1"}},"hasNext":true}`,
			`{"incremental":[{"data":{"name":"product 1"},"path":["product"],"label":"more"}],"hasNext":false}`,
		}},
		{name: "a part with a label, announced", form: execute.FormPending, query: `{ product(id: 1) { id ...@defer(label: "more") { name } } }`, want: []string{
			`{"data":{"product":{"id":"1"}},"pending":[{"id":"0","path":["product"],"label":"more"}],"hasNext":true}`,
			`{"incremental":[{"data":{"name":"product 1"},"id":"0"}],"completed":[{"id":"0"}],"hasNext":false}`,
		}},
		{name: "what begins in a part is announced with it", form: execute.FormPending, query: `{ product(id: 1) { ...@defer(label: "outer") { reviews { id ...@defer(label: "inner") { id } } } } }`,
			change: func(s *shelf) { s.data["Product:1"]["reviews"] = s.data["Product:2"]["reviews"] }, want: []string{
				`{"data":{"product":{}},"pending":[{"id":"0","path":["product"],"label":"outer"}],"hasNext":true}`,
				`{"incremental":[{"data":{"reviews":[{"id":"c"}]},"id":"0"}],"completed":[{"id":"0"}],"pending":[{"id":"1","path":["product","reviews",0],"label":"inner"}],"hasNext":true}`,
				`{"incremental":[{"data":{"id":"c"},"id":"1"}],"completed":[{"id":"1"}],"hasNext":false}`,
			}},
		{name: "in a list", query: `{ products { id ...@defer { reviews { id } } } }`, want: []string{
			`{"data":{"products":[{"id":"1"},{"id":"2"},{"id":"3"}]},"hasNext":true}`,
			`{"incremental":[{"data":{"reviews":[{"id":"a"},{"id":"b"}]},"path":["products",0]},{"data":{"reviews":[{"id":"c"}]},"path":["products",1]},{"data":{"reviews":[]},"path":["products",2]}],"hasNext":false}`,
		}},
		{name: "ready at once", query: `{ product(id: 1) { id ...@defer(label: "a") { reviews { id } } ...@defer(label: "b") { reviews { body } } } }`, want: []string{
			`{"data":{"product":{"id":"1"}},"hasNext":true}`,
			`{"incremental":[{"data":{"reviews":[{"id":"a"},{"id":"b"}]},"path":["product"],"label":"a"},{"data":{"reviews":[{"body":"good"},{"body":"bad"}]},"path":["product"],"label":"b"}],"hasNext":false}`,
		}},
		{name: "by runtime type", query: `{ nodes { id ... on Maker @defer { country } } }`, want: []string{
			`{"data":{"nodes":[{"id":"1"},{"id":"2"},{"id":"3"},{"id":"9"}]},"hasNext":true}`,
			`{"incremental":[{"data":{"country":"NZ"},"path":["nodes",3]}],"hasNext":false}`,
		}},
		{name: "a root field, and what an earlier part has is there again", query: `{ product(id: 1) { id } ...@defer { me { name } product(id: 1) { id } } }`, want: []string{
			`{"data":{"product":{"id":"1"}},"hasNext":true}`,
			`{"incremental":[{"data":{"me":{"name":"Ada"},"product":{"id":"1"}},"path":[]}],"hasNext":false}`,
		}},
		{name: "a mutation's payload", query: `mutation { rename(id: 1) { ok product { id ...@defer { name } } } }`, want: []string{
			`{"data":{"rename":{"ok":true,"product":{"id":"1"}}},"hasNext":true}`,
			`{"incremental":[{"data":{"name":"product 1"},"path":["rename","product"]}],"hasNext":false}`,
		}},
		{name: "nothing there to defer", query: `{ product(id: 1) { id ...@defer { name } } }`, change: func(s *shelf) { delete(s.data, "Product:1") }, want: []string{
			`{"data":{"product":null}}`,
		}},
		{name: "what is null in the initial answer has no parts", query: `{ product(id: 1) { price ...@defer { name } } products { id ...@defer { name } } }`,
			change: func(s *shelf) { s.data["Product:1"]["price"] = nil }, want: []string{
				`{"data":{"product":null,"products":[{"id":"1"},{"id":"2"},{"id":"3"}]},"errors":[{"message":"Cannot return null for non-nullable field Product.price.","path":["product","price"],"extensions":{"code":"NULL_IN_NON_NULL_FIELD"}}],"hasNext":true}`,
				`{"incremental":[{"data":{"name":"product 1"},"path":["products",0]},{"data":{"name":"product 2"},"path":["products",1]},{"data":{"name":"product 3"},"path":["products",2]}],"hasNext":false}`,
			}},
		{name: "null goes no further than the fragment", query: `{ products { id ...@defer { price } } }`, change: func(s *shelf) { s.data["Product:2"]["price"] = nil }, want: []string{
			`{"data":{"products":[{"id":"1"},{"id":"2"},{"id":"3"}]},"hasNext":true}`,
			`{"incremental":[{"data":{"price":10},"path":["products",0]},{"data":null,"path":["products",1],"errors":[{"message":"Cannot return null for non-nullable field Product.price.","path":["products",1,"price"],"extensions":{"code":"NULL_IN_NON_NULL_FIELD"}}]},{"data":{"price":10},"path":["products",2]}],"hasNext":false}`,
		}},
		{name: "null goes no further than the fragment, announced", form: execute.FormPending, query: `{ product(id: 1) { id ...@defer { price } } }`,
			change: func(s *shelf) { s.data["Product:1"]["price"] = nil }, want: []string{
				`{"data":{"product":{"id":"1"}},"pending":[{"id":"0","path":["product"]}],"hasNext":true}`,
				`{"completed":[{"id":"0","errors":[{"message":"Cannot return null for non-nullable field Product.price.","path":["product","price"],"extensions":{"code":"NULL_IN_NON_NULL_FIELD"}}]}],"hasNext":false}`,
			}},
		{name: "an entity's error stands where its field is", query: `{ products { id ...@defer { rating } } }`,
			change: func(s *shelf) { s.data["Product:2"]["error"], s.data["Product:2"]["rating"] = "no rating", nil }, want: []string{
				`{"data":{"products":[{"id":"1"},{"id":"2"},{"id":"3"}]},"hasNext":true}`,
				`{"incremental":[{"data":{"rating":4.5},"path":["products",0]},{"data":null,"path":["products",1],"errors":[{"message":"no rating","path":["products",1,"rating"],"extensions":{"code":"SUBGRAPH_ERROR","service":"reviews"}}]},{"data":{"rating":4.5},"path":["products",2]}],"hasNext":false}`,
			}},
		{name: "a subgraph that is down costs its parts, and says so in each", query: `{ products { id ...@defer { name reviews { id } } } }`,
			change: func(s *shelf) {
				s.broken["reviews"] = true
				delete(s.data, "Product:3")
				s.data["Product:3"] = s.data["Product:2"]
			}, want: []string{
				`{"data":{"products":[{"id":"1"},{"id":"2"},{"id":"2"}]},"hasNext":true}`,
				`{"incremental":[` +
					`{"data":{"name":"product 1","reviews":null},"path":["products",0],"errors":[{"message":"Service reviews is not available.","path":["products",0,"reviews"],"extensions":{"code":"SUBGRAPH_UNAVAILABLE","service":"reviews"}}]},` +
					`{"data":{"name":"product 2","reviews":null},"path":["products",1],"errors":[{"message":"Service reviews is not available.","path":["products",1,"reviews"],"extensions":{"code":"SUBGRAPH_UNAVAILABLE","service":"reviews"}}]},` +
					`{"data":{"name":"product 2","reviews":null},"path":["products",2],"errors":[{"message":"Service reviews is not available.","path":["products",2,"reviews"],"extensions":{"code":"SUBGRAPH_UNAVAILABLE","service":"reviews"}}]}],"hasNext":false}`,
			}},
		{name: "a subgraph that the initial answer needs is down", query: `{ product(id: 1) { id reviews { id } ...@defer { rating } } }`, change: func(s *shelf) { s.broken["reviews"] = true }, want: []string{
			`{"data":{"product":{"id":"1","reviews":null}},"errors":[{"message":"Service reviews is not available.","path":["product","reviews"],"extensions":{"code":"SUBGRAPH_UNAVAILABLE","service":"reviews"}}],"hasNext":true}`,
			`{"incremental":[{"data":null,"path":["product"],"errors":[{"message":"Service reviews is not available.","path":["product","rating"],"extensions":{"code":"SUBGRAPH_UNAVAILABLE","service":"reviews"}}]}],"hasNext":false}`,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newShelf()
			if test.change != nil {
				test.change(s)
			}
			got := payloads(t, s, test.query, test.form)
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// TestInitialAnswerDoesNotWait holds back what is deferred until the initial answer is there, and then one part after the
// other in the order opposite to that of the operation.
func TestInitialAnswerDoesNotWait(t *testing.T) {
	t.Parallel()
	s := newShelf()
	s.gates["reviews rating"], s.gates["catalogue name"] = make(chan struct{}), make(chan struct{})
	const query = `{ product(id: 1) { id ...@defer(label: "rating") { rating } ...@defer(label: "name") { name } } }`
	var got []string
	_, err := quiet(s).ExecuteIncremental(context.Background(), programOf(t, query, true), execute.Request{}, execute.Form2022, func(payload []byte, _ bool) error {
		got = append(got, string(payload))
		switch len(got) {
		case 1:
			close(s.gates["catalogue name"])
		case 2:
			close(s.gates["reviews rating"])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"data":{"product":{"id":"1"}},"hasNext":true}`,
		`{"incremental":[{"data":{"name":"product 1"},"path":["product"],"label":"name"}],"hasNext":true}`,
		`{"incremental":[{"data":{"rating":4.5},"path":["product"],"label":"rating"}],"hasNext":false}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestInnerPartComesAfterOuter holds back the outer part until the initial answer is there: the inner one comes after it.
func TestInnerPartComesAfterOuter(t *testing.T) {
	t.Parallel()
	const query = `{ product(id: 1) { id ...@defer(label: "outer") { rating ...@defer(label: "inner") { name } } } }`
	for _, form := range []execute.Form{execute.Form2022, execute.FormPending} {
		s := newShelf()
		gate := make(chan struct{})
		s.gates["reviews rating"] = gate
		var got []string
		_, err := quiet(s).ExecuteIncremental(context.Background(), programOf(t, query, true), execute.Request{}, form, func(payload []byte, _ bool) error {
			if got = append(got, string(payload)); len(got) == 1 {
				close(gate)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Join(got[1:], "\n")
		outer, inner := strings.Index(all, `"rating":4.5`), strings.Index(all, `"name":"product 1"`)
		if outer < 0 || inner < outer {
			t.Errorf("form %d: the inner part comes before the outer:\n%s", form, all)
		}
	}
}

// TestClientGoesAway holds that a request ends, with all that it started, when its answer can no longer be sent or its
// context is done.
func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	const query = `{ product(id: 1) { id ...@defer { rating } } }`
	gone := errors.New("the connection is closed")
	t.Run("sending fails", func(t *testing.T) {
		t.Parallel()
		s := newShelf()
		s.gates["reviews rating"] = make(chan struct{}) // for ever
		_, err := quiet(s).ExecuteIncremental(context.Background(), programOf(t, query, true), execute.Request{}, execute.Form2022, func([]byte, bool) error { return gone })
		if !errors.Is(err, gone) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the context is done", func(t *testing.T) {
		t.Parallel()
		s := newShelf()
		s.gates["reviews rating"] = make(chan struct{})
		ctx, cancel := context.WithCancel(context.Background())
		sent := 0
		_, err := quiet(s).ExecuteIncremental(ctx, programOf(t, query, true), execute.Request{}, execute.Form2022, func([]byte, bool) error {
			sent++
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) || sent != 1 {
			t.Errorf("got %v after %d payloads", err, sent)
		}
	})
	t.Run("nobody waits for what is deferred", func(t *testing.T) {
		t.Parallel()
		s := newShelf()
		delete(s.data, "Product:1")
		s.gates["people me"] = make(chan struct{})
		const query = `{ product(id: 1) { price ...@defer { name } } ... @include(if: false) { me { name } } }`
		if got := payloads(t, s, query, execute.Form2022); !slices.Equal(got, []string{`{"data":{"product":null}}`}) {
			t.Errorf("got %s", got)
		}
	})
}

// TestPartsMakeTheWhole holds that the parts of a response put together are what it is without @defer.
func TestPartsMakeTheWhole(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		`{ products { id ...@defer { name price reviews { id ...@defer { body author { ...@defer { name } } } } } } }`,
		`{ ...@defer { product(id: 1) { id ...@defer { name } rating } } product(id: 1) { price reviews { id } } }`,
		`{ nodes { ...@defer { id ... on Product { reviews { body } } } ... on Maker @defer { country id } } me { name } }`,
		`{ ...@defer { ...@defer { me { name } } nodes { __typename } } }`,
		`{ products { ...A @defer(label: "a") ...B @defer(label: "b") } } fragment A on Product { reviews { id author { id } } } fragment B on Product { reviews { body author { name } } rating }`,
		`mutation { rename(id: 1) { ...@defer { product { rating } } ok } again: rename(id: 2) { ...@defer { ok product { name } } } }`,
	} {
		want, _ := quiet(newShelf()).Execute(context.Background(), programOf(t, query, false), execute.Request{}, nil)
		var whole struct{ Data any }
		if err := json.Unmarshal(want, &whole); err != nil {
			t.Fatal(err)
		}
		for _, form := range []execute.Form{execute.Form2022, execute.FormPending} {
			sent := payloads(t, newShelf(), query, form)
			if got := assembled(t, sent); !reflect.DeepEqual(got, whole.Data) {
				t.Errorf("%s\ngot  %v\nwant %v\n%s", query, got, whole.Data, strings.Join(sent, "\n"))
			}
		}
	}
}

// assembled puts the payloads of a response together.
func assembled(t *testing.T, sent []string) any {
	t.Helper()
	var data any
	paths := map[string][]any{}
	for _, payload := range sent {
		var p struct {
			Data    any
			Pending []struct {
				ID   string
				Path []any
			}
			Incremental []struct {
				ID   string
				Path []any
				Data any
			}
			Errors []any
		}
		if err := json.Unmarshal([]byte(payload), &p); err != nil || len(p.Errors) > 0 {
			t.Fatal(err, p.Errors)
		}
		if p.Data != nil {
			data = p.Data
		}
		for _, pending := range p.Pending {
			paths[pending.ID] = pending.Path
		}
		for _, i := range p.Incremental {
			path := i.Path
			if i.ID != "" {
				path = paths[i.ID]
			}
			at := data
			for _, key := range path {
				switch key := key.(type) {
				case string:
					at = at.(map[string]any)[key]
				case float64:
					at = at.([]any)[int(key)]
				}
			}
			putTogether(at, i.Data)
		}
	}
	return data
}

// putTogether merges a part into an object.
func putTogether(into, from any) {
	switch from := from.(type) {
	case map[string]any:
		o := into.(map[string]any)
		for k, v := range from {
			switch o[k].(type) {
			case map[string]any, []any:
				putTogether(o[k], v)
			default:
				o[k] = v
			}
		}
	case []any:
		for i, v := range from {
			putTogether(into.([]any)[i], v)
		}
	}
}
