package orderstest

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/workflows"
)

// TestSweep leaves an order and a return lying as a process does that dies between writing and starting the workflow:
// both are taken up.
func TestSweep(t *testing.T) {
	t.Parallel()
	s, who := theShop, customer("cus_sweep")
	placed := s.place(t, who, input("sweep-key-1", "prd_a"))
	s.awaitStatus(t, placed.Order.ID, workflows.StatusDelivered)
	orders := s.db.Collection("orders")
	var draft bson.M
	if err := orders.FindOne(t.Context(), bson.D{{Key: "_id", Value: placed.Order.ID}}).Decode(&draft); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-time.Hour)
	for k, v := range map[string]any{
		"_id": "ord_swept", "number": "LT-swept", "status": workflows.StatusPending, "shipments": bson.A{}, "timeline": bson.A{}, "paymentMethod": "pm_card_visa",
		"payment": bson.M{"status": "NONE", "refunds": bson.A{}}, "updatedAt": long,
	} {
		draft[k] = v
	}
	delete(draft, "invoice")
	if _, err := orders.InsertOne(t.Context(), draft); err != nil {
		t.Fatal(err)
	}
	left := bson.M{
		"id": "ret_swept", "lines": bson.A{bson.M{"lineId": "1", "quantity": 2}}, "refundMinor": int64(24_90), "settled": false, "requestedAt": long,
		"shelves": bson.A{bson.M{"productId": "prd_a", "warehouse": "BER", "quantity": 2}},
	}
	_, err := orders.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: placed.Order.ID}},
		bson.D{{Key: "$push", Value: bson.D{{Key: "returns", Value: left}}}, {Key: "$set", Value: bson.D{{Key: "updatedAt", Value: long}}}})
	if err != nil {
		t.Fatal(err)
	}
	s.awaitStatus(t, "ord_swept", workflows.StatusDelivered)
	if o := s.awaitStatus(t, placed.Order.ID, workflows.StatusReturned); o.Payment.Refunded.Amount != "24.90" {
		t.Errorf("the return that was left lying: %+v", o)
	}
}
