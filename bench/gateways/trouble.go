package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/lethe/lethe/bench/gateways/garden"
	"github.com/lethe/lethe/bench/gateways/load"
	"github.com/lethe/lethe/bench/gateways/scenario"
)

// The scenarios that trouble is measured with: heavy uses the subgraph in trouble, and light does not.
const (
	nameHeavy = "heavy"
	nameLight = "light"
	inTrouble = garden.Reports
)

// measureTrouble prints how long light requests take beside heavy ones, with every subgraph well and with one in trouble.
func (r *rig) measureTrouble(ctx context.Context, set *scenario.Set) error {
	scenarios := map[string]*load.Scenario{}
	for _, s := range set.Scenarios {
		scenarios[s.Name] = s
	}
	r.files.script = filepath.Join(r.dir, "trouble.json")
	if _, err := r.script(ctx, scenarios[nameHeavy]); err != nil {
		return err
	}
	list, _ := candidates(r.options, r.files, r.dir)
	tw := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	line(tw, "router", inTrouble, "light requests/s", "p50 ms", "p99 ms", "p99 to well", "heavy requests/s", "p50 ms", "p99 ms", "peak MB", "load")
	line(tw, slices.Repeat([]string{"---"}, 11)...)
	for _, c := range list {
		if isFloor(c.name) {
			continue // they know one scenario
		}
		if err := r.troubleOf(ctx, c, scenarios, tw); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return tw.Flush()
}

// troubled is what was seen of one scenario in the rounds of one state: the medians count.
type troubled struct{ perSecond, p50, p99 []float64 }

func (t *troubled) add(got *load.Result) {
	t.perSecond = append(t.perSecond, float64(got.Requests)/got.Took.Seconds())
	t.p50 = append(t.p50, milliseconds(got.Quantile(0.5)))
	t.p99 = append(t.p99, milliseconds(got.Quantile(0.99)))
}

// troubleOf measures one router, in rounds with every subgraph well and with one in trouble, by turns, so that what else
// happens on the machine meets both.
func (r *rig) troubleOf(ctx context.Context, c candidate, scenarios map[string]*load.Scenario, tw io.Writer) error {
	one, err := start(ctx, c, r.options, scenarios[nameHeavy])
	if err != nil {
		return err
	}
	defer one.Stop(ctx)
	light, err := load.New(one.load.URL(), scenarios[nameLight])
	if err != nil {
		return err
	}
	if err := errors.Join(r.warm(ctx, one), light.Repeat(enoughRequests)); err != nil {
		return err
	}
	states := []string{"", inTrouble}
	lights, heavies := make([]troubled, len(states)), make([]troubled, len(states))
	for range r.rounds {
		for i, slow := range states {
			var none any
			if err := r.backend.get(ctx, "/slow?subgraph="+slow, &none); err != nil {
				return err
			}
			var heavyGot *load.Result
			var failed error
			ended := make(chan struct{})
			go func() {
				heavyGot, failed = one.load.Run(ctx, r.clients, r.round)
				close(ended)
			}()
			got, err := light.Run(ctx, r.clients, r.round)
			<-ended
			if err := errors.Join(err, failed); err != nil {
				return err
			}
			lights[i].add(got)
			heavies[i].add(heavyGot)
		}
	}
	used, err := one.Usage()
	if err != nil {
		return err
	}
	well := medianOf(lights[0].p99)
	for i, state := range []string{"well", "waits"} {
		l, h := &lights[i], &heavies[i]
		line(tw, c.name, state, number(medianOf(l.perSecond), 0), number(medianOf(l.p50), 1), number(medianOf(l.p99), 1), number(medianOf(l.p99)/well, 2),
			number(medianOf(h.perSecond), 0), number(medianOf(h.p50), 1), number(medianOf(h.p99), 1), number(megabytes(used.Peak), 0), number(loadAverage(), 1))
	}
	return nil
}
