package datamap_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/privacy/datamap"
	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/schema"
)

var update = flag.Bool("update", false, "write the goldens")

// composed gives the supergraph of Lethe's subgraphs and of others.
func composed(t *testing.T, others ...compose.Subgraph) string {
	t.Helper()
	var subgraphs []compose.Subgraph
	for _, s := range schema.Subgraphs() {
		subgraphs = append(subgraphs, compose.Subgraph{Name: s.Name, URL: s.URL, SDL: s.SDL})
	}
	result, errs := compose.Compose(append(subgraphs, others...))
	if len(errs) > 0 {
		t.Fatalf("the subgraphs do not compose: %v", errs)
	}
	return result.SDL
}

func TestDataMap(t *testing.T) {
	t.Parallel()
	m, err := datamap.Read(composed(t))
	if err != nil {
		t.Fatal(err)
	}
	waves, err := m.Waves()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "root %s, waves %v\n", m.Root, waves)
	for _, e := range m.Entries {
		fmt.Fprintln(&b, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", e.Service, e.Path, e.Category, e.Action, e.Rule)))
	}
	const golden = "testdata/datamap.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the data map is\n%s\nwant\n%s", &b, want)
	}
}

// reviews is a subgraph that leads to the customer through another's type.
const reviews = `
type Query { review: Review }
type Customer @key(fields: "id") { id: ID! @personal(category: IDENTIFIER, onErasure: DELETE) }
type Review @key(fields: "id") @belongsToSubject(path: "customer.id") {
  id: ID! @notPersonal(because: "A number.")
  customer: Customer
  text: String @personal(category: FREE_TEXT, onErasure: UNSET)
}
`

// TestAnotherSubgraphTakesPart composes a fifth subgraph: it takes part by its annotations alone.
func TestAnotherSubgraphTakesPart(t *testing.T) {
	t.Parallel()
	own := schema.Subgraphs()[3].SDL
	m, err := datamap.Read(composed(t, compose.Subgraph{Name: "reviews", URL: "http://reviews", SDL: own[:strings.Index(own, "type Query {")] + reviews}))
	if err != nil {
		t.Fatal(err)
	}
	waves, err := m.Waves()
	if err != nil || fmt.Sprint(waves) != "[[orders reviews] [customers]]" {
		t.Errorf("the waves are %v, %v", waves, err)
	}
	if got := m.Manifest("reviews"); len(got.Entries) != 2 || got.Hash == m.Manifest("orders").Hash {
		t.Errorf("the manifest is %+v", got)
	}
	fields, err := m.Bind("reviews", []privacy.Field{{Path: "Review.text", BSON: "text"}})
	if err != nil || fields[0].Action != privacy.Unset || fields[0].Category != "FREE_TEXT" {
		t.Errorf("bound to %+v, %v", fields, err)
	}
	if _, err := m.Bind("reviews", []privacy.Field{{Path: "Order.note", BSON: "note"}}); err == nil {
		t.Error("a field of another service is bound")
	}
}

// graph writes a supergraph by hand, for what composition does not let pass or makes no difference of.
func graph(types string) string {
	return `enum join__Graph { A @join__graph(name: "a", url: "") B @join__graph(name: "b", url: "") C @join__graph(name: "c", url: "") }` + types
}

func TestWaves(t *testing.T) {
	t.Parallel()
	const (
		customer = ` type Customer @join__type(graph: A, key: "id") @dataSubject { id: ID! @personal(category: IDENTIFIER, onErasure: DELETE) }`
		order    = ` type Order @join__type(graph: B) @belongsToSubject(path: "customer.id") { customer: Customer note: String @personal(category: FREE_TEXT, onErasure: UNSET) parcel: Parcel }`
		parcel   = ` type Parcel @join__type(graph: C) @belongsToSubject(path: "order.customer.id") { order: Order text: String @personal(category: FREE_TEXT, onErasure: UNSET) }`
		circle   = ` type Other @join__type(graph: B) @belongsToSubject(path: "parcel.order.customer.id") { parcel: Parcel text: String @personal(category: FREE_TEXT, onErasure: UNSET) }`
	)
	for name, c := range map[string]struct{ sdl, want, err string }{
		"a chain":           {graph(customer + order + parcel), "[[c] [b] [a]]", ""},
		"one":               {graph(customer), "[[a]]", ""},
		"nothing personal":  {graph(`type Product { id: ID! }`), "[]", ""},
		"a circle":          {graph(customer + order + parcel + circle), "", "circle"},
		"no subject":        {graph(`type T @join__type(graph: A) { x: Int @personal(category: IDENTITY, onErasure: UNSET) }`), "", "@dataSubject"},
		"two subjects":      {graph(customer + ` type Staff @join__type(graph: B) @dataSubject { id: ID! }`), "", "second data subject"},
		"a path to nowhere": {graph(customer + ` type X @join__type(graph: B) @belongsToSubject(path: "owner.id") { y: String @personal(category: FREE_TEXT, onErasure: UNSET) }`), "", "no field owner"},
		"empty":             {"", "", "empty"},
		"no schema":         {"type {", "", "read the supergraph"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := datamap.Read(c.sdl)
			if err != nil {
				if c.err == "" || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, want %q", err, c.err)
				}
				return
			}
			waves, err := m.Waves()
			if err != nil || c.err != "" || fmt.Sprint(waves) != c.want {
				t.Errorf("the waves are %v, %v, want %s %s", waves, err, c.want, c.err)
			}
		})
	}
}
