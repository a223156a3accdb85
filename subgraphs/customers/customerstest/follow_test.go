package customerstest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/lethe/lethe/chassis/identity"
)

// events is an erasure as it is followed over server-sent events.
type events struct {
	t     testing.TB
	lines *bufio.Scanner
}

func (h *house) follow(t *testing.T, w who, id string) *events {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": `subscription($id: ID!) { erasureUpdated(id: $id) { ` + erasureFields + ` } }`, "variables": map[string]any{"id": id}})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set(identity.Header, h.signer.Value(w.Principal, "customers", body))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("answered %s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	return &events{t, lines}
}

// next gives the erasure of the next event, or the code of its error; nothing at the end.
func (e *events) next() (*erasureState, string) {
	e.t.Helper()
	kind := ""
	for e.lines.Scan() {
		name, value, _ := strings.Cut(e.lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case name == "event":
			kind = value
		case name == "data" && kind == "complete":
			return nil, ""
		case name == "data":
			var answer struct {
				Data   struct{ ErasureUpdated *erasureState }
				Errors []fault
			}
			if err := json.Unmarshal([]byte(value), &answer); err != nil {
				e.t.Fatalf("%v: %s", err, value)
			}
			if len(answer.Errors) > 0 {
				return answer.Data.ErasureUpdated, answer.Errors[0].Extensions.Code
			}
			return answer.Data.ErasureUpdated, ""
		}
	}
	e.t.Fatalf("the stream broke off: %v", e.lines.Err())
	return nil, ""
}

// TestFollow follows an erasure from its grace to its end, and another to its cancellation.
func TestFollow(t *testing.T) {
	t.Parallel()
	h := theHouse
	asked := h.command(t, h.support("staff_1"), "requestErasure", map[string]any{"customerId": plants{}.customer(t, h), "graceDays": 0})
	if asked.Erasure == nil {
		t.Fatalf("refused: %s", codes(asked.UserErrors))
	}
	stream := h.follow(t, h.support("staff_2"), asked.Erasure.ID)
	seen, last := 0, (*erasureState)(nil)
	for e, fault := stream.next(); e != nil || fault != ""; e, fault = stream.next() {
		if fault != "" || e.ID != asked.Erasure.ID {
			t.Fatalf("%+v %s", e, fault)
		}
		last = e
		seen++
	}
	if last == nil || last.Status != "RETAINING" || last.Certificate == nil || last.Customer != nil || len(last.Retained) == 0 {
		t.Errorf("at last it is %+v", last)
	}
	if seen < 2 {
		t.Errorf("%d events", seen)
	}

	asked = h.command(t, h.support("staff_1"), "requestErasure", map[string]any{"customerId": plants{}.customer(t, h), "graceDays": 3})
	h.await(t, asked.Erasure.ID, "GRACE")
	stream = h.follow(t, h.support("staff_2"), asked.Erasure.ID)
	if e, _ := stream.next(); e == nil || e.Status != "GRACE" || e.Customer == nil {
		t.Errorf("at first it is %+v", e)
	}
	h.command(t, h.support("staff_1"), "cancelErasure", map[string]any{"id": asked.Erasure.ID})
	last = nil
	for e, fault := stream.next(); e != nil || fault != ""; e, fault = stream.next() {
		last = e
	}
	if last == nil || last.Status != "CANCELLED" {
		t.Errorf("at last it is %+v", last)
	}
}

func TestFollowRefused(t *testing.T) {
	t.Parallel()
	h := theHouse
	for _, c := range []struct {
		who
		want string
	}{{h.anonymous(), "UNAUTHENTICATED"}, {h.customer("cus_1"), "FORBIDDEN"}, {h.support("staff_1"), "NOT_FOUND"}} {
		stream := h.follow(t, c.who, "era_none")
		if e, fault := stream.next(); e != nil || fault != c.want {
			t.Errorf("%s gets %+v %s, want %s", c.Role, e, fault, c.want)
		}
		if e, fault := stream.next(); e != nil || fault != "" {
			t.Errorf("%s: the stream goes on: %+v %s", c.Role, e, fault)
		}
	}
}
