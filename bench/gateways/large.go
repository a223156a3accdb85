package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/lethe/lethe/bench/gateways/large"
	"github.com/lethe/lethe/bench/gateways/load"
	"github.com/lethe/lethe/bench/gateways/process"
)

// partLarge is the process of the subgraphs with large answers.
const partLarge = "part-large"

// The ways in which subgraphs send their answers.
const (
	withLength = "length"
	inChunks   = "chunks"
)

// largeRequests are how many each client sends, one after another.
const largeRequests = 5

// serveLarge serves the subgraphs, writes their addresses as a line of JSON, and runs until ctx is done.
func serveLarge(ctx context.Context, args []string) error {
	if len(args) != 1 || args[0] != withLength && args[0] != inChunks {
		return errors.New(partLarge + " takes " + withLength + " or " + inChunks)
	}
	set, err := large.Set()
	if err != nil {
		return err
	}
	addresses, err := large.Serve(set.World, args[0] == inChunks)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(addresses); err != nil {
		return fmt.Errorf("write the addresses: %w", err)
	}
	<-ctx.Done()
	return nil
}

// measureLarge prints what large answers take of Lethe's router, with subgraphs that say the length of their answers and
// with such that send them in chunks.
func (r *rig) measureLarge(ctx context.Context, cores string) error {
	set, err := large.Set()
	if err != nil {
		return err
	}
	tw := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	_, _ = fmt.Fprintln(tw, "| scenario\t| subgraphs send\t| clients\t| answer MB\t| idle MB\t| peak MB above\t| times the answer\t| allocated per request, times the answer\t| CPU ms/request\t| first byte ms\t| whole ms\t| load\t|")
	_, _ = fmt.Fprintln(tw, strings.Repeat("|---\t", 12)+"|")
	for _, mode := range []string{withLength, inChunks} {
		b, err := startSubgraphs(ctx, cores, r.files.self, partLarge, mode)
		if err != nil {
			return err
		}
		sdl, err := set.Supergraph(b.addresses)
		if err == nil {
			r.files.supergraph = filepath.Join(r.dir, "large.graphql")
			err = os.WriteFile(r.files.supergraph, []byte(sdl), 0o600)
		}
		for _, s := range set.Scenarios {
			for _, clients := range []int{1, 4} {
				if err == nil && r.scenarios.takes(s.Name) {
					err = r.largeOf(ctx, s, mode, clients, tw)
				}
			}
		}
		b.Stop(ctx)
		if err != nil {
			return err
		}
	}
	return tw.Flush()
}

// largeOf measures one scenario with a number of clients, on a router of its own.
func (r *rig) largeOf(ctx context.Context, s *load.Scenario, mode string, clients int, tw io.Writer) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	p, err := process.Start(pinned(r.pin, letheCommand(r.options, r.files, port), nil))
	if err != nil {
		return err
	}
	defer p.Stop(ctx)
	c := &largeClients{address: "http://127.0.0.1:" + port, scenario: s}
	if err := c.ready(ctx, p); err != nil {
		return err
	}
	if c.checker, err = load.NewChecker(s.Answer); err != nil {
		return err
	}
	if c.before, err = c.allocated(ctx); err != nil {
		return err
	}
	idle, err := p.ResetPeak()
	if err != nil {
		return err
	}
	if err := c.ask(ctx, clients); err != nil {
		return err
	}
	used, err := p.Usage()
	if err != nil {
		return err
	}
	allocated, err := c.allocated(ctx)
	if err != nil {
		return err
	}
	n, size := float64(clients*largeRequests), float64(len(s.Answer))
	_, err = fmt.Fprintf(tw, "| %s\t| %s\t| %d\t| %.1f\t| %.0f\t| %.0f\t| %.1f\t| %.2f\t| %.0f\t| %.0f\t| %.0f\t| %.1f\t|\n", s.Name, mode, clients, megabytes(int64(size)), megabytes(idle.Resident),
		megabytes(used.Peak-idle.Resident), float64(used.Peak-idle.Resident)/size, (allocated-c.before)/n/size, float64((used.CPU()-idle.CPU()).Milliseconds())/n,
		milliseconds(median(c.first)), milliseconds(median(c.whole)), loadAverage())
	return err
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

// largeClients ask for a large answer.
type largeClients struct {
	address  string
	scenario *load.Scenario
	checker  *load.Checker
	before   float64 // bytes that the router allocated before

	mu           sync.Mutex
	first, whole []time.Duration // until an answer's first byte came, and its last
}

// ready waits until the router answers.
func (c *largeClients) ready(ctx context.Context, p *process.Process) error {
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address+"/graphql", strings.NewReader(`{"query":"{ __typename }"}`))
		if err != nil {
			return fmt.Errorf("ask the router: %w", err)
		}
		req.Header.Set("Content-Type", "application/json")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.Ended():
			return errors.New("the router ended:\n" + p.Output())
		}
	}
}

// allocated reads how many bytes the router has allocated on its heap.
func (c *largeClients) allocated(ctx context.Context) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.address+"/metrics", nil)
	if err != nil {
		return 0, fmt.Errorf("read the metrics: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("read the metrics: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, fmt.Errorf("read the metrics: %w", err)
	}
	const name = "go_memstats_alloc_bytes_total "
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, errors.New("the metrics lack " + name)
}

// ask has clients ask side by side.
func (c *largeClients) ask(ctx context.Context, clients int) error {
	errs := make([]error, clients)
	var left sync.WaitGroup
	for i := range clients {
		left.Go(func() {
			one := http.Client{Transport: &http.Transport{DisableCompression: true}}
			defer one.CloseIdleConnections()
			var body bytes.Buffer
			for n := 0; n < largeRequests && errs[i] == nil; n++ {
				errs[i] = c.once(ctx, &one, &body)
			}
		})
	}
	left.Wait()
	return errors.Join(errs...)
}

func (c *largeClients) once(ctx context.Context, one *http.Client, body *bytes.Buffer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address+"/graphql", strings.NewReader(c.scenario.Body))
	if err != nil {
		return fmt.Errorf("ask the router: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	began := time.Now()
	resp, err := one.Do(req)
	if err != nil {
		return fmt.Errorf("ask the router: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	first := time.Since(began) // the head comes with the first piece
	body.Reset()
	if _, err := body.ReadFrom(resp.Body); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	whole := time.Since(began)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the router answered %d: %.300s", resp.StatusCode, body)
	}
	c.mu.Lock()
	c.first, c.whole = append(c.first, first), append(c.whole, whole)
	c.mu.Unlock()
	return c.checker.Check(body.Bytes())
}
