package server

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/lethe/lethe/router/jsontext"
	"github.com/lethe/lethe/router/prepare"
)

// request is what a client sent, with the buffers that it takes. It is used again for another.
type request struct {
	body      []byte
	query     []byte
	name      []byte // operationName; empty for none
	variables []byte // JSON
	extension []byte // JSON
	persisted persistedID
	batch     []batched // the operations of a batch; the other fields are then empty
	text      []byte    // of strings with escapes
	values    prepare.Values
	shared    []byte // what tells it apart from others, where its answer may be theirs too
	out       []byte // the response
	packed    []byte // the response, compressed
	turn      exchange
}

var requests = sync.Pool{New: func() any { return &request{} }} //nolint:gochecknoglobals // a pool

// maxKept bounds the buffers that wait for another request, in bytes.
const maxKept = 4 << 20

func (q *request) release() {
	q.clear()
	if cap(q.body)+cap(q.out)+cap(q.packed)+cap(q.text) <= maxKept {
		requests.Put(q)
	}
}

// clear forgets what was sent, and keeps the buffers.
func (q *request) clear() {
	q.query, q.name, q.variables, q.extension, q.persisted = nil, nil, nil, nil, persistedID{}
	for _, b := range q.batch {
		b.release()
	}
	clear(q.batch)
	q.batch = q.batch[:0]
}

// problem is a request that is no well-formed GraphQL request, or may not be executed.
type problem struct {
	status        int
	code, message string
}

func (p *problem) Error() string { return p.message }

func badRequest(message string) *problem {
	return &problem{http.StatusBadRequest, "BAD_REQUEST", message}
}

var (
	errTooDeep  = badRequest(fmt.Sprintf("The request is nested more than %d levels deep: send less.", jsontext.MaxDepth))
	errNoObject = badRequest("The body is no GraphQL request: send a JSON object with query, and where needed operationName, variables and extensions.")
	errNoQuery  = &problem{http.StatusBadRequest, "QUERY_NEEDED", "The request has no query: send one."}
)

// noRequest says why a JSON text is no request.
func noRequest(err error) *problem {
	if errors.Is(err, jsontext.ErrDepth) {
		return errTooDeep
	}
	return errNoObject
}

// read reads a request from a POST or a GET.
func (q *request) read(w http.ResponseWriter, r *http.Request, limits Limits) *problem {
	if r.Method == http.MethodGet {
		return q.readURL(r)
	}
	if p := jsonBody(first(r.Header["Content-Type"])); p != nil {
		return p
	}
	limit := int64(limits.BodyBytes)
	if err := q.readBody(w, r, limit); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return &problem{http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE", fmt.Sprintf("The request is larger than %d bytes: send less.", limit)}
		}
		if errors.Is(err, errCoding) {
			return errCoding
		}
		return badRequest("The request could not be read: send it again.")
	}
	return q.parseBody(limits)
}

// parseBody reads the request, or the list of them, in the body.
func (q *request) parseBody(limits Limits) *problem {
	if isBatch(q.body) {
		return q.parseBatch(q.body, limits.batchSize())
	}
	return q.parse(q.body)
}

