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
	// Status is the HTTP status of an answer that was none of GraphQL, 0 for another failure.
	Status int
	// RetryAfter is in how many seconds the subgraph said with such a status that it may be asked again. It counts above zero.
	RetryAfter int
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
	object     bool // it is of all that the fetch answers of the object above
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
	if len(r.errors) >= maxErrors {
		r.dropped++
		return
	}
	e.path, e.unsure = r.visible(e.path)
	r.errors = append(r.errors, e)
}

// drop counts errors that are not added, since there are too many.
func (r *run) drop(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped += n
}

func extensionsOf(code, service string) json.RawMessage {
	b := jsontext.AppendString([]byte(`{"code":`), code)
	if service != "" {
		b = jsontext.AppendString(append(b, `,"service":`...), service)
	}
	return append(b, '}')
}

// extensions returns those of an error about a failure. The status stands where clients of other gateways look for it.
func (f *Failure) extensions(service string) json.RawMessage {
	b := extensionsOf(f.Code, service)
	if f.Status == 0 {
		return b
	}
	b = strconv.AppendInt(append(b[:len(b)-1], `,"http":{"status":`...), int64(f.Status), 10)
	if f.RetryAfter > 0 {
		b = strconv.AppendInt(append(b, `,"retryAfter":`...), int64(f.RetryAfter), 10)
	}
	return append(b, "}}"...)
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
		places = [][]pathElement{r.above(f)}
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
			extensions: failure.extensions(f.subgraph),
			fetch:      f.id, failure: true, guessed: len(at) > len(path),
		})
	}
}

// deny notes that the field being written may not be seen by this request.
func (r *run) deny() {
	r.troubles++
	r.report(responseError{
		message: "Unauthorized field or type: sign in as somebody who may see it, or leave it out.",
		path:    slices.Clone(r.path), extensions: extensionsOf(CodeUnauthorised, ""),
	})
}

// violated notes a null where the API promises none, unless an error already says why: of a fetch that should have
// answered it, or at a place below or above.
func (r *run) violated(f *projected, n *node) {
	r.troubles++
	errs := r.reported()
	for _, a := range f.access {
		id := a.fetch
		if (r.sees == nil || r.sees[id]) && r.answers[id].failed && (r.delivery == nil || len(*errs) > 0) {
			return
		}
	}
	if r.told(false) || len(*errs) > 0 && slices.ContainsFunc(f.access, func(a access) bool { return r.toldOfObject(a.fetch) }) {
		return
	}
	r.report(responseError{
		message:    "Cannot return null for non-nullable field " + f.parent + "." + f.field + ".",
		path:       slices.Clone(r.path),
		extensions: extensionsOf(CodeNullViolation, ""),
	})
}
