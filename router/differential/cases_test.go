package differential_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/compose"
)

// universes is how many universes each case is tried in.
const universes = 24

// section is a part of a file of cases: a line "=== kind title" and what follows it.
type section struct{ kind, title, text string }

func readSections(t *testing.T, file string) []section {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []section
	for _, part := range strings.Split("\n"+string(raw), "\n=== ")[1:] {
		head, text, _ := strings.Cut(part, "\n")
		kind, title, _ := strings.Cut(head, " ")
		out = append(out, section{kind, title, strings.Trim(text, "\n")})
	}
	return out
}

// TestCases asks the operations in testdata over the subgraphs there, and compares the router's answers with those of a
// plain executor. Each file holds one topic: supergraphs with a title, the subgraphs of each, and operations, which may
// have variables, and in whose universes faults may happen, each one of so many. A subgraph is of Federation 2 unless its title ends with "1".
func TestCases(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			var subgraphs []compose.Subgraph
			title := ""
			sections := readSections(t, file)
			for i, s := range sections {
				switch s.kind {
				case "supergraph":
					subgraphs, title = nil, s.title
				case "subgraph":
					name, first := strings.CutSuffix(s.title, " 1")
					sdl := s.text
					if !first {
						sdl = federationLink + sdl
					}
					subgraphs = append(subgraphs, compose.Subgraph{Name: name, URL: "http://" + name, SDL: sdl})
				case "operation":
					op := operation{text: s.text, variables: []map[string]any{nil}}
					if i+1 < len(sections) && sections[i+1].kind == "variables" {
						i++
						op.variables = nil
						for _, line := range strings.Split(sections[i].text, "\n") {
							var values map[string]any
							if err := json.Unmarshal([]byte(line), &values); err != nil {
								t.Fatal(err)
							}
							op.variables = append(op.variables, values)
						}
					}
					var f faults
					if i+1 < len(sections) && sections[i+1].kind == "faults" {
						f = readFaults(t, sections[i+1].text)
					}
					t.Run(title+" "+s.title, func(t *testing.T) { tryCase(t, subgraphs, op, f) })
				}
			}
		})
	}
}

// readFaults reads lines of a kind of fault and of how many one is.
func readFaults(t *testing.T, text string) faults {
	t.Helper()
	var f faults
	kinds := map[string]*uint32{"fields": &f.fields, "entities": &f.entities, "calls": &f.calls, "values": &f.values, "types": &f.types, "stray": &f.stray}
	for _, line := range strings.Split(text, "\n") {
		kind, number, _ := strings.Cut(line, " ")
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil || kinds[kind] == nil {
			t.Fatalf("no fault: %q", line)
		}
		*kinds[kind] = uint32(n)
	}
	return f
}

func tryCase(t *testing.T, subgraphs []compose.Subgraph, op operation, f faults) {
	for salt := range uint64(universes) {
		w, refused, err := newWorld(subgraphs, salt, f)
		if len(refused) > 0 {
			t.Fatal(compose.FormatText(refused))
		}
		c := newCounts()
		for n := range 2 {
			if err == nil && strings.Contains(op.text, "@defer") {
				err = w.compareDeferred(c, op)
			} else if err == nil {
				err = w.compare(c, op, n)
			}
		}
		if err != nil {
			t.Fatalf("universe %d: %v", salt, err)
		}
		if c.invalid.Load() > 0 {
			t.Fatalf("the operation is not valid: %v", c.codes)
		}
	}
}
