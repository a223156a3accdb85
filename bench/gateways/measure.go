package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lethe/lethe/bench/gateways/floor"
	"github.com/lethe/lethe/bench/gateways/load"
	"github.com/lethe/lethe/bench/gateways/process"
	"github.com/lethe/lethe/bench/gateways/scenario"
)

// sample is one round of one router.
type sample struct {
	RequestsPerSecond float64 `json:"requestsPerSecond"`
	// CPU is microseconds of user and system time per request.
	CPU float64 `json:"cpuMicroseconds"`
	// User and System are the parts of it that the program itself took, and the kernel for it.
	User        float64 `json:"userMicroseconds"`
	System      float64 `json:"systemMicroseconds"`
	P50         float64 `json:"p50Milliseconds"`
	P95         float64 `json:"p95Milliseconds"`
	P99         float64 `json:"p99Milliseconds"`
	Fetches     float64 `json:"subgraphRequestsPerRequest"`
	ResidentMB  float64 `json:"residentMB"`
	PeakMB      float64 `json:"peakMB"`
	LoadAverage float64 `json:"loadAverage"`
}

// enoughRequests are those after which a router is warm.
const enoughRequests = 500

// rig is what the measurements of all scenarios share.
type rig struct {
	*options
	files   files
	backend *backend
	dir     string
}

// measure does what the options ask for and prints it.
func measure(ctx context.Context, o *options) error {
	dir, err := os.MkdirTemp("", "gateways")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	r := &rig{options: o, dir: dir}
	if r.files.self, err = self(); err != nil {
		return err
	}
	if o.profile == "" && !o.count { // else this program is the router
		if r.files.lethe, err = buildLethe(ctx, o.lethe, dir); err != nil {
			return err
		}
	}
	r.files.sharing = filepath.Join(dir, "sharing.yaml")
	if err := os.WriteFile(r.files.sharing, []byte("shareInFlight: true\n"), 0o600); err != nil {
		return fmt.Errorf("write a configuration: %w", err)
	}
	rest := ""
	if o.pin != "" {
		if rest, err = otherCores(o.pin); err != nil {
			return err
		}
		if err := restrict(ctx, rest); err != nil {
			return err
		}
	}
	if o.large {
		return r.measureLarge(ctx, rest)
	}
	sets, err := selected(o.scenarios, o.public)
	if err != nil {
		return err
	}
	rep, counts := newReport(o), map[string]float64{}
	for _, o.sharing = range o.modes {
		for _, set := range sets {
			if err := r.set(ctx, set, rest, rep, counts); err != nil {
				return err
			}
		}
	}
	switch {
	case o.count:
		return r.instructions(counts)
	case o.profile != "", o.trouble, o.overload, o.memory > 0:
		return nil
	}
	return rep.write(o.json)
}

// selected returns the sets with the scenarios of the names, all of them where there are none. The public benchmark is read
// from a directory; where it is not there, a line says so and the rest is measured.
func selected(names list, public string) ([]*scenario.Set, error) {
	files := publicFiles(public)
	all, err := scenario.All(files)
	if err != nil {
		return nil, err
	}
	if files == nil && names.takes("public") {
		fmt.Fprintf(os.Stderr, "not measured: public, the data of the public benchmark (graphql-hive/graphql-gateways-benchmark, MIT), which is no part of this repository: -public says where it is, and it is not in %s\n", public)
	}
	var known []string
	var sets []*scenario.Set
	for _, set := range all {
		var taken []*load.Scenario
		for _, s := range set.Scenarios {
			known = append(known, s.Name)
			if names.takes(s.Name) {
				taken = append(taken, s)
			}
		}
		if set.Scenarios = taken; len(taken) > 0 {
			sets = append(sets, set)
		}
	}
	for _, n := range names {
		if n != "public" && !slices.Contains(known, n) {
			return nil, fmt.Errorf("there is no scenario %s: there are %s", n, strings.Join(known, ", "))
		}
	}
	return sets, nil
}

