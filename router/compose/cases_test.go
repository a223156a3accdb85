package compose

import (
	"encoding/json"
	"os"
	"reflect"
	"sort"
	"testing"

	"github.com/lethe/lethe/router/routertest/public"
)

// compositionCase is one of the public cases of composition.
type compositionCase struct {
	Name      string `json:"name"`
	Subgraphs []struct {
		Name string `json:"name"`
		URL  string `json:"url"`
		SDL  string `json:"sdl"`
	} `json:"subgraphs"`
	OK    bool     `json:"ok"`
	Codes []string `json:"codes"`
}

func (c compositionCase) subgraphs() []Subgraph {
	var out []Subgraph
	for _, s := range c.Subgraphs {
		out = append(out, Subgraph{Name: s.Name, URL: s.URL, SDL: s.SDL})
	}
	return out
}

func codesOf(errs []Error) []string {
	set := map[string]bool{}
	for _, e := range errs {
		set[e.Code] = true
	}
	out := make([]string, 0, len(set))
	for c := range set {
		out = append(out, c)
	}
	sort.Strings(out)
	return out
}

// composesSince names the cases that the published composition refuses, as it reads the October 2021 edition of GraphQL, and
// that compose by the edition of September 2025, in which @oneOf is built in.
func composesSince() map[string]bool {
	return map[string]bool{
		"composition :: guild composition (@oneOf) > supports composing built-in directive":                                           true,
		"composition :: guild composition (@oneOf) > merges built-in @oneOf with an explicitly linked and composed @oneOf definition": true,
	}
}

// TestCases composes every case and compares the set of codes.
func TestCases(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(public.Composition().Files(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	var cases []compositionCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			result, errs := Compose(c.subgraphs())
			if (result == nil) != (len(errs) > 0) {
				t.Fatal("neither a supergraph nor errors, or both")
			}
			want := append([]string{}, c.Codes...)
			if composesSince()[c.Name] {
				want = []string{}
			}
			sort.Strings(want)
			if got := codesOf(errs); !reflect.DeepEqual(got, want) {
				t.Errorf("codes %v, want %v\n%s", got, want, FormatText(errs))
			}
		})
	}
}
