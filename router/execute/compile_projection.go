package execute

import (
	"fmt"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/jsontext"
	"github.com/lethe/lethe/router/plan"
)

// guarded is a selection set that takes part under a guard.
type guarded struct {
	set   plan.SelectionSet
	guard plan.Guard
}

// maxMasks bounds a guard of the response, which must be exact.
const maxMasks = 256

// entry is all that one runtime type of an object answers under one response key, or, with first set, a later turn of that,
// which it takes where no earlier one is.
type entry struct {
	key      string
	field    *plan.Field
	guard    plan.Guard
	held     plan.Guard // for any of its turns
	children []guarded
	deferred *plan.Deferred // no field: what begins here
	first    *entry
	unless   plan.Guard
}

// project compiles how the object at n, of the API's type, is written.
func (c *compiler) project(n *node, typeName string, sets []guarded) (*objectProjection, error) {
	def := c.api.Types[typeName]
	if def == nil {
		return nil, fmt.Errorf("the API has no type %s", typeName)
	}
	// The runtime types of an abstract type mostly answer the same below it: what is the same is compiled once, or the
	// work would grow with the power of the depth.
	key := projectionKey(n, typeName, sets)
	if out := c.projections[key]; out != nil {
		return out, nil
	}
	out := &objectProjection{node: n}
	out.source, out.sole = n.sole()
	c.projections[key] = out
	c.written = append(c.written, out)
	if def.Kind == ast.Object {
		fields, err := c.fields(n, def, sets)
		out.static = fields
		return out, err
	}
	out.byType = map[string][]projected{}
	for _, possible := range c.api.GetPossibleTypes(def) {
		fields, err := c.fields(n, possible, sets)
		if err != nil {
			return nil, err
		}
		out.byType[possible.Name] = fields
	}
	// Where some types are hidden an object shows nothing until its type is known.
	t := c.sg.Type(def.Name)
	if out.veiled = t != nil && len(t.Possible) > len(out.byType); out.veiled {
		return out, nil
	}
	// Where the runtime type makes no difference nobody asks for it: what a subgraph knows under the interface's own name
	// (@interfaceObject) may have no other.
	general, err := c.fields(n, def, sets)
	if t != nil && len(t.Possible) == 1 && len(out.byType) == 1 {
		general, err = out.byType[t.Possible[0].Name], nil // there is no other
	}
	if err != nil {
		return out, nil // it asks for what only some of the types have
	}
	same := true
	for _, fields := range out.byType {
		same = same && len(general) == len(fields) && (len(fields) == 0 || &general[0] == &fields[0] || slices.EqualFunc(general, fields, projected.equal))
	}
	if same {
		out.general, out.declared = general, def.Name
	}
	return out, nil
}

// projectionKey tells projections apart: by position, type, and the selection sets that they are compiled from.
func projectionKey(n *node, typeName string, sets []guarded) string {
	b := fmt.Appendf(nil, "%p %s", n, typeName)
	for _, s := range sets {
		if len(s.set) > 0 {
			b = fmt.Appendf(b, " %p:%d%x", &s.set[0], len(s.set), s.guard)
		}
	}
	return string(b)
}

// settleTypes notes at each position the runtime type of all objects that can stand there, where the subgraphs have every
// field that leads there with one and the same object type.
func (n *node) settleTypes() {
	static, several := "", false
	for i := range n.sources {
		s := &n.sources[i]
		if s.attached() || s.root {
			continue
		}
		several = several || static != "" && static != s.static || s.static == ""
		static = s.static
	}
	if static != "" && !several {
		n.static = static
	}
	for _, child := range n.order {
		child.settleTypes()
	}
}

// fields compiles what an object of one runtime type answers, a field for each response key in the order in which the
// keys first appear (GraphQL specification, CollectFields).
func (c *compiler) fields(n *node, def *ast.Definition, sets []guarded) ([]projected, error) {
	var entries []*entry
	for _, s := range sets {
		entries = c.collect(entries, def, s.set, s.guard)
	}
	if c.tangled {
		return nil, ErrTooManyConditions
	}
	var out []projected
	at := map[*entry]int{}
	for _, e := range entries {
		if e.first != nil {
			p := out[at[e.first]]
			p.guard, p.unless, p.conditional = e.guard, e.unless, true
			out = append(out, p)
			continue
		}
		p, err := c.field(n, def, e)
		if err != nil {
			return nil, err
		}
		p.conditional = len(p.guard) > 0
		at[e] = len(out)
		out = append(out, p)
	}
	return out, nil
}

func (c *compiler) collect(entries []*entry, def *ast.Definition, set plan.SelectionSet, guard plan.Guard) []*entry {
	if len(guard) > maxMasks {
		c.tangled = true
		return entries
	}
	for _, s := range set {
		if s.Fragment != nil {
			if t := s.Fragment.TypeCondition; t != "" && !c.applies(def, t) {
				continue
			}
			if d := s.Fragment.Deferred; d != nil {
				entries = c.deferred(entries, d, both(guard, s.Fragment.Guard))
				continue
			}
			entries = c.collect(entries, def, s.Fragment.Selections, both(guard, s.Fragment.Guard))
			continue
		}
		f := s.Field
		g := both(guard, f.Guard)
		i := slices.IndexFunc(entries, func(e *entry) bool { return e.deferred == nil && e.first == nil && e.key == f.Alias })
		if i < 0 {
			e := &entry{key: f.Alias, field: f, guard: g, held: g}
			if len(f.Selections) > 0 {
				e.children = []guarded{{f.Selections, g}}
			}
			entries = append(entries, e)
			continue
		}
		e := entries[i]
		if held := either(e.held, g); !slices.Equal(held, e.held) {
			entries = append(entries, &entry{first: e, key: e.key, guard: g, unless: e.held})
			if e.held = held; len(held) > maxMasks {
				c.tangled = true
			}
		}
		e.take(f.Selections, g)
	}
	return entries
}

