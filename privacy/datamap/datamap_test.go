package datamap_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/lethe/lethe/privacy/datamap"
	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/schema"
)

var update = flag.Bool("update", false, "write the goldens")

// composed gives the supergraph of Lethe's subgraphs and of others.
func composed(t *testing.T, others ...compose.Subgraph) string {
	t.Helper()
	var subgraphs []compose.Subgraph
	for _, s := range schema.Subgraphs() {
		subgraphs = append(subgraphs, compose.Subgraph{Name: s.Name, URL: s.URL, SDL: s.SDL})
	}
	result, errs := compose.Compose(append(subgraphs, others...))
	if len(errs) > 0 {
		t.Fatalf("the subgraphs do not compose: %v", errs)
	}
	return result.SDL
}

func TestDataMap(t *testing.T) {
	t.Parallel()
	m, err := datamap.Read(composed(t))
	if err != nil {
		t.Fatal(err)
	}
	waves, err := m.Waves()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "root %s, waves %v\n", m.Root, waves)
	for _, e := range m.Entries {
		fmt.Fprintln(&b, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", e.Service, e.Path, e.Category, e.Action, e.Rule)))
	}
	const golden = "testdata/datamap.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the data map is\n%s\nwant\n%s", &b, want)
	}
}
