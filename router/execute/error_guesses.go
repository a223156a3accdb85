package execute

import "slices"

// Where a fetch gives no answer its error stands at the first field that it was asked for. Another fetch may have answered
// the same field, or an object there may have no such field, by its type: that is known when all answers are there.

// settleGuesses has the errors that stand at such a field lead to one that is missing.
func (r *run) settleGuesses() {
	if r.delivery != nil {
		return
	}
	for i := range r.errors {
		if e := &r.errors[i]; e.guessed && len(e.path) > 0 {
			e.guessed = false
			refs, vals := len(r.refs), len(r.vals)
			e.path = r.missing(r.program.fetches[e.fetch], e.path, e.failure)
			r.refs, r.vals = r.refs[:refs], r.vals[:vals]
		}
	}
}

// missing gives, for the path of a field that a fetch should have answered, that of such a field of the same object: one
// that is null, else one below which something is, else the object's. An error that is the subgraph's own, or stands at the root,
// has to stand at a field, and then stands at the first.
func (r *run) missing(f *fetch, guess []pathElement, failure bool) []pathElement {
	path := guess[:len(guess)-1]
	fields, base, there := r.objectAt(path)
	if !there {
		return guess
	}
	out := path
	for i := range fields {
		p := &fields[i]
		if p.deferred != nil || !slices.Contains(f.keys, p.name) || !p.included(r.mask) {
			continue
		}
		at := append(slices.Clone(path), pathElement{name: p.name})
		composite := p.child != nil
		switch {
		case composite && !r.holds(p, base), !composite && r.lacks(p, base):
			return at
		case len(out) == len(path) && (composite || len(path) == 0 || !failure):
			out = at
		}
	}
	return out
}

// lacks reports whether a leaf field of the objects at base has no value.
func (r *run) lacks(p *projected, base int) bool {
	v, _ := r.read(base, p.access)
	return v.kind < leaf && !p.typename
}

// holds reports whether a composite field of the objects at base has a value.
func (r *run) holds(p *projected, base int) bool {
	return slices.ContainsFunc(p.access, func(a access) bool {
		v, _ := r.at(base, a)
		return v.kind >= leaf
	})
}

// objectAt gives the fields of the object at a path of the response, and where its references begin; there is false where
// it is null or is not shown.
func (r *run) objectAt(path []pathElement) (fields []projected, base int, there bool) {
	p := r.program.projection
	base = r.rootRefs()
	for {
		if fields, there = p.static, true; p.byType != nil {
			fields, there = r.fieldsOf(p, base)
		}
		if !there || len(path) == 0 {
			return fields, base, there
		}
		i := slices.IndexFunc(fields, func(f projected) bool { return f.deferred == nil && f.name == path[0].name })
		if i < 0 || fields[i].child == nil {
			return nil, base, false
		}
		child := fields[i].child
		vals := r.childVals(p.node, child.node, base)
		count := len(r.vals) - vals
		for path = path[1:]; len(path) > 0 && path[0].list; path = path[1:] {
			from := len(r.vals)
			r.elements(child.node, vals, count, path[0].index)
			vals = from
		}
		if base, there = r.objects(child.node, vals); !there {
			return nil, base, false
		}
		p = child
	}
}
