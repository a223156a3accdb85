package differential_test

import (
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/prepare"
	"github.com/lethe/lethe/router/supergraph"
)

var (
	seed       = flag.Uint64("seed", 0, "try this seed alone")
	from       = flag.Uint64("from", 1, "the first seed")
	operations = flag.Int64("operations", defaultOperations, "how many operations TestDifferential asks; the others ask a tenth")
	differing  = flag.Int("differences", 1, "how many differences end a test")
	verbose    = flag.Bool("tally", false, "tally the reasons why random subgraphs do not compose")
)

// perGraph is how many operations are asked of each supergraph.
const perGraph = 60

// counts is what a test met.
type counts struct {
	seeds, composed, asked, runs, streamed, invalid, refused, differences atomic.Int64

	mu    sync.Mutex
	codes map[string]int
}

func newCounts() *counts { return &counts{codes: map[string]int{}} }

// TestDifferential asks random operations of the router over random supergraphs, and compares each answer with that of a
// plain executor over all the data.
func TestDifferential(t *testing.T) {
	t.Parallel()
	c := newCounts()
	try(c, *operations, func(seed uint64) { differ(t, c, seed) })
	t.Logf("%d of %d supergraphs compose; %d operations asked in %d ways, of which %d were answered in pieces, %d were invalid, %d refused, %d answers differ",
		c.composed.Load(), c.seeds.Load(), c.asked.Load(), c.runs.Load(), c.streamed.Load(), c.invalid.Load(), c.refused.Load(), c.differences.Load())
	if runs, streamed := c.runs.Load(), c.streamed.Load(); streamed < runs/10 {
		t.Errorf("of %d responses only %d came in pieces", runs, streamed)
	}
	if *verbose {
		t.Log(c.codes)
	}
}

// try has one try the seeds until enough operations were asked, or enough answers differ: a seed alone where the flag says so.
func try(c *counts, operations int64, one func(seed uint64)) {
	if *seed > 0 {
		one(*seed)
		return
	}
	var next atomic.Uint64
	next.Store(*from - 1)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for c.asked.Load() < operations && c.differences.Load() < int64(*differing) {
				one(next.Add(1))
			}
		})
	}
	workers.Wait()
}

// world is a supergraph with its data, the router and the subgraphs.
type world struct {
	subgraphs []compose.Subgraph
	sdl       string
	sg        *supergraph.Supergraph
	u         *universe
	clean     *universe // without faults
	services  *services
	preparer  *prepare.Preparer
	executor  *execute.Executor

	requests int
}

func newWorld(subgraphs []compose.Subgraph, salt uint64, f faults) (*world, []compose.Error, error) {
	result, refused := compose.Compose(subgraphs)
	if len(refused) > 0 {
		return nil, refused, nil
	}
	w := &world{subgraphs: subgraphs, sdl: result.SDL}
	var err error
	if w.sg, err = supergraph.Parse(result.SDL); err != nil {
		return w, nil, fmt.Errorf("read the supergraph: %w", err)
	}
	w.u = newUniverse(w.sg, salt)
	w.u.faults = f
	w.clean = newUniverse(w.sg, salt)
	w.services = &services{byName: map[string]*service{}}
	for _, sub := range subgraphs {
		s, err := newService(sub, w.u)
		if err != nil {
			return w, nil, fmt.Errorf("subgraph %s: %w", sub.Name, err)
		}
		w.services.byName[sub.Name] = s
	}
	if w.preparer, err = prepare.New(w.sg, prepare.Options{Limits: prepare.Limits{RootFields: 1000}}); err != nil {
		return w, nil, err
	}
	w.executor = execute.New(w.services, execute.Options{Log: slog.New(slog.DiscardHandler), StreamFrom: 1 + int(salt%40)})
	return w, nil, nil
}

// differ tries one seed.
func differ(t *testing.T, c *counts, seed uint64) {
	differBy(t, c, seed, rand.New(rand.NewPCG(seed, 7)), perGraph)
}

// differBy tries a number of operations over the subgraphs that r chooses, with the faults of a seed.
func differBy(t *testing.T, c *counts, seed uint64, r *rand.Rand, operations int) {
	c.seeds.Add(1)
	g := randomSubgraphs(r, faultsOf(seed))
	w, refused, err := newWorld(g.subgraphs(), seed, faultsOf(seed))
	if len(refused) > 0 {
		c.mu.Lock()
		for _, e := range refused {
			c.codes[e.Code]++
			if e.Code == "INTERNAL" || *verbose && e.Code != "SATISFIABILITY_ERROR" {
				t.Errorf("seed %d: %v", seed, e)
			}
		}
		c.mu.Unlock()
		return
	}
	c.composed.Add(1)
	if err == nil {
		for n := range operations {
			op := randomOperation(r, w.sg.API())
			if err = w.compare(c, op, n); err == nil {
				continue
			}
			again := func(w *world, op operation) error { return w.compare(newCounts(), op, n) }
			w, op = smallest(g, w, op, again)
			err = again(w, op)
			break
		}
	}
	if err == nil {
		return
	}
	c.differences.Add(1)
	t.Error(report(seed, w, err), "run it again with -run TestDifferential -seed ", seed)
}

// report says what differs, and over which subgraphs.
func report(seed uint64, w *world, err error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %v\n", seed, err)
	for _, s := range w.subgraphs {
		fmt.Fprintf(&b, "# subgraph %s\n%s\n", s.Name, strings.TrimPrefix(s.SDL, federationLink))
	}
	return b.String()
}

// smallest gives a smaller world and a smaller operation that differ too, by what compare says.
func smallest(g *generator, w *world, op operation, compare func(w *world, op operation) error) (*world, operation) {
	same := kind(compare(w, op))
	fails := func(text string) bool {
		smaller := op
		smaller.text = text
		return kind(compare(w, smaller)) == same
	}
	op.text = shrink(op.text, fails)
	for n := len(op.variables) - 1; n >= 0 && len(op.variables) > 1; n-- {
		smaller := op
		if smaller.variables = slices.Delete(slices.Clone(op.variables), n, n+1); kind(compare(w, smaller)) == same {
			op = smaller
		}
	}
	g.shrinkGraphs(func() bool {
		smaller, refused, err := newWorld(g.subgraphs(), w.u.salt, w.u.faults)
		if len(refused) > 0 || err != nil || kind(compare(smaller, op)) != same {
			return false
		}
		w = smaller
		return true
	})
	op.text = shrink(op.text, fails)
	return w, op
}
