package execute

import (
	"math"
	"slices"

	"github.com/lethe/lethe/router/jsontext"
	"github.com/lethe/lethe/router/plan"
)

// rename turns the keys of a subgraph's path into the response's, where the planner had to rename.
func (r *run) rename(f *fetch, path []pathElement) []pathElement {
	out := slices.Clone(path)
	sets := []plan.SelectionSet{r.program.plan.Fetches[f.id].Selections}
	for i := range out {
		if out[i].list {
			continue
		}
		var below []plan.SelectionSet
		alias := out[i].name
		for _, set := range sets {
			for _, field := range flatFields(set, nil) {
				if field.Alias == alias {
					out[i].name = logical(field)
					below = append(below, field.Selections)
				}
			}
		}
		sets = below
	}
	return out
}

// excluded reports whether a path leads to what the client asked for, and @skip and @include leave out in this request.
func (r *run) excluded(path []pathElement) bool {
	if cut, _ := r.visible(path[:1]); len(cut) > 0 {
		return false
	}
	mask := r.mask
	defer func() { r.mask = mask }()
	r.mask = math.MaxUint64
	cut, _ := r.visible(path[:1])
	return len(cut) > 0
}

// unasked reports whether a request at the root answers nothing that the client gets: @skip and @include leave all of it
// out, in a way that the plan could not tell. Then nobody misses its answer.
func (r *run) unasked(f *fetch) bool {
	return !f.entity && !f.nested && len(f.keys) > 0 && len(r.locate(f, nil)) == 0
}

// locate gives the path of the first field that a fetch answers, and that the client gets, of the object at path.
func (r *run) locate(f *fetch, path []pathElement) []pathElement {
	for _, key := range f.keys {
		at := append(slices.Clone(path), pathElement{name: key})
		if cut, _ := r.visible(at); len(cut) == len(at) {
			return at
		}
	}
	return slices.Clone(path)
}

// visible cuts a path where it leaves what the client asked for: what only a requirement or a key needed has no place in
// the response, and its error stands at the object above. It reports whether a fragment decides that the path is there.
func (r *run) visible(path []pathElement) (cut []pathElement, unsure bool) {
	if len(r.program.deferred) > 0 {
		// What is deferred stands elsewhere: here only the hidden names are cut.
		for i, e := range path {
			if !e.list && e.name[0] == 0 {
				return path[:i], false
			}
		}
		return path, false
	}
	sets := []plan.SelectionSet{r.program.plan.Operation.Selections}
	for i, e := range path {
		if e.list {
			continue
		}
		var next []plan.SelectionSet
		found := false
		typed := true
		var look func(set plan.SelectionSet, on bool)
		look = func(set plan.SelectionSet, on bool) {
			for _, s := range set {
				switch {
				case s.Fragment != nil:
					if s.Fragment.Guard.Holds(r.mask) {
						look(s.Fragment.Selections, on || s.Fragment.TypeCondition != "")
					}
				case s.Field.Key == e.name && s.Field.Guard.Holds(r.mask):
					found, typed = true, typed && on
					next = append(next, s.Field.Selections)
				}
			}
		}
		for _, set := range sets {
			look(set, false)
		}
		if !found {
			return path[:i], unsure
		}
		sets, unsure = next, unsure || typed
	}
	return path, unsure
}

// maxCut bounds how many bytes of a response are read to see whether errors' paths are there.
const maxCut = 16 << 20

// cutPaths cuts the errors' paths where they leave the data of a response.
func (r *run) cutPaths(data []byte) {
	budget := maxCut
	for i := range r.errors {
		if e := &r.errors[i]; e.unsure && len(data) <= budget {
			budget -= len(data)
			e.path = e.path[:reach(data, e.path)]
		}
	}
}

// reach gives how many elements of a path lead somewhere in a JSON value; below null all do.
func reach(data []byte, path []pathElement) int {
	s := jsontext.Scanner{Data: data}
	for i, e := range path {
		found := false
		switch {
		case s.Next() == 'n':
			return len(path)
		case e.list && s.Enter('[') == nil:
			for at := 0; !found; at++ {
				if more, err := s.More(']', at == 0); err != nil || !more {
					return i
				}
				if found = at == e.index; !found && s.Skip() != nil {
					return i
				}
			}
		case !e.list && s.Enter('{') == nil:
			for first := true; !found; first = false {
				if more, err := s.More('}', first); err != nil || !more {
					return i
				}
				from, to, err := s.Key()
				if err != nil {
					return i
				}
				if found = string(data[from:to]) == e.name; !found && s.Skip() != nil {
					return i
				}
			}
		default:
			return i
		}
	}
	return len(path)
}
