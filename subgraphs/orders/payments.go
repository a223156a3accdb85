package orders

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/payment"
)

// authenticationFailed is the code of a payment that the customer could not confirm with its bank.
const authenticationFailed = "authentication_failed"

// authorise has the money set aside. The payment's reference stands in the order before the bank is asked, so that whoever
// voids the payment knows it.
func (a *activities) authorise(ctx context.Context, r workflows.OrderRef) (workflows.Authorisation, error) {
	o, err := a.order(ctx, r.OrderID, "be paid")
	if err != nil {
		return workflows.Authorisation{}, err
	}
	switch {
	case o.Payment.Voided:
		return workflows.Authorisation{}, wrongState(o.ID, "be paid")
	case o.Payment.Status == paymentAuthorised:
		return workflows.Authorisation{}, nil
	case o.Payment.Status == paymentDeclined:
		return workflows.Authorisation{}, declined(o.Payment.DeclineCode)
	}
	if o.Payment.Reference == "" {
		made, err := a.payments.Create(ctx, o.ID, o.total(), string(o.Currency))
		if err != nil {
			return workflows.Authorisation{}, a.refused(ctx, o, err)
		}
		known, err := a.store.update(ctx, o.ID, bson.D{{Key: "payment.voided", Value: bson.D{{Key: "$ne", Value: true}}}},
			set(bson.E{Key: "payment.reference", Value: made.ID}))
		if err != nil {
			return workflows.Authorisation{}, err
		}
		if !known {
			return workflows.Authorisation{}, wrongState(o.ID, "be paid")
		}
		o.Payment.Reference = made.ID
	}
	// A provider repeats its first answer to a key, failures included: so a later try first looks what became of the first,
	// and asks anew only if nothing did. The payment itself can be authorised only once.
	key := o.ID + "/authorise"
	if attempt := activity.GetInfo(ctx).Attempt; attempt > 1 {
		found, err := a.payments.Get(ctx, o.Payment.Reference)
		if err != nil {
			return workflows.Authorisation{}, err
		}
		if found.Status != payment.NeedsMethod && found.Status != payment.NeedsConfirmation {
			return a.outcome(ctx, o, found)
		}
		key = fmt.Sprintf("%s/%d", key, attempt)
	}
	confirmed, err := a.payments.Confirm(ctx, o.Payment.Reference, o.PaymentMethod, key)
	if err != nil {
		return workflows.Authorisation{}, a.refused(ctx, o, err)
	}
	return a.outcome(ctx, o, confirmed)
}

// authorised looks whether the customer has confirmed a payment with its bank.
func (a *activities) authorised(ctx context.Context, r workflows.OrderRef) (workflows.Authorisation, error) {
	o, err := a.order(ctx, r.OrderID, "be paid")
	if err != nil {
		return workflows.Authorisation{}, err
	}
	switch o.Payment.Status {
	case paymentAuthorised:
		return workflows.Authorisation{}, nil
	case paymentDeclined:
		return workflows.Authorisation{}, declined(o.Payment.DeclineCode)
	}
	found, err := a.payments.Get(ctx, o.Payment.Reference)
	if err != nil {
		return workflows.Authorisation{}, err
	}
	if found.Status == payment.NeedsMethod {
		return workflows.Authorisation{}, a.refused(ctx, o, &payment.Declined{Code: authenticationFailed})
	}
	return a.outcome(ctx, o, found)
}

// outcome writes down where a payment stands that the provider was asked for.
func (a *activities) outcome(ctx context.Context, o *Order, p payment.Intent) (workflows.Authorisation, error) {
	switch p.Status {
	case payment.NeedsAction, payment.Processing:
		return workflows.Authorisation{Pending: true}, nil
	case payment.Authorised:
		_, err := a.store.update(ctx, o.ID, bson.D{{Key: "payment.status", Value: paymentNone}},
			set(bson.E{Key: "payment.status", Value: paymentAuthorised}, bson.E{Key: "payment.authorisedMinor", Value: p.AmountMinor}, bson.E{Key: "payment.at", Value: now()}))
		return workflows.Authorisation{}, err
	}
	return workflows.Authorisation{}, wrongState(o.ID, "be paid: its payment is "+string(p.Status))
}

// refused writes a decline down and makes it final; other errors may pass.
func (a *activities) refused(ctx context.Context, o *Order, err error) error {
	var d *payment.Declined
	var w *payment.WrongState
	switch {
	case errors.As(err, &w):
		return wrongState(o.ID, "be paid: its payment is "+string(w.Status))
	case !errors.As(err, &d):
		return err
	}
	_, failed := a.store.update(ctx, o.ID, bson.D{{Key: "payment.status", Value: paymentNone}},
		set(bson.E{Key: "payment.status", Value: paymentDeclined}, bson.E{Key: "payment.declineCode", Value: d.Code}, bson.E{Key: "payment.at", Value: now()}))
	if failed != nil {
		return failed
	}
	return declined(d.Code)
}

