package execute

import (
	"sync"

	"github.com/lethe/lethe/router/plan"
)

// scratch is what one fetch needs while it runs.
type scratch struct {
	walk
	body      []byte // the request
	reps      representations
	instances []instance
	scanner   scanner
	path      []pathElement
	// For arguments that come from ancestors: the objects above the one that is visited, and a group of representations
	// for each set of values.
	trail   []ancestor
	groups  []*group
	groupOf map[string]int
	values  []byte
	key     []byte // of a representation
}

// instance is an object that a fetch's answer is attached to: a slot of another fetch's answer.
type instance struct {
	fetch int32
	slot  int32
	rep   int32
	part  int32 // of the answer: the list that the entity stands in
}

var scratches = sync.Pool{New: func() any { return &scratch{} }} //nolint:gochecknoglobals // a pool

// pending marks a slot that waits for the answer.
const pending kind = 255

func (r *run) perform(f *fetch) {
	s, _ := scratches.Get().(*scratch)
	s.program, s.answers, s.mask, s.sees = r.program, r.answers, r.mask, f.sees
	defer s.release()
	ans := &r.answers[f.id]
	r.inherit(f)
	if f.entity || f.nested {
		s.collect(f)
		if len(s.instances) == 0 {
			return
		}
	}
	if err := r.ask(f, s, ans); err != nil {
		ans.fail()
		r.failed(f, s, err)
	}
	s.settle(f)
}

// inherit marks a fetch's answer where one lacks something that it depends on: what is missing here was reported there.
func (r *run) inherit(f *fetch) {
	for _, d := range f.needs {
		if r.answers[d].failed {
			r.answers[f.id].failed = true
		}
	}
}

// release keeps a scratch for another fetch, unless it grew very large.
func (s *scratch) release() {
	s.program, s.answers, s.sees = nil, nil, nil
	s.refs, s.vals, s.path, s.instances = s.refs[:0], s.vals[:0], s.path[:0], s.instances[:0]
	s.trail, s.groups, s.groupOf, s.values = s.trail[:0], nil, nil, s.values[:0]
	s.reps.reset()
	s.scanner.Data, s.scanner.slots = nil, nil // they are the answer's
	if cap(s.reps.text)+cap(s.body)+slotSize*cap(s.scanner.stack) < kept/2 {
		scratches.Put(s)
	}
}

// ask sends the request and reads the answer. An error says that there is none.
func (r *run) ask(f *fetch, s *scratch, ans *answer) error {
	var err error
	if r.event != nil && f.kind == plan.Subscription {
		ans.body = append(ans.body[:0], r.event...)
	} else if ans.body, err = r.executor.caller.Call(r.ctx, r.call(f, s), ans.body[:0]); err != nil {
		return err
	}
	errs, err := ans.scan(f.shape, &s.scanner)
	if err != nil {
		return &Failure{Code: CodeInvalidResponse, Message: "answered with something that is not the JSON asked for", Cause: err}
	}
	if errs == nil && ans.root.kind == absent {
		return &Failure{Code: CodeInvalidResponse, Message: "answered with neither data nor errors"}
	}
	if errs != nil {
		if ans.root.kind != object {
			ans.failed = true
		}
		list, err := readErrors(errs)
		if err != nil {
			return err
		}
		r.subgraphErrors(f, s, list, 0)
	} else if f.entity && ans.root.kind == object {
		return miscounted(ans.slots[ans.root.off], &s.reps)
	}
	return nil
}

func (r *run) call(f *fetch, s *scratch) Call {
	s.body = r.message(f, s, s.body[:0])
	return Call{Subgraph: f.subgraph, Kind: f.kind, Body: s.body, Trail: r.request.Trail, Deadline: r.request.Deadline, Files: r.request.Files}
}

// message writes the request's body.
func (r *run) message(f *fetch, s *scratch, b []byte) []byte {
	b = append(b, f.prefix...)
	first := true
	for _, i := range f.variables {
		b, first = r.variable(b, i, first)
	}
	if f.entity {
		if !first {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), r.program.representations...), `":[`...)
		b = s.reps.append(b)
		b = append(b, ']')
	}
	return append(b, "}}"...)
}

// variable writes the value of one of the operation's variables, where the request has one.
func (r *run) variable(b []byte, i int, first bool) ([]byte, bool) {
	if i >= len(r.request.Variables) || r.request.Variables[i] == nil {
		return b, first
	}
	if !first {
		b = append(b, ',')
	}
	b = append(append(append(b, '"'), r.program.plan.Operation.Variables[i].Name...), `":`...)
	return append(b, r.request.Variables[i]...), false
}

// settle attaches the answer to the objects that asked for it: by reference, an answer to many.
func (s *scratch) settle(f *fetch) {
	if !f.entity && !f.nested {
		return
	}
	ans := &s.answers[f.id]
	for _, in := range s.instances {
		v := slot{kind: null}
		switch {
		case ans.root.kind != object:
		case f.nested:
			v = ans.root
		default:
			if entities := ans.slots[ans.root.off+uint32(in.part)]; entities.kind == list && uint32(in.rep) < entities.n {
				v = ans.slots[entities.off+uint32(in.rep)]
			}
		}
		s.answers[in.fetch].slots[in.slot] = v
	}
}

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
	n := f.at
	ans := &s.answers[n.sources[f.direct].fetch]
	if len(ans.lists) < f.listed {
		return
	}
	types := f.path[len(f.path)-1].types
	base := len(s.refs)
	for _, direct := range ans.lists[f.listed-1] {
		for i := range n.sources {
			ref := int32(-1)
			if src := &n.sources[i]; i == f.direct {
				ref = direct
			} else if src.attached() {
				ref = s.host(n, src, base)
			}
			s.refs = append(s.refs, ref)
		}
		if s.isOneOf(n, base, types) {
			s.visit(f, n, base)
		}
		s.refs = s.refs[:base]
	}
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
