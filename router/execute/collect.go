package execute

import "slices"

// collect walks along the fetch's path and writes a representation for each distinct object.
func (s *scratch) collect(f *fetch) {
	if f.listed > 0 {
		s.collectListed(f)
		return
	}
	base := s.rootRefs()
	s.descend(f, s.program.root, base, f.path, (*scratch).visit)
	s.refs = s.refs[:base]
}

// collectListed does so for the objects that the scanner noted.
func (s *scratch) collectListed(f *fetch) {
	ans := &s.answers[f.at.sources[f.direct].fetch]
	if len(ans.lists) < f.listed {
		return
	}
	objects := ans.lists[f.listed-1]
	if len(f.key) > 0 {
		s.collectKeyed(f, ans, objects)
		return
	}
	for _, direct := range objects {
		s.visitListed(f, direct)
	}
}

// collectKeyed does so where no more than the key of each object has to be looked at.
func (s *scratch) collectKeyed(f *fetch, ans *answer, objects []int32) {
	slots, body := ans.slots, ans.body
	hostFetch, hostSlot, keySlot := int32(f.hosts[0].fetch), f.hosts[0].slot, f.key[0].slot
	single := len(f.key) == 1 && !f.key[0].attached
	s.instances = slices.Grow(s.instances, len(objects))
	out, table := s.instances, s.reps.table
	for _, direct := range objects {
		at := &slots[int(direct)+hostSlot]
		if at.kind != absent {
			continue
		}
		rep := int32(-1)
		// Nearly always one short leaf is the key, and was met before.
		if v := &slots[int(direct)+keySlot]; single && v.kind == leaf && v.n < 8 && int(v.off)+8 <= len(body) && len(table) > 0 {
			t := shortTag(body[v.off:], v.n)
			if e := &table[mixed(t, words[1])&uint64(len(table)-1)]; e.tag == t {
				rep = e.index
			}
		}
		if rep < 0 {
			if rep = s.represented(f, slots, body, direct); rep < 0 {
				s.instances = out
				s.visitListed(f, direct)
				out = s.instances
			}
			if table = s.reps.table; rep < 0 {
				continue
			}
		}
		at.kind = pending
		out = append(out, instance{fetch: hostFetch, slot: direct + int32(hostSlot), rep: rep})
	}
	s.instances = out
}

// represented gives the representation of an object, or -1 where something is not in the first of its places.
func (s *scratch) represented(f *fetch, slots []slot, body []byte, direct int32) int32 {
	if !s.keyOf(f.key, slots, body, direct) {
		return -1
	}
	t := tag(s.key)
	rep, known := s.reps.lookup(s.key, t)
	if !known {
		if !s.hasGiven(f, slots, body, direct) {
			return -1
		}
		rep = s.reps.enter(s.key, t)
		base := s.refsListed(f, direct)
		s.reps.text, _ = s.represent(s.reps.text, f.at, base, f.keyed)
		s.reps.add()
		s.refs = s.refs[:base]
	}
	return rep
}

// keyOf writes what stands at some places of an object as a key. It reports false where one of them has no leaf.
func (s *scratch) keyOf(places []keyPlace, slots []slot, body []byte, direct int32) bool {
	s.key = s.key[:0]
	for i := range places {
		part := s.leafAt(&places[i], slots, body, direct)
		if part == nil {
			return false
		}
		if i > 0 {
			s.key = append(s.key, 0) // which stands in no JSON text
		}
		s.key = append(s.key, part...)
	}
	return true
}

// leafAt gives what stands at a place of an object, nil where that is no leaf.
func (s *scratch) leafAt(p *keyPlace, slots []slot, body []byte, direct int32) []byte {
	v := &slots[int(direct)+p.slot]
	if p.attached {
		if v.kind != object {
			return nil
		}
		ans := &s.answers[p.fetch]
		v, body = &ans.slots[int(v.off)+p.field], ans.body
	}
	if v.kind != leaf {
		return nil
	}
	return body[v.off : v.off+v.n]
}

