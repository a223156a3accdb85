package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/lethe/lethe/bench/gateways/load"
	"github.com/lethe/lethe/bench/gateways/process"
	"github.com/lethe/lethe/bench/gateways/scenario"
)

const (
	// betweenLooks is the time between two looks at a router's memory.
	betweenLooks = 10 * time.Second
	// settling is how long a router's memory may grow before it is said to: buffers are filled, connections opened.
	settling = time.Minute
)

// look is a router's memory at a moment.
type look struct {
	at   time.Duration // since the load began
	used process.Usage
}

// measureMemory loads routers for a time and prints what memory they hold meanwhile, and how it grows.
func (r *rig) measureMemory(ctx context.Context, set *scenario.Set) error {
	for _, s := range set.Scenarios {
		r.files.script = filepath.Join(r.dir, s.Name+".json")
		if _, err := r.script(ctx, s); err != nil {
			return err
		}
		list, missing := candidates(r.options, r.files, r.dir)
		for _, f := range missing {
			return fmt.Errorf("%s: %s", f.Router, f.Why)
		}
		for _, c := range list {
			if err := r.memoryOf(ctx, c, s); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	return nil
}

// memoryOf measures one router.
func (r *rig) memoryOf(ctx context.Context, c candidate, s *load.Scenario) error {
	one, err := start(ctx, c, r.options, s)
	if err != nil {
		return err
	}
	defer one.Stop(ctx)
	fmt.Printf("\n### Memory of %s: %s, %d clients, %v\n\n", c.name, s.Name, r.clients, r.memory)
	out := tabwriter.NewWriter(os.Stdout, 12, 0, 1, ' ', 0) // flushed line by line
	line(out, "seconds", "requests/s", "MB resident", "peak", "its own", "of files", "load")
	line(out, "---", "---", "---", "---", "---", "---", "---")
	var got *load.Result
	var failed error
	ended := make(chan struct{})
	began := time.Now()
	go func() {
		defer close(ended)
		got, failed = one.load.Run(ctx, r.clients, r.memory)
	}()
	ticks := time.NewTicker(betweenLooks)
	defer ticks.Stop()
	var looks []look
	before, last := one.load.Answered(), began
	for running := true; running; {
		select {
		case <-ticks.C:
		case <-ended:
			running = false
		}
		used, err := one.Usage()
		if err != nil {
			return err
		}
		now, answered := time.Now(), one.load.Answered()
		looks = append(looks, look{now.Sub(began), used})
		line(out, number(now.Sub(began).Seconds(), 0), number(float64(answered-before)/now.Sub(last).Seconds(), 0), number(megabytes(used.Resident), 1),
			number(megabytes(used.Peak), 1), number(megabytes(used.Own), 1), number(megabytes(used.Files), 1), number(loadAverage(), 1))
		_ = out.Flush() // to the terminal
		before, last = answered, now
	}
	if failed != nil {
		return failed
	}
	fmt.Printf("\n%d requests, p50 %.1f ms, p99 %.1f ms. ", got.Requests, milliseconds(got.Quantile(0.5)), milliseconds(got.Quantile(0.99)))
	if slope, ok := growth(looks, min(settling, r.memory/2)); ok {
		fmt.Printf("After %v resident memory changed by %+.1f MB in ten minutes (least squares).\n", min(settling, r.memory/2), slope)
	} else {
		fmt.Println("That was too short to tell how memory grows.")
	}
	return nil
}

// growth fits a line through the resident memory of the looks after a time, and gives how much it rises in ten minutes, in
// megabytes.
func growth(looks []look, after time.Duration) (slope float64, ok bool) {
	var n, sumX, sumY, sumXX, sumXY float64
	for _, l := range looks {
		if l.at < after {
			continue
		}
		x, y := l.at.Minutes()/10, megabytes(l.used.Resident)
		n, sumX, sumY, sumXX, sumXY = n+1, sumX+x, sumY+y, sumXX+x*x, sumXY+x*y
	}
	spread := n*sumXX - sumX*sumX
	if n < 3 || spread <= 0 {
		return 0, false
	}
	return (n*sumXY - sumX*sumY) / spread, true
}
