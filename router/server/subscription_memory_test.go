package server

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"weak"
)

// TestSubscriptionsLetGoOfAnOldSchema holds that a subscription that runs over a reload keeps nothing of the old engine.
func TestSubscriptionsLetGoOfAnOldSchema(t *testing.T) {
	t.Parallel()
	events := make(chan struct{})
	products := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", eventStreamType)
		w.(http.Flusher).Flush()
		for {
			select {
			case <-events:
				_, _ = io.WriteString(w, "event: next\ndata: {\"data\":{\"productChanged\":{\"name\":\"N\"}}}\n\n")
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}))
	t.Cleanup(products.Close)
	sdl, err := os.ReadFile("testdata/shop.graphql")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Supergraph: string(sdl), URLs: map[string]string{"products": products.URL}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	router := httptest.NewServer(s)
	t.Cleanup(router.Close)
	t.Cleanup(s.Close)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, router.URL+"/graphql", strings.NewReader(`{"query":"subscription { productChanged(id: 1) { name } }"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", plainJSON)
	r.Header.Set("Accept", eventStreamType)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	in := bufio.NewReader(resp.Body)
	hear := func() {
		t.Helper()
		events <- struct{}{}
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, "data:") {
				return
			}
		}
	}
	hear()
	old := weak.Make(s.engine.Load())
	if err := s.Reload(string(sdl)); err != nil {
		t.Fatal(err)
	}
	// Which of the reload and the event comes first is open, but after two events the reload was seen.
	for range 10 {
		hear()
		if runtime.GC(); old.Value() == nil {
			return
		}
	}
	t.Error("the old engine is kept")
}
