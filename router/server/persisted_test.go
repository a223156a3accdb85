package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/lethe/lethe/embedded/redis/redistest"
	"github.com/lethe/lethe/router/persisted"
	"github.com/lethe/lethe/router/server"
)

const productsQuery = `query Products { products { id } }`

func hashed(query string) string { return persisted.HashOf([]byte(query)).String() }

// registration is a request of the protocol of automatic persisted queries; query may be empty.
func registration(t *testing.T, query, hash string) string {
	t.Helper()
	type extension struct {
		Version int    `json:"version"`
		Hash    string `json:"sha256Hash"`
	}
	body, err := json.Marshal(struct {
		Query      string               `json:"query,omitempty"`
		Extensions map[string]extension `json:"extensions"`
	}{query, map[string]extension{"persistedQuery": {1, hash}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func post(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
	r.Header.Set("Content-Type", plain)
	return r
}

func (r response) is(t *testing.T, want string) {
	t.Helper()
	switch {
	case want == "" && (len(r.Errors) > 0 || r.Data == nil):
		t.Errorf("%d %s", r.status, r.body(t))
	case want != "" && (len(r.Errors) != 1 || !strings.Contains(string(r.Errors[0]), want)):
		t.Errorf("want %s: %d %s", want, r.status, r.body(t))
	}
}

func TestAutomaticPersistedQueries(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{"products": says(`{"data":{"products":[],"rename":null}}`)})
	hash := hashed(productsQuery)
	get := func() *http.Request {
		return httptest.NewRequest(http.MethodGet, "/graphql?extensions="+url.QueryEscape(`{"persistedQuery":{"version":1,"sha256Hash":"`+hash+`"}}`), nil)
	}
	got := send(t, s, get())
	got.is(t, `"PersistedQueryNotFound","extensions":{"code":"PERSISTED_QUERY_NOT_FOUND"}`)
	if got.status != 200 || !strings.Contains(got.header.Get("Cache-Control"), "no-cache") {
		t.Errorf("%d %v", got.status, got.header)
	}
	send(t, s, post(registration(t, productsQuery, hashed("another")))).is(t, "is not the hash of")
	send(t, s, post(registration(t, "{ nothing }", hashed("{ nothing }")))).is(t, "GRAPHQL_VALIDATION_FAILED")
	send(t, s, post(registration(t, "", hashed("{ nothing }")))).is(t, "PERSISTED_QUERY_NOT_FOUND")
	send(t, s, post(registration(t, productsQuery, strings.ToUpper(hash)))).is(t, "")
	send(t, s, get()).is(t, "")
	send(t, s, post(registration(t, "", hash))).is(t, "")
	mutation := `mutation { rename(id: 1, name: "x") { id } }`
	send(t, s, post(registration(t, mutation, hashed(mutation))))
	hash = hashed(mutation)
	send(t, s, get()).is(t, "METHOD_NOT_ALLOWED")
	for _, extensions := range []string{
		`{"persistedQuery":{"version":2,"sha256Hash":"x"}}`, `{"persistedQuery":{"version":1}}`, `{"persistedQuery":{"version":1,"sha256Hash":"x"}}`,
		`{"persistedQuery":[]}`, `{"persistedQuery":{"version":1,"sha256Hash":12}}`,
	} {
		send(t, s, post(`{"extensions":`+extensions+`}`)).is(t, "BAD_REQUEST")
	}
	send(t, s, post(`{"query":"{ __typename }","extensions":{"persistedQuery":null,"other":{"persistedQuery":1}}}`)).is(t, "")
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{`{outcome="found"} 3`, `{outcome="missing"} 2`, `{outcome="registered"} 2`} {
		if !strings.Contains(rec.Body.String(), "lethe_router_persisted_queries_total"+want) {
			t.Errorf("no %s", want)
		}
	}
	off := false
	s = newShop(t, nil, func(o *server.Options) { o.Config.PersistedQueries.Enabled = &off })
	send(t, s, post(registration(t, "{ __typename }", hashed("{ __typename }")))).is(t, `"PersistedQueryNotSupported","extensions":{"code":"PERSISTED_QUERY_NOT_SUPPORTED"}`)
}

// TestPersistedQueriesInRedis registers a query with one router and asks another for it, and then without Redis.
func TestPersistedQueriesInRedis(t *testing.T) {
	t.Parallel()
	scripts := map[string]script{"products": says(`{"data":{"products":[]}}`)}
	with := func(c goredis.UniversalClient) *shop {
		return newShop(t, scripts, func(o *server.Options) { o.Redis = c })
	}
	client := redistest.Client(t)
	one, other := with(client), with(client)
	send(t, one, post(registration(t, productsQuery, hashed(productsQuery)))).is(t, "")
	send(t, other, post(registration(t, "", hashed(productsQuery)))).is(t, "")
	down := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = down.Close() })
	alone := with(down)
	send(t, alone, post(registration(t, "", hashed(productsQuery)))).is(t, "PERSISTED_QUERY_NOT_FOUND")
	send(t, alone, post(registration(t, productsQuery, hashed(productsQuery)))).is(t, "")
	send(t, alone, post(registration(t, "", hashed(productsQuery)))).is(t, "")
}

func manifest(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "manifest.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTrustedDocuments(t *testing.T) {
	t.Parallel()
	relay := manifest(t, `{"relay-1":"query Products { products { id } }","broken":"query Broken { nothing }"}`)
	apollo := manifest(t, `{"format":"apollo-persisted-query-manifest","version":1,"operations":[
		{"id":"`+hashed(productsQuery)+`","name":"Products","type":"query","body":"`+productsQuery+`"}]}`)
	hash := hashed(productsQuery)
	for _, mode := range []string{"", "allow", "require"} {
		var log bytes.Buffer
		s := newShop(t, map[string]script{"products": says(`{"data":{"products":[]}}`)}, func(o *server.Options) {
			o.Config.TrustedDocuments = server.TrustedDocuments{Files: []string{relay, apollo}, Mode: mode}
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
		})
		if !strings.Contains(log.String(), "id=broken") || strings.Contains(log.String(), "id=relay-1") {
			t.Errorf("the log says %s", log.String())
		}
		other := map[string]string{"": "", "allow": "", "require": "DOCUMENT_NOT_TRUSTED"}[mode]
		missing := map[string]string{"": "DOCUMENT_NOT_FOUND", "allow": "DOCUMENT_NOT_FOUND", "require": "DOCUMENT_NOT_TRUSTED"}[mode]
		unregistered := map[string]string{"": "PERSISTED_QUERY_NOT_FOUND", "allow": "PERSISTED_QUERY_NOT_FOUND", "require": "DOCUMENT_NOT_TRUSTED"}[mode]
		for body, want := range map[string]string{
			`{"documentId":"relay-1"}`:                                        "",
			`{"doc_id":"relay-1","operationName":"Products"}`:                 "",
			`{"id":"relay-1","query":null,"variables":{}}`:                    "",
			`{"id":"relay-1","variables":{}}`:                                 "",
			`{"documentId":"` + hash + `"}`:                                   "",
			`{"documentId":"sha256:` + hash + `"}`:                            "",
			registration(t, "", hash):                                         "",
			registration(t, productsQuery, hash):                              "",
			`{"documentId":"relay-1","query":"{ __typename }"}`:               "DOCUMENT_NOT_TRUSTED",
			`{"documentId":"relay-1","operationName":"Others"}`:               "OPERATION_NOT_FOUND",
			`{"documentId":"broken"}`:                                         "GRAPHQL_VALIDATION_FAILED",
			`{"documentId":"unknown"}`:                                        missing,
			`{"query":"{ __typename }"}`:                                      other,
			registration(t, "{ __typename }", hashed("{ __typename }")):       other,
			registration(t, "", hashed("{ never }")):                          unregistered,
			`{"documentId":12}`:                                               "QUERY_NEEDED",
			`{"query":"{ __typename }","documentId":null,"id":null}`:          other,
			`{"query":"query Products { products { id name } }","id":"else"}`: other,
		} {
			t.Run(mode+" "+body, func(t *testing.T) { send(t, s, post(body)).is(t, want) })
		}
		send(t, s, httptest.NewRequest(http.MethodGet, "/graphql?documentId=relay-1", nil)).is(t, "")
	}
}

// TestTrustedDocumentsFollowTheSchema reloads a schema under which another document is broken.
func TestTrustedDocumentsFollowTheSchema(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{"products": says(`{"data":{"products":[]}}`)}, func(o *server.Options) {
		o.Config.TrustedDocuments.Files = []string{manifest(t, `{"old":"{ products { oldName } }","new":"{ products { title } }"}`)}
	})
	ask := func(id string) response { return send(t, s, post(fmt.Sprintf(`{"id":%q}`, id))) }
	ask("old").is(t, "")
	ask("new").is(t, "GRAPHQL_VALIDATION_FAILED")
	sdl, err := os.ReadFile("testdata/shop.graphql")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(strings.ReplaceAll(string(sdl), "oldName:", "title:")); err != nil {
		t.Fatal(err)
	}
	ask("old").is(t, "GRAPHQL_VALIDATION_FAILED")
	ask("new").is(t, "")
}

func TestTrustedDocumentsConfiguration(t *testing.T) {
	t.Parallel()
	sdl, err := os.ReadFile("testdata/shop.graphql")
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]server.TrustedDocuments{
		`trustedDocuments.mode: must be "allow" or "require"; it is "some"`: {Mode: "some"},
		"every request would be refused":                                    {Mode: "require"},
		"no such file":                                                      {Files: []string{"none.json"}},
		"neither Apollo's form":                                             {Files: []string{manifest(t, `{"a":1}`)}},
		"another document with the id \"a\"":                                {Files: []string{manifest(t, `{"a":"{ a }"}`), manifest(t, `{"a":"{ b }"}`)}},
	} {
		_, err := newServer(server.Options{Supergraph: string(sdl), Config: server.Config{TrustedDocuments: c}, Log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
