package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
)

// TestCORSAtTheDoor asks in every way that a browser does for pages of several origins, before the router's own listener and
// before net/http: what is let in can read every answer, a refusal too, and what is not can read none.
func TestCORSAtTheDoor(t *testing.T) {
	t.Parallel()
	const origin = "https://a.shop.example"
	s, tell, plainURL := following(t, map[string]script{"people": says(`{"data":{}}`)}, func(o *server.Options) {
		o.Config.CORS.Origins = []string{"https://*.shop.example"}
		o.Config.CORS.ExposedHeaders = []string{"Server-Timing"}
		o.Config.CORS.Credentials = true
		o.Config.Limits.BodyBytes = 2000
		o.Config.Subscriptions.Streams = 1
		o.Authenticator = authenticator{}
	})
	front := httptest.NewUnstartedServer(s)
	front.Listener = s.Front(front.Listener)
	front.Start()
	t.Cleanup(front.Close)
	t.Cleanup(s.Close)
	listen(t, plainURL, `subscription { productChanged(id: 1) { name } }`) // the only one that may be
	tell.open()

	const stream = `{"query":"subscription { productChanged(id: 1) { name } }"}`
	preflight := map[string]string{"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "apollographql-client-name,content-type,sentry-trace"}
	for _, c := range []struct {
		name, method, path, body string
		header                   map[string]string
		status                   int
	}{
		{"an answer", "POST", "/graphql", `{"query":"{ __typename }"}`, nil, 200},
		{"an answer to GET", "GET", "/graphql?query=%7B__typename%7D", "", map[string]string{"Sec-Fetch-Site": "cross-site"}, 200},
		{"a batch", "POST", "/graphql", `[{"query":"{ __typename }"}]`, nil, 200},
		{"deferred", "POST", "/graphql", `{"query":"{ __typename }"}`, map[string]string{"Accept": "multipart/mixed;deferSpec=20220824, application/json"}, 200},
		{"as an event", "POST", "/graphql", `{"query":"{ __typename }"}`, map[string]string{"Accept": "text/event-stream"}, 200},
		{"no JSON", "POST", "/graphql", `{`, nil, 400},
		{"no operation", "POST", "/graphql", `{"query":"{ nothing }"}`, map[string]string{"Accept": newer}, 400},
		{"a bad token", "POST", "/graphql", `{"query":"{ __typename }"}`, map[string]string{"Authorization": "Bearer bad"}, 401},
		{"another site's form", "POST", "/graphql", "--B--\r\n", map[string]string{"Content-Type": "multipart/form-data; boundary=B"}, 403},
		{"elsewhere", "POST", "/", `{"query":"{ __typename }"}`, nil, 404},
		{"a mutation by GET", "GET", "/graphql?query=mutation%7Brename(id:1,name:%22x%22)%7Bid%7D%7D", "", nil, 405},
		{"another method", "DELETE", "/graphql", "", nil, 405},
		{"another answer", "POST", "/graphql", `{"query":"{ __typename }"}`, map[string]string{"Accept": "text/html"}, 406},
		{"too large", "POST", "/graphql", `{"query":"` + strings.Repeat(" ", 3000) + `"}`, nil, 413},
		{"no JSON by its type", "POST", "/graphql", `{"query":"{ __typename }"}`, map[string]string{"Content-Type": "text/plain"}, 415},
		{"too many streams", "POST", "/graphql", stream, map[string]string{"Accept": "text/event-stream"}, 503},
		{"too many streams, in parts", "POST", "/graphql", stream, map[string]string{"Accept": `multipart/mixed;subscriptionSpec="1.0", application/json`}, 503},
		{"a preflight", "OPTIONS", "/graphql", "", preflight, 204},
		{"a preflight elsewhere", "OPTIONS", "/", "", preflight, 204},
	} {
		for door, at := range map[string]string{"net/http": strings.TrimSuffix(plainURL, "/graphql"), "the front": front.URL} {
			for from, in := range map[string]bool{origin: true, "https://evil.example": false, "": false} {
				got := askFrom(t, c.method, at+c.path, c.body, from, c.header)
				name := c.name + " before " + door + " from " + from
				refused := c.method == http.MethodGet && from == "https://evil.example" || c.method == http.MethodGet && from == "" && c.header["Sec-Fetch-Site"] != ""
				if got.StatusCode != c.status && !(refused && got.StatusCode == http.StatusForbidden) {
					t.Errorf("%s: status %d, want %d", name, got.StatusCode, c.status)
				}
				h := got.Header
				let := h.Get("Access-Control-Allow-Origin") == origin && h.Get("Access-Control-Allow-Credentials") == "true"
				if let != in || !in && (h.Get("Access-Control-Allow-Origin") != "" || h.Get("Access-Control-Allow-Headers") != "") {
					t.Errorf("%s: %v", name, h)
				}
				if !strings.Contains(strings.Join(h.Values("Vary"), ","), "Origin") {
					t.Errorf("%s varies by %q", name, h.Values("Vary"))
				}
				if in && h.Get("Access-Control-Expose-Headers") != "X-Request-Id, Retry-After, Server-Timing" {
					t.Errorf("%s exposes %q", name, h.Get("Access-Control-Expose-Headers"))
				}
				if in && c.method == http.MethodOptions && h.Get("Access-Control-Allow-Headers") != "apollographql-client-name, content-type, sentry-trace" {
					t.Errorf("%s may send %q", name, h.Get("Access-Control-Allow-Headers"))
				}
			}
		}
	}
}

// askFrom asks as a page of an origin would, "" for what is no page.
func askFrom(t *testing.T, method, url, body, origin string, header map[string]string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", plain)
	}
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp
}

