package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
)

// told gives a response's errors as "message path extensions".
func told(t *testing.T, got response) []string {
	t.Helper()
	var out []string
	for _, raw := range got.Errors {
		var e struct {
			Message          string
			Path, Extensions json.RawMessage
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %s %s", e.Message, e.Path, e.Extensions))
	}
	return out
}

// TestErrorPolicy checks what clients get of a subgraph's error under each policy.
func TestErrorPolicy(t *testing.T) {
	t.Parallel()
	const full = `{"message":"out of order","path":["products"],"extensions":{"trace":["secret"],"code":"OUT","retryAfter":3}}`
	for name, c := range map[string]struct {
		policy      server.Subgraphs
		error, want string
	}{
		"all":                {server.Subgraphs{}, full, `out of order ["products"] {"trace":["secret"],"code":"OUT","retryAfter":3}`},
		"some":               {server.Subgraphs{ErrorExtensions: []string{"retryAfter", "more"}}, full, `out of order ["products"] {"code":"OUT","retryAfter":3}`},
		"none":               {server.Subgraphs{ErrorExtensions: []string{}}, full, `out of order ["products"] {"code":"OUT"}`},
		"named":              {server.Subgraphs{ErrorExtensions: []string{}, NameInErrors: true}, full, `out of order ["products"] {"code":"OUT","service":"products"}`},
		"named by both":      {server.Subgraphs{NameInErrors: true}, `{"message":"m","path":["products"],"extensions":{"service":"x","code":"C"}}`, `m ["products"] {"code":"C","service":"products"}`},
		"masked":             {server.Subgraphs{MaskErrors: true}, full, `Service products could not answer. ["products"] {"code":"OUT","service":"products"}`},
		"no code":            {server.Subgraphs{}, `{"message":"m","path":["products"],"extensions":{"a":1}}`, `m ["products"] {"code":"SUBGRAPH_ERROR","a":1}`},
		"no extensions":      {server.Subgraphs{}, `{"message":"m","path":["products"]}`, `m ["products"] {"code":"SUBGRAPH_ERROR","service":"products"}`},
		"odd extensions":     {server.Subgraphs{}, `{"message":"m","path":["products"],"extensions":[1]}`, `m ["products"] {"code":"SUBGRAPH_ERROR","service":"products"}`},
		"no message":         {server.Subgraphs{}, `{"path":["products"],"extensions":{"code":"C"}}`, `Service products could not answer. ["products"] {"code":"C"}`},
		"locations, no path": {server.Subgraphs{}, `{"message":"m","locations":[{"line":1,"column":2}],"extensions":{"code":"C"}}`, `m ["products"] {"code":"C"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, map[string]script{"products": says(`{"data":{"products":null},"errors":[` + c.error + `]}`)},
				func(o *server.Options) { o.Config.Subgraphs = c.policy })
			if got := told(t, ask(t, s, `{ products { id } }`, nil)); !slices.Equal(got, []string{c.want}) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestPathsOfErrors checks that subgraphs' errors stand where their values would in the response.
func TestPathsOfErrors(t *testing.T) {
	t.Parallel()
	reviews := entities(func(id string) string {
		return `{"reviews":[{"id":"r","by":{"__typename":"User","id":"u1"}},{"id":"q","by":{"__typename":"User","id":"u2"}}]}`
	})
	for name, c := range map[string]struct {
		scripts map[string]script
		query   string
		want    []string
	}{
		"into lists of leaves": {
			map[string]script{"products": says(`{"data":{"all":[{"id":"p1","colours":null}]},"errors":[{"message":"m","path":["all",0,"colours",2]}]}`)},
			`{ all: products { id colours } }`, []string{`["all",0,"colours",2]`},
		},
		"several entities, each its own": {
			map[string]script{
				"products": says(`{"data":{"products":[{"__typename":"Product","id":"p1","price":1},{"__typename":"Product","id":"p2","price":1},{"__typename":"Product","id":"p3","price":1}]}}`),
				"stock": says(`{"data":{"_entities":[{"shipping":null},{"shipping":3},{"shipping":null}]},"errors":[
					{"message":"a","path":["_entities",2,"shipping"]},{"message":"b","path":["_entities",0,"shipping"]}]}`),
			},
			`{ products { id shipping } }`, []string{`["products",2,"shipping"]`, `["products",0,"shipping"]`},
		},
		"an entity as a whole": {
			map[string]script{"products": products(`,"price":3`), "stock": says(`{"data":{"_entities":[{"shipping":1},null]},"errors":[{"message":"m","path":["_entities",1]}]}`)},
			`{ products { shipping } }`, []string{`["products",1,"shipping"]`},
		},
		"all entities": {
			map[string]script{"products": products(`,"price":3`), "stock": says(`{"data":null,"errors":[{"message":"m","path":["_entities"]}]}`)},
			`{ products { shipping } }`, []string{`["products",0,"shipping"]`},
		},
		"no path": {
			map[string]script{"products": products(`,"price":3`), "stock": says(`{"data":null,"errors":[{"message":"m"},{"message":"n"}]}`)},
			`{ products { shipping } }`, []string{`["products",0,"shipping"]`, `["products",0,"shipping"]`},
		},
		"no path, a list that is there": {
			map[string]script{"products": products(`,"price":3`), "stock": says(`{"data":{"_entities":[null,null]},"errors":[{"message":"m","path":null}]}`)},
			`{ products { shipping } }`, []string{`["products",0,"shipping"]`},
		},
		"an entity below another, at every place of both": {
			map[string]script{
				"products": products(""), "reviews": reviews,
				"people": says(`{"data":{"_entities":[{"called":"Ada"},{"called":null}]},"errors":[{"message":"m","path":["_entities",1,"called"]}]}`),
			},
			`{ products { reviews { by: author { called: name } } } }`,
			[]string{`["products",0,"reviews",1,"by","called"]`, `["products",1,"reviews",1,"by","called"]`, `["products",2,"reviews",1,"by","called"]`},
		},
		"beyond what was asked": {
			map[string]script{"products": products(`,"price":3`), "stock": says(`{"data":{"_entities":[{"shipping":1},{"shipping":1}]},"errors":[{"message":"m","path":["_entities",7,"shipping"]}]}`)},
			`{ products { shipping } }`, []string{`["products",0,"shipping"]`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ask(t, newShop(t, c.scripts), c.query, nil)
			var paths []string
			for _, raw := range got.Errors {
				var e struct{ Path json.RawMessage }
				if err := json.Unmarshal(raw, &e); err != nil {
					t.Fatal(err)
				}
				paths = append(paths, string(e.Path))
			}
			slices.Sort(paths)
			slices.Sort(c.want)
			if !slices.Equal(paths, c.want) {
				t.Errorf("errors at %v, want %v: %s", paths, c.want, got.body(t))
			}
		})
	}
}

// TestAFaultCostsItsOwnFields checks that whatever one subgraph does wrong, the fields of the others are there.
func TestAFaultCostsItsOwnFields(t *testing.T) {
	t.Parallel()
	cut := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"data":{"warehouses":[{"name":`)
	}))
	closes := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	for name, c := range map[string]struct {
		me   script
		url  string
		code string
	}{
		"cut off":                {url: cut, code: "SUBGRAPH_UNAVAILABLE"},
		"closes":                 {url: closes, code: "SUBGRAPH_UNAVAILABLE"},
		"garbled":                {me: says(`{"data":{"me":{"id":"1","name":}}}`), code: "SUBGRAPH_INVALID_RESPONSE"},
		"text after the answer":  {me: says(`{"data":{"me":null}} x`), code: "SUBGRAPH_INVALID_RESPONSE"},
		"truncated":              {me: says(`{"data":{"me":{"id":"1"`), code: "SUBGRAPH_INVALID_RESPONSE"},
		"empty":                  {me: says(``), code: "SUBGRAPH_INVALID_RESPONSE"},
		"a page":                 {me: func(asking) (int, string) { return 500, "<html>" }, code: "SUBGRAPH_UNAVAILABLE"},
		"JSON that is no answer": {me: func(asking) (int, string) { return 404, `{"error":"no such page"}` }, code: "SUBGRAPH_UNAVAILABLE"},
		"errors with status 500": {me: func(asking) (int, string) { return 500, `{"errors":[{"message":"m","extensions":{"code":"C"}}]}` }, code: "C"},
		"partly, with status 400": {me: func(asking) (int, string) {
			return 400, `{"data":{"me":null},"errors":[{"message":"m","path":["me"],"extensions":{"code":"C"}}]}`
		}, code: "C"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scripts := map[string]script{"products": says(`{"data":{"product":{"id":"1","name":"N"}}}`)}
			if c.me != nil {
				scripts["people"] = c.me
			}
			s := newShop(t, scripts, func(o *server.Options) {
				if c.url != "" {
					o.URLs["people"] = c.url
				}
			})
			got := ask(t, s, `{ product(id: 1) { id name } me { id name } }`, nil)
			if data, _ := json.Marshal(got.Data); string(data) != `{"me":null,"product":{"id":"1","name":"N"}}` || got.status != http.StatusOK {
				t.Errorf("%d %s", got.status, data)
			}
			checkError(t, got, c.code, `["me"]`)
		})
	}
}

// TestMiscountedEntities checks that a list of entities that is too short or too long is not guessed at.
func TestMiscountedEntities(t *testing.T) {
	t.Parallel()
	for _, list := range []string{`[{"shipping":1}]`, `[{"shipping":1},{"shipping":2},{"shipping":3}]`, `[]`, `null`} {
		s := newShop(t, map[string]script{"products": products(`,"price":3`), "stock": says(`{"data":{"_entities":` + list + `}}`)})
		got := ask(t, s, `{ products { id shipping } }`, nil)
		if strings.Contains(got.body(t), `"shipping":1`) {
			t.Errorf("%s: %s", list, got.body(t))
		}
		checkError(t, got, "SUBGRAPH_INVALID_RESPONSE", `["products",0,"shipping"]`)
	}
}
