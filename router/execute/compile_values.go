package execute

import (
	"maps"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/supergraph"
)

// expectations are what the values of one fetch's answer may be, as far as they are known while it is walked.
type expectations struct {
	compiler *compiler
	fetch    *plan.Fetch
	// The types that the objects of a shape may have, without an entry where that is not known.
	types map[*shape]map[string]bool
	// The shapes of objects that a subgraph has declared as of an abstract type.
	abstract map[*shape]bool
	named    map[*shape][]namedField
}

// namedField is a __typename field of a shape.
type namedField struct {
	field int
	must  bool // every object has it
}

// expect decides what each value of a fetch's answer may be, so that the scanner has no more to do than to compare.
func (c *compiler) expect(out *fetch, f *plan.Fetch) {
	e := expectations{compiler: c, fetch: f, types: map[*shape]map[string]bool{}, named: map[*shape][]namedField{}, abstract: map[*shape]bool{}}
	sh := out.shape
	if out.entity {
		sh = out.entities
		out.shape.fields[0].parent, out.shape.fields[0].name, out.shape.fields[0].depth = "Query", "_entities", 1
		e.types[sh] = c.representedTypes(f)
	}
	e.walk(sh, f.Selections, false, nil)
	for sh, fields := range e.named {
		e.nameTypes(sh, fields)
	}
}

// walk goes through what is selected of a shape's objects. What is of some types is not there in each of them, and what is
// guarded not in each response.
func (e *expectations) walk(sh *shape, set plan.SelectionSet, ofSome bool, guards []plan.Guard) {
	for _, s := range set {
		if s.Fragment != nil {
			e.walk(sh, s.Fragment.Selections, ofSome || !e.takesAll(sh, s.Fragment.TypeCondition), underGuard(guards, s.Fragment.Guard))
			continue
		}
		field := s.Field
		at := slices.IndexFunc(sh.fields, func(f shapeField) bool { return string(f.key) == field.Alias })
		if at < 0 {
			continue
		}
		f := &sh.fields[at]
		fresh := f.name == ""
		if fresh {
			f.parent, f.name = field.Parent, field.Name
		}
		when := underGuard(guards, field.Guard)
		always := !ofSome && len(when) == 0
		f.always = f.always || always
		if !ofSome {
			f.when = append(f.when, when)
		}
		t := e.compiler.typeOf(field.Parent, field.Name)
		switch {
		case field.Name == "__typename":
			e.named[sh] = append(e.named[sh], namedField{at, always})
		case len(field.Selections) > 0:
			f.depth = listDepth(t)
			e.objects(f.child, field, t)
			e.walk(f.child, field.Selections, false, nil)
			if !fresh {
				f.child.differs()
			}
		default:
			f.value = true
			leaf := e.compiler.leafType(t)
			if !fresh && (leaf.name != f.leaf.name || leaf.depth != f.leaf.depth) {
				leaf = anyLeaf // of fields of several types, in objects of several types
			}
			f.expect(leaf)
			f.depth = leaf.depth
			if leaf.takes == anyToken {
				f.depth = -1 // within it is a world of its own
			}
		}
	}
}

// differs notes that objects are asked for several things, by the type of the object above or under several conditions: what
// one of them lacks was perhaps not asked of it.
func (sh *shape) differs() {
	for i := range sh.fields {
		f := &sh.fields[i]
		f.always, f.when = false, nil
		if f.child != nil {
			f.child.differs()
		}
	}
}

// underGuard returns guards with another one, if it is any.
func underGuard(guards []plan.Guard, guard plan.Guard) []plan.Guard {
	if len(guard) == 0 {
		return guards
	}
	return append(slices.Clip(guards), guard)
}

// takesAll reports whether a type condition holds for whatever objects of a shape there may be.
func (e *expectations) takesAll(sh *shape, condition string) bool {
	if condition == "" {
		return true
	}
	possible := e.types[sh]
	takes := e.compiler.possible(condition)
	for name := range possible {
		if !slices.Contains(takes, name) {
			return false
		}
	}
	return len(possible) > 0
}

// objects notes which types the objects of a field may have.
func (e *expectations) objects(sh *shape, field *plan.Field, t *ast.Type) {
	names, abstract := e.compiler.possibleIn(e.fetch.Subgraph, field, t)
	e.abstract[sh] = e.abstract[sh] || abstract
	known, met := e.types[sh]
	switch {
	case !met:
		e.types[sh] = names
	case known == nil || names == nil:
		e.types[sh] = nil
	default:
		maps.Copy(known, names)
	}
}

