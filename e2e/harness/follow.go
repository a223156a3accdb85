package harness

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// Stream is a subscription that is followed over server-sent events.
type Stream struct {
	l     *Lethe
	lines *bufio.Scanner
}

// Follow begins a subscription at the router. It ends with the test.
func (l *Lethe) Follow(token, query string, variables any) *Stream {
	l.tb.Helper()
	body, err := json.Marshal(struct {
		Query     string `json:"query"`
		Variables any    `json:"variables,omitempty"`
	}{query, variables})
	if err != nil {
		l.tb.Fatal(err)
	}
	req, err := http.NewRequestWithContext(l.tb.Context(), http.MethodPost, l.Router()+"/graphql", bytes.NewReader(body))
	if err != nil {
		l.tb.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.tb.Fatal(err)
	}
	l.tb.Cleanup(func() { _ = resp.Body.Close() })
	if media := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(media, "text/event-stream") {
		l.tb.Fatalf("a subscription is answered %s, %s", resp.Status, media)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	return &Stream{l, lines}
}

// Next reads the next event's data into out. It gives the event's errors, and false when the stream is complete.
func (s *Stream) Next(out any) (errs []Error, more bool) {
	s.l.tb.Helper()
	kind := ""
	for s.lines.Scan() {
		name, value, _ := strings.Cut(s.lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case name == "event":
			kind = value
		case kind == "complete":
			return nil, false
		case name == "data" && kind == "next":
			var answer struct {
				Data   json.RawMessage `json:"data"`
				Errors []Error         `json:"errors"`
			}
			if err := json.Unmarshal([]byte(value), &answer); err != nil {
				s.l.tb.Fatalf("%v: %s", err, value)
			}
			if len(answer.Data) > 0 && !bytes.Equal(answer.Data, []byte("null")) {
				if err := json.Unmarshal(answer.Data, out); err != nil {
					s.l.tb.Fatalf("%v: %s", err, value)
				}
			}
			return answer.Errors, true
		}
	}
	s.l.tb.Fatalf("the stream broke off: %v", s.lines.Err())
	return nil, false
}
