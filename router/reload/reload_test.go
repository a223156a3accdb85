package reload_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lethe/lethe/router/reload"
	"github.com/lethe/lethe/router/server"
)

// told is a log whose messages of reloads can be awaited.
type told struct {
	slog.Handler
	messages chan slog.Record
}

func (h told) Enabled(context.Context, slog.Level) bool { return true }

func (h told) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "a new ") || strings.HasPrefix(r.Message, "the new ") {
		h.messages <- r
	}
	return nil
}

// rig is a router on a socket that follows files.
type rig struct {
	t        *testing.T
	dir      string
	releases int
	url      string
	again    chan os.Signal
	log      told
	sockets  atomic.Int64 // that clients opened
}

const thing = `
extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable"])
type Thing @key(fields: "id") { id: ID! %s }
`

// schema writes the schemas of subgraphs a and b: the n-th moves the field name from the one to the other and back.
func (r *rig) schema(n int) {
	a, b := "name: String!", fmt.Sprintf("extra%d: Int", n)
	if n%2 == 1 {
		a, b = b, a
	}
	r.release(fmt.Sprintf("type Query { thing: Thing! }"+thing, a), fmt.Sprintf(thing, b))
}

// release puts new schemas in place at once: the link to their directory is renamed over.
func (r *rig) release(a, b string) {
	r.t.Helper()
	r.releases++
	name := fmt.Sprintf("release%d", r.releases)
	next := filepath.Join(r.dir, "next")
	if err := errors.Join(os.Mkdir(filepath.Join(r.dir, name), 0o700), os.Symlink(name, next)); err != nil {
		r.t.Fatal(err)
	}
	r.replace(filepath.Join(name, "a.graphql"), a)
	r.replace(filepath.Join(name, "b.graphql"), b)
	if err := os.Rename(next, filepath.Join(r.dir, "current")); err != nil {
		r.t.Fatal(err)
	}
}

