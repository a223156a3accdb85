package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/lethe/lethe/router/http1/http1test"
	"github.com/lethe/lethe/router/server"
)

const (
	chaosSeed = 9
	// chaosRequests are asked of each of the two upstreams.
	chaosRequests = 5_000
	// chaosRouter is how many a router is asked before another takes its place, which has no reason yet to distrust.
	chaosRouter = 100
)

var chaosMark = regexp.MustCompile(`mark-(\d+)-(alice|bob)`)

// chaos is a router, or one after the other, before a subgraph that breaks HTTP/1.1.
type chaos struct {
	upstream *http1test.Upstream
	mu       sync.Mutex
	cancel   map[uint64]context.CancelFunc
	answered int
}

func newChaos(t *testing.T, echo bool) *chaos {
	c := &chaos{cancel: map[uint64]context.CancelFunc{}}
	c.upstream = http1test.New(t, http1test.Options{
		Seed: chaosSeed, Echo: echo, Good: 50,
		Answer: func(header http.Header, body []byte) ([]byte, uint64) {
			found := chaosMark.FindSubmatch(body)
			if found == nil || header.Get("X-Customer") != string(found[2]) {
				t.Errorf("asked %q as %q", body, header.Get("X-Customer"))
				return nil, 0
			}
			number, err := strconv.ParseUint(string(found[1]), 10, 64)
			if err != nil {
				t.Error(err)
			}
			return fmt.Appendf(nil, `{"data":{"answer":{"id":%q,"name":%q}}}`, found[0], found[0]), number
		},
		GiveUp: func(uint64) {}, // the router's time for a subgraph ends
	})
	return c
}

// router starts a router and returns its address.
func (c *chaos) router(t *testing.T) (address string, stop func()) {
	s := newShop(t, nil, func(o *server.Options) {
		o.URLs["products"] = "http://" + c.upstream.Addr
		o.Config.Subgraphs.Timeout = "100ms"
		o.Outgoing = func(ctx context.Context, header http.Header, _ string, _ []byte) {
			customer, _ := ctx.Value(customerKey{}).(string)
			header.Set("X-Customer", customer)
		}
		o.Authenticator = customers{}
	})
	front := httptest.NewUnstartedServer(s)
	front.Listener = s.Front(front.Listener)
	front.Start()
	return front.URL + "/graphql", func() { front.Close(); s.Close() }
}

type customerKey struct{}

// customers tells who asks by a header.
type customers struct{}

// Authenticate implements server.Authenticator.
func (customers) Authenticate(ctx context.Context, header http.Header, _ string) (context.Context, error) {
	return context.WithValue(ctx, customerKey{}, header.Get("X-Customer")), nil
}

// ask asks one question: the answer carries its mark, or is an error.
func (c *chaos) ask(t *testing.T, client *http.Client, address string, number uint64) {
	customer := []string{"alice", "bob"}[number%2]
	mark := fmt.Sprintf("mark-%d-%s", number, customer)
	query := fmt.Sprintf(`{ answer: product(id: %q) { id name } }`, mark)
	if number%4 == 0 {
		query = fmt.Sprintf(`mutation { answer: rename(id: %q, name: "x") { id name } }`, mark)
	}
	text, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", plain)
	req.Header.Set("X-Customer", customer)
	resp, err := client.Do(req)
	if err != nil {
		t.Errorf("request %d: %v", number, err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("request %d: %v", number, err)
		return
	}
	switch want := fmt.Sprintf(`{"data":{"answer":{"id":%q,"name":%q}}}`, mark, mark); {
	case string(got) == want:
		c.mu.Lock()
		c.answered++
		c.mu.Unlock()
	case !strings.Contains(string(got), `"errors":[{`) || strings.Contains(string(got), "mark-"):
		t.Errorf("request %d, fault %q: want %s or an error, got %s", number, c.upstream.Fault(number), want, got)
	}
}

// run asks all, by several sides at once where sides is above one.
func (c *chaos) run(t *testing.T, sides uint64) {
	for from := uint64(0); from < chaosRequests && !t.Failed(); from += chaosRouter {
		address, stop := c.router(t)
		var all sync.WaitGroup
		for side := range sides {
			all.Go(func() {
				client := &http.Client{Transport: &http.Transport{}}
				defer client.CloseIdleConnections()
				for number := from + side; number < from+chaosRouter; number += sides {
					c.ask(t, client, address, number)
					if sides == 1 {
						c.upstream.Settle()
					}
				}
			})
		}
		all.Wait()
		stop()
	}
	t.Logf("seed %d: %d of %d requests answered", chaosSeed, c.answered, chaosRequests)
	if c.answered < chaosRequests/4 {
		t.Error("too few were answered to have shown much")
	}
}

// TestChaos asks as two customers, through the router's front door: what one gets is never the other's.
func TestChaos(t *testing.T) {
	t.Parallel()
	t.Run("in turn", func(t *testing.T) {
		t.Parallel()
		if !withHTTP1() {
			t.Skip("net/http takes a surplus response that arrives just before the answer for it: without the mark of the request nothing shows it")
		}
		newChaos(t, false).run(t, 1)
	})
	t.Run("at once, with marks", func(t *testing.T) {
		t.Parallel()
		newChaos(t, true).run(t, 8)
	})
}
