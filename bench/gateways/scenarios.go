package main

import (
	"encoding/json"
	"fmt"

	"github.com/lethe/lethe/bench/gateways/load"
	"github.com/lethe/lethe/bench/gateways/subgraph"
	"github.com/lethe/lethe/bench/testdata"
)

// lightQuery asks one subgraph for one field.
const lightQuery = `{ topProducts { name } }`

// scenarios gives what is asked, with the answers of the whole graph.
func scenarios(w *subgraph.World, names list) ([]*load.Scenario, error) {
	heavy, err := testdata.Gateways.ReadFile("gateways/heavy.graphql")
	if err != nil {
		return nil, fmt.Errorf("read the query: %w", err)
	}
	unique, err := testdata.Gateways.ReadFile("gateways/unique.graphql")
	if err != nil {
		return nil, fmt.Errorf("read the query: %w", err)
	}
	var out []*load.Scenario
	for _, s := range []struct{ name, query, variables string }{
		{"heavy", string(heavy), ""},
		{"light", lightQuery, ""},
		{"unique", string(unique), `{"first":` + load.Unique + `}`},
	} {
		if !names.takes(s.name) {
			continue
		}
		query, err := json.Marshal(s.query)
		if err != nil {
			return nil, fmt.Errorf("write the query: %w", err)
		}
		body := `{"query":` + string(query)
		asked := body + `}`
		if s.variables != "" {
			body, asked = body+`,"variables":`+s.variables, body+`,"variables":{"first":1000000}}`
		}
		sc := &load.Scenario{Name: s.name, Body: body + `}`}
		sc.Answer = w.Whole.Answer([]byte(asked))
		out = append(out, sc)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("there are no scenarios %s: there are heavy, light and unique", &names)
	}
	return out, nil
}
