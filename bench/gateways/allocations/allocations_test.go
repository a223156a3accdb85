//go:build !race

// The race detector has pools lose buffers at random, so that allocations cannot be counted under it.

package allocations

import (
	"context"
	"flag"
	"log/slog"
	"math"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/lethe/lethe/bench/gateways/baseline"
	"github.com/lethe/lethe/bench/gateways/load"
	"github.com/lethe/lethe/bench/gateways/scenario"
	"github.com/lethe/lethe/bench/gateways/subgraph"
	"github.com/lethe/lethe/router/server"
)

var update = flag.Bool("update", false, "write the baseline anew")

const baselineFile = "../baseline.json"

// Subgraphs, router and client are all in this process, over real connections: the client and the subgraphs allocate
// nothing for a request that they have met, so that what is counted is the router's. A request with variables of its own
// is none of those.
func eachScenario[T interface {
	testing.TB
	Run(name string, f func(T)) bool
}](t T, f func(T, string, *load.Generator)) {
	sets, err := scenario.All(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range sets {
		addresses, err := subgraph.Serve(set.World)
		if err != nil {
			t.Fatal(err)
		}
		sdl, err := set.Supergraph(addresses)
		if err != nil {
			t.Fatal(err)
		}
		address := serve(t, sdl)
		for _, s := range set.Scenarios {
			if s.Timed || strings.Contains(s.Body, load.Unique) {
				continue
			}
			g, err := load.New(address, s)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(s.Name, func(t T) { f(t, s.Name, g) })
		}
	}
}

// serve serves Lethe's router until the test ends.
func serve(t testing.TB, sdl string) string {
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

// TestAllocations holds that a request does not come to allocate a tenth more than was agreed.
func TestAllocations(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection has pools lose buffers
	objects, bytes := map[string]float64{}, map[string]float64{}
	eachScenario(t, func(t *testing.T, name string, g *load.Generator) {
		if err := g.Repeat(100); err != nil {
			t.Fatal(err)
		}
		objects[name], bytes[name] = math.Inf(1), math.Inf(1)
		for range 5 { // what else happens in the process only adds
			const n = 100
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if err := g.Repeat(n); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			objects[name] = min(objects[name], float64(after.Mallocs-before.Mallocs)/n)
			bytes[name] = min(bytes[name], float64(after.TotalAlloc-before.TotalAlloc)/n)
		}
		t.Logf("%.1f allocations and %.0f bytes per request", objects[name], bytes[name])
	})
	if *update {
		if err := baseline.Update(baselineFile, func(c *baseline.Costs) { c.Allocations, c.Bytes = objects, bytes }); err != nil {
			t.Fatal(err)
		}
	}
	agreed, err := baseline.Read(baselineFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := baseline.Risen("allocations", agreed.Allocations, objects); err != nil {
		t.Error(err)
	}
}

// BenchmarkRequest reports the allocations of a request, and its time on this machine.
func BenchmarkRequest(b *testing.B) {
	eachScenario(b, func(b *testing.B, _ string, g *load.Generator) {
		if err := g.Repeat(100); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		b.ResetTimer()
		if err := g.Repeat(b.N); err != nil {
			b.Fatal(err)
		}
	})
}
