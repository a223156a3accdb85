package execute

import (
	"fmt"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/plan"
)

// What a subgraph answers is completed as the GraphQL specification has it (section 6.4.3, "Value Completion"): a value that
// does not fit the field's type stands for null, with an error at its place. The scanner finds such values, and the errors
// are noted while the response is written, where each place that shows the value is known.

// maxFaults bounds the errors of one field in a response: those beyond it are counted.
const maxFaults = 100

// CodeErrorsLeftOut is the code of the last of a response's errors where there were more than it holds.
const CodeErrorsLeftOut = "ERRORS_LEFT_OUT"

// completing is what a run knows of the values that it could not show.
type completing struct {
	faults map[*projected]int // errors of a field
	over   int                // errors that are left out, of those that come of writing the response
}

// begin begins a response.
func (c *completing) begin() {
	clear(c.faults)
	c.over = 0
}

// misfit notes that a leaf, or an element of a list of leaves, does not fit its type.
func (r *run) misfit(f *projected, fetch int, t *ast.Type, raw []byte) {
	if t.Elem == nil && f.leaf.values != nil && tokenOf[raw[0]] == textToken {
		r.fault(f, fetch, "answered "+f.coordinate()+" with a value that "+t.Name()+" does not have.")
		return
	}
	r.fault(f, fetch, "answered "+f.coordinate()+" with "+described(raw)+" where "+expected(t)+" is expected.")
}

// unfit notes that a value which is neither null nor of the type t stands where objects belong.
func (r *run) unfit(f *projected, fetch int, t *ast.Type, v slot) {
	what := ""
	switch v.kind {
	case null, absent:
		return
	case object:
		what = "an object"
	case list:
		what = "a list"
	default:
		if v.n == noType {
			r.fault(f, fetch, "answered "+f.coordinate()+" with an object that has no type, or one that "+t.Name()+" cannot be.")
			return
		}
		what = described(r.answers[fetch].body[v.off:])
	}
	r.fault(f, fetch, "answered "+f.coordinate()+" with "+what+" where "+expected(t)+" is expected.")
}

// unlike notes what among the values of a field's sources is not of the type t, of which lists have the given length.
func (r *run) unlike(f *projected, t *ast.Type, vals, count, length int) {
	field := 0
	for i := range f.child.node.sources {
		src := &f.child.node.sources[i]
		if src.attached() || field >= count {
			continue
		}
		v := r.vals[vals+field]
		field++
		switch {
		case v.kind == list && t.Elem != nil:
			if int(v.n) < length {
				r.fault(f, src.fetch, "answered "+f.coordinate()+" with fewer elements than another service.")
			}
		case v.kind == object && t.Elem == nil:
		default:
			r.unfit(f, src.fetch, t, v)
		}
	}
}

// partial notes which of the services that answer a field of the objects at base together left it out. Vals is where the
// field's values begin.
func (r *run) partial(f *projected, n *node, base, vals int) {
	if !slices.ContainsFunc(r.vals[vals:], func(v slot) bool { return v.kind > null }) {
		return
	}
	i := vals
	for j := range f.child.node.sources {
		src := &f.child.node.sources[j]
		if src.attached() {
			continue
		}
		v := r.vals[i]
		i++
		if v.kind != absent || r.refs[base+src.parent] < 0 || len(src.types) > 0 {
			continue
		}
		fields := n.sources[src.parent].shape.fields
		if at := slices.IndexFunc(fields, func(f shapeField) bool { return f.slot == src.slot }); at >= 0 && fields[at].wanted(r.mask) {
			r.fault(f, src.fetch, "left out "+f.coordinate()+", which it was asked for.")
		}
	}
}

// wanted reports whether every object of a response was to have the field.
func (f *shapeField) wanted(mask uint64) bool {
	return slices.ContainsFunc(f.when, func(all []plan.Guard) bool {
		return !slices.ContainsFunc(all, func(g plan.Guard) bool { return !g.Holds(mask) })
	})
}

// untyped notes that an object is not shown, since its type is none that the API has at this place.
func (r *run) untyped(p *objectProjection) {
	f := p.node.by
	if f == nil {
		return
	}
	fetches := make([]int, 0, 4)
	for _, a := range p.node.typename {
		fetches = append(fetches, a.fetch)
	}
	if len(fetches) == 0 {
		for i := range p.node.sources {
			fetches = append(fetches, p.node.sources[i].fetch)
		}
	}
	if slices.ContainsFunc(fetches, r.excused) || len(fetches) == 0 {
		return
	}
	r.fault(f, fetches[0], "answered "+f.coordinate()+" with an object that has no type, or one that "+f.typ.Name()+" cannot be.")
}

// unanswered notes why a field of the objects at base has no value though no subgraph said null.
func (r *run) unanswered(f *projected, n *node, base int) {
	left, excused := -1, false
	for i := range f.access {
		a := &f.access[i]
		src := &n.sources[a.source]
		if ref := r.refs[base+a.source]; ref >= 0 {
			switch v := r.answers[a.fetch].slots[int(ref)+a.slot]; {
			case v.kind == absent:
				left = a.fetch
			case f.child == nil && v.kind == wrong:
				r.misfit(f, a.fetch, f.typ, r.answers[a.fetch].body[v.off:v.off+v.n])
				return
			default:
				excused = true
			}
			continue
		}
		if r.excused(a.fetch) {
			excused = true // the fetch has its error
			continue
		}
		if !src.attached() {
			continue // nothing stands above, or the fetch was not wanted: another one was to answer
		}
		if r.lost(f, n, src, base) {
			return
		}
		excused = true
	}
	if left >= 0 && !excused && !f.typ.NonNull && !r.excused(left) && !r.told(false) {
		r.fault(f, left, "left out "+f.coordinate()+", which it was asked for.")
	}
}

