package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed static
var staticFiles embed.FS

// parsePages parses each page together with the layout.
func (c *console) parsePages() (map[string]*template.Template, error) {
	base, err := template.New("").Funcs(c.functions()).ParseFS(pageFiles, "pages/layout.html", "pages/parts.html")
	if err != nil {
		return nil, fmt.Errorf("parse the layout: %w", err)
	}
	entries, err := pageFiles.ReadDir("pages")
	if err != nil {
		return nil, fmt.Errorf("list the pages: %w", err)
	}
	pages := make(map[string]*template.Template)
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		t, err := base.Clone()
		if err != nil {
			return nil, fmt.Errorf("clone the layout: %w", err)
		}
		if pages[name], err = t.ParseFS(pageFiles, path.Join("pages", e.Name())); err != nil {
			return nil, fmt.Errorf("parse the page %s: %w", name, err)
		}
	}
	return pages, nil
}

// functions are what templates may call.
func (c *console) functions() template.FuncMap {
	return template.FuncMap{
		"asset":     c.assetPath,
		"word":      c.words.Word,
		"meaning":   c.words.Meaning,
		"date":      func(t time.Time) string { return t.UTC().Format("2 January 2006") },
		"moment":    func(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 UTC") },
		"clock":     func(t time.Time) string { return t.UTC().Format("15:04:05") },
		"iso":       func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"until":     func(t time.Time) string { return until(c.now(), t) },
		"number":    number,
		"term":      term8601,
		"clause":    func(s string) string { return strings.TrimSuffix(s, ".") },
		"humanise":  humanise,
		"capital":   capital,
		"waiting":   waiting,
		"hasPrefix": strings.HasPrefix,
		"under":     func(status string) bool { return c.underWay(status) },
		"pair":      func(a, b any) pair { return pair{a, b} },
	}
}

// pair hands two things to a template that takes one.
type pair struct{ A, B any }

// waiting makes a sentence of what an erasure waits for: of "the grace to end", and of what is a sentence already.
func waiting(what string) string {
	if strings.HasSuffix(what, ".") {
		return what
	}
	return "It waits for " + what + "."
}

// until says in days how far t is from now.
func until(now, t time.Time) string {
	days := int(math.Ceil(t.Sub(now).Hours() / 24))
	switch {
	case days > 1:
		return "in " + number(days) + " days"
	case days == 1:
		return "within a day"
	case days > -1:
		return "today"
	case days == -1:
		return "a day ago"
	}
	return number(-days) + " days ago"
}

// number groups the digits of n: 12,345.
func number(n int) string {
	s := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// term8601 says an ISO 8601 duration of whole years, months or days in words; others as they are.
func term8601(s string) string {
	if len(s) < 3 || s[0] != 'P' {
		return s
	}
	n, err := strconv.Atoi(s[1 : len(s)-1])
	if err != nil {
		return s
	}
	unit, ok := map[byte]string{'Y': "year", 'M': "month", 'W': "week", 'D': "day"}[s[len(s)-1]]
	if !ok {
		return s
	}
	if n != 1 {
		unit += "s"
	}
	return number(n) + " " + unit
}

// asset is a file that pages load.
type asset struct {
	content []byte
	hash    string
	kind    string
}

func readAssets() (map[string]asset, error) {
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		return nil, fmt.Errorf("list the static files: %w", err)
	}
	kinds := map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
		".svg": "image/svg+xml", ".LICENSE": "text/plain; charset=utf-8",
	}
	assets := make(map[string]asset, len(entries))
	for _, e := range entries {
		content, err := staticFiles.ReadFile(path.Join("static", e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read a static file: %w", err)
		}
		kind, ok := kinds[path.Ext(e.Name())]
		if !ok {
			return nil, fmt.Errorf("the static file %s has no known media type", e.Name())
		}
		sum := sha256.Sum256(content)
		assets[e.Name()] = asset{content, hex.EncodeToString(sum[:6]), kind}
	}
	return assets, nil
}

// assetPath gives the address of a static file, which changes with its content.
func (c *console) assetPath(name string) (string, error) {
	a, ok := c.assets[name]
	if !ok {
		return "", fmt.Errorf("there is no static file %q", name)
	}
	return "/static/" + name + "?v=" + a.hash, nil
}

func (c *console) serveAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := c.assets[r.PathValue("name")]
	if !ok {
		c.fail(w, r, nil, http.StatusNotFound, "There is no such file", "The link may be old: load the page again.", "")
		return
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("ETag", `"`+a.hash+`"`)
	w.Header().Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == a.hash {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}
