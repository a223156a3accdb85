package payment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// refundRecord is money given back, as the sandbox keeps it.
type refundRecord struct {
	ID       string    `bson:"_id"`
	Intent   string    `bson:"intent"`
	Amount   int64     `bson:"amount"`
	Currency string    `bson:"currency"`
	Created  time.Time `bson:"created"`
}

// refundObject is a refund as Stripe writes it.
type refundObject struct {
	ID            string            `json:"id"`
	Object        string            `json:"object"`
	Amount        int64             `json:"amount"`
	Created       int64             `json:"created"`
	Currency      string            `json:"currency"`
	Metadata      map[string]string `json:"metadata"`
	PaymentIntent string            `json:"payment_intent"`
	Status        string            `json:"status"`
}

func (r *refundRecord) object() refundObject {
	return refundObject{r.ID, "refund", r.Amount, r.Created.Unix(), r.Currency, map[string]string{}, r.Intent, "succeeded"}
}

func (s *Sandbox) refund(ctx context.Context, r request) (answer, error) {
	if a, bad := unknown(r.form, "payment_intent", "amount", "reason"); bad {
		return a, nil
	}
	id := r.form.Get("payment_intent")
	if id == "" {
		return refusal(http.StatusBadRequest, apiError{Type: invalidRequest, Message: "One of the following params should be provided for this request: payment_intent or charge."}), nil
	}
	record, err := s.find(ctx, id)
	if err != nil {
		return answer{}, err
	}
	if record == nil {
		return noSuch(http.StatusNotFound, "payment_intent", "payment_intent", id), nil
	}
	if record.Status != Captured {
		return refusal(http.StatusBadRequest, apiError{Type: invalidRequest, Message: fmt.Sprintf("This PaymentIntent (%s) does not have a successful charge to refund.", id)}), nil
	}
	refund := refundRecord{ID: "re_" + r.key[:24], Intent: id, Amount: record.Refundable, Currency: record.Currency, Created: time.Now().UTC()}
	if raw := r.form.Get("amount"); raw != "" {
		if refund.Amount, err = strconv.ParseInt(raw, 10, 64); err != nil || refund.Amount < 1 {
			return invalidInteger("amount"), nil
		}
	}
	// The refund is written down before it counts, so that a crash between the two is made good by the repetition.
	if _, err := s.refunds.InsertOne(ctx, refund); err != nil {
		if !mongo.IsDuplicateKeyError(err) {
			return answer{}, fmt.Errorf("keep a refund: %w", err)
		}
		if err := s.refunds.FindOne(ctx, bson.D{{Key: "_id", Value: refund.ID}}).Decode(&refund); err != nil {
			return answer{}, fmt.Errorf("read a refund: %w", err)
		}
	}
	counted, err := s.intents.UpdateOne(ctx,
		bson.D{{Key: "_id", Value: id}, {Key: "refundable", Value: bson.D{{Key: "$gte", Value: max(refund.Amount, 1)}}}, {Key: "refunds", Value: bson.D{{Key: "$ne", Value: refund.ID}}}},
		bson.D{{Key: "$inc", Value: bson.D{{Key: "refundable", Value: -refund.Amount}}}, {Key: "$push", Value: bson.D{{Key: "refunds", Value: refund.ID}}}})
	if err != nil {
		return answer{}, fmt.Errorf("count a refund: %w", err)
	}
	if counted.ModifiedCount == 0 {
		return s.uncounted(ctx, refund)
	}
	return answer{code: http.StatusOK, body: refund.object()}, nil
}

// uncounted answers for a refund that did not count: it had counted before, or there is too little left.
func (s *Sandbox) uncounted(ctx context.Context, refund refundRecord) (answer, error) {
	record, err := s.find(ctx, refund.Intent)
	if err != nil || record == nil {
		return answer{}, errors.Join(errors.New("read the payment of a refund"), err)
	}
	for _, id := range record.Refunds {
		if id == refund.ID {
			return answer{code: http.StatusOK, body: refund.object()}, nil
		}
	}
	if _, err := s.refunds.DeleteOne(ctx, bson.D{{Key: "_id", Value: refund.ID}}); err != nil {
		return answer{}, fmt.Errorf("take a refund back: %w", err)
	}
	charge := "ch_" + refund.Intent[3:]
	if record.Refundable == 0 {
		return refusal(http.StatusBadRequest, apiError{Type: invalidRequest, Code: "charge_already_refunded", Charge: charge, Message: "Charge " + charge + " has already been refunded."}), nil
	}
	return refusal(http.StatusBadRequest, apiError{
		Type: invalidRequest, Param: "amount", Charge: charge,
		Message: fmt.Sprintf("Refund amount (%s) is greater than unrefunded amount on charge (%s)", decimal(refund.Amount), decimal(record.Refundable)),
	}), nil
}

func (s *Sandbox) retrieveRefund(ctx context.Context, r request) (answer, error) {
	var refund refundRecord
	if err := s.refunds.FindOne(ctx, bson.D{{Key: "_id", Value: r.id}}).Decode(&refund); err != nil {
		if errors.Is(err, mongo.ErrNoDocuments) {
			return noSuch(http.StatusNotFound, "refund", "id", r.id), nil
		}
		return answer{}, fmt.Errorf("read a refund: %w", err)
	}
	return answer{code: http.StatusOK, body: refund.object()}, nil
}

func decimal(minor int64) string { return fmt.Sprintf("%d.%02d", minor/100, minor%100) }
