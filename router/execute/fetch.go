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

// keptScratch bounds the larger buffers of a scratch that is kept, in bytes.
const keptScratch = 512 << 10

// release keeps a scratch for another fetch, unless it grew very large.
func (s *scratch) release() {
	s.program, s.answers, s.sees = nil, nil, nil
	s.refs, s.vals, s.path, s.instances = s.refs[:0], s.vals[:0], s.path[:0], s.instances[:0]
	s.trail, s.groups, s.groupOf, s.values = s.trail[:0], nil, nil, s.values[:0]
	s.reps.reset()
	s.scanner.Data, s.scanner.slots = nil, nil // they are the answer's
	if cap(s.reps.text)+cap(s.reps.keys)+cap(s.body)+slotSize*cap(s.scanner.stack) <= keptScratch {
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
	r.executor.room(f, ans)
	remember(&f.bytes, int64(len(ans.body)))
	errs, err := ans.scan(f.shape, &s.scanner)
	remember(&f.slots, int64(len(ans.slots)))
	if err != nil {
		return &Failure{Code: CodeInvalidResponse, Message: "answered with something that is not the JSON asked for", Cause: err}
	}
	r.unfitting(f, &s.scanner)
	if errs != nil {
		list, over := readErrors(errs)
		r.drop(over)
		r.subgraphErrors(f, s, list, 0)
	} else if ans.root.kind != object {
		return &Failure{Code: CodeInvalidResponse, Message: "answered with neither data nor errors"}
	}
	if ans.root.kind != object {
		ans.failed = true
		return nil
	}
	if !f.entity {
		return nil
	}
	return ans.counted(0, &s.reps, errs != nil)
}

func (r *run) call(f *fetch, s *scratch) Call {
	s.body = r.message(f, s, s.body[:0])
	return Call{Subgraph: f.subgraph, Kind: f.kind, Body: s.body, Trail: r.request.Trail, Deadline: r.request.Deadline, Files: r.request.Files, Buffers: r.executor.options.Buffers, Expected: int(f.bytes.Load())}
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
	ans, instances := &s.answers[f.id], s.instances
	if f.nested {
		v := slot{kind: null}
		if ans.root.kind == object {
			v = ans.root
		}
		for _, in := range instances {
			s.answers[in.fetch].slots[in.slot] = v
		}
		return
	}
	var entities, hosts []slot
	part, host := int32(-1), int32(-1)
	for i := range instances {
		in := &instances[i]
		if in.fetch != host {
			host, hosts = in.fetch, s.answers[in.fetch].slots
		}
		if in.part != part {
			part, entities = in.part, ans.entities(in.part)
		}
		if uint32(in.rep) < uint32(len(entities)) {
			hosts[in.slot] = entities[in.rep]
		} else {
			hosts[in.slot] = slot{kind: null}
		}
	}
}

// entities gives the list of entities that a part of an answer is.
func (a *answer) entities(part int32) []slot {
	if a.root.kind != object {
		return nil
	}
	if v := a.slots[a.root.off+uint32(part)]; v.kind == list {
		return a.slots[v.off : v.off+v.n]
	}
	return nil
}
