package compose

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the expected outcomes anew")

// TestGoldens composes the subgraphs of each file in testdata and compares the outcome, which stands at the file's end: the
// supergraph without the definitions that all have, or the errors.
func TestGoldens(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no goldens", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(data), "==== composed\n")
			got := outcome(subgraphsOf(input))
			if *update {
				if err := os.WriteFile(file, []byte(input+"==== composed\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// subgraphsOf reads the subgraphs of a golden: each begins with a line "==== name".
func subgraphsOf(text string) []Subgraph {
	var out []Subgraph
	for _, part := range strings.Split("\n"+text, "\n==== ")[1:] {
		name, sdl, _ := strings.Cut(part, "\n")
		out = append(out, Subgraph{Name: name, URL: "http://" + name, SDL: sdl})
	}
	return out
}

func outcome(subgraphs []Subgraph) string {
	result, errs := Compose(subgraphs)
	if result == nil {
		return FormatText(errs)
	}
	var kept []string
	for _, block := range strings.Split(strings.TrimSuffix(result.SDL, "\n"), "\n\n") {
		head := strings.Fields(block)
		if strings.HasPrefix(block, "schema") || !strings.Contains(strings.Join(head[:2], " "), "join__") && !strings.Contains(strings.Join(head[:2], " "), "link__") &&
			!strings.HasPrefix(block, "directive @link(") && !strings.HasPrefix(block, "  \"\"\"\n  `EXECUTION`") {
			kept = append(kept, block)
		}
	}
	text := strings.Join(kept, "\n\n") + "\n"
	for _, h := range result.Hints {
		text += "# " + h.Code + ": " + strings.ReplaceAll(h.Message, "\n", " ") + "\n"
	}
	return text
}

func TestErrorsAsJSON(t *testing.T) {
	t.Parallel()
	_, errs := Compose([]Subgraph{{Name: "b", SDL: `type T { a: Int }`}, {Name: "a", SDL: `type T { a: Int }`}})
	out, err := json.Marshal(map[string]any{"errors": errs})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"errors":[{"code":"NO_QUERIES","message":"No queries found in any subgraph: a supergraph must have a query root type.","subgraphs":[]}]}`; string(out) != want {
		t.Errorf("got %s, want %s", out, want)
	}
}

func TestSubgraphNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"orders": "ORDERS", "my-orders": "MY_ORDERS", "2nd": "_2ND", "a_1": "A_1_", "ünü": "_N_"} {
		if got := enumName(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for _, subgraphs := range [][]Subgraph{nil, {{Name: "", SDL: "type Query { a: Int }"}}, {{Name: "_", SDL: "type Query { a: Int }"}}, {{Name: "a"}, {Name: "a"}}} {
		if result, errs := Compose(subgraphs); result != nil || len(errs) == 0 {
			t.Errorf("%v composes", subgraphs)
		}
	}
}
