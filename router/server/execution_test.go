package server_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
)

func TestEntitiesAreAskedOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{
		"products": products(`,"name":"N"`),
		"stock":    entities(func(id string) string { return `{"stock":` + id[1:] + `}` }),
	})
	got := ask(t, s, `{ products { id name stock } }`, nil)
	const want = `{"products":[{"id":"p1","name":"N","stock":1},{"id":"p2","name":"N","stock":2},{"id":"p1","name":"N","stock":1}]} null`
	if got.body(t) != want {
		t.Errorf("got  %s\nwant %s", got.body(t), want)
	}
	asked := s.asked("stock")
	if len(asked) != 1 || len(asked[0].Variables.Representations) != 2 {
		t.Errorf("stock was asked %v", asked)
	}
}

// TestFetchesDoNotWaitForEachOther holds back stock's answer until people was asked, which comes two steps later on
// another way: with a barrier between the steps this would never end.
func TestFetchesDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	s := newShop(t, map[string]script{
		"products": products(""),
		"stock": func(a asking) (int, string) {
			<-asked
			return entities(func(string) string { return `{"stock":1}` })(a)
		},
		"reviews": entities(func(string) string {
			return `{"reviews":[{"id":"r","author":{"__typename":"User","id":"u1"}}]}`
		}),
		"people": func(a asking) (int, string) {
			close(asked)
			return entities(func(string) string { return `{"name":"Ada"}` })(a)
		},
	})
	got := ask(t, s, `{ products { stock reviews { author { name } } } }`, nil)
	if len(got.Errors) > 0 || !strings.Contains(got.body(t), `"name":"Ada"`) {
		t.Error(got.body(t))
	}
}

func TestPartialResults(t *testing.T) {
	t.Parallel()
	const query = `{ products { id stock reviews { body } } }`
	reviews := entities(func(string) string { return `{"reviews":[{"body":"good"}]}` })
	for name, c := range map[string]struct {
		stock script
		code  string
	}{
		"an error status":   {func(asking) (int, string) { return http.StatusBadGateway, "<html>" }, "SUBGRAPH_UNAVAILABLE"},
		"garbled":           {says(`{"data":{"_entities":[{"stock":1},`), "SUBGRAPH_INVALID_RESPONSE"},
		"another shape":     {says(`{"data":{"_entities":7}}`), "SUBGRAPH_INVALID_RESPONSE"},
		"neither":           {says(`{}`), "SUBGRAPH_INVALID_RESPONSE"},
		"unreadable errors": {says(`{"data":null,"errors":"no"}`), "SUBGRAPH_INVALID_RESPONSE"},
		"refuses us":        {func(asking) (int, string) { return http.StatusUnauthorized, `{"errors":[{"message":"secret"}]}` }, "SUBGRAPH_UNAVAILABLE"},
		"errors":            {says(`{"data":null,"errors":[{"message":"no","extensions":{"code":"OUT"}}]}`), "OUT"},
		"errors, bad request": {func(asking) (int, string) {
			return http.StatusUnprocessableEntity, `{"errors":[{"message":"no","extensions":{"code":"OUT"}}]}`
		}, "OUT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Stock is Int!, so its product is null, and so the list that takes no null: the rest of the response stays.
			s := newShop(t, map[string]script{"products": products(""), "reviews": reviews, "stock": c.stock})
			got := ask(t, s, query+` query Nullable { products { id shipping reviews { body } } }`, nil)
			if got.status != http.StatusOK || len(got.Errors) != 1 {
				t.Fatalf("%d %s", got.status, got.body(t))
			}
		})
		t.Run(name+", nullable", func(t *testing.T) {
			t.Parallel()
			s := newShop(t, map[string]script{"products": products(`,"price":3`), "reviews": reviews, "stock": c.stock})
			got := ask(t, s, `{ products { id shipping reviews { body } } }`, nil)
			const want = `{"products":[{"id":"p1","reviews":[{"body":"good"}],"shipping":null},{"id":"p2","reviews":[{"body":"good"}],"shipping":null},{"id":"p1","reviews":[{"body":"good"}],"shipping":null}]}`
			data, _ := json.Marshal(got.Data)
			if string(data) != want {
				t.Errorf("got  %s\nwant %s", data, want)
			}
			checkError(t, got, c.code, `["products",0,"shipping"]`)
			if strings.Contains(got.body(t), "127.0.0.1") || strings.Contains(got.body(t), "secret") {
				t.Errorf("internals are shown: %s", got.body(t))
			}
			if got.Extensions.RequestID == "" || got.Extensions.RequestID != got.header.Get("X-Request-Id") {
				t.Errorf("request id %q, header %q", got.Extensions.RequestID, got.header.Get("X-Request-Id"))
			}
		})
	}
}

