// Package garden holds a world of growers, varieties and reports, spread over four subgraphs, and the queries that routers
// are measured with over it. Its size and shape are those of the public gateways benchmark, so that figures over it can be
// held against published ones.
package garden

import (
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/lethe/lethe/bench/gateways/subgraph"
)

//go:embed *.graphql
var files embed.FS

// Reports is the subgraph that most requests of [Heavy] go to, and that [Light] does not use.
const Reports = "reports"

// Heavy returns the query that nests growers, reports and varieties five deep over all subgraphs.
func Heavy() string { return text("heavy.graphql") }

// Unique returns [Heavy] with the variable $first, how many of the bestsellers are asked for.
func Unique() string {
	return strings.NewReplacer("query Nursery", "query Nursery($first: Int)", "bestsellers {", "bestsellers(first: $first) {").Replace(Heavy())
}

// Light is a query of one field of one subgraph.
const Light = `{ bestsellers { name } }`

func text(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic("a file of this package is missing: " + err.Error())
	}
	return string(b)
}

func schemas() ([]subgraph.Schema, error) {
	var out []subgraph.Schema
	for _, name := range []string{"growers", "varieties", Reports, "barn"} {
		sdl, err := fs.ReadFile(files, name+".graphql")
		if err != nil {
			return nil, fmt.Errorf("read a schema: %w", err)
		}
		out = append(out, subgraph.Schema{Name: name, SDL: string(sdl)})
	}
	return out, nil
}

// Small returns the world of few objects that each answer repeats often: one grower wrote every report, and each grower is
// said to have the same two, as in the public benchmark.
func Small() (*subgraph.World, error) {
	w := &world{}
	for i, name := range []string{"Ottilie Brandt", "Rhys Morgan", "Leila Sadeghi", "Tomás Quiroga", "Anja Virtala", "Jonas Feldt"} {
		w.grower(name, strings.ToLower(name[:5])+strconv.Itoa(100*i))
	}
	for _, v := range []struct {
		name          string
		price, weight int
		inStore       bool
	}{
		{"Cress", 899, 100, true}, {"Chard", 1299, 1000, false}, {"Thyme", 15, 20, false}, {"Onion", 499, 100, false}, {"Yam", 1299, 1000, true},
		{"Dill", 6999, 300, true}, {"Leeks", 3999, 2000, true}, {"Pumpkin", 100000, 6000, false}, {"Kale", 9999, 800, true},
	} {
		w.variety(v.name, v.price, v.weight, v.inStore)
	}
	reports := []struct{ length, variety int }{
		{445, 0}, {289, 0}, {275, 0}, {143, 0}, {445, 1}, {289, 1}, {275, 1}, {143, 1}, {143, 2}, {143, 3}, {844, 3},
	}
	for _, r := range reports {
		w.report(r.length, w.varieties[r.variety], w.growers[0])
	}
	about := map[*subgraph.Row][]*subgraph.Row{}
	for i, r := range reports {
		about[w.varieties[r.variety]] = append(about[w.varieties[r.variety]], w.reports[i])
	}
	for v, list := range about {
		v.Set("reports", subgraph.List(list))
	}
	for _, g := range w.growers {
		g.Set("reports", subgraph.List(w.reports[:2]))
	}
	return w.build(len(w.growers), len(w.varieties), 5)
}

// The sizes of [Spread]: how many growers and varieties the query's root has, and how many reports stand at a variety and at
// a grower.
const (
	spreadGrowers, spreadVarieties, spreadPopular = 12, 9, 9
	reportsOfVariety, reportsOfGrower             = 3, 2
)

// Spread returns a world in which [Heavy] meets no object twice: each way down leads to reports, varieties and growers of
// its own, some hundreds of each.
func Spread() (*subgraph.World, error) {
	w := &world{}
	for i := range spreadGrowers {
		w.grower(fmt.Sprintf("Grower the %dth", i), fmt.Sprintf("grower%d", i))
	}
	for i := range spreadVarieties {
		w.variety(fmt.Sprintf("Variety%d", i), 100+911*i, 20+130*i, i%2 == 0)
	}
	// The roots' objects are grown to the depth that the query has; what lies below is never asked for.
	for _, g := range w.growers[:spreadGrowers] {
		w.growReports(g, 2)
	}
	for _, v := range w.varieties[:spreadVarieties] {
		w.growVariety(v, 1)
	}
	return w.build(spreadGrowers, spreadVarieties, spreadPopular)
}

