package plan

import (
	"fmt"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// This pass turns a client's operation into the two forms that the rest works with, and drops the AST: the Operation of
// the plan, and the same as items, which say of every field for which runtime types it is asked.
//
//	{ node { id ...on A { x { p } } x { q } } }   with node: A | B
//	-> node { id[A B]  x[A] { p q }  x[B] { q } }
//
// After it, no two items of one selection set share a response key for the same runtime type, but for those of a mutation
// that are done at one of several turns.

// normaliser carries what the functions of the pass share.
type normaliser struct {
	g       *graph
	doc     *ast.QueryDocument
	limits  Limits
	options Options
	op      *Operation
	bits    map[Condition]int
	items   int
	path    Path // of the selection set that is being normalised
}

// occurrence is a selection set of the client with what must hold for it, and the part of the answer that it is in.
type occurrence struct {
	set   ast.SelectionSet
	guard Guard
	part  *Deferred
}

// group collects the occurrences of one response key for one set of runtime types.
type group struct {
	key   string
	field *ast.Field
	decl  *typeNode
	types typeSet
	// One each for each occurrence.
	guards []Guard
	subs   []ast.SelectionSet
	parts  []*Deferred
	turns  []int // the order in which they were met
}

func normalise(g *graph, doc *ast.QueryDocument, name string, limits Limits, options Options) (*Operation, []*item, error) {
	var def *ast.OperationDefinition
	switch {
	case name != "":
		def = doc.Operations.ForName(name)
	case len(doc.Operations) == 1:
		def = doc.Operations[0]
	}
	if def == nil {
		return nil, nil, fmt.Errorf("the document has no operation %q, or more than one and no name was given", name)
	}
	n := &normaliser{g: g, doc: doc, limits: limits, options: options, bits: map[Condition]int{}, op: &Operation{Name: def.Name}}
	var root *typeNode
	switch def.Operation {
	case ast.Mutation:
		n.op.Kind, root = Mutation, g.roots[1]
	case ast.Subscription:
		n.op.Kind, root = Subscription, g.roots[2]
	default:
		root = g.roots[0]
	}
	if root == nil {
		return nil, nil, fmt.Errorf("the schema has no root type for a %s", def.Operation)
	}
	n.op.RootType = root.name
	for _, v := range def.VariableDefinitions {
		variable := Variable{Name: v.Variable, Type: v.Type.String()}
		if v.DefaultValue != nil {
			variable.Default, variable.HasDefault = v.DefaultValue.String(), true
		}
		n.op.Variables = append(n.op.Variables, variable)
	}
	items, selections, err := n.set(root, root.possible, []occurrence{{set: def.SelectionSet}}, nil, 0)
	if err != nil {
		return nil, nil, err
	}
	n.op.Selections = selections.of(nil)
	return n.op, items, nil
}

// set normalises the occurrences of one selection set on objects of the type t. It gives the items of all parts of the
// answer, and the fields of each.
func (n *normaliser) set(t *typeNode, types typeSet, occurrences []occurrence, full Guard, depth int) ([]*item, shares, error) {
	if depth > n.limits.Depth {
		return nil, nil, &LimitError{What: "nested selections", Limit: n.limits.Depth}
	}
	c := &collector{n: n, static: t, all: types, byKey: map[string][]*group{}, seen: map[string]bool{}}
	for _, o := range occurrences {
		if err := c.collect(t, types, o.set, o.guard, o.part); err != nil {
			return nil, nil, err
		}
	}
	var items []*item
	var serial []serialItem
	var fields []sharedField
	for _, gr := range c.order {
		if len(gr.types) == 0 {
			continue
		}
		if n.items++; n.items > n.limits.Fields {
			return nil, nil, &LimitError{What: "fields", Limit: n.limits.Fields}
		}
		if no := n.deny(gr); len(no) > 0 {
			for _, f := range gr.deniedFields() {
				f.set = n.conditioned(t, types, &group{types: no, decl: gr.decl}, f.field)
				fields = append(fields, f)
			}
			if gr.types = gr.types.minus(no); len(gr.types) == 0 {
				continue
			}
		}
		it, shared, err := n.field(gr, full, depth)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case it == nil:
		case n.op.Kind == Mutation && depth == 0:
			own, err := n.serial(it, shared)
			if err != nil {
				return nil, nil, err
			}
			serial = append(serial, own...)
		default:
			items = append(items, it)
		}
		for _, f := range shared {
			f.set = n.conditioned(t, types, gr, f.field)
			fields = append(fields, f)
		}
	}
	slices.SortStableFunc(serial, func(a, b serialItem) int { return a.turn - b.turn })
	for _, s := range serial {
		items = append(items, s.item)
	}
	return items, c.shares(fields), nil
}

