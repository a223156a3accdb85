package clients

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// compositionRule is a case of router/compose/testdata/rules, with the codes that it expects.
type compositionRule struct {
	Name      string          `json:"name"`
	Subgraphs []gatewaySource `json:"subgraphs"`
	codes     []string
}

// composedByPublished is what Apollo's composition makes of a case.
type composedByPublished struct {
	Name   string
	Codes  []string
	Thrown string
}

// TestCompositionFindsTheSame has Apollo's composition compose the cases of the composer's rules, and compares the codes with those that the
// cases expect. Where the published one throws, Lethe must refuse or know better; its errors without a code are errors of GraphQL. It reads
// the edition of GraphQL of October 2021, in which @oneOf is no directive of GraphQL.
func TestCompositionFindsTheSame(t *testing.T) {
	t.Parallel()
	needNode(t)
	rules := compositionRules(t)
	text, err := json.Marshal(rules)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for i, got := range runNode[composedByPublished](t, "composition.mjs", file) {
		want := rules[i]
		if got.Name != want.Name {
			t.Fatalf("%s is answered as %s", want.Name, got.Name)
		}
		if strings.Contains(want.Name, "oneOf") || strings.HasSuffix(want.Name, "a root that is not there, and a definition that is wrong") {
			continue // the latter is refused for its root alone: the definition's error comes after that is mended
		}
		compared++
		if got.Thrown != "" {
			if len(want.codes) == 0 {
				t.Errorf("%s: the published composition fails: %s", want.Name, got.Thrown)
			}
			continue
		}
		for i, code := range got.Codes {
			if code == "" {
				got.Codes[i] = "INVALID_GRAPHQL"
			}
		}
		slices.Sort(got.Codes)
		if codes := slices.Compact(got.Codes); !reflect.DeepEqual(codes, want.codes) {
			t.Errorf("%s: the published composition says %v, the case expects %v", want.Name, codes, want.codes)
		}
	}
	t.Logf("%d cases compared", compared)
	if compared < len(rules)*9/10 {
		t.Errorf("only %d of %d cases were compared", compared, len(rules))
	}
}

// compositionRules reads the cases of the composer's rules.
func compositionRules(t *testing.T) []compositionRule {
	t.Helper()
	files, err := filepath.Glob("../../router/compose/testdata/rules/*.graphql")
	if err != nil || len(files) == 0 {
		t.Fatal("no rules", err)
	}
	var out []compositionRule
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range strings.Split("\n"+string(data), "\n## ")[1:] {
			head, body, _ := strings.Cut(text, "\n")
			codes, name, _ := strings.Cut(head, ":")
			rule := compositionRule{Name: filepath.Base(file) + ": " + strings.TrimSpace(name), codes: append([]string{}, strings.Fields(codes)...)}
			for _, part := range strings.Split("\n"+body, "\n# ")[1:] {
				subgraph, sdl, _ := strings.Cut(part, "\n")
				rule.Subgraphs = append(rule.Subgraphs, gatewaySource{Name: subgraph, SDL: linked(sdl)})
			}
			out = append(out, rule)
		}
	}
	return out
}

// linked writes out the lines "@link VERSION NAMES" of a case.
func linked(sdl string) string {
	lines := strings.Split(sdl, "\n")
	for i, line := range lines {
		if short, ok := strings.CutPrefix(line, "@link "); ok {
			words := strings.Fields(short)
			lines[i] = `extend schema @link(url: "https://specs.apollo.dev/federation/` + words[0] + `", import: [`
			for _, name := range words[1:] {
				lines[i] += ` "` + name + `"`
			}
			lines[i] += "])"
		}
	}
	return strings.Join(lines, "\n")
}