// growReports sets a grower's reports, each on a variety of its own, which is grown further depth-1 times.
func (w *world) growReports(g *subgraph.Row, depth int) {
	var list []*subgraph.Row
	for range reportsOfGrower {
		i := len(w.varieties)
		v := w.variety(fmt.Sprintf("Variety%d", i), 100+911*(i%17), 20+130*(i%13), i%2 == 0)
		list = append(list, w.report(spreadLength(len(w.reports)), v, g))
		if depth > 1 {
			w.growVariety(v, depth-1)
		}
	}
	g.Set("reports", subgraph.List(list))
}

// growVariety sets a variety's reports, each of a grower of its own, who is grown further depth times.
func (w *world) growVariety(v *subgraph.Row, depth int) {
	var list []*subgraph.Row
	for range reportsOfVariety {
		i := len(w.growers)
		g := w.grower(fmt.Sprintf("Grower the %dth", i), fmt.Sprintf("grower%d", i))
		list = append(list, w.report(spreadLength(len(w.reports)), v, g))
		w.growReports(g, depth)
	}
	v.Set("reports", subgraph.List(list))
}

// spreadLength varies the length of reports about the mean of [Small]'s.
func spreadLength(i int) int { return 60 + i*97%400 }

// world is a world that is being made.
type world struct {
	tables                      subgraph.Tables
	growers, varieties, reports []*subgraph.Row
}

func (w *world) grower(name, nickname string) *subgraph.Row {
	r := subgraph.NewRow("Grower").Set("id", subgraph.Text(strconv.Itoa(len(w.growers)+1))).Set("name", subgraph.Text(name)).
		Set("nickname", subgraph.Text(nickname)).Set("birthday", subgraph.Null())
	w.growers = append(w.growers, r)
	w.tables.Add("id", r)
	return r
}

func (w *world) variety(name string, price, weight int, inStore bool) *subgraph.Row {
	r := subgraph.NewRow("Variety").Set("sku", subgraph.Text(strconv.Itoa(len(w.varieties)+1))).Set("name", subgraph.Text(name)).
		Set("price", subgraph.Int(price)).Set("weight", subgraph.Int(weight)).Set("inStore", subgraph.Bool(inStore)).
		Set("packagingExpense", subgraph.Int(packaging(price, weight))).Set("reports", subgraph.List([]*subgraph.Row{}))
	w.varieties = append(w.varieties, r)
	w.tables.Add("sku", r)
	return r
}

// packaging is free for what is dear, and half the weight otherwise.
func packaging(priceAndWeight ...int) int {
	if priceAndWeight[0] > 1000 {
		return 0
	}
	return priceAndWeight[1] / 2
}

func (w *world) report(length int, v, g *subgraph.Row) *subgraph.Row {
	r := subgraph.NewRow("Report").Set("id", subgraph.Text(strconv.Itoa(len(w.reports)+1))).Set("text", subgraph.Text(prose(len(w.reports), length))).
		Set("variety", subgraph.One(v)).Set("grower", subgraph.One(g))
	w.reports = append(w.reports, r)
	w.tables.Add("id", r)
	return r
}

// build serves the first growers and varieties at the query's root; a request for bestsellers without a number is for
// popular of them.
func (w *world) build(growers, varieties, popular int) (*subgraph.World, error) {
	root := subgraph.NewRow("Query").Set("me", subgraph.One(w.growers[0])).Set("growers", subgraph.List(w.growers[:growers])).
		SetSliced("bestsellers", subgraph.List(w.varieties[:varieties]), popular)
	list, err := schemas()
	if err != nil {
		return nil, err
	}
	return w.tables.World(root, list, &subgraph.Computed{Type: "Variety", Field: "packagingExpense", Requires: []string{"price", "weight"}, Of: packaging})
}

// sentences are what reports are made of.
var sentences = []string{
	"It came up within a week, though the nights were cold.", "Water it in the evening and it forgives the rest.", "Slugs found it before I did.",
	"The second sowing did better than the first.", "My neighbour asks for seeds each spring.", "In clay it sulks, in sand it runs to seed.",
	"Too sweet for soup, just right from the hand.", "Half of the packet was enough for two beds.", "I would plant it again, closer to the wall.",
}

// prose returns text of the given length, in ASCII, that differs from one n to another.
func prose(n, length int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Report %d. ", n+1)
	for i := n; b.Len() < length; i += 1 + n%3 {
		b.WriteString(sentences[i%len(sentences)])
		b.WriteByte(' ')
	}
	return b.String()[:length]
}
