package orderstest

import (
	"fmt"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/subgraphs/orders"
	"github.com/lethe/lethe/workflows"
)

// TestSeed fills the database, twice, and goes on with what it was filled with.
func TestSeed(t *testing.T) {
	t.Parallel()
	s := theShop
	o := orders.SeedOptions{DB: s.db, Temporal: s.temporal, Payments: s.payments}
	for i := range 14 {
		o.Customers = append(o.Customers, orders.SeedCustomer{ID: fmt.Sprintf("cus_seed_%02d", i), Name: "Jane Roe", Line1: "Marienplatz 1", City: "München", PostalCode: "80331", CountryCode: "DE"})
		o.Products = append(o.Products, orders.SeedProduct{ID: fmt.Sprintf("prd_seed_%d", i), SKU: fmt.Sprint("SKU", i), Name: "Thing", PriceMinor: map[string]int64{"EUR": 10_00, "GBP": 9_00}})
	}
	for range 2 {
		if err := orders.Seed(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	cursor, err := s.db.Collection("orders").Find(t.Context(), bson.D{{Key: "customerId", Value: bson.D{{Key: "$regex", Value: "^cus_seed_"}}}})
	if err != nil {
		t.Fatal(err)
	}
	var seeded []struct {
		ID         string `bson:"_id"`
		CustomerID string `bson:"customerId"`
	}
	if err := cursor.All(t.Context(), &seeded); err != nil {
		t.Fatal(err)
	}
	// Open orders come to where they stay by themselves.
	by := map[string][]*order{}
	stays := map[string]string{"cus_seed_01": "PENDING", "cus_seed_02": "RESERVED", "cus_seed_03": "CONFIRMED", "cus_seed_04": "SHIPPED"}
	for _, d := range seeded {
		o := s.read(t, support(), d.ID)
		run, err := s.temporal.DescribeWorkflowExecution(t.Context(), workflows.FulfilID(d.ID), "")
		ended := slices.Contains([]string{"DELIVERED", "CANCELLED", "FAILED", "RETURNED"}, o.Status)
		if ended != (err != nil) {
			t.Errorf("order %s is %s and its workflow %v, %v", o.ID, o.Status, run, err)
		}
		if status := stays[d.CustomerID]; status != "" && !ended {
			o = s.await(t, d.ID, func(o *order) bool {
				return o.Status == status && (status != "RESERVED" || o.Payment.Reference != nil) && (status != "CONFIRMED" || len(o.Shipments) > 0)
			})
		}
		by[o.Status] = append(by[o.Status], o)
	}
	if len(seeded) != 36 {
		t.Errorf("%d orders were seeded", len(seeded))
	}
	for _, status := range []string{"PENDING", "RESERVED", "CONFIRMED", "SHIPPED", "DELIVERED", "CANCELLED", "FAILED", "RETURNED"} {
		if len(by[status]) == 0 {
			t.Errorf("no order is %s", status)
		}
	}
	back := s.mutate(t, support(), "requestReturn", "RequestReturnInput", map[string]any{"idempotencyKey": "seeded-return", "orderId": by["DELIVERED"][0].ID})
	if back.codes() != "" || back.Order.Status != workflows.StatusReturned || back.Order.Payment.Status != "REFUNDED" {
		t.Errorf("returning a seeded order was answered %s %+v", back.codes(), back.Order)
	}
	for _, status := range []string{"PENDING", "RESERVED", "CONFIRMED"} {
		got := s.mutate(t, support(), "cancelOrder", "CancelOrderInput", map[string]any{"orderId": by[status][0].ID})
		if got.codes() != "" || got.Order.Status != workflows.StatusCancelled {
			t.Errorf("cancelling a seeded order that is %s was answered %s %+v", status, got.codes(), got.Order)
		}
	}
}
