// Package scenario holds what routers are measured with: subgraphs with their data, what clients ask, and the right answers.
package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/lethe/lethe/bench/gateways/atlas"
	"github.com/lethe/lethe/bench/gateways/garden"
	"github.com/lethe/lethe/bench/gateways/load"
	"github.com/lethe/lethe/bench/gateways/public"
	"github.com/lethe/lethe/bench/gateways/subgraph"
	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/schema"
)

// Set is a supergraph and what is asked of it.
type Set struct {
	Name      string
	World     *subgraph.World
	Scenarios []*load.Scenario
}

// page crosses the four subgraphs of Lethe's shop.
const page = `{ customers(first: 10) { nodes { name orders(first: 5) { nodes { status lines { name product { name availability { quantity } } } } } } } }`

// latency is how long each subgraph request takes in the scenario of that name, as over a network.
const latency = 4 * time.Millisecond

// All returns the sets: the garden, as it is, with every object met once, and with slow subgraphs; Lethe's own shop; the
// atlas, whose operation must be planned for each request; and, where publicFiles is not nil, the public gateways benchmark.
func All(publicFiles fs.FS) ([]*Set, error) {
	makers := []func() (*Set, error){small, shop, spread, distant, cold}
	if publicFiles != nil {
		makers = append(makers, func() (*Set, error) { return published(publicFiles) })
	}
	out := make([]*Set, 0, len(makers))
	for _, make := range makers {
		s, err := make()
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// small is the garden: the heavy query, the same with a variable that no two requests share, and one field of one subgraph.
func small() (*Set, error) {
	w, err := garden.Small()
	if err != nil {
		return nil, err
	}
	s := &Set{Name: "garden", World: w}
	// More are asked for than there are varieties, so that every number has the same answer.
	return s, errors.Join(s.add("heavy", garden.Heavy(), "", ""), s.add("light", garden.Light, "", ""),
		s.add("unique", garden.Unique(), `{"first":`+load.Unique+`}`, `{"first":1000000}`))
}

// spread is the heavy query over a garden in which no object repeats.
func spread() (*Set, error) {
	w, err := garden.Spread()
	if err != nil {
		return nil, err
	}
	s := &Set{Name: "spread", World: w}
	return s, s.add("spread", garden.Heavy(), "", "")
}

// distant is the heavy query over subgraphs that take their time.
func distant() (*Set, error) {
	w, err := garden.Small()
	if err != nil {
		return nil, err
	}
	w.Latency = latency
	s := &Set{Name: "distant", World: w}
	if err := s.add("latency", garden.Heavy(), "", ""); err != nil {
		return nil, err
	}
	s.Scenarios[0].Timed = true
	return s, nil
}

// cold is an operation with many plans, which each request names otherwise.
func cold() (*Set, error) {
	w, err := atlas.World()
	if err != nil {
		return nil, err
	}
	s := &Set{Name: "atlas", World: w}
	return s, s.add("cold", atlas.Operation(), "", "")
}

// published is the public gateways benchmark.
func published(files fs.FS) (*Set, error) {
	w, err := public.World(files)
	if err != nil {
		return nil, err
	}
	heavy, err := public.Heavy(files)
	if err != nil {
		return nil, err
	}
	s := &Set{Name: "public", World: w}
	if err := s.add("public", heavy, "", ""); err != nil {
		return nil, err
	}
	s.Scenarios[0].Elsewhere = true
	return s, nil
}

// shop is Lethe's own schemas over data that is made up.
func shop() (*Set, error) {
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
	sc := &load.Scenario{Name: name, Body: body(variables), Answer: s.World.Whole.Answer([]byte(strings.ReplaceAll(body(instance), load.Unique, "0")))}
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
