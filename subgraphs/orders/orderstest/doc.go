// Package orderstest tests the orders subgraph through its front door, with its workflows on a real Temporal server, the
// payment sandbox behind Stripe's SDK, and the courier sandbox. It stands apart because it links Temporal's server.
package orderstest
