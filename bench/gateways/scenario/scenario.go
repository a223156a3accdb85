// Package scenario holds what routers are measured with: subgraphs with their data, what clients ask, and the right answers.
package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/lethe/lethe/bench/gateways/load"
	"github.com/lethe/lethe/bench/gateways/subgraph"
	"github.com/lethe/lethe/bench/testdata"
	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/schema"
)

// Set is a supergraph and what is asked of it.
type Set struct {
	Name      string
	World     *subgraph.World
	Scenarios []*load.Scenario
}

// The queries that are not the public benchmark's own.
const (
	// light asks one subgraph for one field.
	light = `{ topProducts { name } }`
	// page crosses the four subgraphs of Lethe's shop.
	page = `{ customers(first: 10) { nodes { name orders(first: 5) { nodes { status lines { name product { name availability { quantity } } } } } } } }`
)

// All gives the public gateways benchmark and Lethe's own shop.
func All() ([]*Set, error) {
	gateways, err := public()
	if err != nil {
		return nil, err
	}
	shop, err := lethe()
	if err != nil {
		return nil, err
	}
	return []*Set{gateways, shop}, nil
}

// public is the public gateways benchmark: its query, the same with a variable that no two requests share, and one field
// of one subgraph.
func public() (*Set, error) {
	files, err := fs.Sub(testdata.Gateways, "gateways")
	if err != nil {
		return nil, fmt.Errorf("open the data: %w", err)
	}
	w, err := subgraph.ReadReviews(files)
	if err != nil {
		return nil, err
	}
	heavy, err := fs.ReadFile(files, "heavy.graphql")
	if err != nil {
		return nil, fmt.Errorf("read the query: %w", err)
	}
	unique, err := fs.ReadFile(files, "unique.graphql")
	if err != nil {
		return nil, fmt.Errorf("read the query: %w", err)
	}
	s := &Set{Name: "gateways", World: w}
	// More are asked for than there are products, so that every number has the same answer.
	return s, errors.Join(s.add("heavy", string(heavy), "", ""), s.add("light", light, "", ""),
		s.add("unique", string(unique), `{"first":`+load.Unique+`}`, `{"first":1000000}`))
}

// lethe is the shop: Lethe's own schemas over data that is made up.
func lethe() (*Set, error) {
	var list []subgraph.Named
	for _, g := range schema.Subgraphs() {
		list = append(list, subgraph.Named{Name: g.Name, SDL: g.SDL})
	}
	w, err := subgraph.MakeUp(list)
	if err != nil {
		return nil, err
	}
	s := &Set{Name: "shop", World: w}
	return s, s.add("page", page, "", "")
}

// add adds a scenario; an instance is what the variables may be.
func (s *Set) add(name, query, variables, instance string) error {
	text, err := json.Marshal(query)
	if err != nil {
		return fmt.Errorf("write the query: %w", err)
	}
	body := func(variables string) string {
		if variables == "" {
			return `{"query":` + string(text) + `}`
		}
		return `{"query":` + string(text) + `,"variables":` + variables + `}`
	}
	sc := &load.Scenario{Name: name, Body: body(variables), Answer: s.World.Whole.Answer([]byte(body(instance)))}
	var answer struct {
		Errors []struct{ Message string }
	}
	if err := json.Unmarshal(sc.Answer, &answer); err != nil {
		return fmt.Errorf("answer %s: %w", name, err)
	}
	if len(answer.Errors) > 0 {
		return fmt.Errorf("answer %s: %s", name, answer.Errors[0].Message)
	}
	s.Scenarios = append(s.Scenarios, sc)
	return nil
}

// Supergraph composes the set's subgraphs at their addresses.
func (s *Set) Supergraph(addresses subgraph.Addresses) (string, error) {
	var list []compose.Subgraph
	for _, n := range s.World.Subgraphs {
		list = append(list, compose.Subgraph{Name: n.Name, URL: addresses.Subgraphs[n.Name], SDL: n.SDL})
	}
	result, errs := compose.Compose(list)
	if len(errs) > 0 {
		return "", errors.New("the subgraphs do not compose: " + compose.FormatText(errs))
	}
	return result.SDL, nil
}
