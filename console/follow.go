package console

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/lethe/lethe/chassis"
)

// followFor is how long a page's question waits for a change before it is answered that there is none.
const followFor = 8 * time.Second

// follow sends a subscription of queries/, and gives the data of each event to each until that says that it is enough, the
// subscription is complete, or ctx is done. The error says why nothing more came.
func (g *graph) follow(ctx context.Context, token, operation string, variables any, each func(data json.RawMessage, gaps []missing) (enough bool, err error)) error {
	body, err := json.Marshal(struct {
		Query         string `json:"query"`
		OperationName string `json:"operationName"`
		Variables     any    `json:"variables,omitempty"`
	}{g.operations[operation], operation, variables})
	if err != nil {
		return fmt.Errorf("encode %s: %w", operation, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.endpoint, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make the request of %s: %w", operation, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := g.client.Do(req)
	if err != nil {
		return fmt.Errorf("send %s: %w", operation, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || resp.StatusCode != http.StatusOK || media != "text/event-stream" {
		return fmt.Errorf("%s is answered with status %d and %q, not with events", operation, resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxAnswer)
	kind := ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		switch {
		case name == "event":
			kind = strings.TrimSpace(value)
		case kind == "complete":
			return nil
		case name == "data" && kind == "next":
			var answer struct {
				Data   json.RawMessage `json:"data"`
				Errors []answerError   `json:"errors"`
			}
			if err := json.Unmarshal([]byte(value), &answer); err != nil {
				return fmt.Errorf("read an event of %s: %w", operation, err)
			}
			if enough, err := each(answer.Data, gather(answer.Errors, resp.Header.Get("X-Request-Id"))); enough || err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

// changed waits until an erasure is otherwise than a page has seen it, and gives it then; nil where it does not change for
// a while, or cannot be followed: the page asks again by itself.
func (c *console) changed(r *http.Request, s *session, fresh func(erasureView) bool) *erasureView {
	ctx, cancel := context.WithTimeout(r.Context(), followFor)
	defer cancel()
	if stopping := chassis.Stopping(r.Context()); stopping != nil {
		go func() {
			select {
			case <-stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	var found *erasureView
	err := c.graph.follow(ctx, s.Token, "ErasureUpdated", byID{r.PathValue("id")}, func(data json.RawMessage, gaps []missing) (bool, error) {
		var out struct{ ErasureUpdated *erasure }
		if err := json.Unmarshal(data, &out); err != nil || out.ErasureUpdated == nil {
			return true, err
		}
		v, err := c.erasureView(*out.ErasureUpdated, gaps, s)
		if err == nil && fresh(v) {
			found = &v
		}
		return found != nil, err
	})
	if err != nil && ctx.Err() == nil {
		c.log.Debug("an erasure could not be followed", "erasure", r.PathValue("id"), "error", err)
	}
	return found
}