// field turns a group into an item (nil for introspection, which no subgraph is asked) and a field of each part of the
// operation that selects it.
func (n *normaliser) field(gr *group, full Guard, depth int) (*item, []sharedField, error) {
	guard := gr.guard()
	it := &item{id: n.items, name: gr.field.Name, key: gr.key, decl: gr.decl, types: gr.types, leaf: true, guard: guard, full: full.and(guard),
		group: n.op.groupOf(gr.parts)}
	for _, a := range gr.field.Arguments {
		arg := Argument{Name: a.Name, Value: a.Value.String()}
		arg.Variables = variablesOf(a.Value, nil)
		it.arguments = append(it.arguments, arg)
	}
	it.text = argumentsText(it.arguments)
	fields := gr.shared(func(guard Guard) *Field {
		return &Field{Parent: gr.decl.name, Name: it.name, Alias: it.key, Key: it.key, Arguments: it.arguments, Guard: guard}
	})
	if it.name == typenameField {
		return it, fields, nil
	}
	occurrences := make([]occurrence, len(gr.subs))
	for i, s := range gr.subs {
		occurrences[i] = occurrence{set: s, part: gr.parts[i]}
		if len(gr.subs) > 1 && !gr.guards[i].equal(guard) {
			occurrences[i].guard = gr.guards[i]
		}
	}
	if it.name == "__schema" || it.name == "__type" {
		for _, f := range fields {
			var err error
			own := slices.DeleteFunc(slices.Clone(occurrences), func(o occurrence) bool { return o.part != f.part })
			if f.field.Selections, err = n.introspection(own, depth+1); err != nil {
				return nil, nil, err
			}
		}
		return nil, fields, nil
	}
	f := gr.decl.fields[it.name]
	if f == nil {
		return nil, nil, fmt.Errorf("type %s has no field %q: the operation is not valid against this schema", gr.decl.name, it.name)
	}
	if it.leaf = f.leaf; it.leaf {
		return it, fields, nil
	}
	it.out = f.out
	n.path = append(n.path, PathElement{Key: it.key})
	sub, shares, err := n.set(f.out, f.out.visible, occurrences, it.full, depth+1)
	n.path = n.path[:len(n.path)-1]
	it.sub = sub
	for _, f := range fields {
		f.field.Selections = shares.of(f.part)
	}
	return it, fields, err
}

// deny gives the runtime types for which a group's field may not be seen.
func (n *normaliser) deny(gr *group) typeSet {
	if n.options.Denied == nil || gr.field.Name == typenameField || gr.decl == nil {
		return nil
	}
	if n.options.Denied(gr.decl.name, gr.field.Name) {
		return gr.types
	}
	if !gr.decl.abstract {
		return nil
	}
	var out typeSet
	for _, t := range gr.types {
		if n.options.Denied(n.g.types[t].name, gr.field.Name) {
			out = append(out, t)
		}
	}
	return out
}

// guard gives what must hold for any of a group's occurrences.
func (gr *group) guard() Guard {
	guard := gr.guards[0]
	for _, o := range gr.guards[1:] {
		guard = guard.or(o)
	}
	return guard
}

// deniedFields stand in the parts of the operation for a field that may not be seen.
func (gr *group) deniedFields() []sharedField {
	return gr.shared(func(guard Guard) *Field {
		return &Field{Parent: gr.decl.name, Name: gr.field.Name, Alias: gr.key, Key: gr.key, Guard: guard, Denied: true}
	})
}

// conditioned puts a field under the fragment that admits exactly the types it is meant for.
func (n *normaliser) conditioned(t *typeNode, all typeSet, gr *group, field *Field) SelectionSet {
	if gr.types.equal(all) {
		if t.fields[field.Name] != nil || len(field.Name) > 2 && field.Name[:2] == "__" {
			field.Parent = t.name
		}
		if field.Parent == t.name {
			return SelectionSet{{Field: field}}
		}
	}
	if gr.decl.visible.intersect(all).equal(gr.types) {
		return SelectionSet{{Fragment: &Fragment{TypeCondition: gr.decl.name, Selections: SelectionSet{{Field: field}}}}}
	}
	var out SelectionSet
	for _, id := range gr.types {
		f := *field
		f.Parent = n.g.types[id].name
		out = append(out, Selection{Fragment: &Fragment{TypeCondition: f.Parent, Selections: SelectionSet{{Field: &f}}}})
	}
	return out
}

