package server_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
)

// TestRun asks a router as it is run, in every form that a request may have, over one connection after the other.
func TestRun(t *testing.T) {
	t.Parallel()
	sdl, err := os.ReadFile("testdata/shop.graphql")
	if err != nil {
		t.Fatal(err)
	}
	products := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", plain)
		_, _ = io.WriteString(w, `{"data":{"products":[`+strings.TrimSuffix(strings.Repeat(`{"id":"p1"},`, 500), ",")+`]}}`)
	}))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, ln, asRun(server.Options{Supergraph: string(sdl), URLs: map[string]string{"products": products}, Log: slog.New(slog.DiscardHandler)}))
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	at := "http://" + ln.Addr().String() + "/graphql"
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	hash := hashed(productsQuery)
	form := "--B\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{}\r\n--B--\r\n"
	for range 2 {
		for _, c := range []struct {
			name, method, target, body string
			header                     map[string]string
			status                     int
			coding, want               string
		}{
			{"plain", "POST", at, `{"query":"{ __typename }"}`, nil, 200, "", `"__typename":"Query"`},
			{"registered", "POST", at, registration(t, productsQuery, hash), nil, 200, "", `"p1"`},
			{"by its hash", "POST", at, registration(t, "", hash), map[string]string{"Accept-Encoding": "gzip"}, 200, "gzip", ""},
			{"by its hash with GET", "GET", at + "?extensions=" + url.QueryEscape(`{"persistedQuery":{"version":1,"sha256Hash":"`+hash+`"}}`), "", map[string]string{"Accept-Encoding": "zstd"}, 200, "zstd", ""},
			{"compressed", "POST", at, gzipped(t, `{"query":"{ __typename }"}`), map[string]string{"Content-Encoding": "gzip"}, 200, "", `"__typename":"Query"`},
			{"a batch", "POST", at, `[{"query":"{ __typename }"},{"query":"{ nothing }"}]`, nil, 200, "", `[{"data"`},
			{"a large batch", "POST", at, "[" + strings.TrimSuffix(strings.Repeat(`{"query":"{ __typename }","extensions":{"x":"`+strings.Repeat("x", 20_000)+`"}},`, 10), ",") + "]", nil, 200, "", `[{"data"`},
			{"a form", "POST", at, form, map[string]string{"Content-Type": "multipart/form-data; boundary=B", "X-Requested-With": "test"}, 415, "", "UNSUPPORTED_MEDIA_TYPE"},
			{"a form of another site", "POST", at, form, map[string]string{"Content-Type": "multipart/form-data; boundary=B"}, 403, "", "CSRF_PREVENTED"},
			{"too large", "POST", at, `{"query":"` + strings.Repeat(" ", 2<<20) + `"}`, nil, 413, "", "PAYLOAD_TOO_LARGE"},
		} {
			req, err := http.NewRequestWithContext(t.Context(), c.method, c.target, bytes.NewReader([]byte(c.body)))
			if err != nil {
				t.Fatal(err)
			}
			if c.method == http.MethodPost {
				req.Header.Set("Content-Type", plain)
			}
			for k, v := range c.header {
				req.Header.Set(k, v)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			text, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || resp.StatusCode != c.status || resp.Header.Get("Content-Encoding") != c.coding || !bytes.Contains(text, []byte(c.want)) {
				t.Errorf("%s: %d %s %.200s %v", c.name, resp.StatusCode, resp.Header.Get("Content-Encoding"), text, err)
			}
		}
	}
}
