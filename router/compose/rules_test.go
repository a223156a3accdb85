package compose

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestRules composes what the files in testdata/rules give, and compares the codes. Each case begins with a line "## " with the codes
// that are expected, none where it composes, then what is shown; its subgraphs begin with a line "# name". A line "@link VERSION NAMES"
// links Federation 2 and imports the names.
func TestRules(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/rules/*.graphql")
	if err != nil || len(files) == 0 {
		t.Fatal("no rules", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		topic := strings.TrimSuffix(filepath.Base(file), ".graphql")
		for _, text := range strings.Split("\n"+string(data), "\n## ")[1:] {
			head, body, _ := strings.Cut(text, "\n")
			codes, name, ok := strings.Cut(head, ":")
			if !ok {
				t.Fatalf("%s: %q has no name", file, head)
			}
			t.Run(topic+"/"+strings.TrimSpace(name), func(t *testing.T) {
				t.Parallel()
				want := strings.Fields(codes)
				result, errs := Compose(ruleSubgraphs(body))
				if (result == nil) != (len(errs) > 0) {
					t.Fatal("neither a supergraph nor errors, or both")
				}
				if got := codesOf(errs); !reflect.DeepEqual(got, append([]string{}, want...)) {
					t.Errorf("codes %v, want %v\n%s", got, want, FormatText(errs))
				}
			})
		}
	}
}

// ruleSubgraphs reads the subgraphs of one case.
func ruleSubgraphs(body string) []Subgraph {
	var out []Subgraph
	for _, part := range strings.Split("\n"+body, "\n# ")[1:] {
		name, sdl, _ := strings.Cut(part, "\n")
		var lines []string
		for _, line := range strings.Split(sdl, "\n") {
			if short, ok := strings.CutPrefix(line, "@link "); ok {
				words := strings.Fields(short)
				line = `extend schema @link(url: "https://specs.apollo.dev/federation/` + words[0] + `", import: [`
				for _, w := range words[1:] {
					line += ` "` + w + `"`
				}
				line += "])"
			}
			lines = append(lines, line)
		}
		out = append(out, Subgraph{Name: name, SDL: strings.Join(lines, "\n")})
	}
	return out
}
