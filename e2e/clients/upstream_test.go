package clients

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
)

// TestSubgraphsOfLibraries follows subscriptions at a subgraph that npm's graphql-ws and graphql-sse serve.
func TestSubgraphsOfLibraries(t *testing.T) {
	t.Parallel()
	type line struct {
		Protocol, Field string
		Data            json.RawMessage
		Errors          []struct{ Message string }
		Complete        bool
		Failed          string
		Seen            []string
	}
	subgraphs := shop()
	subgraphs[0].sdl = strings.Replace(subgraphs[0].sdl, "type Query {", "type Subscription { renamed(id: ID!): Product fails(id: ID!): Product } type Query {", 1)
	callback := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := "http://127.0.0.1:" + r.FormValue("port") + "/"
		routers := map[string]string{}
		for _, protocol := range []string{"sse", "ws"} {
			routers[protocol] = newRouter(t, subgraphs, func(o *server.Options) {
				o.Config.Subgraphs.Subscriptions = map[string]server.SubgraphSubscriptions{"products": {Protocol: protocol, URL: at}}
			}).URL
		}
		if err := json.NewEncoder(w).Encode(routers); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(callback.Close)
	lines := runNode[line](t, "follow-upstream.mjs", callback.URL)
	for _, protocol := range []string{"sse", "ws"} {
		var events []string
		complete, failed := false, ""
		for _, l := range lines {
			switch {
			case l.Protocol != protocol || l.Seen != nil:
			case l.Failed != "":
				t.Errorf("%s: %s", protocol, l.Failed)
			case l.Field == "fails" && len(l.Errors) > 0:
				failed = l.Errors[0].Message
			case l.Field == "renamed" && l.Complete:
				complete = true
			case l.Field == "renamed":
				events = append(events, string(l.Data))
			}
		}
		want := []string{
			`{"renamed":{"id":"p1","name":"A","stock":7}}`, `{"renamed":{"id":"p1","name":"B","stock":7}}`, `{"renamed":{"id":"p1","name":"C","stock":7}}`,
		}
		if !slices.Equal(events, want) || !complete || failed != "nobody tells of this" {
			t.Errorf("%s: events %s, complete %v, failure %q", protocol, events, complete, failed)
		}
	}
	if last := lines[len(lines)-1]; !slices.Contains(last.Seen, "X-Request-Id") {
		t.Errorf("connection_init carried %v", last.Seen)
	}
}
