package execute

import (
	"bytes"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/jsontext"
)

// respond writes the response: the data as the client asked for it, then the errors.
func (r *run) respond(dst []byte) []byte {
	r.settleGuesses()
	dst = append(dst, `{"data":`...)
	r.copying.begin()
	r.completing.begin()
	base := r.rootRefs()
	from := r.written(dst)
	dst, ok := r.object(dst, r.program.projection, base)
	if !ok {
		dst = append(r.back(dst, from), "null"...)
	}
	if e, ok := r.leftOut(); ok {
		r.errors = append(r.errors, e)
	}
	if len(r.errors) > 0 {
		if r.gone == 0 {
			r.cutPaths(dst[from:])
		} else if slices.ContainsFunc(r.errors, func(e responseError) bool { return e.unsure }) {
			r.whole = true // the data is needed to tell where their paths lead
		}
		dst = append(dst, `,"errors":[`...)
		for i := range r.errors {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = r.errors[i].append(dst)
		}
		dst = append(dst, ']')
	}
	return r.extensions(dst)
}

// extensions writes the response's extensions, if there are any, and the bracket that ends it.
func (r *run) extensions(dst []byte) []byte {
	id := ""
	if len(r.errors) > 0 {
		id = r.request.Trail.RequestID
	}
	if id == "" && len(r.request.Extensions) == 0 {
		return append(dst, '}')
	}
	dst = append(dst, `,"extensions":{`...)
	if id != "" {
		dst = jsontext.AppendString(append(dst, `"requestId":`...), id)
		if len(r.request.Extensions) > 0 {
			dst = append(dst, ',')
		}
	}
	return append(append(dst, r.request.Extensions...), "}}"...)
}

// object writes an object. It reports false where the object must be null because a field that may not be null is.
func (r *run) object(dst []byte, p *objectProjection, base int) ([]byte, bool) {
	fields := p.static
	if p.byType != nil {
		var known bool
		fields, known = r.fieldsOf(p, base)
		if !known {
			r.untyped(p)
			return dst, false
		}
	}
	dst = append(dst, '{')
	first := true
	for i := range fields {
		f := &fields[i]
		if f.conditional && !f.included(r.mask) {
			continue
		}
		if f.deferred != nil {
			r.begins(f.deferred)
			continue
		}
		if first {
			dst = append(dst, f.key...)
			first = false
		} else {
			dst = append(dst, f.next...)
		}
		if f.plain {
			if v, body := r.read(base, f.access); v.kind == leaf {
				dst = append(dst, body[v.off:v.off+v.n]...)
				continue
			} else if v.kind == null && !f.typ.NonNull {
				dst = append(dst, "null"...)
				continue
			}
		}
		if f.typename {
			dst = append(dst, f.constant...)
			continue
		}
		r.path = append(r.path, pathElement{name: f.name})
		var isNull bool
		dst, isNull = r.field(dst, f, p.node, base)
		bad := isNull && f.typ != nil && f.typ.NonNull
		if bad && !f.denied {
			r.violated(f, p.node)
		}
		r.path = r.path[:len(r.path)-1]
		if bad {
			return dst, false
		}
		if len(dst) > r.limit {
			if dst = r.spill(dst); r.err != nil {
				return dst, true
			}
		}
	}
	return append(dst, '}'), true
}

// fieldsOf gives the fields of an object of an abstract type; known is false where its type is none that the API shows.
func (r *run) fieldsOf(p *objectProjection, base int) (fields []projected, known bool) {
	t := r.runtimeType(p.node, base)
	switch {
	case t != nil && (p.declared == "" || string(t) != p.declared):
		fields, known = p.byType[string(t)]
	case p.declared != "":
		fields, known = p.general, true
	default:
		if fields, known = p.byType[r.staticType(p.node, base)]; !known && !p.veiled {
			fields, known = p.alike(r.mask) // nothing was asked that the type decides
		}
	}
	return fields, known
}

// alike gives the fields of an object of whatever type, where a request leaves out all in which the types differ.
func (p *objectProjection) alike(mask uint64) ([]projected, bool) {
	var out []projected
	first := true
	for _, fields := range p.byType {
		var held []projected
		for i := range fields {
			if fields[i].included(mask) {
				held = append(held, fields[i])
			}
		}
		if !first && !slices.EqualFunc(held, out, projected.equal) {
			return nil, false
		}
		out, first = held, false
	}
	return out, !first && !slices.ContainsFunc(out, func(f projected) bool { return f.typename })
}

// field writes a field's value and reports whether it is null.
func (r *run) field(dst []byte, f *projected, n *node, base int) ([]byte, bool) {
	if f.intro != nil {
		return f.intro.append(dst, r), false
	}
	if f.denied {
		r.deny()
		return append(dst, "null"...), true
	}
	if f.child != nil {
		if f.child.sole {
			a := &f.access[0]
			v := slot{}
			if ref := r.refs[base+a.source]; ref >= 0 {
				v = r.answers[a.fetch].slots[int(ref)+a.slot]
			}
			if v.kind == absent {
				r.unanswered(f, n, base)
				return append(dst, "null"...), true
			}
			return r.single(dst, f, n, f.typ, v)
		}
		vals := r.childVals(n, f.child.node, base)
		count := len(r.vals) - vals
		if count > 1 {
			r.partial(f, n, base, vals)
		}
		dst, isNull := r.composite(dst, f, n, f.typ, vals, count)
		if isNull && !slices.ContainsFunc(r.vals[vals:], func(v slot) bool { return v.kind != absent }) {
			r.unanswered(f, n, base)
		}
		r.vals = r.vals[:vals]
		return dst, isNull
	}
	v, body := r.read(base, f.access)
	if v.kind < leaf {
		if v.kind != null {
			r.unanswered(f, n, base)
		}
		return append(dst, "null"...), true
	}
	raw := body[v.off : v.off+v.n]
	if v.kind == faulty || f.values != nil || f.typ.Elem != nil && bytes.Contains(raw, nullWord) {
		return r.checkedLeaf(dst, f, n, r.giver(f, base), f.typ, raw)
	}
	return append(dst, raw...), false
}

