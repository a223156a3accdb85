package cost

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// ErrTooComplex is returned for an operation of which the cost takes too long to find.
var ErrTooComplex = errors.New("its cost cannot be found in reasonable time")

// Bounds of what compiling takes.
const (
	maxSteps  = 2_000_000 // selections that are looked at
	maxGuards = 16        // conditions under which one fragment is spread at one place, and conditions of one selection
)

// condition is a variable of @skip or @include, and which value lets a selection in.
type condition struct {
	variable int
	want     bool
}

// guard is conditions that hold together; empty where a selection is always in.
type guard []condition

// source is a selection set that selects of an object, under a condition.
type source struct {
	set   ast.SelectionSet
	guard guard
}

// sizing is the length that a field gives to the lists of its subfields (sizedFields).
type sizing struct {
	size   *size
	fields map[string]bool
	id     int
}

// set is what is selected of objects of one type.
type set struct {
	nodes   []*node
	cost    float64 // of one object without its own weight, where it is the same for all requests
	varies  bool
	id      int
	meets   int      // from how many places it is reached
	problem error    // of an argument, where it does not depend on variables
	names   []string // response keys of __typename
}

// node is a field that is selected.
type node struct {
	key     string
	def     *field
	guards  []guard // one of which holds where the field is in; empty for always
	charges []charge
	size    *size   // of its list; nil where it is none
	deeper  float64 // by what lists in lists multiply it
	demands *size   // of lists below, which needs exactly one argument here; nil for none
	sets    []typed // by the types that may stand there; empty for a leaf
	varies  bool
}

// charge is a value among the arguments of a field that weighs something.
type charge struct {
	argument *argument
	value    *value
}

// typed is what is selected of objects of one type, or of several that are alike in it.
type typed struct {
	types  []string
	weight float64
	set    *set
}

// compiler compiles one operation.
type compiler struct {
	model     *Model
	doc       *ast.QueryDocument
	variables map[string]int
	sets      map[string]*set
	sizings   int
	steps     int
}

// Compile returns the program that finds an operation's cost. The document must be valid. The error is [ErrTooComplex].
func (m *Model) Compile(doc *ast.QueryDocument, op *ast.OperationDefinition) (*Program, error) {
	root := m.schema.Query
	switch op.Operation {
	case ast.Mutation:
		root = m.schema.Mutation
	case ast.Subscription:
		root = m.schema.Subscription
	}
	if root == nil {
		return &Program{model: m}, nil
	}
	c := &compiler{model: m, doc: doc, variables: map[string]int{}, sets: map[string]*set{}}
	for i, v := range op.VariableDefinitions {
		c.variables[v.Variable] = i
	}
	top, err := c.set(root, []source{{set: op.SelectionSet}}, nil)
	if err != nil {
		return nil, err
	}
	return &Program{model: m, root: top, sets: len(c.sets)}, nil
}

// set returns what some selection sets select of objects of a type. What was asked for before is the same set again: so
// fragments that multiply cost no more than their text.
func (c *compiler) set(typ *ast.Definition, sources []source, sized *sizing) (*set, error) {
	var key strings.Builder
	key.WriteString(typ.Name)
	if sized != nil {
		fmt.Fprintf(&key, " %d", sized.id)
	}
	for _, s := range sources {
		if len(s.set) > 0 {
			fmt.Fprintf(&key, " %p%v", &s.set[0], s.guard)
		}
	}
	if known := c.sets[key.String()]; known != nil {
		known.meets++
		return known, nil
	}
	out := &set{id: len(c.sets), meets: 1}
	c.sets[key.String()] = out
	groups := &collection{compiler: c, typ: typ.Name, spread: map[string][]guard{}, byKey: map[string]*group{}}
	for _, s := range sources {
		if err := groups.collect(s.set, s.guard); err != nil {
			return nil, err
		}
	}
	out.names = groups.names
	for _, g := range groups.order {
		n, err := c.node(typ, g, sized)
		if err != nil {
			return nil, err
		}
		if n != nil {
			out.nodes = append(out.nodes, n)
			out.varies = out.varies || n.varies
		}
	}
	if !out.varies {
		e := evaluation{model: c.model}
		for _, n := range out.nodes {
			out.cost = bound(out.cost + e.node(n))
		}
		out.problem = e.problem
	}
	return out, nil
}

// group is the fields of one response key.
type group struct {
	key    string
	fields []*ast.Field
	guards []guard
	// Most groups have one field, for which there is room here.
	field [1]*ast.Field
	guard [1]guard
}

// collection collects the fields that are selected of objects of a type (GraphQL specification, CollectFields).
type collection struct {
	*compiler
	typ    string
	spread map[string][]guard // fragments, by the conditions under which they were collected
	byKey  map[string]*group
	order  []*group
	names  []string // response keys of __typename
}

