package plan

import (
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// group collects the occurrences of one response key for one set of runtime types.
type group struct {
	key   string
	field *ast.Field
	decl  *typeNode // the type whose field it is taken for, see settle
	types typeSet
	// One each for each occurrence.
	decls  []*typeNode // the type that it is selected on
	guards []Guard
	subs   []ast.SelectionSet
	parts  []*Deferred
	turns  []int // the order in which they were met
	ways   []Variant
	// first has room for the one occurrence that most groups have.
	first struct {
		decls  [1]*typeNode
		guards [1]Guard
		subs   [1]ast.SelectionSet
		parts  [1]*Deferred
		turns  [1]int
		ways   [1]Variant
	}
}

// newGroup returns a group without occurrences.
func newGroup(key string, f *ast.Field, types typeSet) *group {
	gr := &group{key: key, field: f, types: types}
	gr.decls, gr.guards, gr.subs = gr.first.decls[:0], gr.first.guards[:0], gr.first.subs[:0]
	gr.parts, gr.turns, gr.ways = gr.first.parts[:0], gr.first.turns[:0], gr.first.ways[:0]
	return gr
}

// settle chooses the type whose field a group is taken for. An object type has the narrowest definition of the field that
// its objects can have. Of several types that an occurrence is selected on it is the one whose field leads to the fewest
// types: which occurrence was written first makes no difference.
func (gr *group) settle(g *graph) {
	name := gr.field.Name
	if len(gr.types) == 1 {
		if t := g.types[gr.types[0]]; t.fields[name] != nil {
			gr.decl = t
			return
		}
	}
	gr.decl = gr.decls[0]
	for _, t := range gr.decls[1:] {
		if narrower(t, gr.decl, name) {
			gr.decl = t
		}
	}
}

// narrower reports whether a field leads to fewer types on t than on decl.
func narrower(t, decl *typeNode, field string) bool {
	if t == decl {
		return false
	}
	here, there := t.fields[field], decl.fields[field]
	if here == nil || there == nil || here.leaf || there.leaf || here.out == there.out {
		return false
	}
	few, many := here.out.possible, there.out.possible
	return few.within(many) && (len(few) < len(many) || there.out.abstract && !here.out.abstract)
}

// leadsTo returns the runtime types of the objects that a group's field, f of the type that the group is taken for, leads to
// from objects of the group's types: a type's own field may be narrower than that of an interface which the type implements.
func (gr *group) leadsTo(g *graph, f *fieldNode) typeSet {
	out, narrow := typeSet(nil), false
	for _, t := range gr.types {
		own := g.field(t, f.name)
		if own == nil || own.leaf {
			return f.out.visible
		}
		narrow = narrow || own.out != f.out
	}
	if !narrow {
		return f.out.visible
	}
	for _, t := range gr.types {
		out = out.union(g.field(t, f.name).out.visible)
	}
	return out.intersect(f.out.visible)
}

// deny returns the runtime types for which a group's field may not be seen: those where it is denied on the object type, and
// all where it is denied on a type that it is selected on.
func (n *normaliser) deny(gr *group) typeSet {
	name := gr.field.Name
	if n.options.Denied == nil || name == typenameField || gr.decl == nil {
		return nil
	}
	for i, t := range gr.decls {
		if !slices.Contains(gr.decls[:i], t) && n.options.Denied(t.name, name) {
			return gr.types
		}
	}
	var out typeSet
	for _, t := range gr.types {
		if n.options.Denied(n.g.types[t].name, name) {
			out = append(out, t)
		}
	}
	return out
}

// add puts a field into the groups of its response key, splitting those that it overlaps in part.
func (c *collector) add(t *typeNode, types typeSet, f *ast.Field, guard Guard, part *Deferred) error {
	c.turn++
	key := f.Alias
	if key == "" {
		key = f.Name
	}
	rest := types
	way := c.around.variant(f, guard)
	for _, gr := range c.byKey[key] {
		common := gr.types.intersect(rest)
		if len(common) == 0 && !c.introspection {
			continue
		}
		if len(common) < len(gr.types) {
			other := &group{key: key, field: gr.field, types: gr.types.minus(common), decls: slices.Clone(gr.decls),
				guards: slices.Clone(gr.guards), subs: slices.Clone(gr.subs), parts: slices.Clone(gr.parts), turns: slices.Clone(gr.turns), ways: slices.Clone(gr.ways)}
			c.byKey[key] = append(c.byKey[key], other)
			c.insertAfter(gr, other)
			gr.types = common
		}
		if len(f.SelectionSet) > 0 || !gr.occurs(t, way, part) {
			gr.occur(t, way, f.SelectionSet, part, c.turn)
		}
		if rest = rest.minus(common); len(rest) == 0 {
			return nil
		}
	}
	if len(c.order) > c.n.limits.Fields {
		return &LimitError{What: "fields", Limit: c.n.limits.Fields}
	}
	gr := newGroup(key, f, rest)
	gr.occur(t, way, f.SelectionSet, part, c.turn)
	c.byKey[key] = append(c.byKey[key], gr)
	c.order = append(c.order, gr)
	return nil
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
func (gr *group) occur(on *typeNode, way Variant, sub ast.SelectionSet, part *Deferred, turn int) {
	gr.decls = append(gr.decls, on)
	gr.guards, gr.ways, gr.subs = append(gr.guards, way.Guard), append(gr.ways, way), append(gr.subs, sub)
	gr.parts, gr.turns = append(gr.parts, part), append(gr.turns, turn)
}

// occurs reports whether there is an occurrence like this.
func (gr *group) occurs(on *typeNode, way Variant, part *Deferred) bool {
	for i, o := range gr.guards {
		if gr.decls[i] == on && gr.parts[i] == part && o.equal(way.Guard) && gr.ways[i].key() == way.key() {
			return true
		}
	}
	return false
}

// guard returns what must hold for any of a group's occurrences.
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
