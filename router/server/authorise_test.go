package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/authorise"
	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/server"
)

const federation = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.6",
  import: ["@key", "@external", "@authenticated", "@requiresScopes", "@policy", "@shareable"])
`

// composed gives the supergraph of subgraphs given by name.
func composed(t *testing.T, sdls map[string]string) string {
	t.Helper()
	var in []compose.Subgraph
	for name, sdl := range sdls {
		in = append(in, compose.Subgraph{Name: name, URL: "http://127.0.0.1:1/" + name, SDL: sdl})
	}
	result, errs := compose.Compose(in)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return result.SDL
}

// granting takes the words of the Authorization header as scopes, those that begin with a hash as policies.
type granting struct{}

func (granting) Authenticate(ctx context.Context, h http.Header, _ string) (context.Context, error) {
	words := strings.Fields(h.Get("Authorization"))
	if len(words) == 0 {
		return ctx, nil
	}
	if words[0] != "Bearer" {
		return ctx, errors.New("no token")
	}
	g := authorise.Grants{Authenticated: true}
	for _, w := range words[1:] {
		if policy, ok := strings.CutPrefix(w, "#"); ok {
			g.Policies = append(g.Policies, policy)
		} else {
			g.Scopes = append(g.Scopes, w)
		}
	}
	return authorise.NewContext(ctx, g), nil
}

func TestWhatARequestMayNotSeeIsNotAsked(t *testing.T) {
	t.Parallel()
	sdl := composed(t, map[string]string{
		"users": federation + `
type Query { me: User users: [User!]! nodes: [Node] admin: Panel }
interface Node { id: ID! note: String }
type User implements Node @key(fields: "id") { id: ID! name: String note: String @authenticated mail: String! @requiresScopes(scopes: [["mail", "read"], ["all"]]) }
type Shop implements Node { id: ID! note: String }
type Panel @policy(policies: [["staff"]]) { users: Int }`,
		"scores": federation + `
