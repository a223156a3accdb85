//go:build !race

// The race detector has pools lose buffers at random, so that allocations cannot be counted under it.

package execute_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/lethe/lethe/router/execute"
)

// TestAllocationsDoNotGrow holds that answering takes as many allocations for a thousand products as for ten: those of
// the request, not of its values.
func TestAllocationsDoNotGrow(t *testing.T) {
	program := compile(t, pageQuery)
	measure := func(n int) float64 {
		e := execute.New(shop(n), execute.Options{Log: slog.New(slog.DiscardHandler)})
		var out []byte
		run := func() {
			var outcome execute.Outcome
			if out, outcome = e.Execute(context.Background(), program, execute.Request{}, out[:0]); outcome.Errors > 0 {
				t.Fatalf("%s", out[max(0, len(out)-500):])
			}
		}
		for range 20 {
			run() // until the buffers have grown
		}
		if !json.Valid(out) {
			t.Fatalf("%.300s", out)
		}
		return testing.AllocsPerRun(100, run)
	}
	few, many := measure(10), measure(1000)
	// A pool may lose a buffer to the garbage collector in between.
	if many > few+10 {
		t.Errorf("%v allocations for 10 products, %v for 1000", few, many)
	}
}
