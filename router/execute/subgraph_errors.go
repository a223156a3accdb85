package execute

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/lethe/lethe/router/jsontext"
)

// subgraphError is one of the errors in a subgraph's answer (GraphQL specification, section 7.1.2).
type subgraphError struct {
	message    string
	path       []pathElement // as far as it is well-formed
	extensions json.RawMessage
	unreadable bool // it is no object
}

// readErrors reads the errors of an answer, which are well-formed JSON. What is no list is taken for one error, and what is no
// object for an error of which nothing can be read: that there was one is never lost. Of more than a response may have, only
// the number is returned.
func readErrors(raw []byte) (list []subgraphError, over int) {
	s := jsontext.Scanner{Data: raw}
	if s.Enter('[') != nil {
		return []subgraphError{readError(raw)}, 0
	}
	for first := true; ; first = false {
		if more, err := s.More(']', first); err != nil || !more {
			return list, over
		}
		one, err := s.Value()
		switch {
		case err != nil:
			return list, over
		case len(list) == maxErrors:
			over++
		default:
			list = append(list, readError(one))
		}
	}
}

func readError(raw []byte) subgraphError {
	if raw[0] != '{' {
		return subgraphError{unreadable: true}
	}
	var e subgraphError
	each(raw, func(key, value []byte) {
		switch string(unescaped(key)) {
		case "message":
			if value[0] == '"' {
				e.message = string(jsontext.AppendText(nil, value[1:len(value)-1]))
			}
		case "path":
			e.path = readPath(value)
		case "extensions":
			e.extensions = value
		}
	})
	return e
}

// readPath reads a path up to what cannot be an element of one: that is neither a string nor a whole number, or is negative.
func readPath(raw []byte) []pathElement {
	s := jsontext.Scanner{Data: raw}
	if s.Enter('[') != nil {
		return nil
	}
	var out []pathElement
	for first := true; ; first = false {
		if more, err := s.More(']', first); err != nil || !more {
			return out
		}
		one, err := s.Value()
		if err != nil {
			return out
		}
		if one[0] == '"' {
			out = append(out, pathElement{name: string(jsontext.AppendText(nil, one[1:len(one)-1]))})
			continue
		}
		n, err := strconv.Atoi(string(one))
		if err != nil || n < 0 {
			return out
		}
		out = append(out, pathElement{index: n, list: true})
	}
}

// reach returns how many elements of a path lead somewhere in the value v of an answer, an object of the shape sh: to a field
// that was asked for, and to an element that there is. Below what is null or was left out everything does that was asked for,
// since an error there is why.
func (a *answer) reach(sh *shape, v slot, path []pathElement) int {
	for i := 0; i < len(path); {
		if path[i].list {
			return i
		}
		at := sh.find([]byte(path[i].name), 0)
		if at < 0 {
			return i
		}
		f := &sh.fields[at]
		below := slot{}
		if v.kind == object {
			if below = a.slots[int(v.off)+f.slot]; below.kind == absent && !f.always {
				return i // objects of this type do not have it, perhaps
			}
		}
		i++
		var levels int
		below, levels = a.element(f, below, path[i:])
		if i += levels; f.child == nil || i < len(path) && f.depth > levels {
			return i
		}
		sh, v = f.child, below
	}
	return len(path)
}

// element follows the indexes that a path begins with through the value of a field, and returns where they lead and how many
// of them do.
func (a *answer) element(f *shapeField, v slot, path []pathElement) (slot, int) {
	depth := f.depth
	if f.child == nil {
		depth = f.leaf.depth
	}
	for n := range path {
		if !path[n].list || depth >= 0 && n >= depth {
			return v, n
		}
		switch v.kind {
		case list:
			if uint32(path[n].index) >= v.n {
				return v, n
			}
			v = a.slots[int(v.off)+path[n].index]
		case leaf, faulty:
			return v, n + reach(a.body[v.off:v.off+v.n], path[n:min(len(path), depth)])
		case absent, null:
		default:
			return v, n
		}
	}
	return v, len(path)
}

