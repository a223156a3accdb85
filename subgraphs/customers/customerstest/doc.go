// Package customerstest tests the customers subgraph and erasures through the front door: the graph of the subgraph, with
// the workflow on a real Temporal server, and a service of the tests' own that takes part because the supergraph says so.
// It stands apart because it links Temporal's server.
package customerstest
