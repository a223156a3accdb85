package prepare

import (
	"errors"
	"maps"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/lethe/lethe/router/plan"
)

// maxDeferVariables bounds the variables that decide what an operation defers, a bit of a variant's key each.
const maxDeferVariables = 16

// deferral is what an operation defers.
type deferral struct {
	always    bool
	variables []string
	indices   []int // of the variables in the operation's definitions
}

// findDeferral gives what an operation defers, or why it may not.
func findDeferral(doc *ast.QueryDocument, op *ast.OperationDefinition) (deferral, *Prepared) {
	found, err := plan.FindDeferral(doc, op)
	var no *plan.DeferError
	switch {
	case errors.As(err, &no):
		refused := refusal("DEFER_NOT_ALLOWED", "%s", no.Message)
		if no.Position != nil {
			refused.Errors[0].Locations = []gqlerror.Location{{Line: no.Position.Line, Column: no.Position.Column}}
		}
		return deferral{}, refused
	case err != nil:
		return deferral{}, refusal("PLANNING_FAILED", "The operation cannot be planned: %s", err)
	case len(found.Variables) > maxDeferVariables:
		return deferral{}, refusal("OPERATION_TOO_COMPLEX", "The operation decides with %d variables what is deferred: at most %d are taken.", len(found.Variables), maxDeferVariables)
	}
	out := deferral{always: found.Always, variables: found.Variables}
	for _, name := range found.Variables {
		out.indices = append(out.indices, slices.IndexFunc(op.VariableDefinitions, func(v *ast.VariableDefinition) bool { return v.Variable == name }))
	}
	return out, nil
}

// none reports whether the operation defers nothing whatever the variables.
func (d *deferral) none() bool { return !d.always && len(d.variables) == 0 }

// active gives what is deferred under the values of a request, 0 for nothing: the lowest bit stands for what is deferred
// always, and the others for the variables.
func (d *deferral) active(values *Values) uint64 {
	var out uint64
	if d.always {
		out = 1
	}
	for i, at := range d.indices {
		if at < 0 || values == nil || at >= len(values.JSON) || string(values.JSON[at]) != "false" {
			out |= 2 << i
		}
	}
	return out
}

// option is the planner's question for what is active.
func (d *deferral) option(active uint64) func(variable string) bool {
	if active == 0 {
		return nil
	}
	return func(variable string) bool {
		i := slices.Index(d.variables, variable)
		return i < 0 || active&(2<<i) != 0
	}
}

// adopt makes ready the programs for deferred parts that another preparation of the same text has.
func (p *Prepared) adopt(old *Prepared) {
	if p.variants == nil || old.variants == nil || p.variants.defers.none() {
		return
	}
	old.variants.mu.Lock()
	keys := slices.Collect(maps.Keys(old.variants.byKey))
	old.variants.mu.Unlock()
	for _, key := range keys {
		if key.unmet == 0 { // requirements are other ones in another schema
			p.variants.get(key)
		}
	}
}

// Programs tells how many programs are ready for an operation.
func (p *Prepared) Programs() int {
	if p.Program == nil {
		return 0
	}
	if p.variants == nil {
		return 1
	}
	p.variants.mu.Lock()
	defer p.variants.mu.Unlock()
	return 1 + len(p.variants.byKey)
}
