package differential_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/prepare"
	"github.com/lethe/lethe/router/supergraph"
)

var (
	seed       = flag.Uint64("seed", 0, "run TestDifferential for this seed alone, and say more")
	from       = flag.Uint64("from", 1, "the first seed of TestDifferential")
	operations = flag.Int64("operations", defaultOperations, "how many operations TestDifferential asks")
	differing  = flag.Int("differences", 1, "how many differences end TestDifferential")
	verbose    = flag.Bool("tally", false, "tally the reasons why random subgraphs do not compose")
)

// faultsOf gives what goes wrong in a seed's universe: nothing in most.
func faultsOf(seed uint64) faults {
	switch seed % 8 {
	case 0:
		return faults{fields: 9}
	case 1:
		return faults{fields: 60}
	case 2:
		return faults{entities: 5}
	case 3:
		return faults{calls: 5}
	}
	return faults{}
}

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
	if *seed > 0 {
		differ(t, c, *seed)
		return
	}
	var next atomic.Uint64
	next.Store(*from - 1)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for c.asked.Load() < *operations && c.differences.Load() < int64(*differing) {
				differ(t, c, next.Add(1))
			}
		})
	}
	workers.Wait()
	t.Logf("%d of %d supergraphs compose; %d operations asked in %d ways, of which %d were answered in pieces, %d were invalid, %d refused, %d answers differ",
		c.composed.Load(), c.seeds.Load(), c.asked.Load(), c.runs.Load(), c.streamed.Load(), c.invalid.Load(), c.refused.Load(), c.differences.Load())
	if runs, streamed := c.runs.Load(), c.streamed.Load(); streamed < runs/10 {
		t.Errorf("of %d responses only %d came in pieces", runs, streamed)
	}
	if *verbose {
		t.Log(c.codes)
	}
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
	if w.preparer, err = prepare.New(w.sg, prepare.Options{}); err != nil {
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
			w, op = smallest(g, w, op, n)
			err = w.compare(newCounts(), op, n)
			break
		}
	}
	if err == nil {
		return
	}
	c.differences.Add(1)
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %v\n", seed, err)
	for _, s := range w.subgraphs {
		fmt.Fprintf(&b, "# subgraph %s\n%s\n", s.Name, strings.TrimPrefix(s.SDL, federationLink))
	}
	t.Errorf("%srun it again with -run TestDifferential -seed %d", b.String(), seed)
}

// smallest gives a smaller world and a smaller operation that differ too.
func smallest(g *generator, w *world, op operation, n int) (*world, operation) {
	fails := func(text string) bool {
		smaller := op
		smaller.text = text
		return w.compare(newCounts(), smaller, n) != nil
	}
	op.text = shrink(op.text, fails)
	g.shrinkGraphs(func() bool {
		smaller, refused, err := newWorld(g.subgraphs(), w.u.salt, w.u.faults)
		if len(refused) > 0 || err != nil || smaller.compare(newCounts(), op, n) == nil {
			return false
		}
		w = smaller
		return true
	})
	op.text = shrink(op.text, fails)
	return w, op
}

// compare asks one operation with all the values that it has for its variables.
func (w *world) compare(c *counts, op operation, n int) error {
	doc, invalid := gqlparser.LoadQueryWithRules(w.sg.API(), op.text, referenceRules())
	if len(invalid) > 0 {
		c.invalid.Add(1)
		c.mu.Lock()
		c.codes[invalid[0].Rule+": "+invalid[0].Message]++
		c.mu.Unlock()
		return nil
	}
	c.asked.Add(1)
	prepared, err := w.preparer.Prepare(context.Background(), []byte(op.text), nil)
	if err != nil {
		return err
	}
	if len(prepared.Errors) > 0 {
		if code := prepared.Errors[0].Extensions["code"]; code == "TOO_MANY_ALIASES" {
			c.refused.Add(1)
			return nil
		}
		return fmt.Errorf("%s\nrefused: %w", op.text, prepared.Errors)
	}
	for i, values := range op.variables {
		c.runs.Add(1)
		if err := w.compareRun(c, prepared, doc, values, (n+i)%2 == 0); err != nil {
			text, _ := json.Marshal(values)
			return fmt.Errorf("%w\n%s\n%s\n%s\n%s", err, op.text, text, prepared.Program.Plan(), strings.Join(w.services.calls, "\n"))
		}
	}
	return nil
}

func (w *world) compareRun(c *counts, prepared *prepare.Prepared, doc *ast.QueryDocument, values map[string]any, moved bool) error {
	labels := map[string]bool{"moved": moved, "other": !moved, "percent(100)": true, "percent(0)": false}
	percent := map[string]float64{"moved": 0, "other": 100}
	if moved {
		percent = map[string]float64{"moved": 100, "other": 0}
	}
	given, err := json.Marshal(values)
	if err != nil {
		return err
	}
	var coerced prepare.Values
	if errs := prepared.Coerce(&coerced, given); len(errs) > 0 {
		return fmt.Errorf("the variables are refused: %w", errs)
	}
	w.services.reset(labels)
	answer, err := w.execute(c, prepared.Program, execute.Request{Variables: coerced.JSON, Labels: execute.Labels{Percent: percent}})
	if w.u.broken {
		return nil
	}
	if err != nil {
		return err
	}
	if len(w.services.violations) > 0 {
		return errors.Join(w.services.violations...)
	}
	var got struct {
		Data   json.RawMessage
		Errors []graphQLError
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		return fmt.Errorf("%w: %s", err, answer)
	}
	whole, errs := w.answer(w.u, doc, values)
	if w.u.broken {
		return nil
	}
	want, err := json.Marshal(whole)
	if err != nil {
		return err
	}
	same := bytes.Equal(normal(got.Data), normal(want))
	if w.u.faults.any() {
		clean, _ := w.answer(w.clean, doc, values)
		if err := sound(w.u, clean, got.Data, got.Errors); err != nil {
			return fmt.Errorf("%w\ngot  %s\nof   %s\nerrors %v", err, got.Data, want, got.Errors)
		}
	} else if !same {
		return fmt.Errorf("the answers differ\ngot  %s\nwant %s\nerrors %v", got.Data, want, got.Errors)
	}
	errs = slices.DeleteFunc(errs, func(e graphQLError) bool { return w.services.missed(e.way) })
	if len(got.Errors) == 0 && len(errs) > 0 || len(got.Errors) > 0 && len(errs) == 0 && !w.u.faults.any() {
		return fmt.Errorf("the errors differ\ndata %s\ngot  %v\nwant %v", want, got.Errors, errs)
	}
	return nil
}

// answer has a universe answer an operation as a whole.
func (w *world) answer(u *universe, doc *ast.QueryDocument, values map[string]any) (any, []graphQLError) {
	e := &executor{schema: w.sg.API(), doc: doc, resolver: &whole{u: u, state: &state{}}}
	op := doc.Operations[0]
	e.variables(op, values)
	return e.run(op, thing{"Query", 0}), e.errors
}

// normal writes JSON with its strings escaped in one way, and keeps the order of its fields.
func normal(text []byte) []byte {
	var b bytes.Buffer
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return b.Bytes()
		}
		if s, ok := token.(string); ok {
			quoted, _ := json.Marshal(s)
			b.Write(quoted)
		} else {
			fmt.Fprint(&b, token)
		}
		b.WriteByte(' ')
	}
}
