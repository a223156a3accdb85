package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lethe/lethe/router/execute"
)

// answerHead is what counts of the head of a subgraph's answer.
type answerHead struct {
	status                  int
	contentType, retryAfter string
}

// statusError is an answer with a status that is no success and a body that is none of GraphQL.
type statusError struct{ head answerHead }

// Error implements error.
func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.head.status) }

// maxRetryAfter bounds how long a client is told to wait: what is longer is a mistake or a joke.
const maxRetryAfter = 7 * 24 * time.Hour

// retryAfter returns in how many seconds the subgraph may be asked again, as its Retry-After says in seconds or with a date
// (RFC 9110, section 10.2.3); -1 where it does not.
func (e *statusError) retryAfter(now time.Time) int {
	text := strings.TrimSpace(e.head.retryAfter)
	seconds, err := strconv.Atoi(text)
	if err != nil {
		at, err := http.ParseTime(text)
		if err != nil {
			return -1
		}
		seconds = int((at.Sub(now) + time.Second - 1) / time.Second)
		seconds = max(seconds, 0)
	}
	if seconds < 0 || seconds > int(maxRetryAfter/time.Second) {
		return -1
	}
	return seconds
}

// acceptable returns an error for what is none of a subgraph's answers. GraphQL errors come with any status; what does not
// look like them is none, and a subgraph that refuses the router has nothing to say to the client. unread says that the body
// could not be decoded.
func acceptable(head answerHead, body []byte, unread bool) error {
	if head.status >= http.StatusMultipleChoices && (unread || !isResponse(head.contentType, body) || head.status == http.StatusUnauthorized || head.status == http.StatusForbidden) {
		return &statusError{head}
	}
	return nil
}

func isResponse(contentType string, body []byte) bool {
	return strings.Contains(contentType, "json") && bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) && bytes.Contains(body, []byte(`"errors"`))
}

// readAnswer reads an answer of net/http, whatever it is encoded with.
func (s *subgraphs) readAnswer(into []byte, resp *http.Response, call execute.Call) ([]byte, error) {
	head := answerHead{resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("Retry-After")}
	err := unpack(resp)
	if err == nil {
		into, err = readAll(into, resp, s.limit, call)
	}
	if err != nil && head.status < http.StatusMultipleChoices {
		return into, err
	}
	return into, acceptable(head, into, err != nil)
}

// inflated returns a body without its coding, which may be no larger than the limit in either form. Nobody asked for a
// coding, so this is for hosts that do not care what they are asked.
func inflated(body []byte, coding string, limit int64) ([]byte, error) {
	r, err := decoded(bytes.NewReader(body), strings.ToLower(strings.TrimSpace(coding)))
	if err != nil {
		return nil, fmt.Errorf("read an answer in %q: %w", coding, err)
	}
	defer func() { _ = r.Close() }()
	out, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read an answer in %q: %w", coding, err)
	}
	if int64(len(out)) > limit {
		return nil, &tooLargeError{limit}
	}
	return out, nil
}

func readAll(into []byte, resp *http.Response, limit int64, call execute.Call) ([]byte, error) {
	from := call.Buffers
	if n := resp.ContentLength; n > limit {
		return into, &tooLargeError{limit}
	} else if n > 0 && int64(cap(into)) < n+1 {
		into = from.Room(into, int(n+1))
	}
	for {
		if len(into) == cap(into) {
			into = from.Room(into, max(512, len(into), min(call.Expected, int(limit))-len(into)))
		}
		n, err := resp.Body.Read(into[len(into):cap(into)])
		into = into[:len(into)+n]
		if int64(len(into)) > limit {
			return into, &tooLargeError{limit}
		}
		if errors.Is(err, io.EOF) {
			return into, nil
		}
		if err != nil {
			return into, fmt.Errorf("read the answer: %w", err)
		}
	}
}

// tooLargeError is an answer that is larger than the limit.
type tooLargeError struct{ limit int64 }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the answer has more than %d bytes", e.limit)
}
