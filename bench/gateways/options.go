package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options say what is measured.
type options struct {
	lethe     string // the binary
	config    string // of the router
	modes     modes
	sharing   bool // in the mode that is measured
	scenarios list
	only      list
	peers     peers
	modules   string
	public    string // directory of the public benchmark
	hive      string // Hive Router's binary
	clients   int
	rounds    int
	warmUp    time.Duration
	round     time.Duration
	pin       string
	json      string
	profile   string
	trouble   bool
	overload  bool
	memory    time.Duration // 0 for none
	large     bool
	count     bool // instructions
	baseline  string
	update    bool
}

// list is a flag of names with commas between them.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(text string) error {
	*l = strings.Split(text, ",")
	return nil
}

func (l list) takes(name string) bool {
	for _, n := range l {
		if n == name {
			return true
		}
	}
	return len(l) == 0
}

// takesAny reports whether one of the names is taken.
func (l list) takesAny(names []string) bool {
	return slices.ContainsFunc(names, l.takes)
}

// modes are whether work between equal requests is shared, once or by turns.
type modes []bool

func (m *modes) String() string { return fmt.Sprint([]bool(*m)) }

// IsBoolFlag lets the flag stand without a value.
func (m *modes) IsBoolFlag() bool { return true }

func (m *modes) Set(text string) error {
	if text == "both" {
		*m = modes{false, true}
		return nil
	}
	one, err := strconv.ParseBool(text)
	if err != nil {
		return errors.New("it is true, false or both")
	}
	*m = modes{one}
	return nil
}

// peer is a router whose command line was given.
type peer struct{ name, command string }

type peers []peer

func (p *peers) String() string { return "" }

func (p *peers) Set(text string) error {
	name, command, ok := strings.Cut(text, "=")
	if !ok || !strings.Contains(command, "{port}") {
		return errors.New(`a peer is given as "name=command", where the command holds {port} and, where it takes it, {supergraph}`)
	}
	*p = append(*p, peer{name, command})
	return nil
}

func readOptions(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("gateways", flag.ContinueOnError)
	long := f.Bool("long", false, "measure for long: 9 rounds of 10 s in place of 3 of 1 s")
	f.StringVar(&o.lethe, "lethe", "", "the lethe `binary`; built from this module when left out")
	f.StringVar(&o.config, "config", "", "`file` with the configuration of Lethe's router")
	f.Var(&o.modes, "sharing", "have routers share work between equal requests in flight; -sharing=both measures without and then with it")
	f.Var(&o.scenarios, "scenarios", "`names` of the scenarios, such as heavy,light; all when left out")
	f.Var(&o.only, "only", "`names` of the routers, such as lethe,floor-fasthttp; all when left out")
	f.Var(&o.peers, "peer", "`\"name=command\"` of another router, with {supergraph} and {port} in the command; may be repeated")
	f.StringVar(&o.modules, "modules", "e2e/clients/node_modules", "`directory` of the npm packages of the gateways in JavaScript")
	f.StringVar(&o.public, "public", "../shared/data/gateways-benchmark", "`directory` of the public gateways benchmark, which is measured where it is there")
	f.StringVar(&o.hive, "hive-router", "hive_router", "the `binary` of Hive Router")
	f.IntVar(&o.clients, "clients", 50, "how many clients ask at once")
	f.IntVar(&o.rounds, "rounds", 0, "how many rounds; 3, or 9 with -long")
	f.DurationVar(&o.warmUp, "warm-up", 0, "how long each router is warmed up; 1s, or 5s with -long")
	f.DurationVar(&o.round, "round", 0, "how long a round takes for each router; 1s, or 10s with -long")
	f.StringVar(&o.pin, "pin", "", "with taskset, the `cores` that routers run on, such as 0; all else runs on the others")
	f.StringVar(&o.json, "json", "", "`file` for the report as JSON")
	f.StringVar(&o.profile, "profile", "", "in place of measuring, write a CPU profile of Lethe's router under one scenario to this `file`, and one of the heap to FILE.heap; with -instructions, Callgrind's profile of them")
	f.BoolVar(&o.trouble, "trouble", false, "in place of measuring costs, measure how long light requests take beside heavy ones whose subgraph reports waits 2 s with 1 answer in 100")
	f.BoolVar(&o.overload, "overload", false, "in place of measuring costs, have 2000 clients ask heavy requests beside 50 that ask light ones, and measure what Lethe's router serves, what it refuses, and its memory")
	f.DurationVar(&o.memory, "memory", 0, "in place of measuring costs, load Lethe's router, or those of -only, for this `time` under one scenario, heavy when left out, and print its memory every ten seconds, and how it grows")
	f.BoolVar(&o.large, "large", false, "in place of measuring costs, measure what answers of 20 MB take: memory, CPU time, time to the first byte; -scenarios may be list or entities")
	f.BoolVar(&o.count, "instructions", false, "in place of measuring, count the instructions per request with Callgrind and fail where they rose by more than a tenth")
	f.StringVar(&o.baseline, "baseline", "bench/gateways/baseline.json", "`file` with the instructions that were agreed")
	f.BoolVar(&o.update, "update", false, "with -instructions, write the baseline")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("%q is not understood: everything is a flag", f.Arg(0))
	}
	rounds, warmUp, round := 3, time.Second, time.Second
	if *long {
		rounds, warmUp, round = 9, 5*time.Second, 10*time.Second
	}
	if o.rounds == 0 {
		o.rounds = rounds
	}
	if o.warmUp == 0 {
		o.warmUp = warmUp
	}
	if o.round == 0 {
		o.round = round
	}
	if o.clients < 1 || o.rounds < 1 {
		return nil, errors.New("there must be a client and a round at least")
	}
	if o.memory < 0 {
		return nil, errors.New("-memory takes a time above zero")
	}
	switch {
	case o.trouble, o.overload:
		o.scenarios = list{nameHeavy, nameLight}
	case o.memory > 0 && len(o.scenarios) == 0:
		o.scenarios = list{nameHeavy}
	}
	if o.memory > 0 && len(o.only) == 0 {
		o.only = list{nameLethe}
	}
	if o.profile != "" && len(o.scenarios) != 1 {
		return nil, errors.New("-profile needs the one scenario: -scenarios heavy")
	}
	if o.modes == nil {
		o.modes = modes{false}
	}
	switch {
	case o.config != "" && len(o.modes) > 1:
		return nil, errors.New("-config says whether Lethe's router shares: leave -sharing=both out")
	case len(o.modes) > 1 && (o.trouble || o.overload || o.large || o.count || o.memory > 0 || o.profile != ""):
		return nil, errors.New("-sharing=both is for measuring costs")
	}
	o.sharing = o.modes[0]
	return o, nil
}
