package prepare

import (
	"errors"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/lethe/lethe/router/cost"
)

// codeSlicing is that of a list without the one argument that bounds it.
const codeSlicing = "SLICING_ARGUMENT_NEEDED"

// price finds what an operation costs.
func (p *Preparer) price(doc *ast.QueryDocument, op *ast.OperationDefinition, out *Prepared) *Prepared {
	if p.options.Costs == nil {
		return nil
	}
	program, err := p.options.Costs.Compile(doc, op)
	if err != nil {
		return refusal("OPERATION_TOO_COMPLEX", "The operation is too complex: ask for less at once.")
	}
	charge, constant, err := program.Constant()
	if err != nil {
		return &Prepared{Errors: slicing(err)}
	}
	if out.cost, out.charge = program, charge; !constant {
		out.charge = -1
	}
	return nil
}

// Cost returns what a request for the operation is estimated to cost, 0 where costs are not looked at. Errors are those
// of the arguments that bound its lists.
func (p *Prepared) Cost(v *Values) (float64, gqlerror.List) {
	if p.cost == nil || p.charge >= 0 {
		return p.charge, nil
	}
	c, err := p.cost.Estimate(v.JSON)
	if err != nil {
		return 0, slicing(err)
	}
	return c, nil
}

// Meter returns what measures the cost of an answer to a request; nil where costs are not looked at.
func (p *Prepared) Meter(v *Values) *cost.Meter {
	if p.cost == nil {
		return nil
	}
	return p.cost.Meter(v.JSON)
}

func slicing(err error) gqlerror.List {
	code := "INTERNAL"
	if refused := (*cost.SlicingError)(nil); errors.As(err, &refused) {
		code = codeSlicing
	}
	return gqlerror.List{{Message: err.Error(), Extensions: map[string]any{"code": code}}}
}