// checkError checks that a response has exactly one error, with this code and path.
func checkError(t *testing.T, got response, code, path string) {
	t.Helper()
	if len(got.Errors) != 1 {
		t.Fatalf("%d errors: %s", len(got.Errors), got.body(t))
	}
	var e struct {
		Path       json.RawMessage
		Extensions struct{ Code string }
	}
	if err := json.Unmarshal(got.Errors[0], &e); err != nil {
		t.Fatal(err)
	}
	if e.Extensions.Code != code || string(e.Path) != path {
		t.Errorf("error %s, want code %s at %s", got.Errors[0], code, path)
	}
}

func TestSubgraphThatIsDown(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{"products": products(`,"price":3`)}, func(o *server.Options) {
		o.URLs["stock"] = "http://127.0.0.1:1/graphql"
	})
	checkError(t, ask(t, s, `{ products { id shipping } }`, nil), "SUBGRAPH_UNAVAILABLE", `["products",0,"shipping"]`)
}

func TestSubgraphThatIsSlow(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := newShop(t, map[string]script{
		"products": products(`,"price":3`),
		"stock":    func(asking) (int, string) { <-release; return http.StatusOK, `{}` },
	}, func(o *server.Options) { o.Config.Subgraphs.Timeout = "2s" })
	t.Cleanup(func() { close(release) }) // before the server waits for its requests
	checkError(t, ask(t, s, `{ products { id shipping } }`, nil), "SUBGRAPH_TIMEOUT", `["products",0,"shipping"]`)
}

func TestSubgraphThatAnswersTooMuch(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{"products": products(`,"price":3`), "stock": says(strings.Repeat(" ", 2000))},
		func(o *server.Options) { o.Config.Limits.SubgraphResponseBytes = 1000 })
	checkError(t, ask(t, s, `{ products { id shipping } }`, nil), "SUBGRAPH_INVALID_RESPONSE", `["products",0,"shipping"]`)
}

// TestErrorsOfEntities checks that an error in an entity stands at every place where the entity does.
func TestErrorsOfEntities(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{
		"products": says(`{"data":{"items":[{"id":"p1","price":3},{"id":"p2","price":3},{"id":"p1","price":3}]}}`),
		"stock":    says(`{"data":{"_entities":[{"shipping":null},{"shipping":4}]},"errors":[{"message":"no courier","path":["_entities",0,"shipping"],"extensions":{"code":"NO_COURIER"}}]}`),
	})
	got := ask(t, s, `{ items: products { id shipping } }`, nil)
	var paths []string
	for _, raw := range got.Errors {
		var e struct {
			Message    string
			Path       json.RawMessage
			Extensions struct{ Code string }
		}
		if err := json.Unmarshal(raw, &e); err != nil || e.Message != "no courier" || e.Extensions.Code != "NO_COURIER" {
			t.Errorf("%s: %v", raw, err)
		}
		paths = append(paths, string(e.Path))
	}
	if want := []string{`["items",0,"shipping"]`, `["items",2,"shipping"]`}; !slices.Equal(paths, want) {
		t.Errorf("paths %v, want %v", paths, want)
	}
}