// lost notes why there is no entity where one was to be attached to the objects at base, and reports whether there is a
// reason other than that the subgraph has none.
func (r *run) lost(f *projected, n *node, src *source, base int) bool {
	for _, h := range src.hosts {
		ref := r.refs[base+h.source]
		if ref < 0 {
			continue
		}
		v := r.answers[h.fetch].slots[int(ref)+h.slot]
		what := ""
		switch {
		case v.kind == absent || v.kind == null:
			return false
		case v == unasked:
			what = "was not asked for " + f.coordinate() + ": a value that it needs for this is missing."
		case v.kind == wrong && v.n == noType:
			what = "answered with an object of another type for " + f.parent + "."
		case v.kind == wrong:
			what = "answered with " + described(r.answers[src.fetch].body[v.off:]) + " in place of " + f.parent + "."
		default:
			what = "answered with a list in place of " + f.parent + "."
		}
		if !r.toldOfObject(src.fetch) {
			r.faultOf(f, src.fetch, what, true)
		}
		return true
	}
	return false
}

// unasked is what stands in the place of an entity that a fetch could not ask for: it lacks what it needs to.
var unasked = slot{kind: wrong} //nolint:gochecknoglobals // a constant

// excused reports whether an error says already that a fetch gave no answer.
func (r *run) excused(fetch int) bool {
	if !r.answers[fetch].failed {
		return r.sees != nil && !r.sees[fetch]
	}
	return r.delivery == nil || r.sees == nil || !r.sees[fetch] || len(r.delivery.told) > 0
}

// reported returns the errors among which those of what is being written are.
func (r *run) reported() *[]responseError {
	if r.delivery != nil {
		return &r.delivery.told
	}
	return &r.errors
}

// told reports whether an error stands at the place that is being written; unless exact is set, above or below it will do.
func (r *run) told(exact bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range *r.reported() {
		n := min(len(e.path), len(r.path))
		if exact && (n < len(r.path) || n < len(e.path)) {
			continue
		}
		if slices.Equal(e.path[:n], r.path[:n]) {
			return true
		}
	}
	return false
}

// toldOfObject reports whether an error says already that a fetch has nothing for the object of which a field is being
// written.
func (r *run) toldOfObject(fetch int) bool {
	at := r.path[:len(r.path)-1]
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(*r.reported(), func(e responseError) bool {
		return e.object && e.fetch == fetch && len(e.path) == len(r.path) && slices.Equal(e.path[:len(at)], at)
	})
}

// fault notes an error of a service at the place that is being written, unless there is one.
func (r *run) fault(f *projected, fetch int, what string) { r.faultOf(f, fetch, what, false) }

// faultOf does so; object says that it is of all that the fetch answers of the object, and not of the field alone.
func (r *run) faultOf(f *projected, fetch int, what string, object bool) {
	r.troubles++
	if r.told(true) {
		return
	}
	subgraph := r.program.fetches[fetch].subgraph
	n := r.faults[f]
	if r.faults == nil {
		r.faults = map[*projected]int{}
	}
	r.faults[f] = n + 1
	if n == 0 && r.to == nil {
		r.executor.options.Log.WarnContext(r.ctx, "a subgraph's value was left out", "subgraph", subgraph, "field", f.coordinate(),
			"reason", what, "request_id", r.request.Trail.RequestID)
	}
	if n >= maxFaults {
		r.over++
		return
	}
	r.report(responseError{
		message: "Service " + subgraph + " " + what, path: slices.Clone(r.path),
		extensions: extensionsOf(CodeInvalidResponse, subgraph), fetch: fetch, object: object,
	})
}

// report adds an error of what is being written, unless there are too many.
func (r *run) report(e responseError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	errs := r.reported()
	if len(*errs) >= maxErrors {
		r.over++
		return
	}
	*errs = append(*errs, e)
}

// leftOut returns the error that says how many errors are left out; ok is false where none is.
func (r *run) leftOut() (e responseError, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.over + r.dropped
	if n == 0 {
		return responseError{}, false
	}
	r.over = 0
	if r.delivery != nil {
		r.dropped = 0 // said once
	}
	return responseError{
		message:    fmt.Sprintf("%d more errors are left out.", n),
		extensions: fmt.Appendf(nil, `{"code":%q,"count":%d}`, CodeErrorsLeftOut, n),
	}, true
}

// coordinate returns the field's place in the schema.
func (p *projected) coordinate() string { return p.parent + "." + p.field }

// expected returns a type as messages have it.
func expected(t *ast.Type) string {
	nullable := *t
	nullable.NonNull = false
	return nullable.String()
}

// described returns what kind of value a JSON text begins with, and nothing of the value: it may be anybody's.
func described(raw []byte) string {
	switch tokenOf[raw[0]] {
	case textToken:
		return "a string"
	case numberToken:
		return "a number"
	case booleanToken:
		return "a Boolean"
	case listToken:
		return "a list"
	case objectToken:
		return "an object"
	}
	return "null"
}

// unfitting logs that a subgraph's answer has values that do not fit their types.
func (r *run) unfitting(f *fetch, s *scanner) {
	if s.faults == 0 {
		return
	}
	field := ""
	if s.fault != nil {
		field = s.fault.parent + "." + s.fault.name
	}
	r.executor.options.Log.WarnContext(r.ctx, "a subgraph's answer does not fit the schema", "subgraph", f.subgraph, "field", field,
		"values", s.faults, "request_id", r.request.Trail.RequestID)
}
