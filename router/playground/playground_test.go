package playground_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/playground"
	"github.com/lethe/lethe/router/supergraph"
	"github.com/lethe/lethe/schema"
)

// get asks the playground for a path, and gives the answer with its body as it came over the wire.
func get(t *testing.T, h http.Handler, path, encoding string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	if encoding != "" {
		r.Header.Set("Accept-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	resp := w.Result()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

var (
	inPage = regexp.MustCompile(`(?:src|href)="(/[^"]*)"`)
	// How the bundle refers to its own files: imports and workers by name, fonts by url().
	inFile = regexp.MustCompile(`["'(](?:\./)?((?:chunk|graphiql|[a-z]+\.worker|codicon)-[A-Z0-9]{8}\.[a-z0-9]+)["')]`)
)

func TestEverythingReferencedIsServed(t *testing.T) {
	t.Parallel()
	h := playground.Handler(playground.Options{})
	_, page := get(t, h, "/", "")
	var todo []string
	for _, m := range inPage.FindAllStringSubmatch(page, -1) {
		todo = append(todo, m[1])
	}
	seen := make(map[string]bool)
	workers := 0
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		resp, body := get(t, h, path, "")
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, but the playground refers to it", path, resp.Status)
			continue
		}
		if strings.Contains(path, ".worker-") {
			workers++
		}
		for _, m := range inFile.FindAllStringSubmatch(body, -1) {
			todo = append(todo, playground.AssetPath+m[1])
		}
	}
	if len(seen) < 20 || workers != 3 {
		t.Errorf("followed %d files and %d workers: the references are not found", len(seen), workers)
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	h := playground.Handler(playground.Options{})
	_, page := get(t, h, "/", "")
	script := regexp.MustCompile(`src="(/[^"]*\.js)"`).FindStringSubmatch(page)[1]

	plain, body := get(t, h, script, "gzip;q=0")
	if plain.Header.Get("Content-Encoding") != "" || plain.Header.Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Errorf("plain: %v", plain.Header)
	}
	packed, gz := get(t, h, script, "br, gzip;q=0.8")
	if packed.Header.Get("Content-Encoding") != "gzip" || packed.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Errorf("gzip: %v", packed.Header)
	}
	z, err := gzip.NewReader(strings.NewReader(gz))
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if string(unpacked) != body {
		t.Error("the packed script is not the plain one")
	}
	if plain.Header.Get("ETag") == packed.Header.Get("ETag") {
		t.Error("two representations share an ETag")
	}

	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, script, nil)
	r.Header.Set("If-None-Match", plain.Header.Get("ETag"))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusNotModified {
		t.Errorf("a known ETag gave %d", w.Code)
	}
	for _, path := range []string{"/playground/none.js", "/playground/manifest.json", "/playground/..%2fplayground.go", "/playground/.gz", "/favicon.ico"} {
		if resp, _ := get(t, h, path, ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	if resp, text := get(t, h, "/playground/LICENSES.txt", ""); resp.StatusCode != http.StatusOK || !strings.Contains(text, "monaco-editor 0.52.2") {
		t.Errorf("the licences are not served: %s", resp.Status)
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	tabs := []playground.Tab{{Query: `{ a(b: "</div><script>alert(1)</script>") }`}}
	h := playground.Handler(playground.Options{Endpoint: "/api", Title: "A & B", Tabs: tabs})
	resp, page := get(t, h, "/", "")
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self';") {
		t.Errorf("Content-Security-Policy: %s", csp)
	}
	for _, want := range []string{`data-endpoint="/api"`, `data-title="A &amp; B"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(page, "<script>") || strings.Count(page, "<script") != 1 {
		t.Error("the page has an inline script")
	}
	if strings.Contains(page, "://") && !strings.Contains(page, "http://www.w3.org/2000/svg") {
		t.Error("the page names another host")
	}
}

func TestShopTabsFitTheGraph(t *testing.T) {
	t.Parallel()
	s, err := supergraph.Parse(schema.Supergraph())
	if err != nil {
		t.Fatal(err)
	}
	tabs, err := playground.ShopTabs()
	if err != nil {
		t.Fatal(err)
	}
	if len(tabs) < 3 {
		t.Fatalf("%d tabs", len(tabs))
	}
	for _, tab := range tabs {
		if _, errs := gqlparser.LoadQueryWithRules(s.API(), tab.Query, rules.NewDefaultRules()); errs != nil {
			t.Errorf("%v in\n%s", errs, tab.Query)
		}
		if tab.Variables != "" && !json.Valid([]byte(tab.Variables)) {
			t.Errorf("variables are no JSON: %s", tab.Variables)
		}
	}
}
