package execute

import "slices"

// errorsOf gives the errors that stand at paths which the initial answer writes, or a part at an object, without those that
// were told before of the same place.
func (d *delivery) errorsOf(p *point) []responseError {
	r := d.run
	out := d.told[:0]
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.errors {
		e := &r.errors[i]
		if p == nil {
			if r.program.initial[e.fetch] && r.program.projection.covers(e.path) {
				e.initial = true
				out = append(out, *e)
			}
			continue
		}
		if e.initial || !p.part.sees[e.fetch] || slices.ContainsFunc(e.parts, p.part.after) {
			continue
		}
		rest, within := p.below(e.path)
		if !within || !p.part.projection.covers(rest) || e.failure && e.repeats(out) {
			continue
		}
		e.parts = append(e.parts, p.part)
		out = append(out, *e)
	}
	return out
}

// repeats reports whether it was said already that the same fetch gave no answer.
func (e *responseError) repeats(told []responseError) bool {
	return slices.ContainsFunc(told, func(o responseError) bool { return o.failure && o.fetch == e.fetch })
}

// orphans adds to what is told the errors that no part will ever have, though one might have selected what they are of: its
// object is null, by the same error perhaps. They go with the first that needs their fetch. Waiting are the points of this
// payload that are still to be written.
func (d *delivery) orphans(p *point, waiting []point) {
	r := d.run
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.errors {
		e := &r.errors[i]
		if e.initial || len(e.parts) > 0 {
			continue
		}
		if p == nil && !r.program.initial[e.fetch] || p != nil && !p.part.own[e.fetch] && !r.program.initial[e.fetch] {
			continue
		}
		if p != nil && len(waiting) > 0 {
			if _, within := p.below(e.path); !within {
				continue // that is for the last of the payload to look at
			}
		}
		claims := func(q point) bool { return d.claims(q, p, e) }
		if slices.ContainsFunc(waiting, claims) || slices.ContainsFunc(d.open, claims) || slices.ContainsFunc(d.begun, claims) || slices.ContainsFunc(d.points, claims) {
			continue
		}
		if p == nil {
			e.initial = true
		} else {
			e.parts = append(e.parts, p.part)
		}
		if !e.failure || !e.repeats(d.told) {
			d.told = append(d.told, *e)
		}
	}
}

// claims reports whether an error is left to a part that is still to come, or to one within it.
func (d *delivery) claims(q point, now *point, e *responseError) bool {
	rest, within := q.below(e.path)
	if !within {
		return false
	}
	if now != nil && now.part == q.part || q.part.sees[e.fetch] && q.part.projection.covers(rest) {
		return true
	}
	return slices.ContainsFunc(d.run.program.deferred, func(inner *deferredPart) bool {
		if !inner.after(q.part) || inner.projection == nil || !inner.sees[e.fetch] {
			return false
		}
		rest, ok := inner.below(e.path)
		return ok && inner.projection.covers(rest)
	})
}

// below gives the rest of a path that leads through a point.
func (p *point) below(path []pathElement) (rest []pathElement, ok bool) {
	if len(path) < len(p.path) || !slices.Equal(path[:len(p.path)], p.path) {
		return nil, false
	}
	return path[len(p.path):], true
}
