package execute

import (
	"bytes"
	"hash/maphash"
	"slices"
	"sync"
)

// scratch is what one fetch needs while it runs.
type scratch struct {
	body      []byte // the request
	reps      []byte // the representations, end to end
	ends      []int  // where each of them ends
	table     map[uint64][]int32
	instances []instance
	scanner   scanner
	walk      run // references and values of the walk along the path
}

// instance is an object that a fetch's answer is attached to: a slot of another fetch's answer.
type instance struct {
	fetch int32
	slot  int32
	rep   int32
}

// seed keeps clients from choosing representations that collide.
var seed = maphash.MakeSeed() //nolint:gochecknoglobals // one seed for the life of the process

var scratches = sync.Pool{New: func() any { return &scratch{table: map[uint64][]int32{}} }} //nolint:gochecknoglobals // a pool

// pending marks a slot that waits for the answer with the index off.
const pending kind = 255

func (r *run) perform(f *fetch) {
	s := scratches.Get().(*scratch)
	defer func() {
		if cap(s.reps)+cap(s.body) < 4<<20 {
			clear(s.table)
			scratches.Put(s)
		}
	}()
	s.body, s.reps, s.ends, s.instances = s.body[:0], s.reps[:0], s.ends[:0], s.instances[:0]
	if f.entity || f.nested {
		r.collect(f, s)
		if len(s.instances) == 0 {
			return
		}
	}
	s.body = r.message(f, s, s.body)
	ans := &r.answers[f.id]
	var err error
	ans.body, err = r.executor.caller.Call(r.ctx, f.subgraph, s.body, ans.body[:0])
	if err != nil {
		r.failed(f, s, err)
		r.settle(f, s)
		return
	}
	errs, err := ans.scan(f.shape, &s.scanner)
	if err != nil {
		ans.root, ans.slots = slot{}, ans.slots[:0]
		r.failed(f, s, &Failure{Code: CodeInvalidResponse, Message: "answered with something that is not the JSON asked for"})
		r.settle(f, s)
		return
	}
	if errs != nil {
		r.subgraphErrors(f, s, errs)
	} else if ans.root.kind == absent {
		r.failed(f, s, &Failure{Code: CodeInvalidResponse, Message: "answered with neither data nor errors"})
	}
	r.settle(f, s)
}

// message writes the request's body.
func (r *run) message(f *fetch, s *scratch, b []byte) []byte {
	b = append(b, f.prefix...)
	first := true
	comma := func() {
		if !first {
			b = append(b, ',')
		}
		first = false
	}
	for _, i := range f.variables {
		if i >= len(r.request.Variables) || r.request.Variables[i] == nil {
			continue
		}
		comma()
		b = append(append(append(b, '"'), r.program.plan.Operation.Variables[i].Name...), `":`...)
		b = append(b, r.request.Variables[i]...)
	}
	if f.entity {
		comma()
		b = append(b, `"representations":[`...)
		from := 0
		for i, end := range s.ends {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, s.reps[from:end]...)
			from = end
		}
		b = append(b, ']')
	}
	return append(b, "}}"...)
}

// settle attaches the answer to the objects that asked for it: by reference, an answer to many.
func (r *run) settle(f *fetch, s *scratch) {
	if !f.entity && !f.nested {
		return
	}
	ans := &r.answers[f.id]
	var entities slot
	if f.entity && ans.root.kind == object {
		entities = ans.slots[ans.root.off]
	}
	for _, in := range s.instances {
		v := slot{kind: null}
		switch {
		case f.nested && ans.root.kind == object:
			v = ans.root
		case entities.kind == list && uint32(in.rep) < entities.n:
			v = ans.slots[entities.off+uint32(in.rep)]
		}
		r.answers[in.fetch].slots[in.slot] = v
	}
}

// collect walks along the fetch's path and writes a representation for each distinct object.
func (r *run) collect(f *fetch, s *scratch) {
	w := &s.walk
	w.program, w.answers, w.refs, w.vals, w.mask = r.program, r.answers, w.refs[:0], w.vals[:0], r.mask
	base := w.rootRefs()
	w.descend(f, s, w.program.root, base, f.path)
	w.program, w.answers = nil, nil
}

func (r *run) descend(f *fetch, s *scratch, n *node, base int, path []step) {
	if len(path) == 0 {
		r.visit(f, s, n, base)
		return
	}
	child := path[0].node
	vals := r.childVals(n, child, base)
	r.descendVals(f, s, child, vals, len(r.vals)-vals, path)
	r.vals = r.vals[:vals]
}

// descendVals goes through the lists at a field, whose values come from several sources in step, to the objects.
func (r *run) descendVals(f *fetch, s *scratch, child *node, vals, count int, path []step) {
	length := r.listLength(child, vals, count)
	if length < 0 {
		base, ok := r.objects(child, vals)
		if ok && r.isOneOf(child, base, path[0].types) {
			r.descend(f, s, child, base, path[1:])
		}
		r.refs = r.refs[:base]
		return
	}
	for i := range length {
		from := len(r.vals)
		r.elements(child, vals, count, i)
		r.descendVals(f, s, child, from, count, path)
		r.vals = r.vals[:from]
	}
}

