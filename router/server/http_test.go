package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
)

const (
	plain = "application/json"
	newer = "application/graphql-response+json"
)

func TestGraphQLOverHTTP(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{"products": says(`{"data":{"product":{"id":"1"},"rename":{"id":"1"}}}`)},
		func(o *server.Options) {
			o.Config.Limits.BodyBytes = 2000
			o.Config.Limits.Depth = 3
			o.Config.CORS.Origins = []string{"https://shop.example"}
		})
	const good = `{"query":"{ product(id: 1) { id } }"}`
	get := func(query string) string { return "/graphql?query=" + url.QueryEscape(query) }
	for name, c := range map[string]struct {
		method, target, body string
		header               map[string]string
		status               int
		code                 string
		contentType          string
	}{
		"post":                       {"POST", "/graphql", good, nil, 200, "", plain},
		"post, charset":              {"POST", "/graphql", good, map[string]string{"Content-Type": "application/json; charset=UTF-8"}, 200, "", plain},
		"post, escaped":              {"POST", "/graphql", `{"query":"{\n\tproduct(id: \"1\") { \u0069d }\n}","variables":null,"operationName":null,"extensions":{}}`, nil, 200, "", plain},
		"accept the newer":           {"POST", "/graphql", good, map[string]string{"Accept": newer}, 200, "", newer},
		"accept both":                {"POST", "/graphql", good, map[string]string{"Accept": newer + ", " + plain + ";q=0.9"}, 200, "", newer},
		"accept both, other way":     {"POST", "/graphql", good, map[string]string{"Accept": newer + ";q=0.5, " + plain}, 200, "", plain},
		"accept anything":            {"POST", "/graphql", good, map[string]string{"Accept": "*/*"}, 200, "", plain},
		"accept text":                {"POST", "/graphql", good, map[string]string{"Accept": "text/html"}, 406, "NOT_ACCEPTABLE", plain},
		"no content type":            {"POST", "/graphql", good, map[string]string{"Content-Type": ""}, 415, "UNSUPPORTED_MEDIA_TYPE", plain},
		"a form":                     {"POST", "/graphql", "query=x", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 415, "UNSUPPORTED_MEDIA_TYPE", plain},
		"latin-1":                    {"POST", "/graphql", good, map[string]string{"Content-Type": "application/json; charset=iso-8859-1"}, 415, "UNSUPPORTED_MEDIA_TYPE", plain},
		"put":                        {"PUT", "/graphql", good, nil, 405, "METHOD_NOT_ALLOWED", plain},
		"posted to the root":         {"POST", "/", good, nil, 404, "NOT_FOUND", plain},
		"no JSON":                    {"POST", "/graphql", `{"query":`, nil, 400, "BAD_REQUEST", plain},
		"a list":                     {"POST", "/graphql", `[]`, nil, 400, "BAD_REQUEST", plain},
		"no query":                   {"POST", "/graphql", `{"variables":{}}`, nil, 400, "QUERY_NEEDED", plain},
		"a query that is a number":   {"POST", "/graphql", `{"query":1}`, nil, 400, "BAD_REQUEST", plain},
		"variables that are a list":  {"POST", "/graphql", `{"query":"{ product(id: 1) { id } }","variables":[]}`, nil, 400, "BAD_REQUEST", plain},
		"a name that is a number":    {"POST", "/graphql", `{"query":"{ product(id: 1) { id } }","operationName":1}`, nil, 400, "BAD_REQUEST", plain},
		"extensions that are text":   {"POST", "/graphql", `{"query":"{ product(id: 1) { id } }","extensions":"x"}`, nil, 400, "BAD_REQUEST", plain},
		"too large":                  {"POST", "/graphql", `{"query":"` + strings.Repeat(" ", 3000) + `"}`, nil, 413, "PAYLOAD_TOO_LARGE", plain},
		"syntax error":               {"POST", "/graphql", `{"query":"{"}`, nil, 200, "GRAPHQL_PARSE_FAILED", plain},
		"syntax error, newer":        {"POST", "/graphql", `{"query":"{"}`, map[string]string{"Accept": newer}, 400, "GRAPHQL_PARSE_FAILED", newer},
		"invalid":                    {"POST", "/graphql", `{"query":"{ nothing }"}`, nil, 200, "GRAPHQL_VALIDATION_FAILED", plain},
		"invalid, newer":             {"POST", "/graphql", `{"query":"{ nothing }"}`, map[string]string{"Accept": newer}, 400, "GRAPHQL_VALIDATION_FAILED", newer},
		"unknown operation, newer":   {"POST", "/graphql", `{"query":"query a { __typename }","operationName":"b"}`, map[string]string{"Accept": newer}, 400, "OPERATION_NOT_FOUND", newer},
		"which operation":            {"POST", "/graphql", `{"query":"query a { __typename } query b { __typename }"}`, nil, 200, "OPERATION_NAME_NEEDED", plain},
		"the second operation":       {"POST", "/graphql", `{"query":"query a { nothing: __typename } query b { __typename }","operationName":"b"}`, nil, 200, "", plain},
		"too deep":                   {"POST", "/graphql", `{"query":"{ products { reviews { author { id } } } }"}`, nil, 200, "MAX_DEPTH_EXCEEDED", plain},
		"subscription":               {"POST", "/graphql", `{"query":"subscription { productChanged(id: 1) { id } }"}`, nil, 200, "SUBSCRIPTIONS_NOT_SUPPORTED", plain},
		"get":                        {"GET", get("{ product(id: 1) { id } }"), "", nil, 200, "", plain},
		"get, variables":             {"GET", get("query($i: ID!) { product(id: $i) { id } }") + "&variables=" + url.QueryEscape(`{"i":1}`), "", nil, 200, "", plain},
		"get, bad variables":         {"GET", get("{ __typename }") + "&variables=" + url.QueryEscape(`{"i":`), "", nil, 400, "BAD_REQUEST", plain},
		"get, no query":              {"GET", "/graphql", "", nil, 400, "QUERY_NEEDED", plain},
		"get, mutation":              {"GET", get(`mutation { rename(id: 1, name: "x") { id } }`), "", nil, 405, "METHOD_NOT_ALLOWED", plain},
		"get, from another site":     {"GET", get("{ __typename }"), "", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403, "CSRF_PREVENTED", plain},
		"get, from another origin":   {"GET", get("{ __typename }"), "", map[string]string{"Origin": "https://evil.example"}, 403, "CSRF_PREVENTED", plain},
		"get, asked before":          {"GET", get("{ __typename }"), "", map[string]string{"Sec-Fetch-Site": "cross-site", "GraphQL-Require-Preflight": "1"}, 200, "", plain},
		"get, from an origin let in": {"GET", get("{ __typename }"), "", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://shop.example"}, 200, "", plain},
		"get, from our own page":     {"GET", get("{ __typename }"), "", map[string]string{"Sec-Fetch-Site": "same-origin"}, 200, "", plain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(c.method, c.target, strings.NewReader(c.body))
			if c.method == http.MethodPost {
				r.Header.Set("Content-Type", plain)
			}
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			got := send(t, s, r)
			if got.status != c.status || got.header.Get("Content-Type") != c.contentType+"; charset=utf-8" {
				t.Errorf("status %d, type %s: %s", got.status, got.header.Get("Content-Type"), got.body(t))
			}
			switch {
			case c.code == "" && (len(got.Errors) > 0 || got.Data == nil):
				t.Error(got.body(t))
			case c.code != "" && (len(got.Errors) == 0 || !strings.Contains(string(got.Errors[0]), `"`+c.code+`"`)):
				t.Errorf("want %s: %s", c.code, got.body(t))
			case c.code != "" && got.Extensions.RequestID != got.header.Get("X-Request-Id"):
				t.Errorf("request id %q, header %q", got.Extensions.RequestID, got.header.Get("X-Request-Id"))
			}
			if c.status == http.StatusMethodNotAllowed && got.header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil, func(o *server.Options) { o.Config.CORS.Origins = []string{"https://shop.example"} })
	for origin, want := range map[string]string{"https://shop.example": "https://shop.example", "https://evil.example": ""} {
		r := httptest.NewRequest(http.MethodOptions, "/graphql", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		got := send(t, s, r)
		if got.status != http.StatusNoContent || got.header.Get("Access-Control-Allow-Origin") != want {
			t.Errorf("%s: %d %v", origin, got.status, got.header)
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{"products": says(`{"data":{"products":[]}}`)})
	for given, taken := range map[string]bool{"abcdefgh-123": true, "": false, "short": false, "has space in it": false, strings.Repeat("x", 65): false, "<script>alert(1)": false} {
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(`{"query":"{ products { id } }"}`))
		r.Header.Set("Content-Type", plain)
		r.Header.Set("X-Request-Id", given)
		r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		got := send(t, s, r)
		id := got.header.Get("X-Request-Id")
		if (id == given) != taken || len(id) < 8 {
			t.Errorf("%q: %q", given, id)
		}
		asked := s.asked("products")
		last := asked[len(asked)-1].header
		if last.Get("X-Request-Id") != id || last.Get("Traceparent") == "" {
			t.Errorf("the subgraph got %v", last)
		}
	}
}

type authenticator struct{}

type subject struct{}

func (authenticator) Authenticate(ctx context.Context, h http.Header, _ string) (context.Context, error) {
	if h.Get("Authorization") == "Bearer bad" {
		return ctx, errors.New("a bad token")
	}
	return context.WithValue(ctx, subject{}, h.Get("Authorization")), nil
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{"products": says(`{"data":{"products":[]}}`)}, func(o *server.Options) {
		o.Authenticator = authenticator{}
		o.Outgoing = func(ctx context.Context, h http.Header, subgraph string, body []byte) {
			who, _ := ctx.Value(subject{}).(string)
			h.Set("Identity", subgraph+":"+who+":"+string(body[:9]))
		}
	})
	for token, want := range map[string]int{"Bearer good": 200, "Bearer bad": 401, "": 200} {
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(`{"query":"{ products { id } }"}`))
		r.Header.Set("Content-Type", plain)
		r.Header.Set("Authorization", token)
		got := send(t, s, r)
		if got.status != want {
			t.Errorf("%q: %d %s", token, got.status, got.body(t))
		}
		if asked := s.asked("products"); want == 200 && asked[len(asked)-1].header.Get("Identity") != "products:"+token+`:{"query":` {
			t.Errorf("identity %q", asked[len(asked)-1].header.Get("Identity"))
		}
	}
}

