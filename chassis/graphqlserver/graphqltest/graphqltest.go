// Package graphqltest speaks to a subgraph in tests as the router does: GraphQL over HTTP with a signed identity.
package graphqltest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lethe/lethe/chassis/identity"
)

// Subgraph is a subgraph under test.
type Subgraph struct {
	// URL is where it takes operations.
	URL string
	// Name is what its key is for.
	Name   string
	Signer *identity.Signer
}

// Serve serves a subgraph until the test ends. New gives its handler, behind the gate, with its operations at /graphql.
func Serve(tb testing.TB, name string, handler func(gate *identity.Gate) http.Handler) *Subgraph {
	tb.Helper()
	key := bytes.Repeat([]byte("k"), 32)
	gate, err := identity.NewGate(name, key)
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := identity.NewSigner(map[string][]byte{name: key})
	if err != nil {
		tb.Fatal(err)
	}
	server := httptest.NewServer(handler(gate))
	tb.Cleanup(server.Close)
	return &Subgraph{server.URL + "/graphql", name, signer}
}

// Customer is the principal of a request by a customer.
func Customer(id string) identity.Principal {
	return identity.Principal{Subject: id, Role: identity.Customer, RequestID: "req"}
}

// Support is the principal of a request by support staff.
func Support() identity.Principal {
	return identity.Principal{Subject: "staff_1", Role: identity.Support, RequestID: "req"}
}

// Anonymous is the principal of a request by nobody.
func Anonymous() identity.Principal {
	return identity.Principal{Role: identity.Anonymous, RequestID: "req"}
}

// Error is an error of an answer.
type Error struct {
	Message    string
	Path       []any
	Extensions struct{ Code string }
}

// Codes gives the codes of errors, separated by blanks.
func Codes(errs []Error) string {
	codes := make([]string, len(errs))
	for i, e := range errs {
		codes[i] = e.Extensions.Code
	}
	return strings.Join(codes, " ")
}

// answer is a response as it is written.
type answer struct {
	Data   json.RawMessage
	Errors []Error
}

func (a *answer) read(tb testing.TB, text []byte, out any) []Error {
	tb.Helper()
	if err := json.Unmarshal(text, a); err != nil {
		tb.Fatalf("%v: %s", err, text)
	}
	if out != nil && len(a.Data) > 0 && !bytes.Equal(a.Data, []byte("null")) {
		if err := json.Unmarshal(a.Data, out); err != nil {
			tb.Fatalf("%v: %s", err, text)
		}
	}
	return a.Errors
}

// send sends an operation signed for somebody.
func (s *Subgraph) send(tb testing.TB, as identity.Principal, accept, query string, variables any) *http.Response {
	tb.Helper()
	body, err := json.Marshal(struct {
		Query     string `json:"query"`
		Variables any    `json:"variables,omitempty"`
	}{query, variables})
	if err != nil {
		tb.Fatal(err)
	}
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", accept)
	req.Header.Set(identity.Header, s.Signer.Value(as, s.Name, body))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	return resp
}

// Ask sends an operation, reads its data into out, which may be nil, and gives the errors.
func (s *Subgraph) Ask(tb testing.TB, as identity.Principal, query string, variables, out any) []Error {
	tb.Helper()
	resp := s.send(tb, as, "application/json", query, variables)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return new(answer).read(tb, text, out)
}

// Must is Ask for what must give no errors.
func (s *Subgraph) Must(tb testing.TB, as identity.Principal, query string, variables, out any) {
	tb.Helper()
	if errs := s.Ask(tb, as, query, variables, out); len(errs) > 0 {
		tb.Fatalf("%s: %+v", query, errs)
	}
}

// Stream is a subscription that is followed over server-sent events.
type Stream struct {
	lines *bufio.Scanner
	close func()
}

// Follow begins a subscription. It ends with the test, or when it is closed.
func (s *Subgraph) Follow(tb testing.TB, as identity.Principal, query string, variables any) *Stream {
	tb.Helper()
	resp := s.send(tb, as, "text/event-stream", query, variables)
	stream := &Stream{bufio.NewScanner(resp.Body), func() { _ = resp.Body.Close() }}
	tb.Cleanup(stream.close)
	stream.lines.Buffer(nil, 1<<20)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		tb.Fatalf("answered %s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	return stream
}

// Close hangs up.
func (s *Stream) Close() { s.close() }

// Next reads the next event's data into out. It gives its errors, and false when the stream is complete.
func (s *Stream) Next(tb testing.TB, out any) (errs []Error, more bool) {
	tb.Helper()
	errs, more, whole := s.next(tb, out)
	if !whole {
		tb.Fatalf("the stream broke off: %v", s.lines.Err())
	}
	return errs, more
}

// Broken reads to the end of the stream and reports whether it broke off before it was complete.
func (s *Stream) Broken(tb testing.TB) bool {
	tb.Helper()
	for {
		if _, more, whole := s.next(tb, nil); !more || !whole {
			return !whole
		}
	}
}

func (s *Stream) next(tb testing.TB, out any) (errs []Error, more, whole bool) {
	tb.Helper()
	kind := ""
	for s.lines.Scan() {
		name, value, _ := strings.Cut(s.lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case name == "event":
			kind = value
		case name == "data" && kind == "complete":
			return nil, false, true
		case name == "data" && kind == "next":
			return new(answer).read(tb, []byte(value), out), true, true
		}
	}
	return nil, false, false
}
