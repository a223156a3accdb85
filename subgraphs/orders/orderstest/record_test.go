package orderstest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/payment"
	"github.com/lethe/lethe/workflows/shipping"
)

var update = flag.Bool("update", false, "record workflow histories that are not recorded yet for the replay tests")

// histories is where the replay tests of the workflows look. A history is recorded once and never again: that old ones
// still replay is what the tests are for.
const histories = "../../../workflows/fulfilment/testdata/histories"

// TestRecord goes every path through the workflows that the replay tests go, and records the histories that are missing.
func TestRecord(t *testing.T) {
	t.Parallel()
	s, who := theShop, customer("cus_record")
	s.stock.count("prd_sold_out", 0)
	place := func(t *testing.T, in map[string]any) string {
		t.Helper()
		got := s.place(t, who, in)
		if got.Order == nil {
			t.Fatalf("answered %s", got.codes())
		}
		return got.Order.ID
	}
	for name, path := range map[string]func(t *testing.T) (workflowID string){
		"fulfil-delivered": func(t *testing.T) string {
			id := place(t, input("record-delivered", "prd_a", "prd_b"))
			s.awaitStatus(t, id, workflows.StatusDelivered)
			return workflows.FulfilID(id)
		},
		"fulfil-declined": func(t *testing.T) string {
			return workflows.FulfilID(place(t, paidBy(input("record-declined", "prd_a"), payment.MethodDeclined)))
		},
		"fulfil-out-of-stock": func(t *testing.T) string {
			return workflows.FulfilID(place(t, input("record-out-of-stock", "prd_sold_out")))
		},
		"fulfil-cancelled": func(t *testing.T) string {
			id := place(t, to(input("record-cancelled", "prd_a"), shipping.PostalCodeHold))
			s.mutate(t, who, "cancelOrder", "CancelOrderInput", map[string]any{"orderId": id})
			return workflows.FulfilID(id)
		},
		"fulfil-cancelled-while-reserved": func(t *testing.T) string {
			id := place(t, paidBy(input("record-cancelled-reserved", "prd_a"), payment.MethodAuthentication))
			s.mutate(t, who, "cancelOrder", "CancelOrderInput", map[string]any{"orderId": id})
			return workflows.FulfilID(id)
		},
		"fulfil-undeliverable": func(t *testing.T) string {
			id := place(t, to(input("record-undeliverable", "prd_a"), shipping.PostalCodeUndeliverable))
			s.awaitStatus(t, id, workflows.StatusFailed)
			return workflows.FulfilID(id)
		},
		"fulfil-by-hand": func(t *testing.T) string {
			id := place(t, to(input("record-by-hand", "prd_a", "prd_b"), shipping.PostalCodeHold))
			for range 3 {
				s.mutate(t, support(), "advanceShipment", "AdvanceShipmentInput", map[string]any{"orderId": id})
			}
			s.awaitStatus(t, id, workflows.StatusDelivered)
			return workflows.FulfilID(id)
		},
		"return": func(t *testing.T) string {
			id := place(t, input("record-return", "prd_a"))
			s.awaitStatus(t, id, workflows.StatusDelivered)
			got := s.mutate(t, who, "requestReturn", "RequestReturnInput", map[string]any{"idempotencyKey": "record-return", "orderId": id})
			return workflows.ReturnID(got.Order.Returns[0].ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			workflowID := path(t)
			if err := s.temporal.GetWorkflow(t.Context(), workflowID, "").Get(t.Context(), nil); err != nil {
				t.Fatalf("the workflow failed: %v", err)
			}
			file := filepath.Join(histories, name+"-v1.json")
			if _, err := os.Stat(file); err == nil || !*update {
				return
			}
			var recorded history.History
			events := s.temporal.GetWorkflowHistory(t.Context(), workflowID, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
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