func TestOverload(t *testing.T) {
	t.Parallel()
	inside, release := make(chan struct{}), make(chan struct{})
	s := newShop(t, map[string]script{"products": func(asking) (int, string) {
		close(inside)
		<-release
		return 200, `{"data":{"products":[]}}`
	}}, func(o *server.Options) { o.Config.Limits.ConcurrentRequests = 1 })
	done := make(chan response)
	go func() { done <- ask(t, s, `{ products { id } }`, nil) }()
	<-inside
	got := ask(t, s, `{ __typename }`, nil)
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.body(t), "OVERLOADED") {
		t.Errorf("%d %s", got.status, got.body(t))
	}
	close(release)
	if got := <-done; got.status != 200 || len(got.Errors) > 0 {
		t.Error(got.body(t))
	}
	if got := ask(t, s, `{ __typename }`, nil); got.status != 200 {
		t.Error(got.body(t))
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{"products": says(`{"data":{"product":{"id":"1","label":"x","name":"n"}}}`)})
	if got := ask(t, s, `{ product(id: 1) { label } }`, nil); len(got.Errors) == 0 {
		t.Fatal("the old schema has no label")
	}
	sdl, err := os.ReadFile("testdata/shop.graphql")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reload("type Query {"); err == nil {
		t.Error("a broken supergraph was taken")
	}
	health := send(t, s, httptest.NewRequest(http.MethodGet, "/health", nil))
	if health.status != 200 {
		t.Errorf("health %d after a supergraph was refused", health.status)
	}
	if got := ask(t, s, `{ product(id: 1) { name } }`, nil); len(got.Errors) > 0 {
		t.Error(got.body(t))
	}
	if err := s.Reload(strings.Replace(string(sdl), "  name: String! @join__field(graph: PRODUCTS)", "  name: String! @join__field(graph: PRODUCTS)\n  label: String @join__field(graph: PRODUCTS)", 1)); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s, `{ product(id: 1) { label } }`, nil); got.body(t) != `{"product":{"label":"x"}} null` {
		t.Error(got.body(t))
	}
}

func TestOperatorsPages(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{"products": says(`{"data":{"products":[]}}`)})
	ask(t, s, `{ products { id } }`, nil)
	for path, want := range map[string]string{
		"/health": `"status":"ok"`, "/ready": `"subgraphs":["people","products","reviews","stock"]`,
		"/metrics": `lethe_router_requests_total{status="200"} 1`,
	} {
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		if rec.Code != 200 || !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%s: %d, no %s", path, rec.Code, want)
		}
	}
}

func TestQueryPlan(t *testing.T) {
	t.Parallel()
	scripts := map[string]script{"products": says(`{"data":{"products":[]}}`)}
	for on, want := range map[bool]string{true: "fetch 0 from products", false: ""} {
		s := newShop(t, scripts, func(o *server.Options) { o.Config.QueryPlans = on })
		if got := ask(t, s, `{ products { id } }`, nil); !strings.Contains(got.Extensions.QueryPlan.Text, want) || !on && got.Extensions.QueryPlan.Text != "" {
			t.Errorf("%v: %q", on, got.Extensions.QueryPlan.Text)
		}
	}
}
