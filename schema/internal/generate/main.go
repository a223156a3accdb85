// Command generate composes the subgraphs of package schema into schema/supergraph.graphql. It is run by go generate.
package main

import (
	"fmt"
	"os"

	"github.com/lethe/lethe/router/compose"
	personaldata "github.com/lethe/lethe/router/compose/privacy"
	"github.com/lethe/lethe/schema"
)

func main() {
	var subgraphs []compose.Subgraph
	for _, s := range schema.Subgraphs() {
		subgraphs = append(subgraphs, compose.Subgraph{Name: s.Name, URL: s.URL, SDL: s.SDL})
	}
	result, errs := compose.Compose(subgraphs, compose.WithValidation(personaldata.Validation()))
	if len(errs) > 0 {
		fmt.Fprintln(os.Stderr, compose.FormatText(errs))
		os.Exit(1)
	}
	if err := os.WriteFile("supergraph.graphql", []byte(result.SDL), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