// hasGiven reports whether an object has the fields of a representation that are not of its key.
func (s *scratch) hasGiven(f *fetch, slots []slot, body []byte, direct int32) bool {
	for i := range f.given {
		if s.leafAt(&f.given[i], slots, body, direct) == nil {
			return false
		}
	}
	return true
}

// visitListed visits an object that the scanner noted.
func (s *scratch) visitListed(f *fetch, direct int32) {
	base := s.refsListed(f, direct)
	if s.isOneOf(f.at, base, f.path[len(f.path)-1].types) {
		s.visit(f, f.at, base)
	}
	s.refs = s.refs[:base]
}

// refsListed pushes the references of all sources of an object that the scanner noted.
func (s *scratch) refsListed(f *fetch, direct int32) int {
	base := len(s.refs)
	for i := range f.at.sources {
		ref := int32(-1)
		if src := &f.at.sources[i]; i == f.direct {
			ref = direct
		} else if src.attached() {
			ref = s.host(f.at, src, base)
		}
		s.refs = append(s.refs, ref)
	}
	return base
}

// descend calls each for every object at the end of the path, with s.path the way to it.
func (s *scratch) descend(f *fetch, n *node, base int, path []step, each func(*scratch, *fetch, *node, int)) {
	if len(f.contexts) > 0 {
		s.trail = append(s.trail, ancestor{n, base})
		defer func() { s.trail = s.trail[:len(s.trail)-1] }()
	}
	if len(path) == 0 {
		each(s, f, n, base)
		return
	}
	child := path[0].node
	vals := s.childVals(n, child, base)
	s.path = append(s.path, pathElement{name: child.key})
	s.descendVals(f, child, vals, len(s.vals)-vals, path, each)
	s.path = s.path[:len(s.path)-1]
	s.vals = s.vals[:vals]
}

// descendVals goes through the lists at a field, whose values come from several sources in step, to the objects.
func (s *scratch) descendVals(f *fetch, child *node, vals, count int, path []step, each func(*scratch, *fetch, *node, int)) {
	length := s.listLength(vals, count)
	if length < 0 {
		base, ok := s.objects(child, vals)
		if ok && s.isOneOf(child, base, path[0].types) {
			s.descend(f, child, base, path[1:], each)
		}
		s.refs = s.refs[:base]
		return
	}
	for i := range length {
		from := len(s.vals)
		s.elements(child, vals, count, i)
		s.path = append(s.path, pathElement{index: i, list: true})
		s.descendVals(f, child, from, count, path, each)
		s.path = s.path[:len(s.path)-1]
		s.vals = s.vals[:from]
	}
}

// place gives the slot to which the fetch's answer to the object at base is attached.
func (s *scratch) place(f *fetch, n *node, base int) (instance, bool) {
	for _, h := range f.hosts {
		if ref := s.refs[base+h.source]; ref >= 0 {
			return instance{fetch: int32(h.fetch), slot: ref + int32(h.slot)}, true
		}
	}
	return instance{}, false
}

// visit is one object at the end of a fetch's path.
func (s *scratch) visit(f *fetch, n *node, base int) {
	in, ok := s.place(f, n, base)
	if !ok {
		return
	}
	at := &s.answers[in.fetch].slots[in.slot]
	if at.kind != absent {
		return // the same object, met before at another place
	}
	if f.nested {
		at.kind = pending
		s.instances = append(s.instances, in)
		return
	}
	lacks := false
	for i, rep := range f.represents {
		if !s.isOneOf(n, base, rep.types) {
			continue
		}
		if s.key, ok = s.appendKey(s.key[:0], n, base, rep, i); !ok {
			lacks = true
			continue
		}
		reps := &s.reps
		if len(f.contexts) > 0 {
			if in.part, reps, ok = s.group(f); !ok {
				lacks = true
				continue
			}
		}
		known := false
		if f.distinct {
			in.rep = int32(len(reps.ends))
		} else {
			in.rep, known = reps.find(s.key)
		}
		if !known {
			reps.text, _ = s.represent(reps.text, n, base, rep)
			reps.add()
		}
		at.kind = pending
		s.instances = append(s.instances, in)
		return
	}
	if lacks {
		*at = unasked
	}
}
