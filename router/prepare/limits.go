package prepare

import "github.com/vektah/gqlparser/v2/ast"

// meter measures an operation before it is validated, in time linear in its text: what a fragment holds is measured once.
type meter struct {
	doc       *ast.QueryDocument
	fragments map[string]*measure
	active    map[string]bool
}

// measure is the size of a selection set with its fragments spread.
type measure struct {
	depth, aliases, directives int
}

// ceiling keeps sums from overflowing: anything beyond is refused alike.
const ceiling = 1 << 30

func (a measure) plus(b measure) measure {
	return measure{max(a.depth, b.depth), min(a.aliases+b.aliases, ceiling), min(a.directives+b.directives, ceiling)}
}

// measure refuses an operation that is too deep, or has too many aliases, directives or root fields.
func (p *Preparer) measure(doc *ast.QueryDocument, op *ast.OperationDefinition) *Prepared {
	m := &meter{doc: doc, fragments: map[string]*measure{}, active: map[string]bool{}}
	size := m.set(op.SelectionSet)
	size.directives += len(op.Directives)
	for _, limit := range []struct {
		is, most   int
		code, what string
	}{
		{size.depth, p.options.Limits.Depth, "MAX_DEPTH_EXCEEDED", "is nested %d fields deep: at most %d are taken"},
		{size.aliases, p.options.Limits.Aliases, "MAX_ALIASES_EXCEEDED", "has %d aliases: at most %d are taken"},
		{size.directives, p.options.Limits.Directives, "MAX_DIRECTIVES_EXCEEDED", "has %d directives: at most %d are taken"},
		{m.rootFields(op.SelectionSet, 0), p.options.Limits.RootFields, "MAX_ROOT_FIELDS_EXCEEDED", "has %d root fields: at most %d are taken"},
	} {
		if limit.is > limit.most {
			return refusal(limit.code, "The operation "+limit.what+".", limit.is, limit.most)
		}
	}
	return nil
}

func (m *meter) set(set ast.SelectionSet) measure {
	var out measure
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			inner := m.set(s.SelectionSet)
			inner.depth++
			inner.directives += len(s.Directives)
			if s.Alias != s.Name {
				inner.aliases++
			}
			out = out.plus(inner)
		case *ast.InlineFragment:
			inner := m.set(s.SelectionSet)
			inner.directives += len(s.Directives)
			out = out.plus(inner)
		case *ast.FragmentSpread:
			inner := m.fragment(s.Name)
			inner.directives += len(s.Directives)
			out = out.plus(inner)
		}
	}
	return out
}

func (m *meter) fragment(name string) measure {
	if known := m.fragments[name]; known != nil {
		return *known
	}
	f := m.doc.Fragments.ForName(name)
	if f == nil || m.active[name] {
		return measure{} // validation says what is wrong
	}
	m.active[name] = true
	size := m.set(f.SelectionSet)
	m.active[name] = false
	m.fragments[name] = &size
	return size
}

func (m *meter) rootFields(set ast.SelectionSet, level int) int {
	n := 0
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			n++
		case *ast.InlineFragment:
			n += m.rootFields(s.SelectionSet, level)
		case *ast.FragmentSpread:
			if f := m.doc.Fragments.ForName(s.Name); f != nil && level < 10 {
				n += m.rootFields(f.SelectionSet, level+1)
			}
		}
	}
	return n
}
