package execute

import "slices"

// walk goes through the objects of a response as far as they are there. References and values of the sources of the
// position that it stands at lie on two stacks.
type walk struct {
	program *Program
	answers []answer
	mask    uint64
	sees    []bool // by fetch: whose answers may be read; nil for all
	refs    []int32
	vals    []slot
}

// rootRefs pushes the objects that stand at the root of the response and gives where they begin.
func (w *walk) rootRefs() int {
	base := len(w.refs)
	for i := range w.program.root.sources {
		s := &w.program.root.sources[i]
		ref := int32(-1)
		if s.attached() {
			ref = w.host(w.program.root, s, base)
		} else if w.sees == nil || w.sees[s.fetch] {
			if root := w.answers[s.fetch].root; root.kind == object {
				ref = int32(root.off)
			}
		}
		w.refs = append(w.refs, ref)
	}
	return base
}

// host gives the object that is attached to those whose references begin at base, or -1.
func (w *walk) host(n *node, s *source, base int) int32 {
	if w.sees != nil && !w.sees[s.fetch] {
		return -1 // it may be written at this moment
	}
	for _, h := range s.hosts {
		if ref := w.refs[base+h.source]; ref >= 0 {
			if v := w.answers[h.fetch].slots[int(ref)+h.slot]; v.kind == object {
				return int32(v.off)
			}
		}
	}
	return -1
}

// at gives the value in a slot of one of the objects whose references begin at base.
func (w *walk) at(base int, a access) (slot, []byte) {
	ref := w.refs[base+a.source]
	if ref < 0 {
		return slot{}, nil
	}
	ans := &w.answers[a.fetch]
	return ans.slots[int(ref)+a.slot], ans.body
}

// read returns the first value that any of a field's places has; without one, why there is none: something wrong, else null.
func (w *walk) read(base int, places []access) (slot, []byte) {
	var found slot
	for i := range places {
		a := &places[i]
		ref := w.refs[base+a.source]
		if ref < 0 {
			continue
		}
		ans := &w.answers[a.fetch]
		v := &ans.slots[int(ref)+a.slot]
		if v.kind >= leaf {
			return *v, ans.body
		}
		if v.kind > found.kind {
			found = *v
		}
	}
	return found, nil
}

// runtimeType gives the name of the object's type between its quotes, or nil where it is not known.
func (w *walk) runtimeType(n *node, base int) []byte {
	for _, a := range n.typename {
		if v, body := w.at(base, a); v.kind == leaf && v.n > 2 {
			return body[v.off+1 : v.off+v.n-1]
		}
	}
	return nil
}

// staticType gives the type of an object by the fields that lead to it; "" where they do not tell.
func (w *walk) staticType(n *node, base int) string {
	if n.static != "" {
		return n.static
	}
	for i := range n.sources {
		if s := &n.sources[i]; s.static != "" && w.refs[base+i] >= 0 {
			return s.static
		}
	}
	return ""
}

// isOneOf reports whether the object's runtime type is among names; none stand for all.
func (w *walk) isOneOf(n *node, base int, names []string) bool {
	if len(names) == 0 {
		return true
	}
	t := w.runtimeType(n, base)
	if t == nil {
		// Where nobody tells the type the fields tell that lead here. If they do not, a fetch that should have told failed.
		return slices.Contains(names, w.staticType(n, base))
	}
	for _, name := range names {
		if string(t) == name {
			return true
		}
	}
	return false
}

// childVals pushes the values that a child's sources have in the objects at base, a value for each source of the child
// that is a field, and gives where they begin.
func (w *walk) childVals(n, child *node, base int) int {
	from := len(w.vals)
	for i := range child.sources {
		s := &child.sources[i]
		if s.attached() {
			continue // it comes from the objects themselves
		}
		v := slot{}
		if ref := w.refs[base+s.parent]; ref >= 0 && (s.types == nil || w.isOneOf(n, base, s.types)) {
			v = w.answers[n.sources[s.parent].fetch].slots[int(ref)+s.slot]
		}
		w.vals = append(w.vals, v)
	}
	return from
}

// objects pushes the references of the objects at child, whose field values begin at vals, and gives where they begin;
// ok is false where none of the values is an object.
func (w *walk) objects(child *node, vals int) (base int, ok bool) {
	base = len(w.refs)
	field := 0
	for i := range child.sources {
		s := &child.sources[i]
		ref := int32(-1)
		if s.attached() {
			ref = w.host(child, s, base)
		} else {
			if v := w.vals[vals+field]; v.kind == object {
				ref = int32(v.off)
				ok = true
			}
			field++
		}
		w.refs = append(w.refs, ref)
	}
	return base, ok
}

// enterOne pushes the references of the objects at a node to which one source leads, in which ref stands, and gives where they
// begin.
func (w *walk) enterOne(n *node, source int, ref int32) (base int) {
	base = len(w.refs)
	if len(n.sources) == 1 {
		w.refs = append(w.refs, ref)
		return base
	}
	for i := range n.sources {
		if i == source {
			w.refs = append(w.refs, ref)
		} else {
			w.refs = append(w.refs, w.host(n, &n.sources[i], base))
		}
	}
	return base
}

// listLength gives the length of the longest list among count values, or -1 where none is a list.
func (w *walk) listLength(vals, count int) int {
	length := -1
	for _, v := range w.vals[vals : vals+count] {
		if v.kind == list {
			length = max(length, int(v.n))
		}
	}
	return length
}

// elements pushes the i-th elements of the lists among count values.
func (w *walk) elements(child *node, vals, count, i int) {
	field := 0
	for j := range child.sources {
		src := &child.sources[j]
		if src.attached() {
			continue
		}
		if field >= count {
			break
		}
		v := w.vals[vals+field]
		field++
		e := slot{}
		if v.kind == list && uint32(i) < v.n {
			e = w.answers[src.fetch].slots[int(v.off)+i]
		}
		w.vals = append(w.vals, e)
	}
}

// pathElement is one step of a path in the response.
type pathElement struct {
	name  string
	index int
	list  bool
}
