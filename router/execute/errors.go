package execute

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/lethe/lethe/router/jsontext"
)

// Codes of failures, as extensions.code has them.
const (
	CodeUnavailable     = "SUBGRAPH_UNAVAILABLE"
	CodeTimeout         = "SUBGRAPH_TIMEOUT"
	CodeInvalidResponse = "SUBGRAPH_INVALID_RESPONSE"
	CodeSubgraphError   = "SUBGRAPH_ERROR"
	CodeNullViolation   = "NULL_IN_NON_NULL_FIELD"
	CodeInternal        = "INTERNAL"
	CodeUnauthorised    = "UNAUTHORIZED_FIELD_OR_TYPE"
)

// maxErrors bounds the errors of a response: those beyond it are left out.
const maxErrors = 1000

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
	fetch      int  // that it is of
	unsure     bool // the path may lead to a field that the object there does not have, by its type
	failure    bool // it tells that the fetch gave no answer
	guessed    bool // the path's last element is a field that the fetch should have answered, or another source has
	// Where the response is sent in parts: whether the initial answer had it, or which parts.
	initial bool
	parts   []*deferredPart
}

func (e *responseError) append(dst []byte) []byte {
	dst = jsontext.AppendString(append(dst, `{"message":`...), e.message)
	if len(e.path) > 0 {
		dst = appendPath(append(dst, `,"path":`...), e.path)
	}
	if len(e.extensions) > 0 {
		dst = append(append(dst, `,"extensions":`...), e.extensions...)
	}
	return append(dst, '}')
}

func appendPath(dst []byte, path []pathElement) []byte {
	dst = append(dst, '[')
	for i, e := range path {
		if i > 0 {
			dst = append(dst, ',')
		}
		if e.list {
			dst = strconv.AppendInt(dst, int64(e.index), 10)
		} else {
			dst = jsontext.AppendString(dst, e.name)
		}
	}
	return append(dst, ']')
}

func (r *run) addError(e responseError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.errors) < maxErrors {
		e.path, e.unsure = r.visible(e.path)
		r.errors = append(r.errors, e)
	}
}

func extensionsOf(code, service string) json.RawMessage {
	b := jsontext.AppendString([]byte(`{"code":`), code)
	if service != "" {
		b = jsontext.AppendString(append(b, `,"service":`...), service)
	}
	return append(b, '}')
}

// maxPlaces bounds at how many places it is said that a fetch of deferred parts gave no answer.
const maxPlaces = 100

// failed notes that a fetch gave no answer: one error, at the first place in the response that lacks it. What is deferred
// is sent object by object, so there it is said at each.
func (r *run) failed(f *fetch, s *scratch, err error) {
	if context.Cause(r.ctx) == errNotWanted { //nolint:errorlint // it is never wrapped
		return
	}
	failure := &Failure{Code: CodeUnavailable, Message: "does not answer: its part of the response is missing", Cause: err}
	errors.As(err, &failure)
	r.executor.options.Log.WarnContext(r.ctx, "a subgraph gave no answer", "subgraph", f.subgraph, "code", failure.Code,
		"reason", failure.Message, "cause", failure.Cause, "request_id", r.request.Trail.RequestID)
	if r.unasked(f) {
		return
	}
	places := slices.Concat(r.places(f, s)...)
	switch {
	case len(places) == 0:
		places = [][]pathElement{nil}
	case r.delivery == nil || r.program.initial[f.id]:
		places = places[:1]
	default:
		places = places[:min(len(places), maxPlaces)]
	}
	for _, path := range places {
		at := r.locate(f, path)
		r.addError(responseError{
			message:    "Service " + f.subgraph + " " + failure.Message + ".",
			path:       at,
			extensions: extensionsOf(failure.Code, f.subgraph),
			fetch:      f.id, failure: true, guessed: len(at) > len(path),
		})
	}
}

// subgraphError is one of a subgraph's errors.
type subgraphError struct {
	Message    string            `json:"message"`
	Path       []json.RawMessage `json:"path"`
	Extensions json.RawMessage   `json:"extensions"`
}

func readErrors(raw []byte) ([]subgraphError, error) {
	var list []subgraphError
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, &Failure{Code: CodeInvalidResponse, Message: "answered with errors that cannot be read", Cause: err}
	}
	return list, nil
}

// subgraphErrors carries a subgraph's errors into the response: message and extensions as they are, the path led to where
// the value stands in the response. An error in an entity stands at every place that the entity is attached to. Part says
// which of a fetch's lists of entities the errors are of.
func (r *run) subgraphErrors(f *fetch, s *scratch, list []subgraphError, part int32) {
	places := r.places(f, s)
	for _, e := range list {
		out := r.executor.options.admit(e, f.subgraph)
		out.fetch = f.id
		path := readPath(e.Path)
		if !f.entity && !f.nested {
			out.path = r.rename(f, path)
			if len(path) == 0 {
				if r.unasked(f) {
					continue
				}
				out.path = r.locate(f, nil)
				out.guessed = len(out.path) > 0
			} else if cut, _ := r.visible(out.path); len(cut) == 0 {
				continue // of a field that @skip and @include leave out in a way that no subgraph could be told
			}
			r.addError(out)
			continue
		}
		rep, rest := -1, path
		if f.entity {
			rest = nil
			if len(path) >= 2 && path[1].list {
				rep, rest = path[1].index, r.rename(f, path[2:])
			}
		} else {
			rest = r.rename(f, path)
		}
		// What tells of no field, and of no entity, is told once.
		once := rep < 0 && len(rest) == 0
		for i, in := range s.instances {
			if in.part != part || rep >= 0 && int(in.rep) != rep || i >= len(places) {
				continue
			}
			for _, place := range places[i] {
				out.path = append(slices.Clone(place), rest...)
				if len(rest) == 0 {
					out.path = r.locate(f, place)
					out.guessed = len(out.path) > len(place)
				}
				r.addError(out)
				if once {
					break
				}
			}
			if once {
				break
			}
		}
	}
}

// deny notes that the field being written may not be seen by this request.
func (r *run) deny() {
	r.troubles++
	r.tell(responseError{
		message: "Unauthorized field or type: sign in as somebody who may see it, or leave it out.",
		path:    slices.Clone(r.path), extensions: extensionsOf(CodeUnauthorised, ""),
	})
}

// violated notes a null where the API promises none, unless an error already says why: of a fetch that should have
// answered it, or at a place below or above.
func (r *run) violated(f *projected, n *node) {
	r.troubles++
	errs := &r.errors
	if r.delivery != nil {
		errs = &r.delivery.told
	}
	for _, a := range f.access {
		id := a.fetch
		if (r.sees == nil || r.sees[id]) && r.answers[id].failed && (r.delivery == nil || len(*errs) > 0) {
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(*errs) >= maxErrors {
		return
	}
	for i := range *errs {
		p := (*errs)[i].path
		n := min(len(p), len(r.path))
		if slices.Equal(p[:n], r.path[:n]) {
			return
		}
	}
	*errs = append(*errs, responseError{
		message:    "Cannot return null for non-nullable field " + f.parent + "." + f.field + ".",
		path:       slices.Clone(r.path),
		extensions: extensionsOf(CodeNullViolation, ""),
	})
}
