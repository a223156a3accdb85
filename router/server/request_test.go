package server

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// FuzzRequest holds the reader of requests against encoding/json for what both take.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"query":"{ a }","variables":{"x":[1]},"operationName":"A","extensions":null}`))
	f.Add([]byte(`{"query":"\u007b a }\n\"","query":"{ b }"}`))
	f.Add([]byte(`{"query":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var q request
		if p := q.parse(body); p != nil {
			if p.status != 400 || p.message == "" {
				t.Fatalf("%q: %+v", body, p)
			}
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatalf("%q was taken: %v", body, err)
		}
		var query string
		if err := json.Unmarshal(members["query"], &query); err == nil && query != string(q.query) && strings.TrimSpace(query) != "" {
			t.Fatalf("%q: query %q, want %q", body, q.query, query)
		}
		if len(q.variables) > 0 && !json.Valid(q.variables) {
			t.Fatalf("%q: variables %q", body, q.variables)
		}
	})
}

// FuzzBatch reads bodies that may be lists: what is taken is a list for encoding/json too, of as many.
func FuzzBatch(f *testing.F) {
	f.Add([]byte(`[{"query":"{ a }"},{"query":1},7,[]]`))
	f.Add([]byte(` [{"query":"{ a }","extensions":{"persistedQuery":{"version":1,"sha256Hash":"ab"}}}] `))
	f.Add([]byte(`{"id":"x","query":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		q := request{body: body}
		p := q.parseBody(Limits{})
		if p != nil || len(q.batch) == 0 {
			return
		}
		var list []json.RawMessage
		if err := json.Unmarshal(body, &list); err != nil || len(list) != len(q.batch) || len(list) > defaultBatchSize {
			t.Fatalf("%q was taken as %d requests: %v", body, len(q.batch), err)
		}
		q.clear()
	})
}

// FuzzURL reads the parameters of a GET: what is taken has an operation or names one, and its variables are an object.
func FuzzURL(f *testing.F) {
	f.Add("query=%7B+a+%7D&variables=%7B%22x%22%3A1%7D&operationName=A")
	f.Add("extensions=%7B%22persistedQuery%22%3A%7B%22version%22%3A1%2C%22sha256Hash%22%3A%22ab%22%7D%7D")
	f.Add("documentId=a&query=&variables=null")
	f.Fuzz(func(t *testing.T, raw string) {
		var q request
		if p := q.readURL(&http.Request{Method: http.MethodGet, URL: &url.URL{RawQuery: raw}}); p != nil {
			if p.status != http.StatusBadRequest || p.message == "" {
				t.Fatalf("%q: %+v", raw, p)
			}
			return
		}
		if len(q.query) == 0 && q.persisted.id() == nil {
			t.Fatalf("%q was taken without an operation", raw)
		}
		for _, object := range [][]byte{q.variables, q.extension} {
			var members map[string]json.RawMessage
			if len(object) > 0 && json.Unmarshal(object, &members) != nil {
				t.Fatalf("%q: %q is no object", raw, object)
			}
		}
	})
}