// introspection normalises what is selected of the introspection schema; its types are all objects, so nothing is
// conditioned.
func (n *normaliser) introspection(occurrences []occurrence, depth int) (SelectionSet, error) {
	if depth > n.limits.Depth {
		return nil, &LimitError{What: "nested selections", Limit: n.limits.Depth}
	}
	c := &collector{n: n, byKey: map[string][]*group{}, seen: map[string]bool{}, introspection: true}
	for _, o := range occurrences {
		if err := c.collect(nil, nil, o.set, o.guard, nil); err != nil {
			return nil, err
		}
	}
	var fields []sharedField
	for _, gr := range c.order {
		if n.items++; n.items > n.limits.Fields {
			return nil, &LimitError{What: "fields", Limit: n.limits.Fields}
		}
		f := Field{Name: gr.field.Name, Alias: gr.key, Key: gr.key}
		if gr.field.ObjectDefinition != nil {
			f.Parent = gr.field.ObjectDefinition.Name
		}
		for _, a := range gr.field.Arguments {
			f.Arguments = append(f.Arguments, Argument{Name: a.Name, Value: a.Value.String(), Variables: variablesOf(a.Value, nil)})
		}
		subs := make([]occurrence, len(gr.subs))
		for i, s := range gr.subs {
			subs[i] = occurrence{set: s}
			if len(gr.subs) > 1 {
				subs[i].guard = gr.guards[i]
			}
		}
		var err error
		if f.Selections, err = n.introspection(subs, depth+1); err != nil {
			return nil, err
		}
		fields = append(fields, gr.shared(func(guard Guard) *Field {
			own := f
			own.Guard = guard
			return &own
		})...)
	}
	slices.SortStableFunc(fields, func(a, b sharedField) int { return a.turn - b.turn })
	var out SelectionSet
	for _, f := range fields {
		out = append(out, Selection{Field: f.field})
	}
	return out, nil
}

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
				if err := c.narrow(t, types, fragment{s.TypeCondition, s.SelectionSet, s.Directives}, own, part); err != nil {
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
			if part != nil {
				mark += "\x00" + itoa(part.ID)
			}
			deferred := s.Directives.ForName(deferDirective) != nil // then it is a part of its own
			if include && (deferred || !c.seen[mark]) {
				c.seen[mark] = c.seen[mark] || !deferred
				if err := c.narrow(t, types, fragment{def.TypeCondition, def.SelectionSet, s.Directives}, own, part); err != nil {
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
	return c.collect(t, types, f.set, guard, part)
}

// add puts a field into the groups of its response key, splitting those that it overlaps in part.
func (c *collector) add(t *typeNode, types typeSet, f *ast.Field, guard Guard, part *Deferred) error {
	c.turn++
	key := f.Alias
	if key == "" {
		key = f.Name
	}
	rest := types
	for _, gr := range c.byKey[key] {
		common := gr.types.intersect(rest)
		if len(common) == 0 && !c.introspection {
			continue
		}
		if len(common) < len(gr.types) {
			other := &group{key: key, field: gr.field, decl: gr.decl, types: gr.types.minus(common),
				guards: slices.Clone(gr.guards), subs: slices.Clone(gr.subs), parts: slices.Clone(gr.parts), turns: slices.Clone(gr.turns)}
			c.byKey[key] = append(c.byKey[key], other)
			c.insertAfter(gr, other)
			gr.types = common
		}
		if narrower(t, gr.decl, f.Name) {
			gr.decl, gr.field = t, f
		}
		if len(f.SelectionSet) > 0 || !gr.occurs(guard, part) {
			gr.occur(guard, f.SelectionSet, part, c.turn)
		}
		if rest = rest.minus(common); len(rest) == 0 {
			return nil
		}
	}
	if len(c.order) > c.n.limits.Fields {
		return &LimitError{What: "fields", Limit: c.n.limits.Fields}
	}
	gr := &group{key: key, field: f, decl: t, types: rest}
	gr.occur(guard, f.SelectionSet, part, c.turn)
	c.byKey[key] = append(c.byKey[key], gr)
	c.order = append(c.order, gr)
	return nil
}

// narrower reports whether a field leads to fewer types on t than on decl: what is selected below it may exist on those
// alone.
func narrower(t, decl *typeNode, field string) bool {
	if t == nil || decl == nil || t == decl {
		return false
	}
	here, there := t.fields[field], decl.fields[field]
	return here != nil && there != nil && !here.leaf && !there.leaf && here.out != there.out && here.out.possible.within(there.out.possible)
}

func (c *collector) insertAfter(at, gr *group) {
	for i, o := range c.order {
		if o == at {
			c.order = append(c.order, nil)
			copy(c.order[i+2:], c.order[i+1:])
			c.order[i+1] = gr
			return
		}
	}
}

// occur adds an occurrence.
func (gr *group) occur(guard Guard, sub ast.SelectionSet, part *Deferred, turn int) {
	gr.guards, gr.subs = append(gr.guards, guard), append(gr.subs, sub)
	gr.parts, gr.turns = append(gr.parts, part), append(gr.turns, turn)
}

// occurs reports whether there is an occurrence like this.
func (gr *group) occurs(guard Guard, part *Deferred) bool {
	for i, o := range gr.guards {
		if gr.parts[i] == part && o.equal(guard) {
			return true
		}
	}
	return false
}