// take adds what is selected below a turn of a field, which may be the same as below an earlier one.
func (e *entry) take(set plan.SelectionSet, guard plan.Guard) {
	if len(set) == 0 {
		return
	}
	for i := range e.children {
		if ch := &e.children[i]; len(ch.set) == len(set) && &ch.set[0] == &set[0] {
			ch.guard = either(ch.guard, guard)
			return
		}
	}
	e.children = append(e.children, guarded{set, guard})
}

// deferred notes that a deferred fragment begins.
func (c *compiler) deferred(entries []*entry, d *plan.Deferred, guard plan.Guard) []*entry {
	if i := slices.IndexFunc(entries, func(e *entry) bool { return e.deferred == d }); i >= 0 {
		entries[i].guard = either(entries[i].guard, guard)
		return entries
	}
	return append(entries, &entry{deferred: d, guard: guard})
}

// equal reports whether two fields of different types are written alike.
func (p projected) equal(o projected) bool {
	if p.deferred != nil || o.deferred != nil {
		return p.deferred == o.deferred && slices.Equal(p.guard, o.guard)
	}
	return p.name == o.name && p.field == o.field && p.denied == o.denied && !p.typename && !o.typename && p.intro == nil && o.intro == nil &&
		slices.Equal(p.guard, o.guard) && slices.Equal(p.unless, o.unless) && slices.Equal(p.access, o.access) && p.child == o.child && p.typ.String() == o.typ.String()
}

func (c *compiler) applies(def *ast.Definition, condition string) bool {
	if def.Name == condition {
		return true
	}
	t := c.api.Types[condition]
	if t == nil || t.Kind == ast.Object {
		return false
	}
	return slices.ContainsFunc(c.api.GetPossibleTypes(t), func(p *ast.Definition) bool { return p.Name == def.Name })
}

// both is the conjunction of two guards.
func both(a, b plan.Guard) plan.Guard {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	var out plan.Guard
	for _, x := range a {
		for _, y := range b {
			out = with(out, x|y)
		}
	}
	return out
}

// either is the disjunction of two guards.
func either(a, b plan.Guard) plan.Guard {
	if len(a) == 0 || len(b) == 0 {
		return nil
	}
	out := slices.Clone(a)
	for _, y := range b {
		out = with(out, y)
	}
	return out
}

// with adds a mask to a guard, and drops what it implies.
func with(g plan.Guard, mask uint64) plan.Guard {
	if slices.ContainsFunc(g, func(m uint64) bool { return mask&m == m }) {
		return g
	}
	return append(slices.DeleteFunc(g, func(m uint64) bool { return m&mask == mask }), mask)
}

func (c *compiler) field(n *node, def *ast.Definition, e *entry) (projected, error) {
	if e.deferred != nil {
		part, err := c.deferredAt(n, e.deferred)
		return projected{deferred: part, guard: e.guard}, err
	}
	key := append(jsontext.Quote(e.key), ':')
	p := projected{key: key, next: append([]byte{','}, key...), name: e.key, parent: def.Name, field: e.field.Name, guard: e.guard}
	if e.field.Name == "__typename" {
		p.typename, p.constant = true, jsontext.Quote(def.Name)
		return p, nil
	}
	if def == c.api.Query && (e.field.Name == "__schema" || e.field.Name == "__type") {
		intro, err := newIntrospection(c.api, e.field, e.children)
		p.intro = intro
		return p, err
	}
	fd := def.Fields.ForName(e.field.Name)
	if fd == nil {
		return p, fmt.Errorf("the API has no field %s.%s", def.Name, e.field.Name)
	}
	p.typ = fd.Type
	if e.field.Denied {
		p.denied = true
		return p, nil
	}
	inner := c.api.Types[fd.Type.Name()]
	if inner != nil && inner.Kind == ast.Enum {
		p.values = c.hiddenValues(inner)
	}
	if inner == nil || !inner.IsCompositeType() {
		p.access = n.fields[e.key]
		if def.Kind == ast.Object {
			p.access = n.standing(p.access, def.Name)
		}
		p.leaf = c.leafType(fd.Type)
		p.plain = p.values == nil && p.typ.Elem == nil
		return p, nil
	}
	// A field of a child may add nothing of its own: then the object's presence alone counts. Each guard of a parent
	// that all share is left out of the children.
	children := make([]guarded, len(e.children))
	for i, ch := range e.children {
		children[i] = ch
		if len(e.children) == 1 {
			children[i].guard = nil
		}
	}
	child := n.children[e.key]
	if child == nil {
		// No fetch answers it: it stands for null, and what is below is never reached.
		return p, nil
	}
	p.access = childAccess(child)
	if child.by == nil {
		child.by = &projected{parent: p.parent, field: p.field, typ: p.typ}
	}
	var err error
	p.child, err = c.project(child, fd.Type.Name(), children)
	return p, err
}

// hiddenValues gives the values of an enum that the API knows, where the supergraph knows more.
func (c *compiler) hiddenValues(def *ast.Definition) map[string]bool {
	t := c.sg.Type(def.Name)
	if t == nil || len(t.Values) <= len(def.EnumValues) {
		return nil
	}
	out := map[string]bool{}
	for _, v := range def.EnumValues {
		out[v.Name] = true
	}
	return out
}
