package orderstest

import (
	"testing"

	"github.com/lethe/lethe/subgraphs/orders"
	"github.com/lethe/lethe/workflows"
)

func keys() orders.Keys { return orders.Keys{Hash: []byte("a key of thirty-two bytes or so.")} }

func TestDelivered(t *testing.T) {
	s := theShop
	jane := customer("cus_delivered")
	placed := s.place(t, jane, input("delivered-1", "prd_a", "prd_b"))
	if placed.Order == nil || placed.Order.Status != workflows.StatusConfirmed || len(placed.UserErrors) > 0 {
		t.Fatalf("placed %+v", placed)
	}
	o := s.awaitStatus(t, placed.Order.ID, workflows.StatusDelivered)
	if o.Payment.Status != "CAPTURED" || o.Payment.Captured.Amount != "44.90" || o.Total.Amount != "44.90" || o.Invoice == nil || len(o.Shipments) != 2 {
		t.Errorf("delivered: %+v", o)
	}
}
