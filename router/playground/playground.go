// Package playground serves GraphiQL for exploring a graph: embedded, with no other host involved.
package playground

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:generate npm --prefix web ci --no-fund --no-audit
//go:generate npm --prefix web run build

//go:embed dist
var dist embed.FS

//go:embed index.html
var indexHTML string

// AssetPath is below which Handler serves what the page loads. Mount Handler there and on /.
const AssetPath = "/playground/"

// Policies of the page and of its workers. Monaco sets inline styles; no script is inline.
const (
	pagePolicy = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; " +
		"img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	assetPolicy = "default-src 'none'; script-src 'self'"
)

// Options say what the playground explores. The zero value explores /graphql with an empty tab.
type Options struct {
	// Endpoint is the path of the GraphQL endpoint on the same origin; empty is /graphql.
	Endpoint string
	// Title stands in the page's corner; empty is "Playground".
	Title string
	// Tabs are open when a browser comes for the first time.
	Tabs []Tab
	// TokenPath is where POST with ?role= and the header "Lethe-Dev: 1" answers with a bearer token, as lethe-dev does.
	// With it the page offers to send requests as one of the roles. Empty leaves the Authorization header to the person.
	TokenPath string
}

// Tab is an operation to begin with.
type Tab struct {
	Query     string `json:"query"`
	Variables string `json:"variables,omitempty"` // JSON
	Headers   string `json:"headers,omitempty"`   // JSON
}

// manifest names the entries of the bundle.
type manifest struct {
	Script  string   `json:"script"`
	Style   string   `json:"style"`
	Workers []string `json:"workers"`
}

// Handler serves the page on / and what it loads below AssetPath.
func Handler(o Options) http.Handler {
	page, err := render(o)
	if err != nil {
		panic(fmt.Errorf("playground: the embedded bundle is broken: %w", err))
	}
	sum := sha256.Sum256(page)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+AssetPath+"{name}", serveAsset)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(page))
	})
	return mux
}

// render fills the page.
func render(o Options) ([]byte, error) {
	text, err := dist.ReadFile("dist/manifest.json")
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("manifest.json: %w", err)
	}
	if o.Endpoint == "" {
		o.Endpoint = "/graphql"
	}
	if o.Title == "" {
		o.Title = "Playground"
	}
	if len(o.Tabs) == 0 {
		o.Tabs = []Tab{{}}
	}
	tabs, err := json.Marshal(o.Tabs)
	if err != nil {
		return nil, err
	}
	t, err := template.New("index.html").Parse(indexHTML)
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	err = t.Execute(&page, struct {
		Options
		Script, Style, TabsJSON string
	}{o, AssetPath + m.Script, AssetPath + m.Style, string(tabs)})
	return page.Bytes(), err
}

// serveAsset serves a file of the bundle, as it is stored (gzipped) to who takes that.
func serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	packed, err := dist.ReadFile(path.Join("dist", path.Base(name)+".gz"))
	kind := contentType(name)
	if err != nil || kind == "" {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Security-Policy", assetPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept-Encoding")
	if name == licences {
		h.Set("Cache-Control", "no-cache")
	} else {
		// The name holds a hash of what is in the file.
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	sum := sha256.Sum256(packed)
	tag := hex.EncodeToString(sum[:8])
	if acceptsGzip(r.Header) {
		h.Set("Content-Encoding", "gzip")
		h.Set("ETag", `"`+tag+`-gz"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(packed))
		return
	}
	plain, err := unpack(packed)
	if err != nil {
		http.Error(w, "the file is broken", http.StatusInternalServerError)
		return
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(plain))
}

// licences is the file with the licences of all that is bundled.
const licences = "LICENSES.txt"

func unpack(packed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// contentType gives the media type of a file of the bundle, or "" for a file that is not served.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".ttf":
		return "font/ttf"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	return ""
}

// acceptsGzip says whether the client takes gzip: named, or by "*", and not with a weight of zero.
func acceptsGzip(h http.Header) bool {
	named, every := -1, -1
	for _, value := range h.Values("Accept-Encoding") {
		for item := range strings.SplitSeq(value, ",") {
			coding, params, _ := strings.Cut(item, ";")
			weight := 1
			if q, found := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q="); found && strings.Trim(q, "0.") == "" {
				weight = 0
			}
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip":
				named = weight
			case "*":
				every = weight
			}
		}
	}
	if named >= 0 {
		return named > 0
	}
	return every > 0
}
