// Package schema holds the contract that people read: the GraphQL schema of each subgraph, the directives and common
// types that they share, the retention rules, and the supergraph composed from them.
package schema

import (
	_ "embed"
)

//go:embed directives.graphql
var directives string

//go:embed common.graphql
var common string

//go:embed catalogue.graphql
var catalogue string

//go:embed inventory.graphql
var inventory string

//go:embed orders.graphql
var orders string

//go:embed customers.graphql
var customers string

//go:embed retention.yaml
var retention []byte

//go:embed supergraph.graphql
var supergraph string

//go:generate go run ./internal/generate

// Supergraph gives schema/supergraph.graphql: what the subgraphs compose to.
func Supergraph() string { return supergraph }

// Subgraph is the name of a subgraph, where lethe-dev serves it by default, and its schema as composition and code
// generation read it.
type Subgraph struct {
	Name string
	URL  string
	SDL  string
}

// Subgraphs gives the four subgraphs of Lethe in the order of their ports. Each schema is complete: the shared
// directives and types come first.
func Subgraphs() []Subgraph {
	return []Subgraph{
		{"catalogue", "http://127.0.0.1:4001/graphql", directives + "\n" + common + "\n" + catalogue},
		{"inventory", "http://127.0.0.1:4002/graphql", directives + "\n" + common + "\n" + inventory},
		{"orders", "http://127.0.0.1:4003/graphql", directives + "\n" + common + "\n" + orders},
		{"customers", "http://127.0.0.1:4004/graphql", directives + "\n" + common + "\n" + customers},
	}
}

// Retention gives schema/retention.yaml: the rules that fields marked RETAIN name.
func Retention() []byte { return retention }
