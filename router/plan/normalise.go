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

// occurrence is a selection set of the client with the type that it is written for, what must hold for it, and the part of
// the answer that it is in.
type occurrence struct {
	set   ast.SelectionSet
	on    *typeNode
	guard Guard
	part  *Deferred
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
	n.op.Directives = applied(def.Directives)
	for _, v := range def.VariableDefinitions {
		variable := Variable{Name: v.Variable, Type: v.Type.String()}
		if v.DefaultValue != nil {
			variable.Default, variable.HasDefault = v.DefaultValue.String(), true
		}
		variable.Directives, _ = travelling(v.Directives, nil)
		n.op.Variables = append(n.op.Variables, variable)
	}
	items, selections, err := n.set(root, root.possible, []occurrence{{set: def.SelectionSet, on: root}}, nil, 0)
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
		if err := c.collect(o.on, types.intersect(o.on.possible), o.set, o.guard, o.part); err != nil {
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
		gr.settle(n.g)
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
	it.variants = gr.variants()
	it.text += variantsText(it.variants)
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
	for i, d := range gr.decls {
		own := d.fields[it.name]
		if own == nil || own.leaf {
			return nil, nil, fmt.Errorf("type %s has no field %q with subfields: the operation is not valid against this schema", d.name, it.name)
		}
		occurrences[i].on = own.out
	}
	n.path = append(n.path, PathElement{Key: it.key})
	sub, shares, err := n.set(f.out, gr.leadsTo(n.g, f), occurrences, it.full, depth+1)
	n.path = n.path[:len(n.path)-1]
	it.sub = sub
	for _, f := range fields {
		f.field.Selections = shares.of(f.part)
	}
	return it, fields, err
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