// giver returns the fetch that answered a leaf of the objects at base.
func (r *run) giver(f *projected, base int) int {
	for _, a := range f.access {
		if v, _ := r.at(base, a); v.kind >= leaf {
			return a.fetch
		}
	}
	return 0
}

// checkedLeaf writes a leaf, or a list of leaves, in which something may not be shown: an enum value that the API hides,
// a null in a list that takes none, or in a list what does not fit its type.
func (r *run) checkedLeaf(dst []byte, f *projected, n *node, fetch int, t *ast.Type, raw []byte) ([]byte, bool) {
	if isNull(raw) {
		return append(dst, "null"...), true
	}
	if t.Elem == nil {
		if !f.leaf.fits(raw) || f.values != nil && !f.values[string(unescaped(raw[1:len(raw)-1]))] {
			r.misfit(f, fetch, t, raw)
			return append(dst, "null"...), true
		}
		return append(dst, raw...), false
	}
	s := jsontext.Scanner{Data: raw}
	from := len(dst)
	if s.Enter('[') != nil {
		r.misfit(f, fetch, t, raw)
		return append(dst, "null"...), true
	}
	dst = append(dst, '[')
	for i := 0; ; i++ {
		more, err := s.More(']', i == 0)
		if err != nil {
			return append(dst[:from], "null"...), true
		}
		if !more {
			return append(dst, ']'), false
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		element, err := s.Value()
		if err != nil {
			return append(dst[:from], "null"...), true
		}
		r.path = append(r.path, pathElement{index: i, list: true})
		var null bool
		dst, null = r.checkedLeaf(dst, f, n, fetch, t.Elem, element)
		bad := null && t.Elem.NonNull
		if bad {
			r.violated(f, n)
		}
		r.path = r.path[:len(r.path)-1]
		if bad {
			return append(dst[:from], "null"...), true
		}
	}
}

// composite writes an object or lists of objects.
func (r *run) composite(dst []byte, f *projected, n *node, t *ast.Type, vals, count int) ([]byte, bool) {
	from, begun := r.written(dst), r.begun()
	length := r.listLength(vals, count)
	if count > 1 || t.Elem != nil && length < 0 || t.Elem == nil && length >= 0 {
		r.unlike(f, t, vals, count, length)
	}
	if t.Elem == nil {
		if length >= 0 {
			return append(dst, "null"...), true
		}
		base, ok := r.objects(f.child.node, vals)
		if !ok {
			r.unlike(f, t, vals, count, length)
		} else {
			dst, ok = r.object(dst, f.child, base)
		}
		r.refs = r.refs[:base]
		if !ok {
			r.forget(begun)
			return append(r.cut(dst, from), "null"...), true
		}
		return dst, false
	}
	if length < 0 {
		return append(dst, "null"...), true
	}
	dst = append(dst, '[')
	for i := range length {
		if i > 0 {
			dst = append(dst, ',')
		}
		begin := len(r.vals)
		r.elements(f.child.node, vals, count, i)
		r.path = append(r.path, pathElement{index: i, list: true})
		var isNull bool
		dst, isNull = r.composite(dst, f, n, t.Elem, begin, count)
		bad := isNull && t.Elem.NonNull
		if bad {
			r.violated(f, n)
		}
		r.path = r.path[:len(r.path)-1]
		r.vals = r.vals[:begin]
		if bad {
			r.forget(begun)
			return append(r.cut(dst, from), "null"...), true
		}
		if len(dst) > r.limit {
			if dst = r.spill(dst); r.err != nil {
				return dst, false
			}
		}
	}
	return append(dst, ']'), false
}

// single does what composite does where the objects come from one field of one fetch, whose value is v.
func (r *run) single(dst []byte, f *projected, n *node, t *ast.Type, v slot) ([]byte, bool) {
	if t.Elem == nil {
		if v.kind != object {
			r.unfit(f, f.access[0].fetch, t, v)
			return append(dst, "null"...), true
		}
		return r.copied(dst, f.child, v)
	}
	if v.kind != list {
		r.unfit(f, f.access[0].fetch, t, v)
		return append(dst, "null"...), true
	}
	from, begun := r.written(dst), r.begun()
	dst = append(dst, '[')
	at := len(r.path)
	r.path = append(r.path, pathElement{list: true})
	for i, e := range r.answers[f.access[0].fetch].slots[v.off : v.off+v.n] {
		if i > 0 {
			dst = append(dst, ',')
		}
		r.path[at].index = i
		var isNull bool
		dst, isNull = r.single(dst, f, n, t.Elem, e)
		if isNull && t.Elem.NonNull {
			r.violated(f, n)
			r.path = r.path[:at]
			r.forget(begun)
			return append(r.cut(dst, from), "null"...), true
		}
		if len(dst) > r.limit {
			if dst = r.spill(dst); r.err != nil {
				r.path = r.path[:at]
				return dst, false
			}
		}
	}
	r.path = r.path[:at]
	return append(dst, ']'), false
}

var nullWord = []byte("null") //nolint:gochecknoglobals // a constant

func isNull(raw []byte) bool { return bytes.Equal(raw, nullWord) }
