// Package workflows is the contract between those who start workflows, those who run them and those who do their
// activities: names, task queues, ids, inputs and results. It imports the standard library only. Nothing in it may hold
// personal data: it all stands in Temporal's histories.
package workflows

// Task queues. A queue is named after who works it off: activities run where their data is.
const (
	QueueWorkflows = "workflows" // workflow code itself, and the outside parties
	QueueCatalogue = "catalogue"
	QueueInventory = "inventory"
	QueueOrders    = "orders"
)

// PrivacyQueue gives the task queue on which a service does its part of erasures.
func PrivacyQueue(service string) string { return "privacy." + service }
