// Package public reads the public gateways benchmark (graphql-hive/graphql-gateways-benchmark, MIT), which is no part of this
// repository: the schemas and data of its four subgraphs and its query, from a directory.
package public

import (
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/lethe/lethe/bench/gateways/subgraph"
)

// data is the benchmark's data.json.
type data struct {
	Users    []struct{ ID, Name, Username string }
	Products []struct {
		UPC, Name     string
		Price, Weight int
		InStock       bool
	}
	Reviews []struct{ ID, Body, UPC string }
}

// World reads the world. The benchmark's rules are odd and kept as they are: the first user wrote every review, and whoever is
// asked for the own reviews has the first two.
func World(files fs.FS) (*subgraph.World, error) {
	text, err := fs.ReadFile(files, "data.json")
	if err != nil {
		return nil, fmt.Errorf("read the data: %w", err)
	}
	var d data
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("read the data: %w", err)
	}
	if len(d.Users) == 0 || len(d.Reviews) < 2 {
		return nil, fmt.Errorf("read the data: there are %d users and %d reviews, and at least one and two are needed", len(d.Users), len(d.Reviews))
	}
	var t subgraph.Tables
	var users, products, reviews []*subgraph.Row
	for _, u := range d.Users {
		users = append(users, subgraph.NewRow("User").Set("id", subgraph.Text(u.ID)).Set("name", subgraph.Text(u.Name)).
			Set("username", subgraph.Text(u.Username)).Set("birthday", subgraph.Null()))
	}
	of := map[string][]*subgraph.Row{}
	for _, r := range d.Reviews {
		row := subgraph.NewRow("Review").Set("id", subgraph.Text(r.ID)).Set("body", subgraph.Text(r.Body)).Set("author", subgraph.One(users[0]))
		reviews = append(reviews, row)
		of[r.UPC] = append(of[r.UPC], row)
		t.Add("id", row)
	}
	for _, p := range d.Products {
		row := subgraph.NewRow("Product").Set("upc", subgraph.Text(p.UPC)).Set("name", subgraph.Text(p.Name)).Set("price", subgraph.Int(p.Price)).
			Set("weight", subgraph.Int(p.Weight)).Set("inStock", subgraph.Bool(p.InStock)).
			Set("shippingEstimate", subgraph.Int(shipping(p.Price, p.Weight))).Set("reviews", subgraph.List(of[p.UPC]))
		products = append(products, row)
		for _, r := range of[p.UPC] {
			r.Set("product", subgraph.One(row))
		}
		t.Add("upc", row)
	}
	for _, u := range users {
		u.Set("reviews", subgraph.List(reviews[:2]))
		t.Add("id", u)
	}
	root := subgraph.NewRow("Query").Set("me", subgraph.One(users[0])).Set("users", subgraph.List(users)).
		SetSliced("topProducts", subgraph.List(products), 5)
	var schemas []subgraph.Schema
	for _, name := range []string{"accounts", "products", "reviews", "inventory"} {
		sdl, err := fs.ReadFile(files, name+".graphql")
		if err != nil {
			return nil, fmt.Errorf("read a schema: %w", err)
		}
		schemas = append(schemas, subgraph.Schema{Name: name, SDL: string(sdl)})
	}
	return t.World(root, schemas, &subgraph.Computed{Type: "Product", Field: "shippingEstimate", Requires: []string{"price", "weight"}, Of: shipping})
}

// shipping is free above 1000, and half the weight otherwise.
func shipping(priceAndWeight ...int) int {
	if priceAndWeight[0] > 1000 {
		return 0
	}
	return priceAndWeight[1] / 2
}

// Heavy reads the benchmark's query.
func Heavy(files fs.FS) (string, error) {
	text, err := fs.ReadFile(files, "heavy.graphql")
	if err != nil {
		return "", fmt.Errorf("read the query: %w", err)
	}
	return string(text), nil
}
