// Package load asks a router as many clients would, and checks every answer.
package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// Scenario is what clients ask, and the answer they must get.
type Scenario struct {
	Name string
	// Body is the request's. Where it holds [Unique], each request has a number of its own there.
	Body string
	// Answer is the right one. The order of an object's members does not matter.
	Answer []byte
	// Timed reports whether only the time of the requests differs from those of another scenario, and not what they cost.
	Timed bool
	// Elsewhere reports whether the scenario's data is no part of this repository, so that no baseline holds its cost.
	Elsewhere bool
}

// Unique stands in a body where each request has a number that no other has.
const Unique = "@@UNIQUE@@"

// firstUnique is above any number that means something in a query.
const firstUnique = 1_000_000

// Result is what clients saw.
type Result struct {
	Requests int64
	Took     time.Duration
	// Latencies are sorted.
	Latencies []time.Duration
}

// Quantile gives the latency that a share q of the requests did not exceed.
func (r *Result) Quantile(q float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	return r.Latencies[int(q*float64(len(r.Latencies)-1))]
}

// Checker tells right answers from wrong ones. An answer whose bytes were met before is told by its hash.
type Checker struct {
	seed maphash.Seed
	want any

	last  atomic.Uint64 // the hash of a right answer; 0 before there was one
	mu    sync.Mutex
	right map[uint64]bool
}

// NewChecker checks against the right answer.
func NewChecker(answer []byte) (*Checker, error) {
	c := &Checker{seed: maphash.MakeSeed(), right: map[uint64]bool{}}
	var err error
	if c.want, err = decode(answer); err != nil {
		return nil, fmt.Errorf("read the right answer: %w", err)
	}
	return c, nil
}

func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	delete(v, "extensions")
	return v, nil
}

// Check gives an error where body is not the right answer.
func (c *Checker) Check(body []byte) error {
	sum := maphash.Bytes(c.seed, body)
	if sum == c.last.Load() && sum != 0 || c.met(sum) {
		return nil
	}
	got, err := decode(body)
	if err != nil {
		return fmt.Errorf("%w: %.300s", err, body)
	}
	if !reflect.DeepEqual(got, c.want) {
		return fmt.Errorf("the answer is wrong: %.500s", body)
	}
	c.mu.Lock()
	c.right[sum] = true
	c.mu.Unlock()
	c.last.Store(sum)
	return nil
}

func (c *Checker) met(sum uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.right[sum]
}

// Generator sends one scenario's requests to one router.
type Generator struct {
	scenario *Scenario
	address  string
	url      string
	checker  *Checker
	unique   atomic.Int64
	answered atomic.Int64
	parts    [][]byte // of the body, between its unique numbers
}

// New gives a generator for the router at address, a URL.
func New(address string, s *Scenario) (*Generator, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("read the router's address: %w", err)
	}
	checker, err := NewChecker(s.Answer)
	if err != nil {
		return nil, err
	}
	g := &Generator{scenario: s, address: u.Host, url: address, checker: checker, parts: bytes.Split([]byte(s.Body), []byte(Unique))}
	g.unique.Store(firstUnique)
	return g, nil
}

// URL is where the router is.
func (g *Generator) URL() string { return g.url }

// Answered is how many requests were answered rightly so far.
func (g *Generator) Answered() int64 { return g.answered.Load() }

// client is one connection.
type client struct {
	*Generator
	http fasthttp.HostClient
	req  *fasthttp.Request
	resp *fasthttp.Response
	body []byte
}

func (g *Generator) client() *client {
	c := &client{Generator: g, req: fasthttp.AcquireRequest(), resp: fasthttp.AcquireResponse()}
	c.http = fasthttp.HostClient{
		Addr: g.address, MaxConns: 1, NoDefaultUserAgentHeader: true, ReadBufferSize: 64 << 10,
		ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, MaxIdleConnDuration: time.Hour,
	}
	c.req.SetRequestURI(g.url)
	c.req.Header.SetMethod(fasthttp.MethodPost)
	c.req.Header.SetContentType("application/json")
	c.req.Header.Set("Accept", "application/json")
	return c
}

func (c *client) close() {
	c.http.CloseIdleConnections()
	fasthttp.ReleaseRequest(c.req)
	fasthttp.ReleaseResponse(c.resp)
}

// ask sends a request and checks the answer.
func (c *client) ask() error {
	if err := c.post(); err != nil {
		return err
	}
	if c.resp.StatusCode() != fasthttp.StatusOK {
		return c.strange()
	}
	if err := c.checker.Check(c.resp.Body()); err != nil {
		return err
	}
	c.answered.Add(1)
	return nil
}

// post sends a request and reads what comes back.
func (c *client) post() error {
	c.body = c.body[:0]
	for i, part := range c.parts {
		if i > 0 {
			c.body = strconv.AppendInt(c.body, c.unique.Add(1), 10)
		}
		c.body = append(c.body, part...)
	}
	c.req.SetBodyRaw(c.body)
	if err := c.http.Do(c.req, c.resp); err != nil {
		return fmt.Errorf("ask the router: %w", err)
	}
	return nil
}

// Ask sends one request and gives the answer.
func (g *Generator) Ask() ([]byte, error) {
	c := g.client()
	defer c.close()
	err := c.ask()
	return bytes.Clone(c.resp.Body()), err
}

// Repeat sends n requests over one connection, one after another.
func (g *Generator) Repeat(n int) error {
	c := g.client()
	defer c.close()
	for range n {
		if err := c.ask(); err != nil {
			return err
		}
	}
	return nil
}

// Run has clients ask one request after another for a time. The error is the first wrong answer, which ends the run.
func (g *Generator) Run(ctx context.Context, clients int, d time.Duration) (*Result, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	latencies := make([][]time.Duration, clients)
	var wg sync.WaitGroup
	began := time.Now()
	for i := range clients {
		wg.Go(func() {
			c := g.client()
			defer c.close()
			for ctx.Err() == nil {
				asked := time.Now()
				if err := c.ask(); err != nil {
					stop(err)
					return
				}
				latencies[i] = append(latencies[i], time.Since(asked))
			}
		})
	}
	wg.Wait()
	out := &Result{Took: time.Since(began), Latencies: slices.Concat(latencies...)}
	slices.Sort(out.Latencies)
	out.Requests = int64(len(out.Latencies))
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return out, err
	}
	return out, nil
}