type User @key(fields: "id") { id: ID! score: Int @authenticated rank: Rank }
type Rank { value: Int grade: Grade }
enum Grade @requiresScopes(scopes: [["grades"]]) { A B }`,
	})
	const (
		users  = `{"data":{"users":[{"__typename":"User","id":"1","name":"Ada","note":"n","mail":"a@b"},{"__typename":"User","id":"2","name":"Bob","note":"m","mail":"c@d"}]}}`
		me     = `{"data":{"me":{"__typename":"User","id":"1","name":"Ada","mail":"a@b"}}}`
		nodes  = `{"data":{"nodes":[{"__typename":"User","id":"1","note":"n"},{"__typename":"Shop","id":"9","note":"s"}]}}`
		denied = `"UNAUTHORIZED_FIELD_OR_TYPE"`
	)
	scores := entities(func(string) string { return `{"score":7,"rank":{"value":3,"grade":"A"}}` })
	for name, c := range map[string]struct {
		query, token, users string
		want                string
		paths               []string // of the errors
		unasked             string   // a word that no subgraph may be asked for
	}{
		"granted":             {`{ users { id note } }`, "Bearer", users, `{"users":[{"id":"1","note":"n"},{"id":"2","note":"m"}]}`, nil, "mail"},
		"a field":             {`{ users { id note } }`, "", users, `{"users":[{"id":"1","note":null},{"id":"2","note":null}]}`, []string{`["users",0,"note"]`, `["users",1,"note"]`}, "note"},
		"an entity's field":   {`{ users { name score } }`, "", users, `{"users":[{"name":"Ada","score":null},{"name":"Bob","score":null}]}`, []string{`["users",0,"score"]`, `["users",1,"score"]`}, "score"},
		"a non-null field":    {`{ me { name mail } }`, "Bearer mail", me, `{"me":null}`, []string{`["me","mail"]`}, "mail"},
		"one list of scopes":  {`{ me { name mail } }`, "Bearer mail read", me, `{"me":{"name":"Ada","mail":"a@b"}}`, nil, "note"},
		"or the other":        {`{ me { name mail } }`, "Bearer all", me, `{"me":{"name":"Ada","mail":"a@b"}}`, nil, "note"},
		"one type of several": {`{ nodes { id ... on User { note } ... on Shop { note } } }`, "", nodes, `{"nodes":[{"id":"1","note":null},{"id":"9","note":"s"}]}`, []string{`["nodes",0,"note"]`}, "score"},
		"a type":              {`{ admin { users } }`, "Bearer", `{"data":{"admin":{"users":1}}}`, `{"admin":null}`, []string{`["admin"]`}, "admin"},
		"a policy":            {`{ admin { users } }`, "Bearer #staff", `{"data":{"admin":{"users":1}}}`, `{"admin":{"users":1}}`, nil, "note"},
		"the type of a field": {`{ users { rank { value grade } } }`, "Bearer", users, `{"users":[{"rank":{"value":3,"grade":null}},{"rank":{"value":3,"grade":null}}]}`,
			[]string{`["users",0,"rank","grade"]`, `["users",1,"rank","grade"]`}, "grade"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, map[string]script{"users": says(c.users), "scores": scores}, func(o *server.Options) {
				o.Supergraph, o.Authenticator = sdl, granting{}
			})
			for range 2 { // planned, and from the cache
				got := askAs(t, s, c.query, c.token)
				if data := string(got.raw); data != c.want {
					t.Errorf("got  %s\nwant %s", data, c.want)
				}
				if len(got.errors) != len(c.paths) {
					t.Fatalf("%d errors: %v", len(got.errors), got.errors)
				}
				for i, e := range got.errors {
					if string(e.Path) != c.paths[i] || string(e.Extensions.Code) != denied {
						t.Errorf("error %d: %s %s", i, e.Path, e.Extensions.Code)
					}
				}
			}
			for _, a := range append(s.asked("users"), s.asked("scores")...) {
				if strings.Contains(a.Query, c.unasked) {
					t.Errorf("a subgraph was asked %s", a.Query)
				}
			}
		})
	}
}

// TestIdentitiesDoNotShareAnswers asks the same text as several identities one after another: what was planned for one
// is not for the other.
func TestIdentitiesDoNotShareAnswers(t *testing.T) {
	t.Parallel()
	sdl := composed(t, map[string]string{"users": federation + `type Query { a: Int @authenticated b: Int @requiresScopes(scopes: [["b"]]) c: Int }`})
	s := newShop(t, map[string]script{"users": says(`{"data":{"a":1,"b":2,"c":3}}`)}, func(o *server.Options) {
		o.Supergraph, o.Authenticator = sdl, granting{}
	})
	for _, c := range [][2]string{
		{"", `{"a":null,"b":null,"c":3}`}, {"Bearer b", `{"a":1,"b":2,"c":3}`}, {"Bearer", `{"a":1,"b":null,"c":3}`},
		{"", `{"a":null,"b":null,"c":3}`}, {"Bearer b", `{"a":1,"b":2,"c":3}`},
	} {
		if got := askAs(t, s, `{ a b c }`, c[0]); string(got.raw) != c[1] {
			t.Errorf("as %q: %s", c[0], got.raw)
		}
	}
}

// refusals is a response as far as it tells what was not allowed.
type refusals struct {
	raw    json.RawMessage // data
	errors []struct {
		Path       json.RawMessage
		Extensions struct{ Code json.RawMessage }
	}
}

// askAs asks with an Authorization header.
func askAs(t *testing.T, h http.Handler, query, token string, id ...string) refusals {
	t.Helper()
	variables := map[string]string{}
	if len(id) > 0 {
		variables["id"] = id[0]
	}
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	var out refusals
	if err := json.Unmarshal(rec.Body.Bytes(), &struct {
		Data   *json.RawMessage
		Errors any
	}{&out.raw, &out.errors}); err != nil {
		t.Fatalf("%v: %s", err, rec.Body)
	}
	return out
}