// jsonBody refuses a body that is not JSON in UTF-8.
func jsonBody(contentType string) *problem {
	if contentType == plainJSON {
		return nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != plainJSON && media != responseJSON {
		return &problem{http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Send the request as Content-Type: application/json."}
	}
	if c := params["charset"]; c != "" && !strings.EqualFold(c, "utf-8") {
		return &problem{http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Send the request in UTF-8."}
	}
	return nil
}

func (q *request) readBody(w http.ResponseWriter, r *http.Request, limit int64) error {
	if coding := first(r.Header["Content-Encoding"]); coding != "" && coding != "identity" {
		return q.readCoded(w, r, coding, limit)
	}
	if r.ContentLength > limit {
		return &http.MaxBytesError{Limit: limit}
	}
	if r.ContentLength >= 0 { // the server gives no more than was declared, and a reader that counts would be an allocation
		return q.readFrom(r.Body, limit)
	}
	return q.readFrom(http.MaxBytesReader(w, r.Body, limit), limit)
}

// readFrom reads a body to its end.
func (q *request) readFrom(body io.Reader, limit int64) error {
	q.body = q.body[:0]
	for {
		if len(q.body) == cap(q.body) {
			q.body = append(q.body, 0)[:len(q.body)]
		}
		n, err := body.Read(q.body[len(q.body):cap(q.body)])
		q.body = q.body[:len(q.body)+n]
		if int64(len(q.body)) > limit {
			return &http.MaxBytesError{Limit: limit}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// parse reads a request's JSON object. What it keeps are parts of body.
func (q *request) parse(body []byte) *problem {
	q.clear()
	q.text = q.text[:0]
	s := jsontext.Scanner{Data: body}
	if s.Enter('{') != nil {
		return errNoObject
	}
	for first := true; ; first = false {
		more, err := s.More('}', first)
		if err != nil {
			return noRequest(err)
		}
		if !more {
			break
		}
		from, to, err := s.Key()
		if err != nil {
			return noRequest(err)
		}
		key := q.unquote(body[from-1 : to+1])
		value, err := s.Value()
		if err != nil {
			return noRequest(err)
		}
		if p := q.member(string(key), value); p != nil {
			return p
		}
	}
	if s.End() != nil {
		return errNoObject
	}
	return q.complete()
}

// member takes one member of a request's object.
func (q *request) member(key string, value []byte) *problem {
	switch key {
	case "query":
		switch value[0] {
		case '"':
			q.query = q.unquote(value)
		case 'n':
			q.query = nil // clients that name a document send null
		default:
			return badRequest("`query` must be a string.")
		}
	case "operationName":
		if value[0] == '"' {
			q.name = q.unquote(value)
		} else if value[0] != 'n' {
			return badRequest("`operationName` must be a string.")
		}
	case "variables":
		q.variables = value
		return objectOrNull(key, value)
	case "extensions":
		q.extension = value
		return objectOrNull(key, value)
	case "documentId", "doc_id", "id":
		// Others than strings are none of these protocols, and not ours to refuse.
		if len(value) > 2 && value[0] == '"' {
			q.persisted.document = q.unquote(value)
		}
	}
	return nil
}

func objectOrNull(name string, value []byte) *problem {
	if len(value) > 0 && value[0] != '{' && value[0] != 'n' {
		return badRequest("`" + name + "` must be a JSON object.")
	}
	return nil
}

// unquote gives the text of a JSON string, in place where it has no escapes.
func (q *request) unquote(value []byte) []byte {
	content := value[1 : len(value)-1]
	for _, c := range content {
		if c == '\\' {
			from := len(q.text)
			// What was unquoted before stays valid where the text moves: it keeps the old memory.
			q.text = jsontext.AppendText(q.text, content)
			return q.text[from:len(q.text):len(q.text)]
		}
	}
	return content
}

// complete refuses a request that neither has nor names an operation.
func (q *request) complete() *problem {
	if p := q.readPersisted(); p != nil {
		return p
	}
	for _, c := range q.query {
		if c > ' ' {
			return nil
		}
	}
	q.query = nil
	if q.persisted.id() == nil {
		return errNoQuery
	}
	return nil
}

// readURL reads the parameters of a GET.
func (q *request) readURL(r *http.Request) *problem {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badRequest("The address is not well-formed: escape its parameters.")
	}
	q.clear()
	q.query, q.name = []byte(v.Get("query")), []byte(v.Get("operationName"))
	if id := cmp.Or(v.Get("documentId"), v.Get("doc_id"), v.Get("id")); id != "" {
		q.persisted.document = []byte(id)
	}
	q.variables, q.extension = []byte(v.Get("variables")), []byte(v.Get("extensions"))
	for name, value := range map[string][]byte{"variables": q.variables, "extensions": q.extension} {
		s := jsontext.Scanner{Data: value}
		if len(value) > 0 && (s.Skip() != nil || s.End() != nil) {
			return badRequest("`" + name + "` must be a JSON object.")
		}
		if p := objectOrNull(name, value); p != nil {
			return p
		}
	}
	return q.complete()
}
