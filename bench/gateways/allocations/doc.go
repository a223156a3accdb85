// Package allocations counts what the router allocates for a request. It has tests and benchmarks only.
package allocations
