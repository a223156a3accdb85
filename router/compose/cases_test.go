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
			want := public.Expected(c.Name, c.Codes)
			sort.Strings(want)
			if got := codesOf(errs); !reflect.DeepEqual(got, want) {
				t.Errorf("codes %v, want %v\n%s", got, want, FormatText(errs))
			}
		})
	}
}
