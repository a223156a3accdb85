// Package large holds what large answers are measured with: two subgraphs with many products, of which one lists them and
// the other is asked for each.
package large

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lethe/lethe/bench/gateways/load"
	"github.com/lethe/lethe/bench/gateways/scenario"
	"github.com/lethe/lethe/bench/gateways/subgraph"
)

// Products are how many there are. Each takes some 200 bytes of an answer.
const Products = 100_000

const (
	catalogue = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.7", import: ["@key"])
type Query { products: [Product!]! }
type Product @key(fields: "id") { id: ID! name: String! price: Int! inStore: Boolean! description: String! }`
	stock = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.7", import: ["@key"])
type Product @key(fields: "id") { id: ID! quantity: Int! place: String! note: String }`
)

// The queries: one subgraph's whole list, and a list whose every object has one half from either subgraph.
const (
	list     = `{ products { id name price inStore description } }`
	entities = `{ products { id name price quantity place note } }`
)

// product is one of the products, by its number.
type product int

// Type implements [subgraph.Object].
func (product) Type() string { return "Product" }

// Field implements [subgraph.Object].
func (p product) Field(name string, _ subgraph.Args) (subgraph.Value, error) {
	n := int(p)
	switch name {
	case "id":
		return subgraph.Text("product-" + strconv.Itoa(n)), nil
	case "name":
		return subgraph.Text(fmt.Sprintf("The product with the number %d", n)), nil
	case "price", "quantity":
		return subgraph.Int(n % 9973), nil
	case "inStore":
		return subgraph.Bool(n%3 == 0), nil
	case "description":
		return subgraph.Text(fmt.Sprintf("%d is a product of which is told what it is for, in %d words", n, n%97) + strings.Repeat(".", 10+n%11)), nil
	case "place":
		return subgraph.Text(fmt.Sprintf("Hall %d, row %d, shelf %d", n%7, n%101, n%13)), nil
	case "note":
		if n%5 == 0 {
			return subgraph.Null(), nil
		}
		return subgraph.Text("handle with care " + strings.Repeat("!", 20+n%9)), nil
	}
	return subgraph.Value{}, fmt.Errorf("there is no field %s", name)
}

// root is the query.
type root []product

// Type implements [subgraph.Object].
func (*root) Type() string { return "Query" }

// Field implements [subgraph.Object].
func (r *root) Field(string, subgraph.Args) (subgraph.Value, error) { return subgraph.List(*r), nil }

// Set gives the subgraphs, what is asked, and the right answers.
func Set() (*scenario.Set, error) {
	query := make(root, Products)
	for i := range query {
		query[i] = product(i)
	}
	w := &subgraph.World{}
	for name, sdl := range map[string]string{"catalogue": catalogue, "stock": stock} {
		fields, err := subgraph.ReadFields(sdl)
		if err != nil {
			return nil, err
		}
		w.Subgraphs = append(w.Subgraphs, subgraph.Named{Name: name, SDL: sdl, Graph: &subgraph.Graph{Query: &query, Entity: entity, Fields: fields}})
	}
	fields, err := subgraph.ReadFields(catalogue, stock)
	if err != nil {
		return nil, err
	}
	w.Whole = &subgraph.Graph{Query: &query, Fields: fields}
	set := &scenario.Set{Name: "large", World: w}
	for name, query := range map[string]string{"list": list, "entities": entities} {
		body, err := json.Marshal(subgraph.Request{Query: query})
		if err != nil {
			return nil, fmt.Errorf("write the query: %w", err)
		}
		set.Scenarios = append(set.Scenarios, &load.Scenario{Name: name, Body: string(body), Answer: w.Whole.Answer(body)})
	}
	return set, nil
}

// entity gives the product that a representation stands for.
func entity(r subgraph.Args) (subgraph.Object, error) {
	var id string
	if err := json.Unmarshal(r["id"], &id); err != nil {
		return nil, fmt.Errorf("read an id: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimPrefix(id, "product-"))
	if err != nil {
		return nil, fmt.Errorf("read an id: %w", err)
	}
	return product(n), nil
}

// Serve serves the subgraphs on free ports of the loopback interface until the process ends. Chunked has them send answers as
// servers do that do not know their length.
func Serve(w *subgraph.World, chunked bool) (subgraph.Addresses, error) {
	out := subgraph.Addresses{Subgraphs: map[string]string{}}
	for _, n := range w.Subgraphs {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return out, fmt.Errorf("listen: %w", err)
		}
		server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return // the router went away
			}
			answer := n.Graph.Answer(body)
			w.Header().Set("Content-Type", "application/json")
			if !chunked {
				w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
			}
			_, _ = w.Write(answer) // the router may have gone away
		})}
		go func() { _ = server.Serve(ln) }()
		out.Subgraphs[n.Name] = "http://" + ln.Addr().String() + "/graphql"
	}
	return out, nil
}
