package execute

import "slices"

// places gives, for each of a fetch's instances, the paths of its object in the response: an entity can stand at several
// places as one object. It walks again, since only errors need it.
func (r *run) places(f *fetch, s *scratch) [][][]pathElement {
	if !f.entity && !f.nested {
		return nil
	}
	known := map[instance][][]pathElement{}
	base, n := s.rootRefs(), 0
	s.descend(f, s.program.root, base, f.path, func(s *scratch, f *fetch, node *node, base int) {
		if in, ok := s.place(f, node, base); ok && (n < maxErrors || known[in] == nil) {
			known[in] = append(known[in], slices.Clone(s.path))
			n++
		}
	})
	s.refs = s.refs[:base]
	out := make([][][]pathElement, len(s.instances))
	for i, in := range s.instances {
		out[i] = known[instance{fetch: in.fetch, slot: in.slot}]
	}
	return out
}

// counted holds that a list of entities has one for each representation: else nobody could say which is whose. With errors the
// list may be missing.
func (a *answer) counted(part int32, reps *representations, errs bool) error {
	entities := a.slots[int(a.root.off)+int(part)]
	if errs && (entities.kind == null || entities.kind == absent) {
		a.failed = true
		return nil
	}
	if entities.kind == list && int(entities.n) == len(reps.ends) {
		return nil
	}
	return &Failure{Code: CodeInvalidResponse, Message: "answered with another number of entities than it was asked for"}
}