// TestCORSForAll holds that a router open to all says so alike to everybody, so that a cache may keep it for everybody.
func TestCORSForAll(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil, func(o *server.Options) { o.Config.CORS.Origins = []string{"*"} })
	at := serve(t, s)
	for _, origin := range []string{"", "https://any.example", "null"} {
		got := askFrom(t, "POST", at, `{"query":"{ __typename }"}`, origin, nil)
		if got.Header.Get("Access-Control-Allow-Origin") != "*" || strings.Contains(strings.Join(got.Header.Values("Vary"), ","), "Origin") {
			t.Errorf("%q: %v", origin, got.Header)
		}
	}
}

// TestPreflightsAreFree asks before a router that refuses everything else, since too much is under way.
func TestPreflightsAreFree(t *testing.T) {
	t.Parallel()
	inside, release := make(chan struct{}), make(chan struct{})
	s := newShop(t, map[string]script{"products": func(asking) (int, string) {
		close(inside)
		<-release
		return 200, `{"data":{"products":[]}}`
	}}, func(o *server.Options) {
		o.Config.Limits.ConcurrentRequests = 1
		o.Config.CORS.Origins = []string{"https://shop.example"}
	})
	at := serve(t, s)
	done := make(chan *http.Response)
	go func() {
		done <- askFrom(t, "POST", at, `{"query":"{ products { id } }"}`, "https://shop.example", nil)
	}()
	<-inside
	if got := askFrom(t, "OPTIONS", at, "", "https://shop.example", map[string]string{"Access-Control-Request-Method": "POST"}); got.StatusCode != 204 || got.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("a preflight: %d %v", got.StatusCode, got.Header)
	}
	if got := askFrom(t, "POST", at, `{"query":"{ __typename }"}`, "https://shop.example", nil); got.StatusCode != 503 || got.Header.Get("Access-Control-Allow-Origin") == "" || !strings.Contains(got.Header.Get("Access-Control-Expose-Headers"), "Retry-After") {
		t.Errorf("a request beyond the limit: %d %v", got.StatusCode, got.Header)
	}
	close(release)
	if got := <-done; got.StatusCode != 200 {
		t.Error(got.Status)
	}
}

// TestWebSocketOrigins opens sockets as pages do, also behind proxies that put their own Host in the handshake.
func TestWebSocketOrigins(t *testing.T) {
	t.Parallel()
	_, _, at := following(t, nil, func(o *server.Options) {
		o.Config.CORS.Origins = []string{"https://*.shop.example", "http://localhost:*"}
	})
	for name, c := range map[string]struct {
		header http.Header
		let    bool
	}{
		"no browser":                      {http.Header{}, true},
		"an origin of the list":           {http.Header{"Origin": {"https://a.shop.example"}}, true},
		"a development proxy":             {http.Header{"Origin": {"http://localhost:5173"}}, true},
		"another origin":                  {http.Header{"Origin": {"https://evil.example"}}, false},
		"a file or sandboxed frame":       {http.Header{"Origin": {"null"}}, false},
		"an origin that only looks so":    {http.Header{"Origin": {"https://a.shop.example.evil.example"}}, false},
		"two origins":                     {http.Header{"Origin": {"https://a.shop.example", "https://evil.example"}}, false},
		"its own page behind a proxy":     {http.Header{"Origin": {"https://www.example"}, "Sec-Fetch-Site": {"same-origin"}}, true},
		"a sibling's page":                {http.Header{"Origin": {"https://other.www.example"}, "Sec-Fetch-Site": {"same-site"}}, false},
		"a proxy that says for whom":      {http.Header{"Origin": {"https://www.example"}, "X-Forwarded-Host": {"www.example:443"}}, true},
		"another's page through a proxy":  {http.Header{"Origin": {"https://evil.example"}, "X-Forwarded-Host": {"www.example"}}, false},
		"another's page, which says so":   {http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}, "X-Forwarded-Host": {"www.example"}}, false},
		"an origin that is no URL at all": {http.Header{"Origin": {"evil"}}, false},
	} {
		_, resp, err := dial(t, at, c.header, "graphql-transport-ws")
		if (err == nil) != c.let || !c.let && resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPlaygroundCanBeOff switches it off while the router runs, and on again.
func TestPlaygroundCanBeOff(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil, func(o *server.Options) {
		o.Playground = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the page") })
	})
	for _, on := range []bool{true, false, true} {
		if err := s.Configure(server.Config{Playground: &on}); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/", "/playground/x.js"} {
			rec := httptest.NewRecorder()
			s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
			if (rec.Code == 200) != on || on != (rec.Body.String() == "the page") || !on && !strings.Contains(rec.Body.String(), "/graphql") {
				t.Errorf("on is %v: %s is answered %d %s", on, path, rec.Code, rec.Body)
			}
		}
	}
}
