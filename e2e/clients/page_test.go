package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/lethe/lethe/router/server"
)

// needChromium gives the path of Chromium. Where there is none the test is left out, except in CI, where it fails.
func needChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("Chromium is not installed: apt-get install chromium")
	}
	t.Skip("Chromium is not installed")
	return ""
}

// page bundles a script of this folder for browsers, and gives the address of a page with it, on a port of its own.
func page(t *testing.T, script string) string {
	t.Helper()
	needNode(t)
	bundle := filepath.Join(t.TempDir(), "bundle.js")
	if out, err := exec.CommandContext(t.Context(), "node_modules/.bin/esbuild", script, "--bundle", "--format=iife", "--log-level=error", "--outfile="+bundle).CombinedOutput(); err != nil {
		t.Fatalf("bundle %s: %v\n%s", script, err, out)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bundle.js":
			http.ServeFile(w, r, bundle)
		case "/":
			w.Header().Set("Content-Type", "text/html")
			_, _ = fmt.Fprint(w, `<!doctype html><title>A page</title><script src="/bundle.js"></script>`)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// openPage opens an address in a browser until the test ends.
func openPage(t *testing.T, address string) context.Context {
	t.Helper()
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()),
		chromedp.ExecPath(needChromium(t)), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.WSURLReadTimeout(patience), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))
	t.Cleanup(stop)
	ctx, leave := chromedp.NewContext(allocator)
	t.Cleanup(leave)
	if err := chromedp.Run(ctx); err != nil { // starts the browser, which would end with a context that ends
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx, chromedp.Navigate(address), chromedp.Poll("typeof lethe === 'function'", nil, chromedp.WithPollingTimeout(patience))); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// pageOutcome is what a page learns of an operation.
type pageOutcome struct {
	Data        json.RawMessage
	Error, Code string
	Status      int
}

// fromPage asks operations from the page.
func fromPage(t *testing.T, ctx context.Context, url string, headers map[string]string, operations ...string) []pageOutcome {
	t.Helper()
	type operation struct {
		Query string `json:"query"`
	}
	asked := struct {
		URL        string            `json:"url"`
		Headers    map[string]string `json:"headers"`
		Operations []operation       `json:"operations"`
	}{URL: url, Headers: headers}
	for _, o := range operations {
		asked.Operations = append(asked.Operations, operation{o})
	}
	text, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	var out []pageOutcome
	if err := chromedp.Run(ctx, chromedp.Evaluate("lethe("+string(text)+")", &out, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) })); err != nil {
		t.Fatal(err)
	}
	if len(out) != len(operations) {
		t.Fatalf("%d operations have %d outcomes: %+v", len(operations), len(out), out)
	}
	return out
}

// TestPageOfAnotherOrigin asks from pages in a real browser, on ports that are not the router's: one of an origin that is let
// in, with everything that front-end teams send along, and one of an origin that is not.
func TestPageOfAnotherOrigin(t *testing.T) {
	t.Parallel()
	needChromium(t)
	address, refused := page(t, "page.mjs"), page(t, "page.mjs")
	var mu sync.Mutex
	var from []string // whom the subgraph answers mutations
	subgraphs := shop()
	products := subgraphs[0]
	products.sdl = strings.Replace(products.sdl, renamedField, "type Subscription { renamed(id: ID!): Product } "+renamedField, 1)
	products.resolvers["Subscription.renamed"] = func(_ context.Context, parent object, args map[string]any) (any, error) {
		return object{"id": args["id"], "name": parent["name"]}, nil
	}
	rename := products.resolvers["Mutation.rename"]
	products.resolvers["Mutation.rename"] = func(ctx context.Context, parent object, args map[string]any) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		from = append(from, fmt.Sprint(args["name"]))
		return rename(ctx, parent, args)
	}
	f := &followed{gone: make(chan struct{})}
	products.wrap = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept") == "text/event-stream" {
				f.tell(w, r, products, nil)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	router := newRouter(t, subgraphs, func(o *server.Options) {
		o.Config.CORS.Origins = []string{address, strings.Replace(address, "127.0.0.1", "localhost", 1)}
		o.Config.CORS.Credentials = true
		o.Config.Limits.Depth = 3
	})
	t.Cleanup(router.Close)
	headers := map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": "a=b", "sentry-trace": "1-2-1", "x-shop": "1", "Authorization": "Bearer of-a-page"}
	for _, at := range []string{address, strings.Replace(address, "127.0.0.1", "localhost", 1)} {
		ctx := openPage(t, at)
		got := fromPage(t, ctx, router.URL, headers,
			`query Q { product(id: "p1") { name stock } }`, `mutation M { rename(id: "p1", name: "let in") { name } }`, `subscription S { renamed(id: "p3") { name stock } }`,
			`query TooDeep { __schema { types { fields { type { name } } } } }`)
		for i, want := range []string{`"name":"Table"`, `"name":"let in"`, `"name":"A"`} {
			if !strings.Contains(string(got[i].Data), want) {
				t.Errorf("a page at %s: %+v, want %s", at, got[i], want)
			}
		}
		if got[3].Code != "MAX_DEPTH_EXCEEDED" { // it can read why it is refused
			t.Errorf("what is refused: %+v", got[3])
		}
	}
	mu.Lock()
	before := len(from)
	mu.Unlock()
	for i, got := range fromPage(t, openPage(t, refused), router.URL, headers,
		`query Q { product(id: "p1") { name } }`, `mutation M { rename(id: "p1", name: "not let in") { name } }`, `subscription S { renamed(id: "p3") { name } }`) {
		if len(got.Data) > 0 || got.Error == "" {
			t.Errorf("a page that is not let in: operation %d has %+v", i, got)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if before != 2 || len(from) != before {
		t.Errorf("mutations that reached the subgraph: %v", from)
	}
}
