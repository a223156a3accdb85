package plan

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
)

// conditions adds @skip and @include to what must hold already. include is false when the selection can never take part.
func (n *normaliser) conditions(ds ast.DirectiveList, guard Guard) (out Guard, include bool, err error) {
	out = guard
	for _, d := range ds {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		arg := d.Arguments.ForName("if")
		if arg == nil || arg.Value == nil {
			return nil, false, fmt.Errorf("@%s needs the argument if", d.Name)
		}
		equals := d.Name == "include"
		if arg.Value.Kind != ast.Variable {
			if (arg.Value.Raw == "true") != equals {
				return nil, false, nil
			}
			continue
		}
		bit, err := n.bit(Condition{Variable: arg.Value.Raw, Equals: equals})
		if err != nil {
			return nil, false, err
		}
		if out, include = n.strengthen(out, bit); !include {
			return nil, false, nil
		}
	}
	return out, true, nil
}

// strengthen adds a bit to each mask of a guard and drops the masks that can no longer hold.
func (n *normaliser) strengthen(g Guard, bit int) (Guard, bool) {
	if len(g) == 0 {
		return Guard{1 << bit}, true
	}
	contrary := -1
	c := n.op.Conditions[bit]
	if b, ok := n.bits[Condition{Variable: c.Variable, Equals: !c.Equals}]; ok {
		contrary = b
	}
	var out Guard
	for _, m := range g {
		if contrary >= 0 && m&(1<<contrary) != 0 {
			continue
		}
		out = append(out, m|1<<bit)
	}
	return out, len(out) > 0
}

func (n *normaliser) bit(c Condition) (int, error) {
	if b, ok := n.bits[c]; ok {
		return b, nil
	}
	b := len(n.op.Conditions)
	if b >= maxConditions {
		return 0, &LimitError{What: "different conditions of @skip and @include", Limit: maxConditions}
	}
	n.bits[c] = b
	n.op.Conditions = append(n.op.Conditions, c)
	return b, nil
}

func variablesOf(v *ast.Value, names []string) []string {
	if v == nil {
		return names
	}
	if v.Kind == ast.Variable {
		for _, n := range names {
			if n == v.Raw {
				return names
			}
		}
		return append(names, v.Raw)
	}
	for _, c := range v.Children {
		names = variablesOf(c.Value, names)
	}
	return names
}
