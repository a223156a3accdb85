package server_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/lethe/lethe/router/server"
)

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstandard(t testing.TB, text string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(text), nil))
}

// unpacked gives a response's body as a client reads it.
func unpacked(t *testing.T, rec *httptest.ResponseRecorder) string {
	t.Helper()
	var r io.Reader = rec.Body
	var err error
	switch rec.Header().Get("Content-Encoding") {
	case "gzip":
		r, err = gzip.NewReader(rec.Body)
	case "zstd":
		r, err = zstd.NewReader(rec.Body)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestResponsesAreCompressed(t *testing.T) {
	t.Parallel()
	list := func(n int) string {
		return `{"data":{"products":[` + strings.TrimSuffix(strings.Repeat(`{"id":"p1"},`, n), ",") + `]}}`
	}
	no := false
	for name, c := range map[string]struct {
		accept string
		items  int
		change func(*server.Compression)
		want   string
		vary   bool
	}{
		"nothing":              {"", 1000, nil, "", true},
		"gzip":                 {"gzip", 1000, nil, "gzip", true},
		"a browser":            {"gzip, deflate, br, zstd", 1000, nil, "zstd", true},
		"an older browser":     {"gzip, deflate, br", 1000, nil, "gzip", true},
		"rather gzip":          {"zstd;q=0.5, gzip;q=0.8", 1000, nil, "gzip", true},
		"no gzip":              {"gzip;q=0, identity", 1000, nil, "", true},
		"nonsense":             {"gzip;q=x, ;;,", 1000, nil, "", true},
		"small":                {"gzip, zstd", 5, nil, "", true},
		"small, as configured": {"gzip", 20, func(c *server.Compression) { c.MinBytes = 10 }, "gzip", true},
		"switched off":         {"gzip, zstd", 1000, func(c *server.Compression) { c.Enabled = &no }, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, map[string]script{"products": says(list(c.items))}, func(o *server.Options) {
				if c.change != nil {
					c.change(&o.Config.Compression)
				}
			})
			for range 3 { // with buffers that were used before
				r := post(`{"query":"{ products { id } }"}`)
				r.Header.Set("Accept-Encoding", c.accept)
				rec := httptest.NewRecorder()
				s.ServeHTTP(rec, r)
				if got := rec.Header().Get("Content-Encoding"); got != c.want || strings.Contains(rec.Header().Get("Vary"), "Accept-Encoding") != c.vary {
					t.Errorf("%q, varies by %v", got, rec.Header()["Vary"])
				}
				if c.want != "" && rec.Body.Len() > 1000 {
					t.Errorf("%d bytes", rec.Body.Len())
				}
				if got := unpacked(t, rec); got != list(c.items) {
					t.Errorf("%.100s", got)
				}
			}
		})
	}
}

func TestRequestsMayBeCompressed(t *testing.T) {
	t.Parallel()
	const limit = 10_000
	s := newShop(t, nil, func(o *server.Options) { o.Config.Limits.BodyBytes = limit })
	const query = `{"query":"{ __typename }"}`
	long := `{"query":"{ __typename }"` + strings.Repeat(" ", limit) + `}`
	bomb := strings.Repeat(" ", 50<<20)
	for name, c := range map[string]struct {
		coding, body string
		status       int
		code         string
	}{
		"gzip":              {"gzip", gzipped(t, query), 200, ""},
		"zstd":              {"zstd", zstandard(t, query), 200, ""},
		"identity":          {"identity", query, 200, ""},
		"gzip in capitals":  {"GZIP", gzipped(t, `{"query":"{ __typename }","variables":{}}`), 200, ""},
		"too large in gzip": {"gzip", gzipped(t, long), 413, "PAYLOAD_TOO_LARGE"},
		"a bomb in gzip":    {"gzip", gzipped(t, bomb), 413, "PAYLOAD_TOO_LARGE"},
		"a bomb in zstd":    {"zstd", zstandard(t, bomb), 413, "PAYLOAD_TOO_LARGE"},
		"no gzip":           {"gzip", query, 400, "BAD_REQUEST"},
		"no zstd":           {"zstd", query, 400, "BAD_REQUEST"},
		"gzip cut off":      {"gzip", gzipped(t, query)[:20], 400, "BAD_REQUEST"},
		"deflate":           {"deflate", query, 415, "UNSUPPORTED_CONTENT_ENCODING"},
		"gzip twice":        {"gzip, gzip", gzipped(t, gzipped(t, query)), 415, "UNSUPPORTED_CONTENT_ENCODING"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(c.body))
			r.Header.Set("Content-Type", plain)
			r.Header.Set("Content-Encoding", c.coding)
			got := send(t, s, r)
			got.is(t, c.code)
			if got.status != c.status || c.status == 415 && got.header.Get("Accept-Encoding") != "zstd, gzip" {
				t.Errorf("%d %v", got.status, got.header)
			}
		})
	}
}

func TestSubgraphsMayCompress(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		asked := make(chan string, 1)
		url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked <- r.Header.Get("Accept-Encoding")
			w.Header().Set("Content-Type", plain)
			body := `{"data":{"products":[{"id":"p1"}]}}`
			if r.Header.Get("Accept-Encoding") == "gzip" {
				w.Header().Set("Content-Encoding", "gzip")
				body = gzipped(t, body)
			}
			_, _ = io.WriteString(w, body)
		}))
		s := newShop(t, nil, func(o *server.Options) {
			o.URLs["products"] = url
			o.Config.Subgraphs.Compression = on
		})
		got := send(t, s, post(`{"query":"{ products { id } }"}`))
		data, err := json.Marshal(got.Data)
		if coding := <-asked; err != nil || (coding == "gzip") != on || string(data) != `{"products":[{"id":"p1"}]}` {
			t.Errorf("%v: asked for %q, got %s", on, coding, data)
		}
	}
}
