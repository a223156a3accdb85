package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"

	"github.com/lethe/lethe/bench/gateways/baseline"
	"github.com/lethe/lethe/bench/gateways/load"
	"github.com/lethe/lethe/bench/gateways/process"
)

// fewRequests are those of the first of two runs, whose difference is the cost: the operation was met, buffers are filled.
const fewRequests = 20

// moreRequests are those that the second run has more: what differs between runs must not show.
func moreRequests(s *load.Scenario) int {
	if len(s.Answer) < 4<<10 {
		return 1000
	}
	return 100
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
	more := moreRequests(s)
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
	each := float64(many-few) / float64(more)
	fmt.Printf("%s: %.0f instructions per request\n", s.Name, each)
	return each, nil
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
