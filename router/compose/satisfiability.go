package compose

import (
	"errors"
	"sort"
	"strings"

	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/supergraph"
)

// satisfiable proves that every query which the API admits can be planned, with the planner's own search.
func satisfiable(sdl string) []Error {
	sg, err := supergraph.Parse(sdl)
	if err != nil {
		return []Error{{Code: codeInternal, Message: sprintf("The composed supergraph cannot be read: %v", err)}}
	}
	planner, err := plan.NewPlanner(sg)
	if err != nil {
		return []Error{{Code: codeInternal, Message: sprintf("The composed supergraph cannot be planned for: %v", err)}}
	}
	found, err := planner.Unanswerable()
	if limit := (*plan.LimitError)(nil); errors.As(err, &limit) {
		return []Error{{Code: codeMaxValidationPaths, Message: "The supergraph is too large for it to be proved that all queries can be answered."}}
	} else if err != nil {
		return []Error{{Code: codeInternal, Message: sprintf("Checking that all queries can be answered failed: %v", err)}}
	}
	var out []Error
	for _, u := range found {
		out = append(out, unanswerable(u))
	}
	return out
}

func unanswerable(u plan.Unanswerable) Error {
	e := Error{Code: codeSatisfiability}
	var b strings.Builder
	for _, r := range u.Reasons {
		e.Subgraphs = append(e.Subgraphs, r.Subgraph)
	}
	sort.Strings(e.Subgraphs)
	if u.Disjoint {
		e.Code = codeShareableRuntimeTypes
		b.WriteString("For the following supergraph API query:\n" + u.Query + "\n")
		b.WriteString(sprintf("Shared field %q has a non-intersecting set of possible runtime types across subgraphs. Runtime types in subgraphs are:\n", u.Type+"."+u.Field))
		for _, r := range u.Reasons {
			b.WriteString(sprintf(" - in subgraph %q, %s\n", r.Subgraph, strings.Join(r.Because, ", ")))
		}
		b.WriteString("This is not allowed as shared fields must resolve the same way in all subgraphs, and that implies at least some common runtime types between the subgraphs.")
		e.Message = b.String()
		return e
	}
	b.WriteString("The following supergraph API query:\n" + u.Query + "\ncannot be satisfied by the subgraphs because:")
	for _, r := range u.Reasons {
		b.WriteString(sprintf("\n- from subgraph %q:", r.Subgraph))
		if len(r.Because) == 1 {
			b.WriteString(" " + r.Because[0])
			continue
		}
		for _, because := range r.Because {
			b.WriteString("\n  - " + because)
		}
	}
	e.Message = b.String()
	return e
}
