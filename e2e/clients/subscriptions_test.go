package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/server"
)

// told is what a client is told of a subscription.
type told struct {
	Of       int
	Data     json.RawMessage
	Errors   []struct{ Message, Code string }
	Complete bool
}

// followed is a shop whose products tell of new names over server-sent events.
type followed struct {
	url, release string
	gone         chan struct{} // closed when the router is, from the subscription that a client leaves
	left         sync.Once     // closes gone: several may follow, and all of them leave
}

const renamedField = "type Query {"

// newFollowed starts a router over a shop that tells of renamed products: of p1 one name, and two more when it is released;
// of p2 a name, before it is lost; of p3 a name, until nobody listens any more.
func newFollowed(t *testing.T) *followed {
	t.Helper()
	out := &followed{gone: make(chan struct{})}
	gate := make(chan struct{})
	subgraphs := shop()
	products := subgraphs[0]
	products.sdl = strings.Replace(products.sdl, renamedField, "type Subscription { renamed(id: ID!): Product } "+renamedField, 1)
	products.resolvers["Subscription.renamed"] = func(_ context.Context, parent object, args map[string]any) (any, error) {
		return object{"id": args["id"], "name": parent["name"]}, nil
	}
	products.wrap = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept") == "text/event-stream" {
				out.tell(w, r, products, gate)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	router := newRouter(t, subgraphs, func(o *server.Options) { o.Config.Subscriptions.Heartbeat = "20ms" })
	t.Cleanup(router.Close)
	// The schema changes while clients follow: the products get a field, and what the subscriptions ask stays.
	products.sdl = strings.Replace(products.sdl, "name: String! }", "name: String! label: String }", 1)
	var inputs []compose.Subgraph
	for _, g := range subgraphs {
		inputs = append(inputs, compose.Subgraph{Name: g.name, URL: g.url, SDL: g.sdl})
	}
	composed, errs := compose.Compose(inputs)
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	once := sync.OnceFunc(func() {
		if err := router.Reload(composed.SDL); err != nil {
			t.Error(err)
		}
		close(gate)
	})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { once() }))
	t.Cleanup(s.Close)
	out.url, out.release = router.URL, s.URL
	return out
}

func (f *followed) tell(w http.ResponseWriter, r *http.Request, g *subgraph, gate <-chan struct{}) {
	var q question
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &q) != nil {
		http.Error(w, "no GraphQL request", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	event := func(name string) {
		text, err := json.Marshal(g.answer(r.Context(), q, object{"name": name}))
		if err != nil {
			panic(err)
		}
		_, _ = fmt.Fprintf(w, "event: next\ndata: %s\n\n", text)
		w.(http.Flusher).Flush()
	}
	event("A")
	switch {
	case strings.Contains(q.Query, `"p1"`) || q.Variables["id"] == "p1":
		select {
		case <-gate:
		case <-r.Context().Done():
			return
		}
		event("B")
		event("C")
		_, _ = io.WriteString(w, "event: complete\ndata:\n\n")
	case strings.Contains(q.Query, `"p2"`):
		panic(http.ErrAbortHandler)
	default:
		<-r.Context().Done()
		f.left.Do(func() { close(f.gone) })
	}
}

// TestSubscriptionsInClients holds that clients are told each event with what another subgraph adds, over a reload of the
// schema, that they learn of errors, and that leaving reaches the subgraph.
func TestSubscriptionsInClients(t *testing.T) {
	t.Parallel()
	for _, client := range []string{"graphql-ws", "graphql-sse", "apollo-multipart", "apollo-ws", "urql-sse", "urql-ws", "playground"} {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			f := newFollowed(t)
			operation := func(id string) string {
				return `subscription Renamed { renamed(id: "` + id + `") { id name stock } }`
			}
			lines := runNode[told](t, "subscriptions.mjs", client, f.url, f.release,
				operation("p1"), `subscription Broken { renamed { nothing } }`, operation("p2"), operation("p3"))
			byOperation := make([][]told, 4)
			for _, l := range lines {
				byOperation[l.Of] = append(byOperation[l.Of], l)
			}
			product := func(id, name string) string {
				return `{"renamed":{"id":"` + id + `","name":"` + name + `","stock":7}}`
			}
			followedAll := byOperation[0]
			if len(followedAll) != 4 || !followedAll[3].Complete {
				t.Fatalf("%+v", lines)
			}
			for i, name := range []string{"A", "B", "C"} {
				event(t, followedAll[i].Data, product("p1", name))
			}
			if got := byOperation[1]; len(got) == 0 || len(got[0].Errors) == 0 || got[0].Errors[0].Code != "GRAPHQL_VALIDATION_FAILED" {
				t.Errorf("an invalid subscription: %+v", got)
			}
			if got := byOperation[2]; len(got) != 2 || len(got[1].Errors) != 1 || got[1].Errors[0].Code != "SUBGRAPH_UNAVAILABLE" {
				t.Errorf("a subscription that lost its subgraph: %+v", got)
			} else {
				event(t, got[0].Data, product("p2", "A"))
			}
			if got := byOperation[3]; len(got) != 1 {
				t.Errorf("a subscription that the client left: %+v", got)
			}
			<-f.gone
		})
	}
}

// TestSubscriptionsInRelay holds the same of Relay, with a variable.
func TestSubscriptionsInRelay(t *testing.T) {
	t.Parallel()
	f := newFollowed(t)
	lines := runNode[told](t, "relay-subscription.mjs", t.TempDir(), f.url, f.release)
	if len(lines) != 4 || !lines[3].Complete {
		t.Fatalf("%+v", lines)
	}
	for i, name := range []string{"A", "B", "C"} {
		event(t, lines[i].Data, `{"renamed":{"id":"p1","name":"`+name+`","stock":7}}`)
	}
}

// event compares what a client shows of an event, without the __typename that some add.
func event(t *testing.T, got json.RawMessage, want string) {
	t.Helper()
	if text := strings.ReplaceAll(string(got), `,"__typename":"Product"`, ""); text != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
