package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"

	"github.com/lethe/lethe/bench/gateways/baseline"
	"github.com/lethe/lethe/bench/gateways/load"
	"github.com/lethe/lethe/bench/gateways/process"
)

// fewRequests are those of the first of two runs, whose difference is the cost: the operation was met, buffers are filled.
const fewRequests = 20

// A small answer takes few instructions, and how often the scheduler lets its goroutines wait is a good part of them: single
// counts of the same program lay 15 % apart, so the median of several is taken over more requests each.
const (
	smallAnswer = 4 << 10
	smallCounts = 5
	largeCounts = 3
)

// counting gives how many counts are made for a scenario, and how many requests the second run of each has more.
func counting(s *load.Scenario) (counts, more int) {
	if len(s.Answer) < smallAnswer {
		return smallCounts, 1000
	}
	return largeCounts, 100
}

// instructions holds what was counted against the baseline, or writes it.
func (r *rig) instructions(all map[string]float64) error {
	if r.update {
		return baseline.Update(r.baseline, func(c *baseline.Costs) { c.Instructions = all })
	}
	agreed, err := baseline.Read(r.baseline)
	if err != nil {
		return err
	}
	return baseline.Risen("instructions", agreed.Instructions, all)
}

// instructionsOf counts the instructions that Lethe's router takes for a request.
func (r *rig) instructionsOf(ctx context.Context, s *load.Scenario) (float64, error) {
	counts, more := counting(s)
	var all []float64
	for range counts {
		each, err := r.countOnce(ctx, s, more)
		if err != nil {
			return 0, err
		}
		all = append(all, each)
	}
	slices.Sort(all)
	median := all[len(all)/2]
	fmt.Printf("%s: %.0f instructions per request (%d counts, %.0f to %.0f)\n", s.Name, median, counts, all[0], all[len(all)-1])
	return median, nil
}

// countOnce gives the difference of two runs, for one request.
func (r *rig) countOnce(ctx context.Context, s *load.Scenario, more int) (float64, error) {
	few, err := r.callgrind(ctx, s, fewRequests, "/dev/null")
	if err != nil {
		return 0, err
	}
	out := "/dev/null"
	if r.profile != "" {
		out = r.profile
	}
	many, err := r.callgrind(ctx, s, fewRequests+more, out)
	if err != nil {
		return 0, err
	}
	return float64(many-few) / float64(more), nil
}

var collected = regexp.MustCompile(`Collected : (\d+)`)

// callgrind gives the instructions of a router's life with n requests, and writes where they were spent to out.
func (r *rig) callgrind(ctx context.Context, s *load.Scenario, n int, out string) (int64, error) {
	valgrind, err := exec.LookPath("valgrind")
	if err != nil {
		return 0, fmt.Errorf("instructions are counted by Callgrind: install valgrind: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(valgrind, "--tool=callgrind", "--callgrind-out-file="+out, r.files.self, partRouter, "127.0.0.1:"+port, r.files.supergraph)
	// Callgrind does not survive the signals that stop a goroutine; and what the collector and idle threads do depends on
	// the time it takes.
	cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=1", "GOGC=off")
	input, err := cmd.StdinPipe()
	if err != nil {
		return 0, fmt.Errorf("make a pipe: %w", err)
	}
	p, err := process.Start(cmd)
	if err != nil {
		return 0, err
	}
	err = asked(ctx, "http://127.0.0.1:"+port+"/graphql", s, p, n)
	end(ctx, p, input)
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, p.Output())
	}
	found := collected.FindStringSubmatch(p.Output())
	if found == nil {
		return 0, errors.New("Callgrind did not end well: " + p.Output())
	}
	count, err := strconv.ParseInt(found[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read what Callgrind counted: %w", err)
	}
	return count, nil
}

// asked waits until a router serves and sends it n requests.
func asked(ctx context.Context, address string, s *load.Scenario, p *process.Process, n int) error {
	g, err := load.New(address, s)
	if err != nil {
		return err
	}
	if err := ready(ctx, g, p.Ended()); err != nil {
		return err
	}
	return g.Repeat(n)
}

// end has a part of the rig end by itself.
func end(ctx context.Context, p *process.Process, input io.Closer) {
	_ = input.Close() // the program may have ended
	select {
	case <-p.Ended():
	case <-ctx.Done():
	}
	p.Stop(ctx)
}
