package routertest

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestServiceRefuses asks a suite's subgraph for what it must not answer: a stand-in that answers it would hide a wrong plan.
func TestServiceRefuses(t *testing.T) {
	t.Parallel()
	const sdl = federation2 + `
type Query { box: Box @provides(fields: "size") bare: Box find(id: ID!): Box }
type Box @key(fields: "id") @key(fields: "row column") {
  id: ID! row: Int column: Int size: Int @external colour: String @external label: String @requires(fields: "colour") full: Boolean!
}`
	const records = `{"Query": {"box": {"id": "1", "size": 3}, "bare": {"id": "1", "size": 3}, "find": {"$find": ["Box"]}}, "Box": [{"id": "1", "row": 1, "column": 2, "full": true}, {"id": "2"}]}`
	label := map[string]Resolver{"Box.label": func(o Object, _ map[string]any) (any, error) { return o.Required("colour") }}
	s, err := newService("boxes", sdl, records, label)
	if err != nil {
		t.Fatal(err)
	}
	const entity = `query ($r: [_Any!]!) { _entities(representations: $r) { ... on Box { `
	for _, c := range []struct {
		name, query, representation string
		data, err                   string // the error's text, "" for none
	}{
		{"what is provided", `{ box { size full } }`, ``, `{"box":{"full":true,"size":3}}`, ``},
		{"what is not provided", `{ bare { size } }`, ``, `{"bare":{"size":null}}`, `Box.size is external`},
		{"a field that is not held", `{ find(id: "2") { full } }`, ``, `{"find":null}`, `boxes holds no Box.full`},
		{"nothing to find", `{ find(id: "3") { full } }`, ``, `{"find":null}`, ``},
		{"a field that it does not declare", `{ box { height } }`, ``, ``, `height`},
		{"a key", entity + `full } } }`, `{"__typename": "Box", "id": "1"}`, `{"_entities":[{"full":true}]}`, ``},
		{"another key", entity + `full } } }`, `{"__typename": "Box", "row": 1, "column": 2}`, `{"_entities":[{"full":true}]}`, ``},
		{"half of a key", entity + `full } } }`, `{"__typename": "Box", "row": 1}`, `{"_entities":[null]}`, `has none of the keys`},
		{"an object that is not known", entity + `full } } }`, `{"__typename": "Box", "id": "9"}`, `{"_entities":[null]}`, ``},
		{"a type that is not known", entity + `full } } }`, `{"__typename": "Tin", "id": "1"}`, `{"_entities":[null]}`, `no type of this subgraph`},
		{"more than is asked for", entity + `full } } }`, `{"__typename": "Box", "id": "1", "size": 3}`, `{"_entities":[null]}`, `has size, which nothing asks for`},
		{"what is required", entity + `label } } }`, `{"__typename": "Box", "id": "1", "colour": "red"}`, `{"_entities":[{"label":"red"}]}`, ``},
		{"without what is required", entity + `label } } }`, `{"__typename": "Box", "id": "1"}`, `{"_entities":[{"label":null}]}`, `Box.colour is required`},
		{"an external field by key", entity + `size } } }`, `{"__typename": "Box", "id": "1"}`, `{"_entities":[{"size":null}]}`, `Box.size is external`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			request := map[string]any{"query": c.query}
			if c.representation != "" {
				request["variables"] = map[string]any{"r": []any{json.RawMessage(c.representation)}}
			}
			body, err := json.Marshal(request)
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest("POST", "/graphql", bytes.NewReader(body)))
			var got struct {
				Data   json.RawMessage
				Errors []struct{ Message string }
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if string(got.Data) != c.data {
				t.Errorf("data %s, want %s", got.Data, c.data)
			}
			if c.err == "" && len(got.Errors) > 0 || c.err != "" && (len(got.Errors) == 0 || !strings.Contains(got.Errors[0].Message, c.err)) {
				t.Errorf("errors %v, want %q", got.Errors, c.err)
			}
		})
	}
}
