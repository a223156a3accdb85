package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/lethe/lethe/bench/gateways/load"
	"github.com/lethe/lethe/bench/gateways/scenario"
)

const (
	// manyClients are more than Lethe's router takes at once.
	manyClients = 2000
	// comesAgain is how long a client that was refused waits: a tenth of what it is told to.
	comesAgain = 100 * time.Millisecond
	// overloaded is how long the router is pressed.
	overloaded = 20 * time.Second
)

// measureOverload prints what Lethe's router serves and refuses, and how its memory grows: with clients that it can serve,
// with more than it takes, and with more where it takes few.
func (r *rig) measureOverload(ctx context.Context, set *scenario.Set) error {
	scenarios := map[string]*load.Scenario{}
	for _, s := range set.Scenarios {
		scenarios[s.Name] = s
	}
	// All clients come from one address, which here may have all that there is.
	many, few := filepath.Join(r.dir, "many.yaml"), filepath.Join(r.dir, "few.yaml")
	for file, text := range map[string]string{
		many: "clients: {shares: {requests: 1024, waiting: 512}}\n",
		few:  "limits: {concurrentRequests: 64}\nclients: {shares: {requests: 64, waiting: 32}}\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write a configuration: %w", err)
		}
	}
	tw := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	line(tw, "limits", "clients", "heavy 200/s", "p50 ms", "p99 ms", "503/s", "p99 ms", "without Retry-After", "light 200/s", "p50 ms", "p99 ms", "503/s", "MB each second", "peak")
	line(tw, slices.Repeat([]string{"---"}, 14)...)
	for _, of := range []struct {
		name, config string
		clients      int
	}{{"defaults", many, r.clients}, {"defaults", many, manyClients}, {"concurrentRequests: 64", few, manyClients}} {
		o := *r.options
		o.config = of.config
		cells, err := r.overloadOf(ctx, &o, scenarios, of.clients)
		if err != nil {
			return fmt.Errorf("%s, %d clients: %w", of.name, of.clients, err)
		}
		line(tw, append([]string{of.name, fmt.Sprint(of.clients)}, cells...)...)
	}
	return tw.Flush()
}

// overloadOf presses one router and gives the cells of its row.
func (r *rig) overloadOf(ctx context.Context, o *options, scenarios map[string]*load.Scenario, clients int) ([]string, error) {
	c := candidate{name: nameLethe, command: func(port string) []string { return letheCommand(o, r.files, port) }}
	one, err := start(ctx, c, o, scenarios[nameHeavy])
	if err != nil {
		return nil, err
	}
	defer one.Stop(ctx)
	light, err := load.New(one.load.URL(), scenarios[nameLight])
	if err != nil {
		return nil, err
	}
	if err := light.Repeat(1); err != nil {
		return nil, err
	}
	var heavyGot, lightGot *load.Pressed
	var heavyErr, lightErr error
	heavyEnded, lightEnded := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(heavyEnded)
		heavyGot, heavyErr = one.load.Press(ctx, clients, overloaded, comesAgain)
	}()
	go func() {
		defer close(lightEnded)
		lightGot, lightErr = light.Press(ctx, r.clients, overloaded, comesAgain)
	}()
	memory := ""
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	for running := true; running; {
		used, err := one.Usage()
		if err != nil {
			return nil, err
		}
		memory += number(megabytes(used.Resident), 0) + " "
		select {
		case <-ticks.C:
		case <-heavyEnded:
			running = false
		}
	}
	<-lightEnded
	used, err := one.Usage()
	if err := errors.Join(heavyErr, lightErr, err); err != nil {
		return nil, err
	}
	perSecond := func(n int64, p *load.Pressed) string { return number(float64(n)/p.Served.Took.Seconds(), 0) }
	refused := load.Result{Latencies: heavyGot.RefusedLatencies}
	return []string{
		perSecond(heavyGot.Served.Requests, heavyGot), number(milliseconds(heavyGot.Served.Quantile(0.5)), 0), number(milliseconds(heavyGot.Served.Quantile(0.99)), 0),
		perSecond(heavyGot.Refused, heavyGot), number(milliseconds(refused.Quantile(0.99)), 0), fmt.Sprint(heavyGot.Unsaid + lightGot.Unsaid),
		perSecond(lightGot.Served.Requests, lightGot), number(milliseconds(lightGot.Served.Quantile(0.5)), 0), number(milliseconds(lightGot.Served.Quantile(0.99)), 0),
		perSecond(lightGot.Refused, lightGot), memory, number(megabytes(used.Peak), 0),
	}, nil
}
