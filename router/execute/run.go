package execute

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
)

// Request is one request for a program.
type Request struct {
	// Variables are the coerced values of the operation's variables as JSON, in their order; nil where there is none.
	Variables [][]byte
	// Labels are the override labels that are active for the request.
	Labels map[string]bool
	// Data of mutations and queries alike goes to the subgraphs in Context's identity.
	RequestID string
}

// Caller sends a request to a subgraph and appends the answer's body to into. A failure is a *[Failure].
type Caller interface {
	Call(ctx context.Context, subgraph string, body, into []byte) ([]byte, error)
}

// Executor runs programs.
type Executor struct {
	caller Caller
	pool   sync.Pool
}

// New gives an executor that reaches subgraphs through caller.
func New(caller Caller) *Executor { return &Executor{caller: caller} }

// run is the state of one request. It is reused.
type run struct {
	ctx      context.Context //nolint:containedctx // the state of one request
	executor *Executor
	program  *Program
	request  Request
	mask     uint64
	answers  []answer
	waits    []atomic.Int32
	left     sync.WaitGroup

	mu     sync.Mutex
	errors []responseError

	// Stacks of the walk that writes the response.
	refs []int32
	vals []slot
	path []pathElement
}

// Execute runs a program and appends the response, a whole JSON document, to dst.
func (e *Executor) Execute(ctx context.Context, p *Program, req Request, dst []byte) []byte {
	r, _ := e.pool.Get().(*run)
	if r == nil {
		r = &run{}
	}
	defer r.release(e)
	r.ctx, r.executor, r.program, r.request = ctx, e, p, req
	r.mask = p.mask(req)
	r.prepare(len(p.fetches))
	r.start()
	r.left.Wait()
	return r.respond(dst)
}

// release keeps the buffers of a run for another, except those that grew very large.
func (r *run) release(e *Executor) {
	r.ctx, r.executor, r.program, r.request = nil, nil, nil, Request{}
	clear(r.errors)
	r.errors, r.refs, r.vals, r.path = r.errors[:0], r.refs[:0], r.vals[:0], r.path[:0]
	kept := 0
	for i := range r.answers {
		kept += cap(r.answers[i].body) + 12*cap(r.answers[i].slots)
		if kept > 8<<20 {
			r.answers[i] = answer{}
		}
	}
	e.pool.Put(r)
}

func (r *run) prepare(fetches int) {
	for len(r.answers) < fetches {
		r.answers = append(r.answers, answer{})
	}
	if len(r.waits) < fetches {
		r.waits = make([]atomic.Int32, fetches)
	}
	for i := range fetches {
		a := &r.answers[i]
		a.body, a.slots, a.root = a.body[:0], a.slots[:0], slot{}
		r.waits[i].Store(r.program.fetches[i].waits)
	}
}

// start runs the fetches that wait for nothing, the last of them on this goroutine.
func (r *run) start() {
	r.left.Add(len(r.program.fetches))
	var last *fetch
	for _, f := range r.program.fetches {
		if f.waits > 0 {
			continue
		}
		if last != nil {
			go r.fetch(last)
		}
		last = f
	}
	if last != nil {
		r.fetch(last)
	}
}

// fetch runs one fetch and then those that waited for it alone: each as soon as its own inputs are there.
func (r *run) fetch(f *fetch) {
	for f != nil {
		if f.guard.Holds(r.mask) {
			r.perform(f)
		}
		var next *fetch
		for _, id := range f.dependants {
			if r.waits[id].Add(-1) > 0 {
				continue
			}
			if next != nil {
				go r.fetch(next)
			}
			next = r.program.fetches[id]
		}
		r.left.Done()
		f = next
	}
}

// mask says which of the program's conditions hold for a request.
func (p *Program) mask(req Request) uint64 {
	var mask uint64
	for bit, c := range p.plan.Operation.Conditions {
		on := false
		switch {
		case c.Label != "":
			on = req.Labels[c.Label] == c.Equals
		default:
			for i, v := range p.plan.Operation.Variables {
				if v.Name == c.Variable && i < len(req.Variables) {
					on = (string(req.Variables[i]) == "true") == c.Equals
				}
			}
		}
		if on {
			mask |= 1 << bit
		}
	}
	return mask
}

// rootRefs pushes the objects that stand at the root of the response and gives where they begin.
func (r *run) rootRefs() int {
	base := len(r.refs)
	for _, s := range r.program.root.sources {
		ref := int32(-1)
		if a := &r.answers[s.fetch]; a.root.kind == object {
			ref = int32(a.root.off)
		}
		r.refs = append(r.refs, ref)
	}
	return base
}

// at gives the value in a slot of one of the objects whose references begin at base.
func (r *run) at(n *node, base int, a access) (slot, []byte) {
	ref := r.refs[base+a.source]
	if ref < 0 {
		return slot{}, nil
	}
	ans := &r.answers[n.sources[a.source].fetch]
	return ans.slots[int(ref)+a.slot], ans.body
}

// read gives the first value that any of a field's places has.
func (r *run) read(n *node, base int, places []access) (slot, []byte) {
	var found slot
	for _, a := range places {
		v, body := r.at(n, base, a)
		switch v.kind {
		case absent:
		case null:
			found = v
		default:
			return v, body
		}
	}
	return found, nil
}

// runtimeType gives the name of the object's type between its quotes, or nil where it is not known.
func (r *run) runtimeType(n *node, base int) []byte {
	for _, a := range n.typename {
		if v, body := r.at(n, base, a); v.kind == leaf && v.n > 2 {
			return body[v.off+1 : v.off+v.n-1]
		}
	}
	return nil
}

// isOneOf reports whether the object's runtime type is among names.
func (r *run) isOneOf(n *node, base int, names []string) bool {
	if len(names) == 0 {
		return true
	}
	t := r.runtimeType(n, base)
	if t == nil {
		if n.static == "" {
			return len(names) == 1 // nothing else can stand here that was asked by type
		}
		for _, name := range names {
			if name == n.static {
				return true
			}
		}
		return false
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
func (r *run) childVals(n, child *node, base int) int {
	from := len(r.vals)
	for _, s := range child.sources {
		if s.attached {
			continue // it comes from the objects themselves
		}
		v := slot{}
		if ref := r.refs[base+s.parent]; ref >= 0 {
			v = r.answers[n.sources[s.parent].fetch].slots[int(ref)+s.slot]
		}
		r.vals = append(r.vals, v)
	}
	return from
}

// objects pushes the references of the objects at child, whose field values begin at vals, and gives where they begin;
// ok is false where none of the values is an object.
func (r *run) objects(child *node, vals int) (base int, ok bool) {
	base = len(r.refs)
	field := 0
	for _, s := range child.sources {
		ref := int32(-1)
		if s.attached {
			if b := r.refs[base+s.parent]; b >= 0 {
				if v := r.answers[child.sources[s.parent].fetch].slots[int(b)+s.slot]; v.kind == object {
					ref = int32(v.off)
				}
			}
		} else {
			if v := r.vals[vals+field]; v.kind == object {
				ref = int32(v.off)
				ok = true
			}
			field++
		}
		r.refs = append(r.refs, ref)
	}
	return base, ok
}

var nullWord = []byte("null")

func isNull(raw []byte) bool { return bytes.Equal(raw, nullWord) }
