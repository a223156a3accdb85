package prepare

import "github.com/vektah/gqlparser/v2/ast"

// meter measures an operation before it is validated, in time linear in its text: what a fragment holds is measured once.
type meter struct {
	doc       *ast.QueryDocument
	fragments map[string]*measure
	active    map[string]bool
	cycle     string // a fragment that leads to itself; "" for none
}

// measure is the size of a selection set with its fragments spread.
type measure struct {
	depth, aliases, directives int
	top                        int // fields of the set itself
	introspection              int // fields __schema and __type
}

// ceiling keeps sums from overflowing: anything beyond is refused alike.
const ceiling = 1 << 30

// maxIntrospection is how many fields __schema and __type an operation may have: an answer to each is as large as the schema.
const maxIntrospection = 10

func (a measure) plus(b measure) measure {
	return measure{
		depth: max(a.depth, b.depth), aliases: min(a.aliases+b.aliases, ceiling), directives: min(a.directives+b.directives, ceiling),
		top: min(a.top+b.top, ceiling), introspection: min(a.introspection+b.introspection, ceiling),
	}
}

// measure refuses a document with an operation that is too deep, or has too many aliases, directives or root fields: all
// its operations, since all are validated.
func (p *Preparer) measure(doc *ast.QueryDocument) *Prepared {
	m := &meter{doc: doc, fragments: map[string]*measure{}, active: map[string]bool{}}
	directives := 0
	for _, f := range doc.Fragments {
		directives += len(f.Directives)
		m.fragment(f.Name)
	}
	if m.cycle != "" {
		// Validation would say it of every fragment of the cycle, each time with the whole way around.
		return refusal("GRAPHQL_VALIDATION_FAILED", "Cannot spread fragment %q within itself.", m.cycle)
	}
	for _, op := range doc.Operations {
		size := m.set(op.SelectionSet)
		directives += len(op.Directives)
		for _, v := range op.VariableDefinitions {
			directives += len(v.Directives)
		}
		size.directives = min(size.directives+directives, ceiling)
		for _, limit := range []struct {
			is, most   int
			code, what string
		}{
			{size.depth, p.options.Limits.Depth, "MAX_DEPTH_EXCEEDED", "is nested %d fields deep: at most %d are taken"},
			{size.aliases, p.options.Limits.Aliases, "MAX_ALIASES_EXCEEDED", "has %d aliases: at most %d are taken"},
			{size.directives, p.options.Limits.Directives, "MAX_DIRECTIVES_EXCEEDED", "has %d directives: at most %d are taken"},
			{size.top, p.options.Limits.RootFields, "MAX_ROOT_FIELDS_EXCEEDED", "has %d root fields: at most %d are taken"},
			{size.introspection, maxIntrospection, "MAX_INTROSPECTION_EXCEEDED", "asks for the schema %d times: at most %d are taken"},
		} {
			if limit.is > limit.most {
				return refusal(limit.code, "The operation "+limit.what+".", limit.is, limit.most)
			}
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
			inner.top = 1
			if s.Alias != s.Name {
				inner.aliases++
			}
			if s.Name == "__schema" || s.Name == "__type" {
				inner.introspection++
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
	if f == nil {
		return measure{} // validation says what is wrong
	}
	if m.active[name] {
		m.cycle = name
		return measure{}
	}
	m.active[name] = true
	size := m.set(f.SelectionSet)
	m.active[name] = false
	m.fragments[name] = &size
	return size
}
