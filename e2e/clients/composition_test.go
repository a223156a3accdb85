package clients

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/routertest"
	"github.com/lethe/lethe/router/routertest/public"
)

// gatewayJob is a supergraph for the script to serve and what to ask of it.
type gatewayJob struct {
	ID         string             `json:"id"`
	Supergraph string             `json:"supergraph"`
	Subgraphs  []gatewaySource    `json:"subgraphs,omitempty"`
	Operations []gatewayOperation `json:"operations,omitempty"`
}

type gatewaySource struct {
	Name string `json:"name"`
	SDL  string `json:"sdl"`
}

type gatewayOperation struct {
	Query     string         `json:"query"`
	Variables map[string]any `json:"variables,omitempty"`
}

// gatewayOutcome is what one gateway made of a job.
type gatewayOutcome struct {
	ID      string
	Gateway string
	Refused string // why the gateway does not take the supergraph, "" when it does
	Alike   bool   // it does not take what Apollo composes of the same subgraphs either
	Answers []struct {
		Data   any
		Errors bool
	}
}

// askGateways has Apollo's gateway and Hive's serve the supergraphs.
func askGateways(t *testing.T, jobs []gatewayJob) []gatewayOutcome {
	t.Helper()
	needNode(t)
	text, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "jobs.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return runNode[gatewayOutcome](t, "gateways.mjs", file)
}

var joinGraph = regexp.MustCompile(`@join__graph\(name: "([^"]*)", url: "[^"]*"\)`)

// at gives a supergraph with the subgraphs at other addresses.
func at(sdl string, urls map[string]string) string {
	return joinGraph.ReplaceAllStringFunc(sdl, func(found string) string {
		name := joinGraph.FindStringSubmatch(found)[1]
		return `@join__graph(name: "` + name + `", url: "` + urls[name] + `")`
	})
}

// TestGatewaysAnswerTheSame has two gateways serve the audit's suites by the supergraph files that the audit gives, and by those that Lethe
// composes of the same subgraphs: what a gateway answers must not depend on which. Whether the answer is right is the gateway's affair.
func TestGatewaysAnswerTheSame(t *testing.T) {
	t.Parallel()
	needNode(t)
	var jobs []gatewayJob
	for _, suite := range routertest.Suites(t) {
		suite.Lenient = true
		var sources []compose.Subgraph
		for _, g := range suite.Subgraphs {
			sources = append(sources, compose.Subgraph{Name: g.Name, URL: g.URL, SDL: g.SDL})
		}
		composed, errs := compose.Compose(sources)
		if len(errs) > 0 {
			t.Fatal(suite.Name, compose.FormatText(errs))
		}
		var operations []gatewayOperation
		for _, c := range suite.Tests {
			operations = append(operations, gatewayOperation{Query: c.Query, Variables: c.Variables})
		}
		// Each has subgraphs of its own, since some remember.
		jobs = append(jobs,
			gatewayJob{ID: suite.Name, Supergraph: at(suite.Supergraph, suite.Start(t)), Operations: operations},
			gatewayJob{ID: suite.Name, Supergraph: at(composed.SDL, suite.Start(t)), Operations: operations})
	}
	outcomes := map[string]gatewayOutcome{}
	compared, answered, asked := 0, 0, 0
	for _, got := range askGateways(t, jobs) {
		key := got.ID + " " + got.Gateway
		given, second := outcomes[key]
		if !second {
			outcomes[key] = got
			continue
		}
		compared++
		if got.Refused != "" && given.Refused == "" {
			t.Errorf("%s refuses %s: %s", got.Gateway, got.ID, got.Refused)
			continue
		}
		for i, a := range got.Answers {
			asked++
			if a.Data != nil && !a.Errors {
				answered++
			}
			if i < len(given.Answers) && !reflect.DeepEqual(got.Answers[i], given.Answers[i]) {
				t.Errorf("%s, %s: operation %d is answered %v, by the audit's supergraph %v", got.Gateway, got.ID, i, got.Answers[i], given.Answers[i])
			}
		}
	}
	t.Logf("%d operations, %d answered without an error", asked, answered)
	if compared != len(jobs) || answered < asked/2 {
		t.Errorf("%d comparisons, want %d; %d of %d operations answered", compared, len(jobs), answered, asked)
	}
}

// TestGatewaysTakeWhatIsComposed has two gateways load every supergraph that the composition cases give, evenly sampled. One that a gateway
// refuses must be one that it refuses from Apollo's composition too.
func TestGatewaysTakeWhatIsComposed(t *testing.T) {
	t.Parallel()
	needNode(t)
	text, err := os.ReadFile(public.Composition().Files(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name      string
		Subgraphs []compose.Subgraph
		OK        bool
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	const every = 3
	var jobs []gatewayJob
	n := 0
	for _, c := range cases {
		if !c.OK {
			continue
		}
		if n++; n%every != 0 {
			continue
		}
		composed, errs := compose.Compose(c.Subgraphs)
		if len(errs) > 0 {
			t.Fatal(c.Name, compose.FormatText(errs))
		}
		job := gatewayJob{ID: c.Name, Supergraph: composed.SDL}
		for _, g := range c.Subgraphs {
			job.Subgraphs = append(job.Subgraphs, gatewaySource{g.Name, g.SDL})
		}
		jobs = append(jobs, job)
	}
	taken := 0
	for _, got := range askGateways(t, jobs) {
		switch {
		case got.Refused == "":
			taken++
		case !got.Alike:
			t.Errorf("%s refuses %s: %s", got.Gateway, got.ID, got.Refused)
		}
	}
	t.Logf("%d supergraphs, taken %d times by two gateways", len(jobs), taken)
	if taken < len(jobs) {
		t.Errorf("only %d of %d were taken", taken, 2*len(jobs))
	}
}
