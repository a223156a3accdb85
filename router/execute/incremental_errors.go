package execute

import "slices"

// errorsOf appends the errors that belong to the initial answer, or to a part at an object: those at paths that it writes,
// and that it does not repeat of a part before it. An error at no such path goes with the first part that needs the fetch.
func (r *run) errorsOf(out []responseError, p *point) []responseError {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p == nil {
		for i := range r.errors {
			e := &r.errors[i]
			if r.program.initial[e.fetch] && (r.program.projection.covers(e.path) || !r.program.covered(e.path)) {
				e.initial = true
				out = append(out, *e)
			}
		}
		return out
	}
	from := len(out)
	for i := range r.errors {
		e := &r.errors[i]
		if e.initial || !p.part.sees[e.fetch] || slices.ContainsFunc(e.parts, p.part.after) {
			continue
		}
		within := len(e.path) >= len(p.path) && slices.Equal(e.path[:len(p.path)], p.path) && p.part.projection.covers(e.path[len(p.path):])
		if !within && (len(e.parts) > 0 || !p.part.own[e.fetch] || r.program.covered(e.path)) {
			continue
		}
		if e.failure && slices.ContainsFunc(out[from:], func(o responseError) bool { return o.failure && o.fetch == e.fetch }) {
			continue
		}
		e.parts = append(e.parts, p.part)
		out = append(out, *e)
	}
	return out
}

// covered reports whether any deferred part writes the field at a path.
func (p *Program) covered(path []pathElement) bool {
	return slices.ContainsFunc(p.deferred, func(d *deferredPart) bool {
		rest, ok := d.below(path)
		return ok && d.projection != nil && len(rest) > 0 && d.projection.covers(rest)
	})
}

// tell adds an error to what is being written.
func (r *run) tell(e responseError) {
	if r.delivery != nil {
		r.delivery.told = append(r.delivery.told, e)
		return
	}
	r.addError(e)
}