func declined(code string) error {
	return temporal.NewApplicationErrorWithOptions("the payment was declined", workflows.ErrTypePaymentDeclined, temporal.ApplicationErrorOptions{
		NonRetryable: true, Category: temporal.ApplicationErrorCategoryBenign, Details: []any{workflows.Decline{Code: code}},
	})
}

// void lets the money go that is set aside, if any is, and keeps any from being set aside later.
func (a *activities) void(ctx context.Context, r workflows.OrderRef) error {
	o, err := a.store.mark(ctx, r.OrderID, set(bson.E{Key: "payment.voided", Value: true}))
	if errors.Is(err, errNotFound) || err == nil && o.Payment.Reference == "" {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = a.payments.Cancel(ctx, o.Payment.Reference, o.ID+"/void")
	var w *payment.WrongState
	if errors.As(err, &w) && w.Status == payment.Voided {
		err = nil
	}
	if err != nil {
		return err
	}
	_, err = a.store.update(ctx, o.ID, bson.D{{Key: "payment.status", Value: bson.D{{Key: "$in", Value: []string{paymentNone, paymentAuthorised}}}}},
		set(bson.E{Key: "payment.status", Value: paymentVoided}, bson.E{Key: "payment.at", Value: now()}))
	return err
}

// capture takes the money that is set aside.
func (a *activities) capture(ctx context.Context, r workflows.OrderRef) error {
	o, err := a.order(ctx, r.OrderID, "be captured")
	if err != nil || o.Payment.Status == paymentCaptured {
		return err
	}
	taken, err := a.payments.Capture(ctx, o.Payment.Reference, o.ID+"/capture")
	var w *payment.WrongState
	if errors.As(err, &w) && w.Status == payment.Captured {
		taken, err = a.payments.Get(ctx, o.Payment.Reference)
	}
	if err != nil {
		return err
	}
	update := set(bson.E{Key: "payment.status", Value: paymentCaptured}, bson.E{Key: "payment.capturedMinor", Value: taken.CapturedMinor}, bson.E{Key: "payment.at", Value: now()})
	_, err = a.store.update(ctx, o.ID, bson.D{{Key: "payment.status", Value: paymentAuthorised}},
		append(update, bson.E{Key: "$unset", Value: bson.D{{Key: "paymentMethod", Value: ""}}}))
	return err
}

// refund gives money back, once for each step.
func (a *activities) refund(ctx context.Context, r workflows.RefundRequest) error {
	o, err := a.order(ctx, r.OrderID, "be refunded")
	if err != nil {
		return err
	}
	for _, done := range o.Payment.Refunds {
		if done.Step == r.Step {
			return nil
		}
	}
	minor := refundable(o, r)
	if minor <= 0 {
		return nil
	}
	if err := a.payments.Refund(ctx, o.Payment.Reference, minor, o.ID+"/refund/"+r.Step); err != nil {
		return err
	}
	at := now()
	_, err = a.store.update(ctx, o.ID, bson.D{{Key: "payment.refunds.step", Value: bson.D{{Key: "$ne", Value: r.Step}}}}, bson.D{
		{Key: "$inc", Value: bson.D{{Key: "payment.refundedMinor", Value: minor}}},
		{Key: "$push", Value: bson.D{{Key: "payment.refunds", Value: Refund{r.Step, minor, at}}}},
		{Key: "$set", Value: bson.D{{Key: "payment.at", Value: at}, {Key: "updatedAt", Value: at}}},
	})
	return err
}

// refundable gives what a refund comes to: what was set down for a return, or the lines of parcels that did not arrive,
// with the shipping cost when none did.
func refundable(o *Order, r workflows.RefundRequest) int64 {
	left := o.Payment.CapturedMinor - o.Payment.RefundedMinor
	if r.ReturnID != "" {
		for _, back := range o.Returns {
			if back.ID == r.ReturnID {
				return min(back.RefundMinor, left)
			}
		}
		return 0
	}
	if len(r.Parcels) == len(o.Shipments) {
		return left
	}
	var sum int64
	for _, s := range o.Shipments {
		for _, id := range r.Parcels {
			if s.ID != id {
				continue
			}
			for _, i := range s.Items {
				sum += o.unitPrice(i.ProductID) * int64(i.Quantity)
			}
		}
	}
	return min(sum, left)
}
