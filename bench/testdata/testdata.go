// Package testdata holds what the measurements run on.
package testdata

import "embed"

// Gateways is the public gateways benchmark: its four subgraphs' schemas, their data and its query.
//
//go:embed gateways
var Gateways embed.FS
