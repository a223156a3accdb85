package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lethe/lethe/bench/gateways/floor"
	"github.com/lethe/lethe/bench/gateways/load"
	"github.com/lethe/lethe/bench/gateways/process"
	"github.com/lethe/lethe/bench/gateways/scenario"
	"github.com/lethe/lethe/bench/gateways/subgraph"
	"github.com/lethe/lethe/router/server"
)

// TestScenarios holds that Lethe's router answers every scenario rightly, with as many requests as the benchmark's best,
// and that the null routers take what is recorded of it.
func TestScenarios(t *testing.T) {
	t.Parallel()
	sets, err := selected(nil, "../../../shared/data/gateways-benchmark")
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range sets {
		t.Run(set.Name, func(t *testing.T) {
			t.Parallel()
			testSet(t, set)
		})
	}
}

func testSet(t *testing.T, set *scenario.Set) {
	t.Helper()
	b := &backend{}
	var err error
	if b.addresses, err = subgraph.Serve(set.World); err != nil {
		t.Fatal(err)
	}
	sdl, err := set.Supergraph(b.addresses)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	address := serve(t, sdl)
	for _, s := range set.Scenarios {
		g, err := load.New(address, s)
		if err != nil {
			t.Fatal(err)
		}
		script, err := b.record(t.Context(), &running{name: "lethe", load: g}, filepath.Join(dir, s.Name))
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		requests, steps := 7, 4
		switch s.Name {
		case "light":
			requests, steps = 1, 1
		case "page":
			requests, steps = 4, 3
		case "cold":
			requests, steps = 83, 7 // as few as the fewest that were published of an operation of this shape
		}
		n := 0
		for _, step := range script.Steps {
			n += len(step)
		}
		if n > requests || len(script.Steps) > steps {
			t.Errorf("%s: %d requests in %d steps, and the best have %d in %d", s.Name, n, len(script.Steps), requests, steps)
		}
		for _, n := range floors() {
			nullRouter(t, n.kind, n.serve, s, script)
		}
	}
	counts, err := b.counts(t.Context())
	if err != nil || counts.Failed > 0 || counts.Requests == 0 {
		t.Errorf("%+v %v", counts, err)
	}
}

// serve serves Lethe's router until the test ends.
func serve(t *testing.T, sdl string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, ln, server.Options{Supergraph: sdl, Log: slog.New(slog.DiscardHandler)})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "http://" + ln.Addr().String() + "/graphql"
}

func nullRouter(t *testing.T, kind string, run func(string, *floor.Script) error, s *load.Scenario, script *floor.Script) {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	ended := make(chan struct{})
	go func() {
		failed = run("127.0.0.1:"+port, script)
		close(ended)
	}()
	g, err := load.New("http://127.0.0.1:"+port+"/graphql", s)
	if err != nil {
		t.Fatal(err)
	}
	if err := ready(t.Context(), g, ended); err != nil {
		select {
		case <-ended:
			err = failed
		default:
		}
		t.Errorf("%s, %s: %v", s.Name, kind, err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                              "",
		"-long -pin 0 -scenarios heavy": "",
		"-peer x=run":                   "holds {port}",
		"-peer run_{port}":              "name=command",
		"-sharing":                      "",
		"-sharing -config x":            "",
		"-sharing=both":                 "",
		"-sharing=some":                 "true, false or both",
		"-sharing=both -config x":       "says whether",
		"-sharing=both -trouble":        "measuring costs",
		"heavy":                         "everything is a flag",
		"-clients 0":                    "at least",
		"-memory 10m -clients 500":      "",
		"-memory -1s":                   "above zero",
		"-overload":                     "",
	} {
		_, err := readOptions(strings.Fields(args))
		if got := errorText(err); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q", args, got)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestOtherCores(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"x", "0-4096", "1-0", "-1", "0-100000000"} {
		if got, err := otherCores(wrong); err == nil {
			t.Errorf("%s: %s", wrong, got)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	tab := &table{Scenario: "heavy", Rows: []*row{
		{Router: nameFloorFastHTTP, Samples: []sample{{CPU: 100, PeakMB: 3}, {CPU: 110, PeakMB: 5}, {CPU: 300, PeakMB: 4}}},
		{Router: nameLethe, Samples: []sample{{CPU: 220}, {CPU: 220}}},
	}}
	tab.summarise()
	if m := tab.Rows[0].Median; m.CPU != 110 || m.PeakMB != 5 {
		t.Errorf("%+v", m)
	}
	if r := tab.Rows[1].Ratios[nameFloorFastHTTP]; r != 2 {
		t.Errorf("%v", r)
	}
	var out strings.Builder
	tab.print(&out)
	if !strings.Contains(out.String(), "| lethe          | 220") {
		t.Error(out.String())
	}
	rep := &report{Scenarios: []*table{tab}}
	file := filepath.Join(t.TempDir(), "report.json")
	if err := rep.write(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &report{}); err != nil {
		t.Error(err)
	}
}

func TestGrowth(t *testing.T) {
	t.Parallel()
	var looks []look
	for i := range 10 {
		used := process.Usage{Resident: int64(100+i) << 20}
		if i < 4 { // while it settles it may do as it likes
			used.Resident = int64(50*i) << 20
		}
		looks = append(looks, look{time.Duration(i) * time.Minute, used})
	}
	if slope, ok := growth(looks, 4*time.Minute); !ok || math.Abs(slope-10) > 1e-6 {
		t.Errorf("%v %v", slope, ok)
	}
	if _, ok := growth(looks, 8*time.Minute); ok {
		t.Error("two looks tell nothing")
	}
}

// TestHiveRouter holds that its configuration is written as the options have it, and that its absence is told where it was
// asked for.
func TestHiveRouter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	list, err := hiveRouter(&options{hive: "sh", sharing: true}, files{supergraph: "some.graphql"}, dir)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "hive-router.yaml"))
	if err != nil || strings.Count(string(text), "enabled: true") != 2 || !strings.Contains(string(text), `"some.graphql"`) {
		t.Errorf("%s %v", text, err)
	}
	if line := strings.Join(list[0].command("1234"), " "); !strings.Contains(line, "PORT=1234 ") {
		t.Error(line)
	}
	for only, want := range map[string]int{nameHiveRouter: 1, nameLethe: 0} {
		o := &options{hive: filepath.Join(dir, "none"), only: []string{only}}
		if _, missing := candidates(o, files{}, dir); len(missing) != want {
			t.Errorf("%s: %v", only, missing)
		}
	}
}
