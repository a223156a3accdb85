package server_test

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
)

const (
	acceptDefer       = `multipart/mixed;deferSpec=20220824, application/graphql-response+json, application/json;q=0.9`
	acceptIncremental = `multipart/mixed;incrementalSpec=v0.2, application/graphql-response+json, application/json;q=0.9`
)

// asks sends an operation to a router that is served over HTTP, and gives the response with its body unread.
func asks(ctx context.Context, t *testing.T, url, accept, query, variables string) *http.Response {
	t.Helper()
	body, err := json.Marshal(struct {
		Query     string          `json:"query"`
		Variables json.RawMessage `json:"variables"`
	}{query, json.RawMessage(variables)})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// partsOf reads the parts of a response as they come.
func partsOf(t *testing.T, resp *http.Response) *multipart.Reader {
	t.Helper()
	media, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || media != "multipart/mixed" || params["boundary"] != "-" {
		t.Fatalf("%d %q", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	return multipart.NewReader(resp.Body, params["boundary"])
}

func nextPart(t *testing.T, r *multipart.Reader) string {
	t.Helper()
	p, err := r.NextPart()
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("a part of type %q", got)
	}
	b, err := io.ReadAll(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// slowStock is a shop whose stock is held back until the gate is closed or the request for it ends. When it is asked, and
// when the request ends, is told.
func slowStock(t *testing.T, gate, asked, gone chan struct{}) string {
	t.Helper()
	s := newShop(t, map[string]script{"products": products(`,"name":"x"`)}, func(o *server.Options) {
		o.URLs["stock"] = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var a asking
			if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
				t.Error(err)
			}
			close(asked)
			select {
			case <-gate:
			case <-r.Context().Done():
				close(gone)
				return
			}
			_, text := entities(func(id string) string { return `{"stock":` + id[1:] + `}` })(a)
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, text)
		}))
	})
	return serve(t, s)
}

// TestDeferredPartsAreSentAsTheyCome holds a subgraph back until the client has read the initial answer.
func TestDeferredPartsAreSentAsTheyCome(t *testing.T) {
	t.Parallel()
	const query = `{ products { id ...@defer(label: "stock") { stock } } }`
	for _, test := range []struct{ accept, contentType, first, second string }{
		{
			acceptDefer, `multipart/mixed;boundary="-";deferSpec=20220824`,
			`{"data":{"products":[{"id":"p1"},{"id":"p2"},{"id":"p1"}]},"hasNext":true}`,
			`{"incremental":[{"data":{"stock":1},"path":["products",0],"label":"stock"},{"data":{"stock":2},"path":["products",1],"label":"stock"},{"data":{"stock":1},"path":["products",2],"label":"stock"}],"hasNext":false}`,
		},
		{
			acceptIncremental, `multipart/mixed;boundary="-";incrementalSpec=v0.2`,
			`{"data":{"products":[{"id":"p1"},{"id":"p2"},{"id":"p1"}]},"pending":[{"id":"0","path":["products",0],"label":"stock"},{"id":"1","path":["products",1],"label":"stock"},{"id":"2","path":["products",2],"label":"stock"}],"hasNext":true}`,
			`{"incremental":[{"data":{"stock":1},"id":"0"},{"data":{"stock":2},"id":"1"},{"data":{"stock":1},"id":"2"}],"completed":[{"id":"0"},{"id":"1"},{"id":"2"}],"hasNext":false}`,
		},
	} {
		gate := make(chan struct{})
		resp := asks(context.Background(), t, slowStock(t, gate, make(chan struct{}), make(chan struct{})), test.accept, query, "{}")
		if got := resp.Header.Get("Content-Type"); got != test.contentType || resp.StatusCode != http.StatusOK {
			t.Errorf("%d %q", resp.StatusCode, got)
		}
		parts := partsOf(t, resp)
		if got := nextPart(t, parts); got != test.first {
			t.Errorf("got  %s\nwant %s", got, test.first)
		}
		close(gate)
		if got := nextPart(t, parts); got != test.second {
			t.Errorf("got  %s\nwant %s", got, test.second)
		}
		if _, err := parts.NextPart(); err != io.EOF {
			t.Errorf("after the last part: %v", err)
		}
	}
}

// TestClientThatWentAwayEndsDeferredParts holds that the requests to subgraphs end with the client's.
func TestClientThatWentAwayEndsDeferredParts(t *testing.T) {
	t.Parallel()
	asked, gone := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	resp := asks(ctx, t, slowStock(t, make(chan struct{}), asked, gone), acceptDefer, `{ products { id ...@defer { stock } } }`, "{}")
	nextPart(t, partsOf(t, resp))
	<-asked
	cancel()
	<-gone
}

