package plan

import "slices"

// contextNeed is an argument that a field takes from an ancestor: what has to be read there.
type contextNeed struct {
	node  *contextNode
	place *place // the ancestor's
	needs []*need
}

// solveContexts finds what the arguments of a source that are marked @fromContext are read from: each from the nearest
// ancestor of a type that sets its context. ok is false where there is none.
func (s *search) solveContexts(p *place, src *sourceNode) (out []*contextNeed, ok bool, err error) {
	defer s.sendingTo(-1)()
	for i := range src.contexts {
		c := &src.contexts[i]
		found := false
		for up := p.parent; up != nil && !found; up = up.parent {
			var needs []*need
			for _, t := range up.possible {
				items := c.items[t]
				if items == nil {
					continue
				}
				more, ok, err := s.solve(up, typeSet{t}, items)
				if err != nil || !ok {
					return nil, false, err
				}
				needs = append(needs, more...)
			}
			if found = len(needs) > 0; found {
				out = append(out, &contextNeed{node: c, place: up, needs: needs})
			}
		}
		if !found {
			return nil, false, nil
		}
	}
	return out, true, nil
}

// contextual is an argument of a step's field that is passed as a variable with each representation.
type contextual struct {
	variable string
	need     *contextNeed
	fields   *selection
}

// passContexts has the ancestors' values that a vertex needs asked for, and passed with its representations.
func (b *builder) passContexts(st *step, v *vertex) {
	for i, c := range v.contexts {
		arg := &contextual{variable: "context_" + itoa(st.n) + "_" + itoa(i), need: c, fields: &selection{}}
		for _, n := range c.needs {
			b.readOnce(n, v.place)
			at := b.stand(n.at)
			st.deps[at.step] = true
			if n.item.name == typenameField {
				b.typename(at)
			} else {
				b.add(at, n.at, n.leaf.place.scope, n.item, n.types, nil)
			}
			unguard(n.at, c.place)
			b.readLeaf(arg.fields, c.place, n.leaf, -1)
			if len(n.types) < len(c.place.possible) && n.leaf.place == c.place {
				last := arg.fields.fields[len(arg.fields.fields)-1]
				if last.cond == nil {
					last.cond = b.search.g.types[n.types[0]]
				}
			}
		}
		st.contexts = append(st.contexts, arg)
	}
}

// contextArguments adds the variables of contexts to the arguments of the field that takes them.
func (st *step) contextArguments(arguments []Argument) []Argument {
	out := slices.Clone(arguments)
	for _, c := range st.contexts {
		out = append(out, Argument{Name: c.need.node.argument, Value: "$" + c.variable})
	}
	return out
}

// takeContexts has a step pass what another passes, which is merged into it. What both read at the same place is passed once.
func (st *step) takeContexts(o *step) {
	for _, c := range o.contexts {
		i := slices.IndexFunc(st.contexts, func(own *contextual) bool {
			return own.need.node.typ == c.need.node.typ && own.need.place == c.need.place && sameSelection(own.fields, c.fields)
		})
		if i < 0 {
			st.contexts = append(st.contexts, c)
			continue
		}
		for _, f := range o.root.fields {
			for j := range f.arguments {
				if f.arguments[j].Value == "$"+c.variable {
					f.arguments[j].Value = "$" + st.contexts[i].variable
				}
			}
		}
	}
}

// contextValues writes where the values of a step's contexts are read.
func (b *builder) contextValues(st *step) []ContextValue {
	var out []ContextValue
	for _, c := range st.contexts {
		up := st.place.depth - c.need.place.depth
		out = append(out, ContextValue{Variable: c.variable, Type: c.need.node.typ, Up: up, Fields: b.reading(c.fields)})
	}
	return out
}