// listLength gives the length of the lists among values, or -1 where none is a list.
func (r *run) listLength(_ *node, vals, count int) int {
	length := -1
	for _, v := range r.vals[vals : vals+count] {
		if v.kind == list {
			length = max(length, int(v.n))
		}
	}
	return length
}

// elements pushes the i-th elements of the lists among values.
func (r *run) elements(child *node, vals, count, i int) {
	field := 0
	for _, src := range child.sources {
		if src.attached {
			continue
		}
		if field >= count {
			break
		}
		v := r.vals[vals+field]
		field++
		e := slot{}
		if v.kind == list && uint32(i) < v.n {
			e = r.answers[src.fetch].slots[int(v.off)+i]
		}
		r.vals = append(r.vals, e)
	}
}

// visit is one object at the end of a fetch's path.
func (r *run) visit(f *fetch, s *scratch, n *node, base int) {
	ref := r.refs[base+f.attach.source]
	if ref < 0 {
		return
	}
	src := n.sources[f.attach.source].fetch
	at := &r.answers[src].slots[int(ref)+f.attach.slot]
	if at.kind != absent {
		return // the same object, met before under another
	}
	if f.nested {
		at.kind = pending
		s.instances = append(s.instances, instance{fetch: int32(src), slot: ref + int32(f.attach.slot)})
		return
	}
	for _, rep := range f.represents {
		if !r.isOneOf(n, base, rep.types) {
			continue
		}
		from := len(s.reps)
		var ok bool
		if s.reps, ok = r.represent(s.reps, n, base, rep); !ok {
			s.reps = s.reps[:from]
			continue
		}
		index := s.intern(from)
		*at = slot{kind: pending, off: uint32(index)}
		s.instances = append(s.instances, instance{fetch: int32(src), slot: ref + int32(f.attach.slot), rep: index})
		return
	}
}

// intern gives the index of the representation that begins at from and ends the buffer: an earlier one's where there is
// an equal one, byte for byte.
func (s *scratch) intern(from int) int32 {
	rep := s.reps[from:]
	h := maphash.Bytes(seed, rep)
	for _, i := range s.table[h] {
		begin := 0
		if i > 0 {
			begin = s.ends[i-1]
		}
		if bytes.Equal(s.reps[begin:s.ends[i]], rep) {
			s.reps = s.reps[:from]
			return i
		}
	}
	i := int32(len(s.ends))
	s.ends = append(s.ends, len(s.reps))
	s.table[h] = append(s.table[h], i)
	return i
}

// represent writes an object as a representation. It reports false where a field that must have a value has none.
func (r *run) represent(b []byte, n *node, base int, rep *representation) ([]byte, bool) {
	b = append(b, `{"__typename":`...)
	switch {
	case rep.typename != nil:
		b = append(b, rep.typename...)
	default:
		b = r.appendTypename(b, n, base, rep.types)
	}
	return r.representFields(b, n, base, rep.fields)
}

func (r *run) appendTypename(b []byte, n *node, base int, types []string) []byte {
	name := r.runtimeType(n, base)
	b = append(b, '"')
	switch {
	case name != nil:
		b = append(b, name...)
	case n.static != "":
		b = append(b, n.static...)
	case len(types) == 1:
		b = append(b, types[0]...)
	}
	return append(b, '"')
}

func (r *run) representFields(b []byte, n *node, base int, fields []representationField) ([]byte, bool) {
	for i := range fields {
		f := &fields[i]
		if !f.guard.Holds(r.mask) || !r.isOneOf(n, base, f.types) {
			continue
		}
		b = append(append(b, ','), f.key...)
		var ok bool
		if f.child == nil {
			v, body := r.read(n, base, f.access)
			switch v.kind {
			case leaf:
				b, ok = append(b, body[v.off:v.off+v.n]...), true
			case null:
				b, ok = append(b, "null"...), f.nullable
			}
		} else {
			vals := r.childVals(n, f.child, base)
			b, ok = r.representChild(b, f, vals, len(r.vals)-vals)
			r.vals = r.vals[:vals]
		}
		if !ok {
			return b, false
		}
	}
	return append(b, '}'), true
}

func (r *run) representChild(b []byte, f *representationField, vals, count int) ([]byte, bool) {
	if length := r.listLength(f.child, vals, count); length >= 0 {
		b = append(b, '[')
		for i := range length {
			if i > 0 {
				b = append(b, ',')
			}
			from := len(r.vals)
			r.elements(f.child, vals, count, i)
			var ok bool
			b, ok = r.representChild(b, f, from, count)
			r.vals = r.vals[:from]
			if !ok {
				return b, false
			}
		}
		return append(b, ']'), true
	}
	base, ok := r.objects(f.child, vals)
	defer func() { r.refs = r.refs[:base] }()
	if !ok {
		known := slices.ContainsFunc(r.vals[vals:vals+count], func(v slot) bool { return v.kind == null })
		return append(b, "null"...), known && f.nullable
	}
	from := len(b)
	b = append(b, '{')
	if f.typename {
		b = append(b, `"__typename":`...)
		b = r.appendTypename(b, f.child, base, nil)
	}
	b, ok = r.representFields(b, f.child, base, f.fields)
	if ok && !f.typename && len(b) > from+1 && b[from+1] == ',' {
		b = slices.Delete(b, from+1, from+2)
	}
	return b, ok
}
