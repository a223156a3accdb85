package baseline_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lethe/lethe/bench/gateways/baseline"
)

func TestRisen(t *testing.T) {
	t.Parallel()
	agreed := map[string]float64{"heavy": 100, "light": 0}
	for name, c := range map[string]struct {
		measured map[string]float64
		want     string
	}{
		"a tenth more":     {map[string]float64{"heavy": 110, "light": 0}, ""},
		"more":             {map[string]float64{"heavy": 111}, "heavy: 111 allocations per request, and 100 were agreed"},
		"from nothing":     {map[string]float64{"light": 1}, "light: 1 allocations"},
		"less":             {map[string]float64{"heavy": 1}, ""},
		"nothing was said": {map[string]float64{"page": 1}, "page: nothing was agreed"},
	} {
		err := baseline.Risen("allocations", agreed, c.measured)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "baseline.json")
	for _, change := range []func(*baseline.Costs){
		func(c *baseline.Costs) { c.Bytes = map[string]float64{"heavy": 2} },
		func(c *baseline.Costs) { c.Instructions = map[string]float64{"heavy": 3} },
	} {
		if err := baseline.Update(file, change); err != nil {
			t.Fatal(err)
		}
	}
	got, err := baseline.Read(file)
	if err != nil || got.Bytes["heavy"] != 2 || got.Instructions["heavy"] != 3 {
		t.Errorf("%+v %v", got, err)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := baseline.Update(file, func(*baseline.Costs) {}); err == nil {
		t.Error("a broken file was written over")
	}
}
