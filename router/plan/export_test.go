package plan

import "github.com/vektah/gqlparser/v2/ast"

// Work plans an operation and gives how many steps that took.
func Work(p *Planner, doc *ast.QueryDocument) (int, error) {
	op, items, err := normalise(p.graph, doc, "", p.limits, Options{})
	if err != nil {
		return 0, err
	}
	l := &labelled{planner: p, plan: &Plan{Operation: op}, items: items}
	err = l.under(nil, nil)
	return l.work, err
}
