// Package atlas holds a world in which nearly every field can be had from several of seven subgraphs, and an operation whose
// possible plans are therefore many: what planning it cold costs, and how many requests the chosen plan sends, is measured.
// The public benchmark of Grafbase has a scenario of this shape, many-plans.
package atlas

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lethe/lethe/bench/gateways/load"
	"github.com/lethe/lethe/bench/gateways/subgraph"
)

const (
	// order is how many subgraphs there are, how many ways lead from a place to another, and how many notes a place has.
	order = 7
	// depth is how many ways the operation follows one after the other, and width how many from each place.
	depth, width = 4, 4
)

// knows reports whether a subgraph has the way and the note of a number. Each has four of seven, and any two have exactly two
// in common (the complements of the lines of the Fano plane), so that no choice is like another.
func knows(graph, number int) bool {
	return slices.Contains([]int{2, 4, 5, 6}, ((number-graph)%order+order)%order)
}

// World returns the seven subgraphs. Every way leads from a place to one of its own, whose id says how it was reached.
func World() (*subgraph.World, error) {
	var t subgraph.Tables
	start := place(&t, "p", depth+1)
	root := subgraph.NewRow("Query").Set("start", subgraph.One(start))
	var list []subgraph.Schema
	for g := range order {
		list = append(list, subgraph.Schema{Name: fmt.Sprintf("chart%d", g), SDL: schema(g)})
	}
	return t.World(root, list, nil)
}

// place adds a place and, below it, all that can be reached over depth-1 ways.
func place(t *subgraph.Tables, id string, depth int) *subgraph.Row {
	r := subgraph.NewRow("Place").Set("id", subgraph.Text(id))
	for i := range order {
		r.Set(note(i), subgraph.Text(fmt.Sprintf("note %d of %s", i, id)))
		if depth > 1 {
			r.Set(way(i), subgraph.One(place(t, id+string(rune('a'+i)), depth-1)))
		}
	}
	t.Add("id", r)
	return r
}

func way(i int) string  { return fmt.Sprintf("way%d", i) }
func note(i int) string { return fmt.Sprintf("note%d", i) }

func schema(graph int) string {
	var b strings.Builder
	b.WriteString("extend schema @link(url: \"https://specs.apollo.dev/federation/v2.7\", import: [\"@key\", \"@shareable\"])\n")
	b.WriteString("type Query { start: Place @shareable }\ntype Place @key(fields: \"id\") {\n  id: ID!\n")
	for i := range order {
		if knows(graph, i) {
			fmt.Fprintf(&b, "  %s: Place @shareable\n  %s: String @shareable\n", way(i), note(i))
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// Operation returns an operation of width ways from each place, depth deep, with as many notes at each end: 256 ends. Its
// name holds [load.Unique], so that no two requests have the same text and each must be planned.
func Operation() string {
	var b strings.Builder
	b.WriteString("query Chart" + load.Unique + " { start ")
	n := 0
	ways(&b, depth, &n)
	b.WriteString(" }")
	return b.String()
}

// ways writes a selection; n counts them, so that their fields differ.
func ways(b *strings.Builder, depth int, n *int) {
	field := way
	if depth == 0 {
		field = note
	}
	b.WriteString("{")
	at := *n
	for i := range width {
		// Neighbouring numbers and then ones further away, so that the selections take all pairs of fields by and by.
		b.WriteString(" " + field((at+i*(1+at/order%2))%order))
		if depth > 0 {
			b.WriteString(" ")
			*n++
			ways(b, depth-1, n)
		}
	}
	b.WriteString(" }")
}
