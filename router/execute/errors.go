package execute

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
)

// Codes of failures, as extensions.code has them.
const (
	CodeUnavailable     = "SUBGRAPH_UNAVAILABLE"
	CodeTimeout         = "SUBGRAPH_TIMEOUT"
	CodeInvalidResponse = "SUBGRAPH_INVALID_RESPONSE"
	CodeNullViolation   = "NULL_IN_NON_NULL_FIELD"
)

// Failure is why a subgraph gave no answer, in words that a client may read: no address, no driver's text.
type Failure struct {
	Code    string
	Message string // completes "Service NAME "
	Cause   error  // for the log
}

// Error implements error.
func (f *Failure) Error() string {
	if f.Cause != nil {
		return f.Message + ": " + f.Cause.Error()
	}
	return f.Message
}

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// responseError is one of the response's errors.
type responseError struct {
	message    string
	path       []pathElement
	extensions json.RawMessage
}

func (e *responseError) append(dst []byte) []byte {
	dst = append(append(dst, `{"message":`...), quote(e.message)...)
	if len(e.path) > 0 {
		dst = appendPath(append(dst, `,"path":`...), e.path)
	}
	if len(e.extensions) > 0 {
		dst = append(append(dst, `,"extensions":`...), e.extensions...)
	}
	return append(dst, '}')
}

func (r *run) addError(e responseError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, e)
}

type extensions struct {
	Code    string `json:"code"`
	Service string `json:"service,omitempty"`
}

func extensionsOf(code, service string) json.RawMessage {
	b, err := json.Marshal(extensions{code, service})
	if err != nil {
		return nil
	}
	return b
}

// failed notes that a fetch gave no answer: one error, at the first place in the response that lacks it.
func (r *run) failed(f *fetch, s *scratch, err error) {
	failure := &Failure{Code: CodeUnavailable, Message: "does not answer: its part of the response is missing"}
	errors.As(err, &failure)
	e := responseError{
		message:    "Service " + f.subgraph + " " + failure.Message + ".",
		extensions: extensionsOf(failure.Code, f.subgraph),
	}
	if paths := r.instancePaths(f, s); len(paths) > 0 {
		e.path = paths[0]
	}
	if len(f.keys) > 0 {
		e.path = append(slices.Clone(e.path), pathElement{name: f.keys[0]})
	}
	r.addError(e)
}

// subgraphErrors carries a subgraph's errors into the response: message and extensions as they are, the path led to where
// the value stands in the response. An error in an entity stands at every place that the entity is attached to.
func (r *run) subgraphErrors(f *fetch, s *scratch, raw []byte) {
	var list []struct {
		Message    string            `json:"message"`
		Path       []json.RawMessage `json:"path"`
		Extensions json.RawMessage   `json:"extensions"`
	}
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		r.failed(f, s, &Failure{Code: CodeInvalidResponse, Message: "answered with errors that cannot be read"})
		return
	}
	places := r.instancePaths(f, s)
	for _, e := range list {
		ext := e.Extensions
		if len(ext) == 0 || string(ext) == "null" {
			ext = extensionsOf("SUBGRAPH_ERROR", f.subgraph)
		}
		path := readPath(e.Path)
		if !f.entity && !f.nested {
			r.addError(responseError{e.Message, r.rename(f, path), ext})
			continue
		}
		rest, rep := path, -1
		if f.entity && len(path) >= 2 && path[1].list {
			rep, rest = path[1].index, path[2:]
		} else if f.entity {
			rest = nil
		}
		added := false
		for i, in := range s.instances {
			if i < len(places) && (rep < 0 || int(in.rep) == rep) {
				r.addError(responseError{e.Message, append(slices.Clone(places[i]), r.rename(f, rest)...), ext})
				if added = true; rep < 0 {
					break
				}
			}
		}
		if !added {
			r.addError(responseError{message: e.Message, extensions: ext})
		}
	}
}

// rename turns the keys of a subgraph's path into the response's, where the planner had to rename.
func (r *run) rename(f *fetch, path []pathElement) []pathElement {
	out := slices.Clone(path)
	set := r.program.plan.Fetches[f.id].Selections
	for i := range out {
		if out[i].list {
			continue
		}
		for _, field := range flatFields(set, nil) {
			if field.Alias == out[i].name {
				if field.Key != "" {
					out[i].name = field.Key
				}
				set = field.Selections
				break
			}
		}
	}
	return out
}

func readPath(raw []json.RawMessage) []pathElement {
	var out []pathElement
	for _, e := range raw {
		var name string
		if json.Unmarshal(e, &name) == nil {
			out = append(out, pathElement{name: name})
			continue
		}
		if n, err := strconv.Atoi(string(e)); err == nil {
			out = append(out, pathElement{index: n, list: true})
		}
	}
	return out
}

// violated notes a null where the API promises none, unless an error already stands there, below or above.
func (r *run) violated(f *projected) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.errors {
		p := r.errors[i].path
		n := min(len(p), len(r.path))
		if slices.Equal(p[:n], r.path[:n]) {
			return
		}
	}
	r.errors = append(r.errors, responseError{
		message:    "Cannot return null for non-nullable field " + f.parent + "." + f.field + ".",
		path:       slices.Clone(r.path),
		extensions: extensionsOf(CodeNullViolation, ""),
	})
}

// instancePaths gives, for each of a fetch's instances, the path of its object in the response. It walks again, since
// only errors need it.
func (r *run) instancePaths(f *fetch, s *scratch) [][]pathElement {
	if !f.entity && !f.nested {
		return nil
	}
	byPlace := map[instance][]pathElement{}
	w := &run{program: r.program, answers: r.answers, mask: r.mask}
	base := w.rootRefs()
	w.trace(f, w.program.root, base, f.path, byPlace)
	out := make([][]pathElement, 0, len(s.instances))
	for _, in := range s.instances {
		out = append(out, byPlace[instance{fetch: in.fetch, slot: in.slot}])
	}
	return out
}

func (r *run) trace(f *fetch, n *node, base int, path []step, into map[instance][]pathElement) {
	if len(path) == 0 {
		if ref := r.refs[base+f.attach.source]; ref >= 0 {
			key := instance{fetch: int32(n.sources[f.attach.source].fetch), slot: ref + int32(f.attach.slot)}
			if _, ok := into[key]; !ok {
				into[key] = slices.Clone(r.path)
			}
		}
		return
	}
	child := path[0].node
	vals := r.childVals(n, child, base)
	r.path = append(r.path, pathElement{name: child.key})
	r.traceVals(f, child, vals, len(r.vals)-vals, path, into)
	r.path = r.path[:len(r.path)-1]
	r.vals = r.vals[:vals]
}

func (r *run) traceVals(f *fetch, child *node, vals, count int, path []step, into map[instance][]pathElement) {
	length := r.listLength(child, vals, count)
	if length < 0 {
		base, ok := r.objects(child, vals)
		if ok && r.isOneOf(child, base, path[0].types) {
			r.trace(f, child, base, path[1:], into)
		}
		r.refs = r.refs[:base]
		return
	}
	for i := range length {
		from := len(r.vals)
		r.elements(child, vals, count, i)
		r.path = append(r.path, pathElement{index: i, list: true})
		r.traceVals(f, child, from, count, path, into)
		r.path = r.path[:len(r.path)-1]
		r.vals = r.vals[:from]
	}
}
