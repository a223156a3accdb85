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
	host, short := f.hosts[0], f.key[0]
	single := len(f.key) == 1 && !short.attached
	s.instances = slices.Grow(s.instances, len(objects))
	for _, direct := range objects {
		at := &slots[int(direct)+host.slot]
		if at.kind != absent {
			continue
		}
		var t uint64
		var key []byte
		if v := &slots[int(direct)+short.slot]; single && v.kind == leaf {
			key = body[v.off:]
			if v.n < 8 && len(key) >= 8 {
				t = shortTag(key, v.n)
			} else {
				t = tag(key[:v.n])
			}
			key = key[:v.n]
		} else if !single && s.keyOf(f.key, slots, body, direct) {
			key, t = s.key, tag(s.key)
		} else {
			s.visitListed(f, direct)
			continue
		}
		rep, known := s.reps.lookup(key, t)
		if !known {
			if !s.hasGiven(f, slots, body, direct) {
				s.visitListed(f, direct)
				continue
			}
			rep = s.reps.enter(key, t)
			base := s.refsListed(f, direct)
			s.reps.text, _ = s.represent(s.reps.text, f.at, base, f.keyed)
			s.reps.add()
			s.refs = s.refs[:base]
		}
		at.kind = pending
		s.instances = append(s.instances, instance{fetch: int32(host.fetch), slot: direct + int32(host.slot), rep: rep})
	}
}

// keyOf writes what stands at some places of an object as a key. It reports false where one of them has no leaf.
func (s *scratch) keyOf(places []keyPlace, slots []slot, body []byte, direct int32) bool {
	s.key = s.key[:0]
	for i := range places {
		part := s.leafAt(&places[i], slots, body, direct)
		if part == nil {
			return false
		}
		s.key = append(append(s.key, part...), 0) // which stands in no JSON text
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
	for i, rep := range f.represents {
		if !s.isOneOf(n, base, rep.types) {
			continue
		}
		if s.key, ok = s.appendKey(s.key[:0], n, base, rep, i); !ok {
			continue
		}
		reps := &s.reps
		if len(f.contexts) > 0 {
			in.part, reps = s.group(f)
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
}
