package execute

import (
	"fmt"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/jsontext"
	"github.com/lethe/lethe/router/plan"
)

// represent compiles how objects at a fetch's path become representations. Fields may be read from any source of the
// node, whichever fetch it came from.
func (c *compiler) represent(out *fetch, f *plan.Fetch) error {
	for i := range f.Representations {
		r := &f.Representations[i]
		compiled := &representation{types: r.Types}
		if r.Typename != "" {
			compiled.typename = jsontext.Quote(r.Typename)
		}
		parent := ""
		if len(r.Types) > 0 {
			parent = r.Types[0]
		}
		fields, err := c.representationFields(out.at, r.Fields, parent, nil)
		if err != nil {
			return err
		}
		for i := range fields {
			if fields[i].child == nil {
				fields[i].access = out.at.standing(fields[i].access, r.Types...)
			}
		}
		compiled.fields = fields
		compiled.flat = !slices.ContainsFunc(fields, func(f representationField) bool {
			return f.child != nil || len(f.types) > 0 || len(f.guard) > 0
		})
		out.represents = append(out.represents, compiled)
	}
	return nil
}

// setKey finds out whether the objects that a fetch needs can be told apart by their fields alone, which are near, without looking
// at their types.
func (f *fetch) setKey(fetches []*fetch) {
	if f.listed == 0 || !f.entity || f.distinct || len(f.at.typename) > 0 || f.hosts[0].source != f.direct {
		return
	}
	name := f.at.staticTypeOf(f.direct)
	takes := func(types []string) bool { return len(types) == 0 || slices.Contains(types, name) }
	if name == "" || !takes(f.path[len(f.path)-1].types) {
		return
	}
	i := slices.IndexFunc(f.represents, func(r *representation) bool { return takes(r.types) })
	if i < 0 || !f.represents[i].flat {
		return
	}
	var key, attached []keyPlace
	for j := range f.represents[i].fields {
		first := f.represents[i].fields[j].access[0]
		src := &f.at.sources[first.source]
		switch {
		case first.source == f.direct:
			key = append(key, keyPlace{slot: first.slot})
		case src.attached() && f.sees[src.fetch] && src.hosts[0].source == f.direct:
			attached = append(attached, keyPlace{slot: src.hosts[0].slot, field: first.slot, fetch: src.fetch, attached: true})
		default:
			return
		}
	}
	f.keyed = f.represents[i]
	direct := key
	for _, p := range attached {
		if by := fetches[p.fetch]; by.at == f.at && by.listed == f.listed && by.direct == f.direct && len(by.key) > 0 && within(by.key, direct) {
			f.given = append(f.given, p)
		} else {
			key = append(key, p)
		}
	}
	f.key = key
}

// within reports whether all places of a are among those of b.
func within(a, b []keyPlace) bool {
	return !slices.ContainsFunc(a, func(p keyPlace) bool { return !slices.Contains(b, p) })
}

// staticTypeOf gives what staticType gives for every object that stands in a source; "" where that depends on the object.
func (n *node) staticTypeOf(source int) string {
	if n.static != "" {
		return n.static
	}
	name := n.sources[source].static
	for i := range n.sources[:source] {
		if other := n.sources[i].static; other != "" && other != name {
			return ""
		}
	}
	return name
}

func (c *compiler) representationFields(n *node, set plan.SelectionSet, parent string, types []string) ([]representationField, error) {
	var out []representationField
	for _, s := range set {
		if s.Fragment != nil {
			inner, at := types, parent
			if t := s.Fragment.TypeCondition; t != "" {
				inner, at = intersect(types, c.possible(t)), t
			}
			fields, err := c.representationFields(n, s.Fragment.Selections, at, inner)
			if err != nil {
				return nil, err
			}
			out = append(out, fields...)
			continue
		}
		f := s.Field
		if f.Name == "__typename" && len(f.Selections) == 0 {
			continue // written first, always
		}
		if f.Parent != "" {
			parent = f.Parent
		}
		field := representationField{key: append(jsontext.Quote(f.Name), ':'), types: types, guard: f.Guard, typ: c.typeOf(parent, f.Name)}
		if len(f.Selections) == 0 {
			field.access = n.fields[logical(f)]
			if len(field.access) == 0 {
				return nil, fmt.Errorf("no fetch answers %q, which a representation needs", logical(f))
			}
			out = append(out, field)
			continue
		}
		child := n.children[logical(f)]
		if child == nil {
			return nil, fmt.Errorf("no fetch answers %q, which a representation needs", logical(f))
		}
		field.child = child
		field.access = childAccess(child)
		inner, err := c.representationFields(child, f.Selections, typeName(field.typ), nil)
		if err != nil {
			return nil, err
		}
		field.fields = inner
		for _, s := range flatFields(f.Selections, nil) {
			if s.Name == "__typename" {
				field.typename = true
			}
		}
		out = append(out, field)
	}
	return out, nil
}

// childAccess gives where the value of a composite field stands in the parent's sources.
func childAccess(child *node) []access {
	var out []access
	for _, s := range child.sources {
		if !s.attached() && !s.root {
			a := access{source: s.parent, slot: s.slot, fetch: s.fetch}
			if !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	return out
}

// intersect keeps the names of b that a allows; nil allows all.
func intersect(a, b []string) []string {
	if a == nil {
		return b
	}
	out := []string{}
	for _, x := range b {
		for _, y := range a {
			if x == y {
				out = append(out, x)
				break
			}
		}
	}
	return out
}

// possible gives the names of the object types that a type condition takes, as the whole supergraph knows them.
func (c *compiler) possible(name string) []string {
	t := c.sg.Type(name)
	if t == nil {
		return []string{name}
	}
	if !t.IsAbstract() {
		return []string{name}
	}
	out := make([]string, 0, len(t.Possible))
	for _, p := range t.Possible {
		out = append(out, p.Name)
	}
	return out
}

// typeOf gives the type of a field as the whole supergraph has it, nil where it has none.
func (c *compiler) typeOf(parent, field string) *ast.Type {
	if t := c.sg.Type(parent); t != nil {
		if f := t.Field(field); f != nil {
			return f.Type
		}
	}
	return nil
}

func typeName(t *ast.Type) string {
	if t == nil {
		return ""
	}
	return t.Name()
}

// mayBeNull tells whether a value of a type may be null; nil stands for a type that is not known.
func mayBeNull(t *ast.Type) bool { return t == nil || !t.NonNull }

// elementOf gives the type of a list's elements.
func elementOf(t *ast.Type) *ast.Type {
	if t == nil {
		return nil
	}
	return t.Elem
}
