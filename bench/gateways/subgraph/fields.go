package subgraph

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// Fields are the fields of the types of a schema, by the types' names.
type Fields map[string]map[string]bool

// ReadFields gives the fields of schemas, which may extend one another.
func ReadFields(schemas ...string) (Fields, error) {
	out := Fields{}
	for _, text := range schemas {
		doc, err := parser.ParseSchema(&ast.Source{Input: text})
		if err != nil {
			return nil, fmt.Errorf("parse a schema: %w", err)
		}
		for _, list := range []ast.DefinitionList{doc.Definitions, doc.Extensions} {
			for _, d := range list {
				if out[d.Name] == nil {
					out[d.Name] = map[string]bool{}
				}
				for _, f := range d.Fields {
					out[d.Name][f.Name] = true
				}
			}
		}
	}
	return out, nil
}