// subgraphErrors carries a subgraph's errors into the response: message and extensions as they are, the path led to where
// the value stands in the response. An error in an entity stands at every place that the entity is attached to. One whose
// path leads nowhere stands at the nearest place above that there is, or at the first field that the fetch was to answer: none
// is lost. Part says which of a fetch's lists of entities the errors are of.
func (r *run) subgraphErrors(f *fetch, s *scratch, list []subgraphError, part int32) {
	places := r.places(f, s)
	for _, e := range list {
		out := r.executor.options.admit(e, f.subgraph)
		out.fetch = f.id
		if !f.entity && !f.nested {
			r.rootError(f, out, e.path)
			continue
		}
		rep, path := r.entityOf(f, s, e.path, part)
		if !r.everywhere(f, s, places, out, part, rep, path) {
			r.once(f, places, out)
		}
	}
}

// rootError adds an error of a fetch at the root of the response.
func (r *run) rootError(f *fetch, out responseError, path []pathElement) {
	if r.unasked(f) {
		return
	}
	ans := &r.answers[f.id]
	out.path = r.rename(f, path[:ans.reach(f.shape, ans.root, path)])
	if len(out.path) > 0 {
		if r.excluded(out.path) {
			return // no subgraph could be told that it is left out
		}
		out.path, _ = r.visible(out.path)
	}
	if len(out.path) == 0 {
		out.path = r.locate(f, nil)
		out.guessed = len(out.path) > 0
	}
	r.addError(out)
}

// entityOf returns which representation an error's path leads to, -1 where it leads to none, and the rest of the path, as far
// as it leads anywhere, below the entity.
func (r *run) entityOf(f *fetch, s *scratch, path []pathElement, part int32) (rep int, rest []pathElement) {
	ans := &r.answers[f.id]
	if !f.entity {
		return -1, r.rename(f, path[:ans.reach(f.shape, ans.root, path)])
	}
	reps := &s.reps
	if len(f.contexts) > 0 {
		reps = &s.groups[part].reps
	}
	if len(path) < 2 || !path[1].list || path[1].index >= len(reps.ends) || path[0].name != "_entities" && !isPart(path[0].name) {
		return -1, nil
	}
	entity := slot{}
	if all := ans.entities(part); path[1].index < len(all) {
		entity = all[path[1].index]
	}
	return path[1].index, r.rename(f, path[2:2+ans.reach(f.entities, entity, path[2:])])
}

// everywhere adds an error at each place of what it is of: of an entity, or of the objects of a fetch below the root. It
// reports whether there is such a place.
func (r *run) everywhere(f *fetch, s *scratch, places [][][]pathElement, out responseError, part int32, rep int, rest []pathElement) bool {
	if rep < 0 && len(rest) == 0 {
		return false
	}
	found := false
	for i, in := range s.instances {
		if in.part != part || rep >= 0 && int(in.rep) != rep || i >= len(places) {
			continue
		}
		for _, place := range places[i] {
			found = true
			out.path, out.guessed = append(slices.Clone(place), rest...), false
			if len(rest) == 0 {
				out.path = r.locate(f, place)
				out.guessed = len(out.path) > len(place)
			}
			r.addError(out)
		}
	}
	return found
}

// once adds an error at the first place of what a fetch was to answer.
func (r *run) once(f *fetch, places [][][]pathElement, out responseError) {
	for _, of := range places {
		for _, place := range of {
			out.path = r.locate(f, place)
			out.guessed = len(out.path) > len(place)
			r.addError(out)
			return
		}
	}
	out.path, out.guessed = r.above(f), false
	r.addError(out)
}

// above returns the path of the field of the response below which all objects of a fetch stand: where none of them is in the
// response after all, since something above them is null, what went wrong has its place there.
func (r *run) above(f *fetch) []pathElement {
	way := r.program.plan.Fetches[f.id].Path
	if len(way) == 0 {
		return nil
	}
	return []pathElement{{name: way[0].Key}}
}
