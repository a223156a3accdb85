package differential_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/prepare"
)

// TestSubscriptionDifferential has the router answer an event of random subscriptions, and compares with what a plain executor
// answers.
func TestSubscriptionDifferential(t *testing.T) {
	t.Parallel()
	c := newCounts()
	try(c, *operations/10, func(seed uint64) { differSubscribed(t, c, seed) })
	t.Logf("%d subscriptions with %d events, %d refused, %d answers differ", c.asked.Load(), c.runs.Load(), c.refused.Load(), c.differences.Load())
}

// differSubscribed tries one seed.
func differSubscribed(t *testing.T, c *counts, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 13))
	g := randomSubgraphs(r, faultsOf(seed))
	w, refused, err := newWorld(g.subgraphs(), seed, faultsOf(seed))
	if len(refused) > 0 || err == nil && w.sg.API().Subscription == nil {
		return
	}
	for n := 0; n < perGraph/3 && err == nil; n++ {
		op := randomSubscription(r, w.sg.API())
		if err = w.compareEvents(c, op); err != nil {
			w, op = smallest(g, w, op, func(w *world, op operation) error { return w.compareEvents(newCounts(), op) })
			err = w.compareEvents(newCounts(), op)
		}
	}
	if err != nil {
		c.differences.Add(1)
		t.Error(report(seed, w, err), "run it again with -run TestSubscriptionDifferential -seed ", seed)
	}
}

// compareEvents subscribes once with each of the values that an operation has for its variables.
func (w *world) compareEvents(c *counts, op operation) error {
	doc, invalid := gqlparser.LoadQueryWithRules(w.sg.API(), op.text, referenceRules())
	if len(invalid) > 0 || canMerge(w.sg.API(), doc) != nil {
		c.invalid.Add(1)
		return nil
	}
	prepared, err := w.preparer.Prepare(context.Background(), []byte(op.text), nil)
	if err != nil {
		return err
	}
	c.asked.Add(1)
	if len(prepared.Errors) > 0 {
		return fmt.Errorf("refused: %w\n%s", prepared.Errors, op.text)
	}
	for _, values := range op.variables {
		c.runs.Add(1)
		if err := w.compareEvent(prepared, doc, values); err != nil {
			text, _ := json.Marshal(values)
			return fmt.Errorf("%w\n%s\n%s\n%s\n%s", err, op.text, text, prepared.Program.Plan(), strings.Join(w.services.calls, "\n"))
		}
	}
	return nil
}

func (w *world) compareEvent(prepared *prepare.Prepared, doc *ast.QueryDocument, values map[string]any) error {
	given, err := json.Marshal(values)
	if err != nil {
		return err
	}
	var coerced prepare.Values
	if errs := prepared.Coerce(&coerced, given); len(errs) > 0 {
		return fmt.Errorf("the variables are refused: %w", errs)
	}
	w.services.reset(map[string]bool{"percent(100)": true})
	req := execute.Request{Variables: coerced.JSON}
	call, err := prepared.Program.Source(req, nil)
	if err != nil {
		return err
	}
	event, err := w.services.Call(context.Background(), call, nil)
	if len(w.services.violations) == 0 && err != nil || w.u.broken {
		return nil // there is no event
	}
	answer, outcome := w.executor.Event(context.Background(), prepared.Program, req, event, nil)
	if outcome.Err != nil {
		return outcome.Err
	}
	if len(w.services.violations) > 0 {
		return errors.Join(w.services.violations...)
	}
	var got response
	if err := json.Unmarshal(answer, &got); err != nil {
		return fmt.Errorf("%w: %s", err, answer)
	}
	return w.judge(doc, values, got.Data, got.Errors)
}
