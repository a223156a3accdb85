package execute

import (
	"slices"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/jsontext"
)

// ancestor is an object above the one that is visited.
type ancestor struct {
	node *node
	base int
}

// group is the representations of a fetch that share the values of its contexts.
type group struct {
	values []byte
	reps   representations
}

// group returns the representations with the values that an object's contexts have, and their number; ok is false where one
// of them does not fit its type.
func (s *scratch) group(f *fetch) (part int32, reps *representations, ok bool) {
	s.values = s.values[:0]
	for i := range f.contexts {
		c := &f.contexts[i]
		above := s.trail[len(s.trail)-1-c.up]
		var fits bool
		if s.values, fits = s.contextValue(s.values, above.node, above.base, c.fields); !fits {
			return 0, nil, false
		}
		s.values = append(s.values, ',')
	}
	at, ok := s.groupOf[string(s.values)]
	if !ok {
		if s.groupOf == nil {
			s.groupOf = map[string]int{}
		}
		at = len(s.groups)
		s.groupOf[string(s.values)] = at
		s.groups = append(s.groups, &group{values: append([]byte(nil), s.values...)})
	}
	return int32(at), &s.groups[at].reps, true
}

// contextValue writes the one value that a context's selection leads to in an object, null where there is none. It reports
// false where that does not fit its type.
func (s *scratch) contextValue(b []byte, n *node, base int, fields []representationField) ([]byte, bool) {
	for i := range fields {
		f := &fields[i]
		if !s.isOneOf(n, base, f.types) {
			continue
		}
		if f.child == nil {
			switch v, body := s.read(base, f.access); v.kind {
			case leaf:
				return append(b, body[v.off:v.off+v.n]...), true
			case wrong, faulty:
				return b, false
			}
			continue
		}
		vals := s.childVals(n, f.child, base)
		b, ok := s.contextValues(b, f, f.typ, vals, len(s.vals)-vals)
		s.vals = s.vals[:vals]
		return b, ok
	}
	return append(b, "null"...), true
}

// contextValues goes through the lists on the way to the value: a list of objects, of the type t, gives a list of values.
func (s *scratch) contextValues(b []byte, f *representationField, t *ast.Type, vals, count int) ([]byte, bool) {
	if length := s.listLength(vals, count); length >= 0 {
		if t != nil && t.Elem == nil {
			return b, false
		}
		b = append(b, '[')
		for i := range length {
			if i > 0 {
				b = append(b, ',')
			}
			from := len(s.vals)
			s.elements(f.child, vals, count, i)
			var ok bool
			b, ok = s.contextValues(b, f, elementOf(t), from, count)
			s.vals = s.vals[:from]
			if !ok {
				return b, false
			}
		}
		return append(b, ']'), true
	}
	base, ok := s.objects(f.child, vals)
	if ok {
		b, ok = s.contextValue(b, f.child, base, f.fields)
		ok = ok && (t == nil || t.Elem == nil)
	} else {
		b = append(b, "null"...)
		ok = !slices.ContainsFunc(s.vals[vals:vals+count], func(v slot) bool { return v.kind == wrong })
	}
	s.refs = s.refs[:base]
	return b, ok
}

// nextValue takes the first of the values that were written one after another, each ended by a comma.
func nextValue(rest *[]byte) []byte {
	s := jsontext.Scanner{Data: *rest}
	if s.Skip() != nil {
		return []byte("null")
	}
	v := (*rest)[:s.Pos]
	*rest = (*rest)[min(s.Pos+1, len(*rest)):]
	return v
}
