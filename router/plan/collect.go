package plan

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
)

// collector gathers the fields of one selection set.
type collector struct {
	n             *normaliser
	static        *typeNode
	all           typeSet
	order         []*group
	byKey         map[string][]*group
	seen          map[string]bool // fragments already spread here under the same conditions
	introspection bool
	turn          int     // how many fields were met
	begun         []begun // deferred fragments that stand here
	around        wraps   // the fragments with directives that are being read
}

// collect gathers the fields of a selection set that is in a part of the answer, nil for the initial one.
func (c *collector) collect(t *typeNode, types typeSet, set ast.SelectionSet, guard Guard, part *Deferred) error {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			own, include, err := c.n.conditions(s.Directives, guard)
			if err != nil {
				return err
			}
			if include {
				if err := c.add(t, types, s, own, part); err != nil {
					return err
				}
			}
		case *ast.InlineFragment:
			own, include, err := c.n.conditions(s.Directives, guard)
			if err != nil {
				return err
			}
			if include {
				if err := c.narrow(t, types, fragment{s.TypeCondition, s.SelectionSet, s.Directives, nil}, own, part); err != nil {
					return err
				}
			}
		case *ast.FragmentSpread:
			own, include, err := c.n.conditions(s.Directives, guard)
			if err != nil {
				return err
			}
			def := c.n.doc.Fragments.ForName(s.Name)
			if def == nil {
				return fmt.Errorf("there is no fragment %q", s.Name)
			}
			mark := s.Name + "\x00" + own.key() + "\x00" + types.key()
			if around := c.around.within(s.Directives, def.Directives); len(around.around) > 0 {
				mark += "\x00" + (&Variant{Around: around.around}).key()
			}
			if part != nil {
				mark += "\x00" + itoa(part.ID)
			}
			deferred := s.Directives.ForName(deferDirective) != nil // then it is a part of its own
			if include && (deferred || !c.seen[mark]) {
				c.seen[mark] = c.seen[mark] || !deferred
				if err := c.narrow(t, types, fragment{def.TypeCondition, def.SelectionSet, s.Directives, def.Directives}, own, part); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// fragment is an inline fragment or what a spread stands for.
type fragment struct {
	condition  string
	set        ast.SelectionSet
	directives ast.DirectiveList
	defined    ast.DirectiveList // those of a fragment's definition
}

// narrow collects a fragment's selections for those of types that satisfy its condition.
func (c *collector) narrow(t *typeNode, types typeSet, f fragment, guard Guard, part *Deferred) error {
	if c.introspection {
		return c.collect(t, types, f.set, guard, nil)
	}
	if f.condition != "" {
		if t = c.n.g.named[f.condition]; t == nil {
			return fmt.Errorf("there is no type %q to condition on", f.condition)
		}
		if types = types.intersect(t.possible); len(types) == 0 {
			return nil
		}
	}
	part, err := c.deferred(f.directives, guard, part, t, types)
	if err != nil {
		return err
	}
	outer := c.around
	c.around = outer.within(f.directives, f.defined)
	err = c.collect(t, types, f.set, guard, part)
	c.around = outer
	return err
}
