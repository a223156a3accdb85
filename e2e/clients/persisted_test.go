package clients

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/lethe/lethe/router/server"
)

type persistedAnswer struct {
	Data     json.RawMessage
	Error    string
	Requests []struct {
		Method string
		Query  bool
		Status int
	}
}

// took gives how a client asked: an H for each request that had the hash alone, a Q for each with the query.
func (a persistedAnswer) took() string {
	out := ""
	for _, r := range a.Requests {
		kind := "H"
		if r.Query {
			kind = "Q"
		}
		out += r.Method + kind + " "
	}
	return out
}

// TestAutomaticPersistedQueries drives Apollo Client's persisted query link: the first request misses and is sent again
// with the query, the second needs the hash alone.
func TestAutomaticPersistedQueries(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string][2]string{"register": {"POSTH POSTQ ", "POSTH "}, "registerGET": {"GETH POSTQ ", "GETH "}} {
		answers := runNode[persistedAnswer](t, "persisted.mjs", newRouter(t, shop()).URL, mode)
		if len(answers) != 3 {
			t.Fatalf("%s: %+v", mode, answers)
		}
		if string(answers[0].Data) != `{"product":{"name":"Table","stock":7,"__typename":"Product"}}` || answers[0].took() != want[0] {
			t.Errorf("%s: %s %s after %s", mode, answers[0].Data, answers[0].Error, answers[0].took())
		}
		if string(answers[1].Data) != `{"product":{"name":"Chair","stock":7,"__typename":"Product"}}` || answers[1].took() != want[1] {
			t.Errorf("%s: %s %s after %s", mode, answers[1].Data, answers[1].Error, answers[1].took())
		}
		if answers[2].Error == "" || answers[2].took() != want[0] {
			t.Errorf("%s: %s %s after %s", mode, answers[2].Data, answers[2].Error, answers[2].took())
		}
	}
}

// TestAutomaticPersistedQueriesOff holds that Apollo Client goes on with queries alone where the router keeps none.
func TestAutomaticPersistedQueriesOff(t *testing.T) {
	t.Parallel()
	off := false
	r := newRouter(t, shop(), func(o *server.Options) { o.Config.PersistedQueries.Enabled = &off })
	answers := runNode[persistedAnswer](t, "persisted.mjs", r.URL, "register")
	if len(answers) != 3 || answers[0].took() != "POSTH POSTQ " || answers[1].took() != "POSTQ " || answers[1].Error != "" {
		t.Errorf("%+v", answers)
	}
}

// TestTrustedDocuments asks for a document of a manifest in Apollo's form through Apollo Client, where nothing else is
// answered.
func TestTrustedDocuments(t *testing.T) {
	t.Parallel()
	const manifest = `{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"the-product","name":"Product","type":"query",
		"body":"query Product($id: ID!) { product(id: $id) { name stock __typename } }"}]}`
	r := newRouter(t, shop(), requireDocuments(t, manifest))
	for _, a := range runNode[persistedAnswer](t, "persisted.mjs", r.URL, "trusted", "the-product") {
		if a.Error != "" || a.took() != "POSTH " {
			t.Errorf("%s %s after %s", a.Data, a.Error, a.took())
		}
	}
	for _, a := range runNode[persistedAnswer](t, "persisted.mjs", r.URL, "trusted", "another") {
		if a.Error == "" || a.took() != "POSTH " {
			t.Errorf("%s %s after %s", a.Data, a.Error, a.took())
		}
	}
}

func requireDocuments(t *testing.T, manifest string) func(*server.Options) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "manifest.json")
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(o *server.Options) {
		o.Config.TrustedDocuments = server.TrustedDocuments{Files: []string{file}, Mode: "require"}
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// TestRelayDocuments compiles an operation with relay-compiler and has Relay ask for it, where nothing but what the
// compiler wrote is answered.
func TestRelayDocuments(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	runNode[struct{}](t, "relay-compile.mjs", folder)
	manifest, err := os.ReadFile(filepath.Join(folder, "persisted.json"))
	if err != nil {
		t.Fatal(err)
	}
	answers := runNode[struct{ Data json.RawMessage }](t, "relay.mjs", newRouter(t, shop(), requireDocuments(t, string(manifest))).URL, folder)
	if len(answers) != 1 || string(answers[0].Data) != `{"product":{"name":"Lamp","stock":7}}` {
		t.Errorf("%s from %s", answers, manifest)
	}
}