// set measures the scenarios of a set, with the subgraphs on the given cores.
func (r *rig) set(ctx context.Context, set *scenario.Set, cores string, rep *report, counts map[string]float64) (err error) {
	if r.backend, err = startBackend(ctx, r.files.self, set.Name, r.public, cores); err != nil {
		return err
	}
	defer r.backend.Stop(ctx)
	sdl, err := set.Supergraph(r.backend.addresses)
	if err != nil {
		return err
	}
	r.files.supergraph = filepath.Join(r.dir, set.Name+".graphql")
	if err := os.WriteFile(r.files.supergraph, []byte(sdl), 0o600); err != nil {
		return fmt.Errorf("write the supergraph: %w", err)
	}
	switch {
	case r.trouble:
		return r.measureTrouble(ctx, set)
	case r.overload:
		return r.measureOverload(ctx, set)
	case r.memory > 0:
		return r.measureMemory(ctx, set)
	}
	for _, s := range set.Scenarios {
		switch {
		case r.count && s.Timed:
			continue
		case r.count:
			n, err := r.instructionsOf(ctx, s)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			if !s.Elsewhere {
				counts[s.Name] = n
			}
			continue
		case r.profile != "":
			if err := r.profileRouter(ctx, s); err != nil {
				return err
			}
			continue
		}
		t, err := r.scenario(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		rep.Scenarios = append(rep.Scenarios, t)
		t.print(os.Stdout)
	}
	return nil
}

// scenario measures every router under one scenario: rounds of one after the other, so that what else happens on the
// machine meets them alike.
func (r *rig) scenario(ctx context.Context, s *load.Scenario) (*table, error) {
	r.files.script = filepath.Join(r.dir, s.Name+".json")
	script, err := r.script(ctx, s)
	if err != nil {
		return nil, err
	}
	t := &table{Scenario: s.Name, Sharing: r.sharing, AnswerBytes: len(script.Answer), Steps: len(script.Steps)}
	for _, step := range script.Steps {
		t.Requests += len(step)
	}
	var routers []*running
	defer func() {
		for _, c := range routers {
			c.Stop(ctx)
		}
	}()
	list, missing := candidates(r.options, r.files, r.dir)
	t.Failed = append(t.Failed, missing...)
	for _, c := range list {
		one, err := start(ctx, c, r.options, s)
		if err != nil {
			t.Failed = append(t.Failed, failure{c.name, err.Error()})
			continue
		}
		routers = append(routers, one)
		t.Rows = append(t.Rows, &row{Router: c.name})
		if err := r.warm(ctx, one); err != nil {
			return nil, fmt.Errorf("warm up %s: %w", c.name, err)
		}
	}
	for range r.rounds {
		for i, one := range routers {
			m, err := r.sample(ctx, one)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", one.name, err)
			}
			t.Rows[i].Samples = append(t.Rows[i].Samples, m)
		}
	}
	t.summarise()
	return t, nil
}

// warm asks for the time of a warm-up, and a slow router for up to five of them: a compiler at run time needs its calls.
func (r *rig) warm(ctx context.Context, one *running) error {
	for n, i := int64(0), 0; i < 5 && n < enoughRequests; i++ {
		got, err := one.load.Run(ctx, r.clients, r.warmUp)
		if err != nil {
			return err
		}
		n += got.Requests
	}
	return nil
}

// script records what the null routers are to do.
func (r *rig) script(ctx context.Context, s *load.Scenario) (*floor.Script, error) {
	c := candidate{name: nameLethe, command: func(port string) []string { return letheCommand(r.options, r.files, port) }}
	one, err := start(ctx, c, r.options, s)
	if err != nil {
		return nil, err
	}
	defer one.Stop(ctx)
	return r.backend.record(ctx, one, r.files.script)
}

// sample is one round of one router.
func (r *rig) sample(ctx context.Context, one *running) (m sample, err error) {
	asked, err := r.backend.counts(ctx)
	if err != nil {
		return m, err
	}
	before, err := one.Usage()
	if err != nil {
		return m, err
	}
	got, err := one.load.Run(ctx, r.clients, r.round)
	if err != nil {
		return m, err
	}
	if got.Requests == 0 {
		return m, errors.New("no request was answered")
	}
	after, err := one.Usage()
	if err != nil {
		return m, err
	}
	askedAfter, err := r.backend.counts(ctx)
	if err != nil {
		return m, err
	}
	if askedAfter.Failed > asked.Failed {
		return m, errors.New("the router asked the subgraphs for what they do not have")
	}
	n := float64(got.Requests)
	return sample{
		RequestsPerSecond: n / got.Took.Seconds(),
		CPU:               float64((after.CPU() - before.CPU()).Microseconds()) / n,
		User:              float64((after.User - before.User).Microseconds()) / n,
		System:            float64((after.System - before.System).Microseconds()) / n,
		P50:               milliseconds(got.Quantile(0.5)), P95: milliseconds(got.Quantile(0.95)), P99: milliseconds(got.Quantile(0.99)),
		Fetches:    float64(askedAfter.Requests-asked.Requests) / n,
		ResidentMB: megabytes(after.Resident), PeakMB: megabytes(after.Peak),
		LoadAverage: loadAverage(),
	}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func megabytes(n int64) float64 { return float64(n) / (1 << 20) }

// loadAverage is that of the last minute.
func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	f, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return f
}

// profileRouter loads the router under profilers of its CPU time and heap.
func (r *rig) profileRouter(ctx context.Context, s *load.Scenario) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	cmd := exec.Command(r.files.self, partRouter, "127.0.0.1:"+port, r.files.supergraph, r.profile)
	input, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	p, err := process.Start(cmd)
	if err != nil {
		return err
	}
	defer end(ctx, p, input)
	g, err := load.New("http://127.0.0.1:"+port+"/graphql", s)
	if err != nil {
		return err
	}
	if err := ready(ctx, g, p.Ended()); err != nil {
		return err
	}
	heap := time.AfterFunc(r.round/2, func() { _, _ = fmt.Fprintln(input, r.profile+".heap") }) // it may have ended
	defer heap.Stop()
	pressed, err := g.Press(ctx, r.clients, r.round, comesAgain)
	if err != nil {
		return err
	}
	got := &pressed.Served
	used, err := p.Usage()
	if err != nil {
		return err
	}
	if pressed.Refused > 0 {
		fmt.Printf("%d requests were refused. ", pressed.Refused)
	}
	fmt.Printf("%d requests in %v, %.0f µs of CPU each, %.0f MB at most: %[5]s and, half way, %[5]s.heap\n", got.Requests, got.Took.Round(time.Millisecond), float64(used.CPU().Microseconds())/float64(got.Requests), megabytes(used.Peak), r.profile)
	return nil
}
