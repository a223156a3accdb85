package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/lethe/lethe/bench/gateways/load"
	"github.com/lethe/lethe/bench/gateways/scenario"
)

// The scenarios that trouble is measured with: heavy uses the subgraph in trouble, and light does not.
const (
	nameHeavy = "heavy"
	nameLight = "light"
	inTrouble = "reviews"
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
	_, _ = fmt.Fprintln(tw, "| router\t| "+inTrouble+"\t| light p50 ms\t| light p99 ms\t| heavy p50 ms\t| heavy p99 ms\t| peak MB\t|")
	_, _ = fmt.Fprintln(tw, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
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

// troubleOf measures one router.
func (r *rig) troubleOf(ctx context.Context, c candidate, scenarios map[string]*load.Scenario, tw *tabwriter.Writer) error {
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
	for _, slow := range []string{"", inTrouble} {
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
		used, err := one.Usage()
		if err != nil {
			return err
		}
		state := "well"
		if slow != "" {
			state = "waits"
		}
		_, _ = fmt.Fprintf(tw, "| %s\t| %s\t| %.1f\t| %.1f\t| %.1f\t| %.1f\t| %.0f\t|\n", c.name, state, milliseconds(got.Quantile(0.5)), milliseconds(got.Quantile(0.99)),
			milliseconds(heavyGot.Quantile(0.5)), milliseconds(heavyGot.Quantile(0.99)), megabytes(used.Peak))
	}
	return nil
}