// TestWhoTakesNoPartsGetsTheWhole holds that @defer changes nothing for a client that does not ask for parts, and that an
// operation without anything deferred is answered as any other even where parts are taken.
func TestWhoTakesNoPartsGetsTheWhole(t *testing.T) {
	t.Parallel()
	stock := entities(func(id string) string { return `{"stock":` + id[1:] + `}` })
	url := serve(t, newShop(t, map[string]script{"products": products(`,"name":"x"`), "stock": stock}))
	none := serve(t, newShop(t, map[string]script{"products": says(`{"data":{"products":[]}}`), "stock": stock}))
	const whole = `{"data":{"products":[{"id":"p1","stock":1},{"id":"p2","stock":2},{"id":"p1","stock":1}]}}`
	const deferred, conditional = `{ products { id ...@defer { stock } } }`, `query ($x: Boolean) { products { id ...@defer(if: $x) { stock } } }`
	for _, test := range []struct{ name, url, accept, query, variables, contentType, want string }{
		{"no Accept", url, "", deferred, "{}", "application/json", whole},
		{"JSON alone", url, "application/graphql-response+json", deferred, "{}", "application/graphql-response+json", whole},
		{"event streams", url, "text/event-stream, application/json", deferred, "{}", "application/json", whole},
		{"another form of parts", url, "multipart/mixed;deferSpec=1, application/json", deferred, "{}", "application/json", whole},
		{"parts of a subscription", url, "multipart/mixed;subscriptionSpec=1.0, application/json", deferred, "{}", "application/json", whole},
		{"parts are refused", url, "multipart/mixed;q=0, application/json", deferred, "{}", "application/json", whole},
		{"nothing deferred", url, acceptDefer, `{ products { id stock } }`, "{}", "application/graphql-response+json", whole},
		{"never", url, acceptDefer, `{ products { id ...@defer(if: false) { stock } } }`, "{}", "application/graphql-response+json", whole},
		{"switched off", url, acceptDefer, conditional, `{"x":false}`, "application/graphql-response+json", whole},
		{"nothing but parts is taken", url, "multipart/mixed", `{ products { id stock } }`, "{}", "application/json", whole},
		{"no object to defer for", none, acceptDefer, deferred, "{}", "application/graphql-response+json", `{"data":{"products":[]}}`},
	} {
		resp := asks(context.Background(), t, test.url, test.accept, test.query, test.variables)
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); media != test.contentType || string(b) != test.want {
			t.Errorf("%s: %s %s", test.name, media, b)
		}
	}
	for _, variables := range []string{`{"x":true}`, `{}`, `{"x":null}`} {
		parts := partsOf(t, asks(context.Background(), t, url, "multipart/mixed", conditional, variables))
		if got := nextPart(t, parts); !strings.Contains(got, `"hasNext":true`) {
			t.Errorf("with %s: %s", variables, got)
		}
		nextPart(t, parts)
	}
}

func TestDeferIsRefused(t *testing.T) {
	t.Parallel()
	url := serve(t, newShop(t, nil))
	for _, query := range []string{
		`{ products { ...@defer(label: "a") { id } ...@defer(label: "a") { name } } }`,
		`query ($l: String) { products { ...@defer(label: $l) { id } } }`,
	} {
		resp := asks(context.Background(), t, url, acceptDefer, query, "{}")
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(b), `"code":"DEFER_NOT_ALLOWED"`) || !strings.Contains(string(b), `"line":1`) {
			t.Errorf("%s: %d %s", query, resp.StatusCode, b)
		}
	}
}

// TestWhatMayNotBeSeenIsDeniedInItsPart holds that an error of a deferred field stands with the part that has it.
func TestWhatMayNotBeSeenIsDeniedInItsPart(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{
		"users": func(a asking) (int, string) {
			if len(a.Variables.Representations) > 0 {
				return entities(func(string) string { return `{"name":"Ada"}` })(a)
			}
			return http.StatusOK, `{"data":{"me":{"id":"1"}}}`
		},
	}, func(o *server.Options) {
		o.Supergraph = composed(t, map[string]string{"users": federation + `
			type Query { me: User } type User @key(fields: "id") { id: ID! name: String mail: String @authenticated }`})
		o.Authenticator = granting{}
	})
	parts := partsOf(t, asks(context.Background(), t, serve(t, s), acceptDefer, `{ me { id ...@defer { name mail } } }`, "{}"))
	if got := nextPart(t, parts); got != `{"data":{"me":{"id":"1"}},"hasNext":true}` {
		t.Errorf("got %s", got)
	}
	got := nextPart(t, parts)
	if !strings.Contains(got, `{"data":{"name":"Ada","mail":null},"path":["me"],"errors":[`) || !strings.Contains(got, `"path":["me","mail"],"extensions":{"code":"UNAUTHORIZED_FIELD_OR_TYPE"}`) {
		t.Errorf("got %s", got)
	}
}

// TestBatchIsAnsweredWhole holds that in a list of operations @defer changes nothing, whatever the client accepts.
func TestBatchIsAnsweredWhole(t *testing.T) {
	t.Parallel()
	url := serve(t, newShop(t, map[string]script{"products": products(""), "stock": entities(func(string) string { return `{"stock":1}` })}))
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, strings.NewReader(`[{"query":"{ products { id ...@defer { stock } } }"}]`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", acceptDefer)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if want := `[{"data":{"products":[{"id":"p1","stock":1},{"id":"p2","stock":1},{"id":"p1","stock":1}]}}]`; err != nil || string(b) != want {
		t.Errorf("%v %s", err, b)
	}
}
