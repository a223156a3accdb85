package http1_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe/lethe/router/http1"
	"github.com/lethe/lethe/router/http1/http1test"
)

const (
	chaosSeed     = 20261130
	chaosRequests = 10_000
)

// chaos asks an [http1test.Upstream] as two customers.
type chaos struct {
	upstream *http1test.Upstream
	mu       sync.Mutex
	cancel   map[uint64]context.CancelFunc
	answered int
}

func newChaos(t *testing.T, echo bool) *chaos {
	c := &chaos{cancel: map[uint64]context.CancelFunc{}}
	c.upstream = http1test.New(t, http1test.Options{
		Seed: chaosSeed, Echo: echo, Good: 40,
		Answer: func(_ http.Header, body []byte) ([]byte, uint64) {
			var asked struct {
				Number uint64
				Mark   string
			}
			if err := json.Unmarshal(body, &asked); err != nil {
				t.Errorf("the upstream was sent %q", body)
			}
			return fmt.Appendf(nil, `{"data":{"mark":%q}}`, asked.Mark), asked.Number
		},
		GiveUp: func(number uint64) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.cancel[number]()
		},
	})
	return c
}

// ask asks one question: the answer carries its mark, or is an error.
func (c *chaos) ask(t *testing.T, client *http1.Client, number uint64, into []byte) error {
	customer := []string{"alice@shop.example", "bob@shop.example"}[number%2]
	mark := fmt.Sprintf("%s %d %s", customer, number, strings.Repeat("x", int(number%50)))
	if number%20 == 0 {
		mark += strings.Repeat("y", int(number*number%20_000))
	}
	q := post(fmt.Sprintf(`{"number":%d,"mark":%q}`, number, mark))
	q.Repeatable, q.Deadline = number%3 > 0, time.Now().Add(time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.mu.Lock()
	c.cancel[number] = cancel
	c.mu.Unlock()
	got, err := client.Post(ctx, q, into)
	if err != nil || got.Status != http.StatusOK {
		return fmt.Errorf("status %d: %w", got.Status, err)
	}
	// Space before it is of a fault that sends much; after it there is nothing.
	if want := fmt.Sprintf(`{"data":{"mark":%q}}`, mark); strings.TrimSpace(string(got.Body)) != want {
		// What was cut or mixed up within a message that is well formed is no answer either: JSON shows it.
		var answer struct{ Data struct{ Mark string } }
		if json.Unmarshal(got.Body, &answer) == nil {
			t.Errorf("request %d, fault %q: asked for %.60s, got %.200s", number, c.upstream.Fault(number), want, got.Body)
		}
		return fmt.Errorf("no JSON: %.100q", got.Body)
	}
	c.mu.Lock()
	c.answered++
	c.mu.Unlock()
	return nil
}

// report fails where a test that asked at random has shown little.
func (c *chaos) report(t *testing.T) {
	counts := c.upstream.Counts()
	t.Logf("seed %d: %d of %d requests answered, %d kinds of misbehaviour", chaosSeed, c.answered, chaosRequests, len(counts))
	if c.answered < chaosRequests/4 || len(counts) < 80 {
		t.Errorf("too little was tried: %v", slices.Sorted(maps.Keys(counts)))
	}
}

// TestChaosInTurn asks one request after the other, each as soon as what followed the answer before has arrived. An
// answer is that of its own request; and what goes wrong while nothing is asked costs no request.
func TestChaosInTurn(t *testing.T) {
	t.Parallel()
	c := newChaos(t, false)
	var client *http1.Client
	before := ""
	for number := range uint64(chaosRequests) {
		if number%20 == 0 { // one that has no reason yet to distrust the host
			if client != nil {
				client.Close()
			}
			client = http1.NewClient(c.upstream.Addr, nil)
		}
		err := c.ask(t, client, number, nil)
		fault := c.upstream.Fault(number)
		if err != nil && fault == "" && before != http1test.ResetsIdle {
			t.Errorf("request %d, after %q, was answered well but lost: %v", number, before, err)
		}
		if before = fault; t.Failed() {
			break
		}
		c.upstream.Settle()
	}
	client.Close()
	c.report(t)
}

// TestChaosAtOnce asks from many sides at once, without waiting for anything, a host that echoes the mark of a request.
func TestChaosAtOnce(t *testing.T) {
	t.Parallel()
	c := newChaos(t, true)
	var all sync.WaitGroup
	const sides = 8
	for side := range uint64(sides) {
		all.Go(func() {
			var client *http1.Client
			for number := side; number < chaosRequests && !t.Failed(); number += sides {
				if number/sides%20 == 0 {
					if client != nil {
						client.Close()
					}
					client = http1.NewClient(c.upstream.Addr, nil)
				}
				_ = c.ask(t, client, number, nil)
			}
			client.Close()
		})
	}
	all.Wait()
	c.report(t)
}