func TestNullPropagation(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ query, products, want, path string }{ // ! before the path: the value does not fit
		"a nullable field":              {`{ product(id: 1) { id price } }`, `{"data":{"product":{"id":"1","price":null}}}`, `{"product":{"id":"1","price":null}}`, ""},
		"its object":                    {`{ product(id: 1) { id name } }`, `{"data":{"product":{"id":"1","name":null}}}`, `{"product":null}`, `["product","name"]`},
		"missing altogether":            {`{ product(id: 1) { id name } }`, `{"data":{"product":{"id":"1"}}}`, `{"product":null}`, `["product","name"]`},
		"through a list of non-null":    {`{ products { name } product(id: 1) { id } }`, `{"data":{"products":[{"name":"a"},{"name":null}],"product":{"id":"1"}}}`, `{"product":{"id":"1"},"products":null}`, `["products",1,"name"]`},
		"a null in a list of non-null":  {`{ products { name } }`, `{"data":{"products":[{"name":"a"},null]}}`, `{"products":null}`, `["products",1]`},
		"a null in a list of leaves":    {`{ product(id: 1) { id colours } }`, `{"data":{"product":{"id":"1","colours":["RED",null]}}}`, `{"product":{"colours":null,"id":"1"}}`, `["product","colours",1]`},
		"already reported":              {`{ product(id: 1) { id name } }`, `{"data":{"product":{"id":"1","name":null}},"errors":[{"message":"m","path":["product","name"],"extensions":{"code":"NULL_IN_NON_NULL_FIELD"}}]}`, `{"product":null}`, `["product","name"]`},
		"one object for another's list": {`{ products { name } }`, `{"data":{"products":{"name":"a"}}}`, `{"products":null}`, `!["products"]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, map[string]script{"products": says(c.products)})
			got := ask(t, s, c.query, nil)
			data, _ := json.Marshal(got.Data)
			if string(data) != c.want {
				t.Errorf("got  %s\nwant %s", data, c.want)
			}
			if path, unfit := strings.CutPrefix(c.path, "!"); unfit {
				checkError(t, got, "SUBGRAPH_INVALID_RESPONSE", path)
			} else if c.path != "" {
				checkError(t, got, "NULL_IN_NON_NULL_FIELD", c.path)
			} else if len(got.Errors) > 0 {
				t.Errorf("errors %s", got.Errors)
			}
		})
	}
	t.Run("to the top", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, map[string]script{"stock": says(`{"data":{"warehouses":[{"name":null}]}}`)})
		got := ask(t, s, `{ warehouses { name } }`, nil)
		if got.Data != nil {
			t.Errorf("data %v", got.Data)
		}
		checkError(t, got, "NULL_IN_NON_NULL_FIELD", `["warehouses",0,"name"]`)
	})
}

func TestObjectsWithoutKeyAreNotSent(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{
		"products": says(`{"data":{"products":[{"__typename":"Product","id":null,"price":1},{"__typename":"Product","price":1}]}}`),
		"stock":    entities(func(string) string { return `{"shipping":1}` }),
	})
	got := ask(t, s, `{ products { shipping } }`, nil)
	if data, _ := json.Marshal(got.Data); string(data) != `{"products":[{"shipping":null},{"shipping":null}]}` {
		t.Errorf("data %s", data)
	}
	if asked := s.asked("stock"); len(asked) > 0 {
		t.Errorf("stock was asked %v", asked)
	}
}

func TestMutationsRunInOrder(t *testing.T) {
	t.Parallel()
	var order []string
	s := newShop(t, map[string]script{
		"products": func(a asking) (int, string) {
			order = append(order, "products")
			if strings.Contains(a.Query, "b:") {
				return http.StatusOK, `{"data":{"b":{"__typename":"Product","id":"2"}}}`
			}
			return http.StatusOK, `{"data":{"a":{"__typename":"Product","id":"1"},"c":{"__typename":"Product","id":"3"}}}`
		},
		"reviews": func(asking) (int, string) {
			order = append(order, "reviews")
			return http.StatusOK, `{"data":{"r":{"id":"9"}}}`
		},
	})
	got := ask(t, s, `mutation { a: rename(id: 1, name: "x") { id } r: review(id: 1, body: "y") { id } b: rename(id: 2, name: "z") { id } }`, nil)
	if len(got.Errors) > 0 || !slices.Equal(order, []string{"products", "reviews", "products"}) {
		t.Errorf("%v: %s", order, got.body(t))
	}
}

func TestVariablesAndConditions(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{
		"products": says(`{"data":{"products":[]}}`),
		"stock":    entities(func(string) string { return `{"stock":1}` }),
	})
	const query = `query($f: Filter, $n: Int = 3, $with: Boolean!) { products(first: $n, filter: $f) { id price @include(if: $with) stock @skip(if: $with) } }`
	got := ask(t, s, query, map[string]any{"f": map[string]any{"colours": "RED"}, "with": true})
	if len(got.Errors) > 0 {
		t.Fatal(got.body(t))
	}
	rest := s.asked("products")[0].Variables.Rest
	if string(rest["n"]) != "3" || string(rest["f"]) != `{"colours":["RED"],"limit":5}` {
		t.Errorf("variables %s", rest)
	}
	for name, c := range map[string]struct {
		variables map[string]any
		want      string
	}{
		"missing":       {nil, "$with of type Boolean!"},
		"null":          {map[string]any{"with": nil}, "a value of type Boolean! is needed"},
		"type":          {map[string]any{"with": "yes"}, "true or false"},
		"int":           {map[string]any{"with": true, "n": 1.5}, "whole number"},
		"enum":          {map[string]any{"with": true, "f": map[string]any{"colours": []any{"RED", "GREEN"}}}, "$f.colours[1]: it must be one of the values of Colour"},
		"unknown field": {map[string]any{"with": true, "f": map[string]any{"colour": 1}}, "$f: Filter has no field"},
		"deep":          {map[string]any{"with": true, "f": map[string]any{"inner": map[string]any{"limit": nil}}}, "$f.inner.limit: a value of type Int! is needed"},
	} {
		got := ask(t, s, query, c.variables)
		if len(got.Errors) != 1 || !strings.Contains(string(got.Errors[0]), c.want) || !strings.Contains(string(got.Errors[0]), "BAD_USER_INPUT") {
			t.Errorf("%s: %s", name, got.body(t))
		}
	}
	if n := len(s.asked("products")); n != 1 {
		t.Errorf("products was asked %d times", n)
	}
}

func TestIntrospection(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	got := ask(t, s, `{ __schema { queryType { name } mutationType { name } } __type(name: "Product") { kind description
		fields { name } all: fields(includeDeprecated: true) { name isDeprecated deprecationReason type { kind ofType { name } } } }
		e: __type(name: "Colour") { enumValues { name } } i: __type(name: "Filter") { isOneOf inputFields { name defaultValue } } none: __type(name: "join__Graph") { name } __typename }`, nil)
	text := got.body(t)
	for _, want := range []string{
		`"queryType":{"name":"Query"}`, `"description":"A thing that is sold."`, `{"deprecationReason":"Use name.","isDeprecated":true,"name":"oldName"`,
		`"enumValues":[{"name":"RED"},{"name":"BLUE"}]`, `{"defaultValue":"5","name":"limit"}`, `"isOneOf":false`, `"none":null`, `"__typename":"Query"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	off := false
	s = newShop(t, nil, func(o *server.Options) { o.Config.Introspection = &off })
	if got := ask(t, s, `{ __schema { queryType { name } } }`, nil); len(got.Errors) != 1 || !strings.Contains(got.body(t), "INTROSPECTION_DISABLED") {
		t.Error(got.body(t))
	}
	if got := ask(t, s, `{ __typename }`, nil); got.body(t) != `{"__typename":"Query"} null` {
		t.Error(got.body(t))
	}
}

func TestMaskedErrors(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{"products": says(`{"data":{"products":null},"errors":[{"message":"secret","extensions":{"code":"DB","trace":"secret"}}]}`)},
		func(o *server.Options) { o.Config.Subgraphs.MaskErrors = true })
	got := ask(t, s, `{ products { id } }`, nil)
	if strings.Contains(got.body(t), "secret") {
		t.Error(got.body(t))
	}
	checkError(t, got, "DB", `["products"]`)
}