// nameTypes has the scanner look at the types of a shape's objects.
func (e *expectations) nameTypes(sh *shape, fields []namedField) {
	possible := e.types[sh]
	for _, t := range fields {
		f := &sh.fields[t.field]
		if f.value {
			continue
		}
		f.depth = 0
		if len(possible) == 0 {
			f.expect(leafTypeOf("String", 0))
			continue
		}
		f.expect(enumTypeOf("__typename", slices.Sorted(maps.Keys(possible)), 0))
		of := typeField{slot: f.slot, must: t.must && (len(possible) > 1 || e.abstract[sh])}
		f.names = f.names || of.must
		if i := slices.IndexFunc(sh.types, func(o typeField) bool { return o.slot == of.slot }); i >= 0 {
			sh.types[i].must = sh.types[i].must || of.must
		} else {
			sh.types = append(sh.types, of)
		}
	}
}

// representedTypes returns the types that an entity may have in answer to a fetch's representations.
func (c *compiler) representedTypes(f *plan.Fetch) map[string]bool {
	out := map[string]bool{}
	for i := range f.Representations {
		r := &f.Representations[i]
		if r.Typename == "" {
			for _, name := range r.Types {
				out[name] = true
			}
			continue
		}
		out[r.Typename] = true
		for _, name := range c.possible(r.Typename) {
			out[name] = true
		}
	}
	return out
}

// possibleIn returns the types that the objects of a field may have in a subgraph's answer, nil where that is not known, and
// whether the subgraph has the field declared as an abstract type: then its objects have no type but the one that they name,
// even where only one is possible (GraphQL specification, section 6.4.3, ResolveAbstractType).
func (c *compiler) possibleIn(subgraph string, field *plan.Field, t *ast.Type) (types map[string]bool, abstract bool) {
	if t == nil {
		return nil, false
	}
	name := t.Name()
	if of := c.sg.Type(field.Parent).Field(field.Name); of != nil {
		for i := range of.Sources {
			if s := &of.Sources[i]; c.sg.Subgraphs()[s.Graph].Name == subgraph && s.Type != nil {
				name = s.Type.Name()
			}
		}
	}
	def := c.sg.Type(name)
	if def == nil || c.isRoot(name) {
		return nil, false // a subgraph has its own names for root operation types
	}
	out := map[string]bool{}
	for _, p := range def.Possible {
		out[p.Name] = true
	}
	abstract = def.Kind != supergraph.Object
	for i := range def.In {
		if m := &def.In[i]; m.InterfaceObject && c.sg.Subgraphs()[m.Graph].Name == subgraph {
			out[name], abstract = true, false
		}
	}
	if len(out) == 0 {
		return nil, false
	}
	return out, abstract
}

// isRoot reports whether a type is one of the root operation types.
func (c *compiler) isRoot(name string) bool {
	for _, def := range []*ast.Definition{c.api.Query, c.api.Mutation, c.api.Subscription} {
		if def != nil && def.Name == name {
			return true
		}
	}
	return false
}

// leafType returns what may be answered for a leaf of a type of the supergraph; nil stands for a type that is not known.
func (c *compiler) leafType(t *ast.Type) *leafType {
	if t == nil {
		return anyLeaf
	}
	key := leafKey{t.Name(), listDepth(t)}
	if out := c.leaves[key]; out != nil {
		return out
	}
	out := leafTypeOf(key.name, key.depth)
	if def := c.sg.Type(key.name); def != nil && def.Kind == supergraph.Enum {
		var values []string
		for i := range def.Values {
			values = append(values, def.Values[i].Name)
		}
		out = enumTypeOf(key.name, values, key.depth)
	}
	if c.leaves == nil {
		c.leaves = map[leafKey]*leafType{}
	}
	c.leaves[key] = out
	return out
}

// leafKey tells leaf types apart.
type leafKey struct {
	name  string
	depth int
}

// listDepth returns the number of lists around a type; -1 where the type is not known.
func listDepth(t *ast.Type) int {
	if t == nil {
		return -1
	}
	depth := 0
	for ; t.Elem != nil; t = t.Elem {
		depth++
	}
	return depth
}