// replace writes a file beside and renames it over the old one.
func (r *rig) replace(name, text string) {
	r.t.Helper()
	file := filepath.Join(r.dir, name)
	if err := os.WriteFile(file+".tmp", []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(file+".tmp", file); err != nil {
		r.t.Fatal(err)
	}
}

// answer is both subgraphs: it answers with what is asked for.
func answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	object := `{"__typename":"Thing","id":"1"}`
	if bytes.Contains(body, []byte("name")) {
		object = `{"__typename":"Thing","id":"1","name":"n"}`
	}
	data := `{"thing":` + object + `}`
	if bytes.Contains(body, []byte("_entities")) {
		data = `{"_entities":[` + object + `]}`
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"data":`+data+`}`)
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), again: make(chan os.Signal), log: told{slog.DiscardHandler, make(chan slog.Record, 100)}}
	subgraphs := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(subgraphs.Close)
	r.schema(0)
	r.replace("config.yaml", "")
	o := reload.Options{Config: filepath.Join(r.dir, "config.yaml"), Again: r.again, Quiet: 2 * time.Millisecond, Log: slog.New(r.log)}
	for _, name := range []string{"a", "b"} {
		g, err := reload.ParseSubgraph(name + "=" + filepath.Join(r.dir, "current", name+".graphql") + "@" + subgraphs.URL + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		o.Schema.Subgraphs = append(o.Schema.Subgraphs, g)
	}
	watcher := reload.New(o)
	sdl, err := o.Schema.Read()
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Options{Supergraph: sdl, Log: o.Log})
	if err != nil {
		t.Fatal(err)
	}
	face := httptest.NewUnstartedServer(s)
	face.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			r.sockets.Add(1)
		}
	}
	face.Start()
	r.url = face.URL
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- watcher.Run(ctx, s) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		face.Close()
		s.Close()
	})
	return r
}

// await waits for the log to say something of a reload.
func (r *rig) await(want string) string {
	r.t.Helper()
	select {
	case got := <-r.log.messages:
		if got.Message != want {
			r.t.Fatalf("logged %q, want %q", got.Message, want)
		}
		reason := ""
		got.Attrs(func(a slog.Attr) bool {
			if a.Key == "reason" {
				reason = a.Value.String()
			}
			return true
		})
		return reason
	case <-time.After(30 * time.Second):
		r.t.Fatalf("nothing is logged, want %q", want)
		return ""
	}
}

const (
	schemaTaken   = "a new schema is served"
	schemaRefused = "the new schema is refused, the one before stays in use"
	configTaken   = "a new configuration is in force"
	configRefused = "the new configuration is refused, the one before stays in force"
)

func ask(client *http.Client, url, query string) (string, error) {
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		return "", err
	}
	resp, err := client.Post(url+"/graphql", "application/json", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(resp.Body)
	return string(text), errors.Join(err, resp.Body.Close())
}

func (r *rig) get(path string) string {
	r.t.Helper()
	resp, err := http.Get(r.url + path)
	if err != nil {
		r.t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatal(resp.Status, err)
	}
	return string(text)
}

const want = `{"data":{"thing":{"id":"1","name":"n"}}}`

// TestNoRequestFails changes the schema many times under steady load: every answer is right, and each client keeps the one
// socket that it began with.
func TestNoRequestFails(t *testing.T) {
	t.Parallel()
	const clients, reloads = 8, 50
	r := newRig(t)
	var asked atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range clients {
		client := &http.Client{Transport: &http.Transport{}}
		wg.Go(func() {
			defer client.CloseIdleConnections()
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				query := "{ thing { id name } }"
				if n%10 == 0 { // one that is new to the router
					query = fmt.Sprintf("query Q%d_%d { thing { id name } }", i, n)
				}
				got, err := ask(client, r.url, query)
				if err != nil || got != want {
					t.Errorf("%s: %s %v", query, got, err)
					return
				}
				asked.Add(1)
			}
		})
	}
	for n := range reloads {
		r.schema(n + 1)
		r.await(schemaTaken)
	}
	close(stop)
	wg.Wait()
	if n := r.sockets.Load(); n != clients {
		t.Errorf("%d clients opened %d sockets", clients, n)
	}
	if asked.Load() < reloads {
		t.Errorf("only %d requests were asked in %d reloads", asked.Load(), reloads)
	}
	got, err := ask(http.DefaultClient, r.url, fmt.Sprintf("{ thing { extra%d } }", reloads))
	if err != nil || strings.Contains(got, "GRAPHQL_VALIDATION_FAILED") {
		t.Errorf("the last schema is not served: %s %v", got, err)
	}
}

// TestBroken checks that what is broken is refused, in words that tell where, and shown until it is mended.
func TestBroken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"syntax":      {"type Query { thing: Thing!", "a"},
		"composition": {"type Query { thing: Thing! } type Thing { id: Int! }", "Thing.id"},
		"empty":       {"", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.replace("current/a.graphql", c.text)
			reason := r.await(schemaRefused)
			if !strings.Contains(reason, c.want) {
				t.Errorf("the reason %q does not tell of %q", reason, c.want)
			}
			var health struct{ Status, RefusedSchema string }
			if err := json.Unmarshal([]byte(r.get("/health")), &health); err != nil || health.Status != "ok" || health.RefusedSchema != reason {
				t.Errorf("health %+v %v, want the reason %q", health, err, reason)
			}
			if m := r.get("/metrics"); !strings.Contains(m, `lethe_router_reload_refused{what="schema"} 1`) ||
				!strings.Contains(m, `lethe_router_reloads_total{outcome="refused",what="schema"} 1`) {
				t.Error("the metrics do not show the refusal")
			}
			if got, err := ask(http.DefaultClient, r.url, "{ thing { id name } }"); err != nil || got != want {
				t.Errorf("the old schema does not serve: %s %v", got, err)
			}
			r.replace("current/a.graphql", "") // another broken one, or the same, which is told once
			if c.text != "" {
				r.await(schemaRefused)
			}
			r.schema(0)
			r.await(schemaTaken)
			if h := r.get("/health"); strings.Contains(h, "refused") {
				t.Errorf("health still tells of the refusal: %s", h)
			}
		})
	}
}

// TestConfiguration checks that limits change while the router runs.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const query = "{ thing { id name } }"
	r.replace("config.yaml", "limits: {depth: 1}")
	r.await(configTaken)
	if got, err := ask(http.DefaultClient, r.url, query); err != nil || !strings.Contains(got, "MAX_DEPTH_EXCEEDED") {
		t.Errorf("%s %v", got, err)
	}
	r.replace("config.yaml", "limits: {depht: 9}")
	if reason := r.await(configRefused); !strings.Contains(reason, "depht") {
		t.Errorf("the reason %q does not name the key", reason)
	}
	if h := r.get("/health"); !strings.Contains(h, `"refusedConfig"`) || !strings.Contains(h, "depht") {
		t.Errorf("health does not tell: %s", h)
	}
	r.replace("config.yaml", "limits: {depth: 9}")
	r.await(configTaken)
	if got, err := ask(http.DefaultClient, r.url, query); err != nil || got != want {
		t.Errorf("%s %v", got, err)
	}
	if h := r.get("/health"); strings.Contains(h, "refused") {
		t.Errorf("health still tells of the refusal: %s", h)
	}
}

// TestManifest checks that the trusted documents that the configuration names are followed too.
func TestManifest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	file := filepath.Join(r.dir, "manifest.json")
	known := func(id string) bool {
		resp, err := http.Post(r.url+"/graphql", "application/json", strings.NewReader(`{"documentId":"`+id+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		return string(text) == want
	}
	r.replace("manifest.json", `{"one":"{ thing { id name } }"}`)
	r.replace("config.yaml", "trustedDocuments: {files: ["+file+"]}")
	r.await(configTaken)
	if !known("one") || known("two") {
		t.Error("the manifest is not read")
	}
	r.replace("manifest.json", `{"two":"{ thing { id name } }"}`)
	r.await(configTaken)
	if known("one") || !known("two") {
		t.Error("the manifest is not followed")
	}
	r.replace("manifest.json", `{`)
	r.await(configRefused)
	if !known("two") {
		t.Error("the manifest before is not kept")
	}
}

// TestSignal checks that SIGHUP has everything taken anew.
func TestSignal(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.again <- syscall.SIGHUP
	r.await(configTaken)
	r.await(schemaTaken)
}

func TestParseSubgraph(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]reload.Subgraph{
		"a=f.graphql":                       {Name: "a", File: "f.graphql"},
		"a=dir@2/f.graphql@http://h:1/q?x=": {Name: "a", File: "dir@2/f.graphql", URL: "http://h:1/q?x="},
		"a=f@https://h":                     {Name: "a", File: "f", URL: "https://h"},
		"a=":                                {},
		"=f":                                {},
		"a":                                 {},
	} {
		got, err := reload.ParseSubgraph(text)
		if got != want || (err == nil) != (want != reload.Subgraph{}) {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
	s := reload.Source{Subgraphs: []reload.Subgraph{{Name: "a", File: "x"}, {Name: "b", File: "y"}}}
	if !slices.Equal(s.Files(), []string{"x", "y"}) {
		t.Error(s.Files())
	}
}
