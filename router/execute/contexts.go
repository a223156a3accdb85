package execute

import "github.com/lethe/lethe/router/jsontext"

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

// group gives the representations with the values that an object's contexts have, and their number.
func (s *scratch) group(f *fetch) (part int32, reps *representations) {
	s.values = s.values[:0]
	for i := range f.contexts {
		c := &f.contexts[i]
		above := s.trail[len(s.trail)-1-c.up]
		s.values = append(s.contextValue(s.values, above.node, above.base, c.fields), ',')
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
	return int32(at), &s.groups[at].reps
}

// contextValue writes the one value that a context's selection leads to in an object, null where there is none.
func (s *scratch) contextValue(b []byte, n *node, base int, fields []representationField) []byte {
	for i := range fields {
		f := &fields[i]
		if !s.isOneOf(n, base, f.types) {
			continue
		}
		if f.child == nil {
			if v, body := s.read(base, f.access); v.kind == leaf {
				return append(b, body[v.off:v.off+v.n]...)
			}
			continue
		}
		vals := s.childVals(n, f.child, base)
		b = s.contextValues(b, f, vals, len(s.vals)-vals)
		s.vals = s.vals[:vals]
		return b
	}
	return append(b, "null"...)
}

// contextValues goes through the lists on the way to the value: a list of objects gives a list of values.
func (s *scratch) contextValues(b []byte, f *representationField, vals, count int) []byte {
	if length := s.listLength(vals, count); length >= 0 {
		b = append(b, '[')
		for i := range length {
			if i > 0 {
				b = append(b, ',')
			}
			from := len(s.vals)
			s.elements(f.child, vals, count, i)
			b = s.contextValues(b, f, from, count)
			s.vals = s.vals[:from]
		}
		return append(b, ']')
	}
	base, ok := s.objects(f.child, vals)
	if ok {
		b = s.contextValue(b, f.child, base, f.fields)
	} else {
		b = append(b, "null"...)
	}
	s.refs = s.refs[:base]
	return b
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
