package orderstest

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/lethe/lethe/chassis/durable"
	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/payment"
	"github.com/lethe/lethe/workflows/shipping"
)

// asked is a request to a participant's activity, whichever.
type asked struct {
	Activity string
	In       map[string]any
}

// askParticipant is a workflow that has one of the participant's activities done.
func askParticipant(ctx workflow.Context, in asked) (map[string]any, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{TaskQueue: workflows.PrivacyQueue("orders"), StartToCloseTimeout: time.Minute})
	var out map[string]any
	err := workflow.ExecuteActivity(ctx, in.Activity, in.In).Get(ctx, &out)
	return out, err
}

// registerPrivacy runs a worker for askParticipant.
func registerPrivacy(c client.Client) func(*testing.T) func(activity string, in map[string]any) map[string]any {
	return func(t *testing.T) func(string, map[string]any) map[string]any {
		t.Helper()
		loop := durable.Worker(c, "test."+t.Name(), "", func(r worker.Registry) { r.RegisterWorkflow(askParticipant) })
		ended := make(chan error, 1)
		go func() { ended <- loop(t.Context()) }()
		t.Cleanup(func() { <-ended })
		return func(activity string, in map[string]any) map[string]any {
			t.Helper()
			run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "test." + t.Name()}, askParticipant, asked{activity, in})
			if err != nil {
				t.Fatal(err)
			}
			var out map[string]any
			if err := run.Get(t.Context(), &out); err != nil {
				t.Fatalf("%s: %v", activity, err)
			}
			return out
		}
	}
}

func blockers(located map[string]any) map[string]float64 {
	out := map[string]float64{}
	list, _ := located["blockers"].([]any)
	for _, b := range list {
		blocker, _ := b.(map[string]any)
		kind, _ := blocker["kind"].(string)
		n, _ := blocker["count"].(float64)
		out[kind] = n
	}
	return out
}

// TestErasure erases a customer with orders in every state, once letting them come to their end and once cancelling what
// can be cancelled.
func TestErasure(t *testing.T) {
	t.Parallel()
	s := theShop
	for name, cancel := range map[string]bool{"finish": false, "cancel": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ask := registerPrivacy(s.temporal)(t)
			id := "cus_erased_" + name
			who := customer(id)
			secret := "Geheimrätin-" + name
			order := func(key, postalCode, method string) string {
				in := paidBy(to(input(key, "prd_a"), postalCode), method)
				in["note"] = "for " + secret
				in["shippingAddress"].(map[string]any)["name"] = secret
				in["shippingAddress"].(map[string]any)["line2"] = secret + " line 2"
				return s.place(t, who, in).Order.ID
			}
			delivered := order("delivered", "80331", payment.MethodVisa)
			declined := order("declined", "80331", payment.MethodDeclined)
			reserved := order("reserved", "80331", payment.MethodAuthentication)
			confirmed := order("confirmed", shipping.PostalCodeHold, payment.MethodVisa)
			shipped := order("shipped-1", shipping.PostalCodeHold, payment.MethodVisa)
			s.mutate(t, support(), "advanceShipment", "AdvanceShipmentInput", map[string]any{"orderId": shipped})
			s.awaitStatus(t, shipped, workflows.StatusShipped)
			s.awaitStatus(t, delivered, workflows.StatusDelivered)
			s.mutate(t, who, "requestReturn", "RequestReturnInput", map[string]any{
				"idempotencyKey": "erased-return", "orderId": delivered, "reason": secret, "lines": []map[string]any{{"lineId": "1", "quantity": 1}},
			})

			ref := map[string]any{"erasureId": "era_" + name, "customerId": id}
			with := func(more map[string]any) map[string]any {
				out := map[string]any{}
				for k, v := range ref {
					out[k] = v
				}
				for k, v := range more {
					out[k] = v
				}
				return out
			}
			if open := blockers(ask(workflows.PrivacyLocate, ref)); open["OPEN_ORDER"] != 3 {
				t.Errorf("what is open: %v", open)
			}
			ask(workflows.PrivacyRestrict, ref)
			if got := s.place(t, who, input("restricted", "prd_a")); got.codes() != "CUSTOMER_RESTRICTED@input.customerId" || got.Order != nil {
				t.Errorf("ordering while restricted was answered %s", got.codes())
			}
			ask(workflows.PrivacyDrain, with(map[string]any{"cancel": cancel}))
			s.awaitStatus(t, shipped, workflows.StatusDelivered)
			end := map[string]string{confirmed: workflows.StatusDelivered, reserved: workflows.StatusFailed, declined: workflows.StatusFailed}
			if cancel {
				end[confirmed], end[reserved] = workflows.StatusCancelled, workflows.StatusCancelled
			}
			for order, status := range end {
				s.awaitStatus(t, order, status)
			}
			located := ask(workflows.PrivacyLocate, ref)
			if open := blockers(located); len(open) > 0 {
				t.Errorf("what is open after all has ended: %v", open)
			}
			ask(workflows.PrivacyRemember, ref)
			ask(workflows.PrivacySeal, ref)
			if got := s.place(t, who, input("sealed-key", "prd_a")); got.codes() != "SUBJECT_ERASED@input.customerId" || got.Order != nil {
				t.Errorf("ordering after the seal was answered %s", got.codes())
			}
			receipt := ask(workflows.PrivacyErase, with(map[string]any{"stepId": "orders", "located": located}))
			if receipt["remaining"] != nil && receipt["remaining"] != 0.0 || receipt["signature"] == "" {
				t.Errorf("the receipt is %v", receipt)
			}
			if found := ask(workflows.PrivacyVerify, ref); found["found"] != nil {
				t.Errorf("found after the erasure: %v", found)
			}
			for _, o := range []string{delivered, declined, reserved, confirmed, shipped} {
				if got := s.read(t, who, o); got != nil {
					t.Error("an erased customer sees an order")
				}
				got := s.read(t, support(), o)
				if got.Customer != nil || got.Note != nil || got.ShippingAddress.Name != nil || got.ShippingAddress.City != nil || len(*got.ShippingAddress.PostalCode) != 2 {
					t.Errorf("the order is %+v %+v", got, got.ShippingAddress)
				}
				if got.Payment.Captured.Amount != "0.00" && (got.Payment.Reference == nil || got.Invoice == nil) {
					t.Errorf("what must be kept of the order is not: %+v", got)
				}
			}
			n, err := s.db.Collection("orders").CountDocuments(t.Context(), bson.D{{Key: "customerId", Value: id}})
			if err != nil || n != 0 {
				t.Errorf("%d orders lead to the customer, %v", n, err)
			}
		})
	}
}
