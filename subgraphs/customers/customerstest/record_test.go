package customerstest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/lethe/lethe/workflows"
)

var update = flag.Bool("update", false, "record workflow histories that are not recorded yet for the replay tests")

// histories is where the replay tests of the workflows look. A history is recorded once and never again: that old ones
// still replay is what the tests are for.
const histories = "../../../workflows/erasure/testdata/histories"

// TestRecord goes the paths through the workflow that the replay test goes, and records the histories that are missing.
func TestRecord(t *testing.T) {
	t.Parallel()
	h := theHouse
	request := func(t *testing.T, w who, input map[string]any) string {
		t.Helper()
		input["customerId"] = plants{}.customer(t, h)
		got := h.command(t, w, "requestErasure", input)
		if got.Erasure == nil {
			t.Fatalf("refused: %s", codes(got.UserErrors))
		}
		return got.Erasure.ID
	}
	for name, path := range map[string]func(t *testing.T) (erasureID string){
		"erase": func(t *testing.T) string {
			id := request(t, h.support("staff_1"), map[string]any{"graceDays": 0})
			h.await(t, id, "RETAINING")
			return id
		},
		"erase-approved": func(t *testing.T) string {
			w := h.support("staff_1")
			w.url = h.strict
			id := request(t, w, map[string]any{"graceDays": 0})
			h.await(t, id, "AWAITING_APPROVAL")
			h.command(t, h.supervisor("sup_1"), "approveErasure", map[string]any{"id": id})
			h.await(t, id, "RETAINING")
			return id
		},
		"erase-cancelled": func(t *testing.T) string {
			id := request(t, h.support("staff_1"), map[string]any{"graceDays": 5})
			h.await(t, id, "GRACE")
			h.command(t, h.support("staff_2"), "cancelErasure", map[string]any{"id": id})
			return id
		},
		"erase-drained": func(t *testing.T) string {
			id := request(t, h.support("staff_1"), map[string]any{"graceDays": 1})
			h.await(t, id, "GRACE")
			h.command(t, h.support("staff_2"), "cancelErasure", map[string]any{"id": id})
			customer := h.customerOf(t, id)
			h.desk.mu.Lock()
			h.desk.blockers[customer] = 4
			h.desk.mu.Unlock()
			got := h.command(t, h.support("staff_1"), "requestErasure", map[string]any{"customerId": customer, "graceDays": 0})
			h.await(t, got.Erasure.ID, "RETAINING")
			return got.Erasure.ID
		},
		"erase-waived": func(t *testing.T) string {
			p := plants{}
			customer := p.customer(t, h)
			copies := h.reviews.Collection("copies_" + customer)
			if _, err := copies.InsertOne(t.Context(), bson.D{{Key: "of", Value: p["text"]}}); err != nil {
				t.Fatal(err)
			}
			got := h.command(t, h.support("staff_1"), "requestErasure", map[string]any{"customerId": customer, "graceDays": 0})
			h.await(t, got.Erasure.ID, "NEEDS_OPERATOR")
			waived := h.command(t, h.supervisor("sup_1"), "waiveErasureStep", map[string]any{"id": got.Erasure.ID, "stepId": "reviews-verify-3", "reason": "It goes with the nightly clean-up."})
			if len(waived.UserErrors) > 0 {
				t.Fatalf("not waived: %s", codes(waived.UserErrors))
			}
			h.await(t, got.Erasure.ID, "RETAINING")
			if err := copies.Drop(t.Context()); err != nil {
				t.Fatal(err)
			}
			return got.Erasure.ID
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			workflowID := workflows.EraseID(h.erasure(t, path(t)).Subject)
			if err := h.temporal.GetWorkflow(t.Context(), workflowID, "").Get(t.Context(), nil); err != nil {
				t.Fatalf("the workflow failed: %v", err)
			}
			file := filepath.Join(histories, name+"-v1.json")
			if _, err := os.Stat(file); err == nil || !*update {
				return
			}
			var recorded history.History
			events := h.temporal.GetWorkflowHistory(t.Context(), workflowID, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for events.HasNext() {
				e, err := events.Next()
				if err != nil {
					t.Fatal(err)
				}
				recorded.Events = append(recorded.Events, e)
			}
			raw, err := protojson.MarshalOptions{Indent: " "}.Marshal(&recorded)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, raw, 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// customerOf gives the customer of an erasure that names it.
func (h *house) customerOf(t *testing.T, erasureID string) string {
	t.Helper()
	e := h.erasure(t, erasureID)
	if e.Customer == nil {
		t.Fatalf("erasure %s names no customer", erasureID)
	}
	return e.Customer.ID
}