func (c *collection) collect(selections ast.SelectionSet, under guard) error {
	for _, s := range selections {
		if c.steps++; c.steps > maxSteps {
			return ErrTooComplex
		}
		switch s := s.(type) {
		case *ast.Field:
			g, in := c.guarded(under, s.Directives)
			if in && s.Name == "__typename" {
				c.names = append(c.names, s.Alias)
			}
			if !in || s.Name == "__typename" {
				continue
			}
			to := c.byKey[s.Alias]
			if to == nil {
				to = &group{key: s.Alias}
				to.fields, to.guards = to.field[:0], to.guard[:0]
				c.byKey[s.Alias] = to
				c.order = append(c.order, to)
			}
			to.fields, to.guards = append(to.fields, s), append(to.guards, g)
		case *ast.InlineFragment:
			g, in := c.guarded(under, s.Directives)
			if !in || s.TypeCondition != "" && !c.model.is[c.typ][s.TypeCondition] {
				continue
			}
			if err := c.collect(s.SelectionSet, g); err != nil {
				return err
			}
		case *ast.FragmentSpread:
			g, in := c.guarded(under, s.Directives)
			f := c.doc.Fragments.ForName(s.Name)
			if !in || f == nil || !c.model.is[c.typ][f.TypeCondition] {
				continue
			}
			known := c.spread[s.Name]
			if len(known) >= maxGuards {
				g = nil // it counts as always in
			}
			if slices.ContainsFunc(known, func(k guard) bool { return len(k) == 0 || slices.Equal(k, g) }) {
				continue
			}
			c.spread[s.Name] = append(known, g)
			if err := c.collect(f.SelectionSet, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// guarded returns the conditions of a selection below others, and whether it can be in at all.
func (c *compiler) guarded(under guard, ds ast.DirectiveList) (guard, bool) {
	for _, d := range ds {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		a := d.Arguments.ForName("if")
		if a == nil || a.Value == nil {
			continue
		}
		want := d.Name == "include"
		if a.Value.Kind != ast.Variable {
			if (a.Value.Raw == "true") != want {
				return nil, false
			}
			continue
		}
		v, known := c.variables[a.Value.Raw]
		if !known {
			continue
		}
		if slices.Contains(under, condition{v, !want}) {
			return nil, false
		}
		if len(under) < maxGuards && !slices.Contains(under, condition{v, want}) {
			under = append(under[:len(under):len(under)], condition{v, want})
			slices.SortFunc(under, func(a, b condition) int { return a.variable - b.variable })
		}
	}
	return under, true
}

// node returns the node of a field, nil for one that costs nothing, whatever is selected.
func (c *compiler) node(typ *ast.Definition, g *group, sized *sizing) (*node, error) {
	def := c.model.fields[typ.Name][g.fields[0].Name]
	if def == nil {
		return nil, nil
	}
	n := &node{key: g.key, def: def, deeper: 1}
	if !slices.ContainsFunc(g.guards, func(g guard) bool { return len(g) == 0 }) {
		n.guards = g.guards
		n.varies = true
	}
	f := g.fields[0] // valid documents have the same arguments in all of them
	for name, a := range def.arguments {
		if c.model.free(a) {
			continue
		}
		v := c.value(f.Arguments.ForName(name), a.fallback)
		n.charges = append(n.charges, charge{a, v})
		n.varies = n.varies || v.varies()
	}
	var below *sizing
	if own := c.size(def, f); own != nil {
		if len(def.list.sized) > 0 {
			c.sizings++
			below = &sizing{size: own, fields: def.list.sized, id: c.sizings}
			if def.levels > 0 {
				n.size = &size{otherwise: def.assumed}
			}
			n.checked(own)
		} else if def.levels > 0 {
			n.size = own
		} else {
			n.checked(own)
		}
		n.varies = n.varies || own.varies()
	} else if def.levels > 0 {
		n.size = &size{otherwise: def.assumed}
	}
	if sized != nil && def.levels > 0 && sized.fields[f.Name] {
		n.size = sized.size.unchecked()
		n.varies = n.varies || sized.size.varies()
	}
	for range def.levels - 1 {
		n.deeper = bound(n.deeper * def.assumed)
	}
	return n, c.below(n, def.def.Type.Name(), g, below)
}

// below completes a node with what is selected of what stands there.
func (c *compiler) below(n *node, typeName string, g *group, sized *sizing) error {
	var sources []source
	same := !slices.ContainsFunc(g.guards, func(other guard) bool { return !slices.Equal(other, g.guards[0]) })
	for i, f := range g.fields {
		if len(f.SelectionSet) == 0 {
			continue
		}
		s := source{set: f.SelectionSet}
		if !same { // else the field's own guard says it
			s.guard = g.guards[i]
		}
		sources = append(sources, s)
	}
	if len(sources) == 0 {
		return nil
	}
	for _, t := range c.possible(typeName) {
		s, err := c.set(t, sources, sized)
		if err != nil {
			return err
		}
		weight := n.def.weight
		if !n.def.weighted {
			weight = c.model.weightOfType(t.Name)
		}
		n.varies = n.varies || s.varies
		i := slices.IndexFunc(n.sets, func(at typed) bool { return at.weight == weight && at.set == s })
		if i < 0 {
			i = len(n.sets)
			n.sets = append(n.sets, typed{weight: weight, set: s})
		}
		n.sets[i].types = append(n.sets[i].types, t.Name)
	}
	return nil
}

func (c *compiler) possible(name string) []*ast.Definition {
	if def := c.model.schema.Types[name]; def != nil && def.Kind == ast.Object {
		return []*ast.Definition{def}
	}
	return c.model.possible[name]
}
