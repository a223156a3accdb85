package prepare

import (
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/jsontext"
)

// inputs are a schema's input types with the coerced defaults of their fields.
type inputs struct {
	schema   *ast.Schema
	defaults map[*ast.FieldDefinition][]byte
}

// maxDefault bounds a coerced default, in bytes: each default may hold many others. A larger one stays as the schema has it,
// for the subgraph to complete.
const maxDefault = 64 << 10

// newInputs coerces the defaults of all input fields, so that a request finds them ready.
func newInputs(schema *ast.Schema) *inputs {
	in := &inputs{schema: schema, defaults: map[*ast.FieldDefinition][]byte{}}
	for _, def := range schema.Types {
		if def.Kind != ast.InputObject {
			continue
		}
		for _, f := range def.Fields {
			if f.DefaultValue != nil {
				in.fallback(f)
			}
		}
	}
	return in
}

// fallback returns the coerced default of an input field as JSON. Nothing is written once all are known.
func (in *inputs) fallback(f *ast.FieldDefinition) []byte {
	if known, ok := in.defaults[f]; ok {
		return known
	}
	plain := literal(f.DefaultValue)
	in.defaults[f] = plain // where the default leads to itself
	if coerced, err := in.coerce(&variable{name: f.Name, typ: f.Type}, plain); err == nil && len(coerced) <= maxDefault {
		in.defaults[f] = coerced
	}
	return in.defaults[f]
}

// coerce returns what a constant of the schema or of an operation is coerced to.
func (in *inputs) coerce(v *variable, constant []byte) ([]byte, error) {
	var values Values
	c := coercer{inputs: in, variable: v, values: &values}
	if err := c.value(&jsontext.Scanner{Data: constant}, v.typ, 0); err != nil {
		return nil, err
	}
	return values.text, nil
}
