package supergraph_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/supergraph"
)

// FuzzParse reads any text as a supergraph: it is refused with an error, or it can be planned for.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/join/*.graphql")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, sdl string) {
		if len(sdl) > 20_000 {
			return
		}
		sg, err := supergraph.Parse(sdl)
		if (sg == nil) == (err == nil) {
			t.Fatal("neither a supergraph nor an error, or both")
		}
		if sg == nil {
			return
		}
		if _, err := plan.NewPlanner(sg); err != nil {
			t.Logf("not planned for: %v", err)
		}
	})
}
