package payment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// stage is a step of a payment intent that takes effect once: the request that did it is kept, so that its repetition
// after a crash finds it done.
type stage struct {
	Confirm string `bson:"confirm,omitempty"`
	Capture string `bson:"capture,omitempty"`
	Cancel  string `bson:"cancel,omitempty"`
}

// intentRecord is a payment intent as the sandbox keeps it. Amounts are in minor units.
type intentRecord struct {
	ID         string            `bson:"_id"`
	Amount     int64             `bson:"amount"`
	Currency   string            `bson:"currency"`
	Manual     bool              `bson:"manual"`
	Status     Status            `bson:"status"`
	Method     string            `bson:"method,omitempty"`
	Received   int64             `bson:"received"`
	Refundable int64             `bson:"refundable"`
	Refunds    []string          `bson:"refunds"`
	Failed     int               `bson:"failed"` // how often confirming failed on the provider's side
	Decline    string            `bson:"decline,omitempty"`
	Metadata   map[string]string `bson:"metadata,omitempty"`
	By         stage             `bson:"by"`
	Created    time.Time         `bson:"created"`
	Cancelled  time.Time         `bson:"cancelled,omitempty"`
}

// intentObject is a payment intent as Stripe writes it.
type intentObject struct {
	ID                 string            `json:"id"`
	Object             string            `json:"object"`
	Amount             int64             `json:"amount"`
	AmountCapturable   int64             `json:"amount_capturable"`
	AmountReceived     int64             `json:"amount_received"`
	CanceledAt         *int64            `json:"canceled_at"`
	CaptureMethod      string            `json:"capture_method"`
	ClientSecret       string            `json:"client_secret"`
	ConfirmationMethod string            `json:"confirmation_method"`
	Created            int64             `json:"created"`
	Currency           string            `json:"currency"`
	LastPaymentError   *apiError         `json:"last_payment_error"`
	LatestCharge       *string           `json:"latest_charge"`
	Livemode           bool              `json:"livemode"`
	Metadata           map[string]string `json:"metadata"`
	NextAction         *nextAction       `json:"next_action"`
	PaymentMethod      *string           `json:"payment_method"`
	PaymentMethodTypes []string          `json:"payment_method_types"`
	Status             Status            `json:"status"`
}

type nextAction struct {
	Type string `json:"type"`
}

func (r *intentRecord) object() *intentObject {
	o := &intentObject{
		ID: r.ID, Object: "payment_intent", Amount: r.Amount, AmountReceived: r.Received, CaptureMethod: "automatic",
		ClientSecret: r.ID + "_secret_" + digest(r.ID)[:20], ConfirmationMethod: "automatic", Created: r.Created.Unix(), Currency: r.Currency,
		Metadata: r.Metadata, PaymentMethodTypes: []string{"card"}, Status: r.Status,
	}
	if r.Manual {
		o.CaptureMethod = "manual"
	}
	if o.Metadata == nil {
		o.Metadata = map[string]string{}
	}
	if r.Method != "" && r.Status != NeedsMethod {
		o.PaymentMethod = &r.Method
	}
	charge := "ch_" + strings.TrimPrefix(r.ID, "pi_")
	switch r.Status {
	case Authorised:
		o.AmountCapturable, o.LatestCharge = r.Amount, &charge
	case Captured:
		o.LatestCharge = &charge
	case NeedsAction:
		o.NextAction = &nextAction{Type: "use_stripe_sdk"}
	case Voided:
		at := r.Cancelled.Unix()
		o.CanceledAt = &at
	}
	if r.Decline != "" {
		e := decline(r.Decline)
		o.LastPaymentError = &e
	}
	return o
}

func decline(code string) apiError {
	switch code {
	case "insufficient_funds":
		return apiError{Type: cardError, Code: "card_declined", DeclineCode: code, Message: "Your card has insufficient funds."}
	case "payment_intent_authentication_failure":
		return apiError{Type: invalidRequest, Code: code, Message: "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent again."}
	}
	return apiError{Type: cardError, Code: "card_declined", DeclineCode: code, Message: "Your card was declined."}
}

func (s *Sandbox) create(ctx context.Context, r request) (answer, error) {
	if a, bad := unknown(r.form, "amount", "currency", "capture_method", "payment_method_types", "metadata"); bad {
		return a, nil
	}
	for _, name := range []string{"amount", "currency"} {
		if r.form.Get(name) == "" {
			return missing(name), nil
		}
	}
	amount, err := strconv.ParseInt(r.form.Get("amount"), 10, 64)
	if err != nil {
		return invalidInteger("amount"), nil
	}
	switch {
	case amount < 1:
		return refusal(http.StatusBadRequest, apiError{Type: invalidRequest, Code: "parameter_invalid_integer", Param: "amount", Message: "This value must be greater than or equal to 1."}), nil
	case amount > 99_999_999:
		return refusal(http.StatusBadRequest, apiError{Type: invalidRequest, Code: "amount_too_large", Param: "amount", Message: "Amount must be no more than 999,999.99."}), nil
	}
	currency := strings.ToLower(r.form.Get("currency"))
	if currency != "eur" && currency != "gbp" && currency != "usd" {
		return refusal(http.StatusBadRequest, apiError{Type: invalidRequest, Param: "currency", Message: "Invalid currency: " + currency + "."}), nil
	}
	capture := r.form.Get("capture_method")
	if capture != "" && capture != "manual" && capture != "automatic" {
		return refusal(http.StatusBadRequest, apiError{Type: invalidRequest, Param: "capture_method", Message: "Invalid capture_method: must be one of automatic or manual"}), nil
	}
	record := intentRecord{
		ID: "pi_" + r.key[:24], Amount: amount, Currency: currency, Manual: capture == "manual", Status: NeedsMethod, Refunds: []string{},
		Metadata: map[string]string{}, Created: time.Now().UTC(),
	}
	for name, values := range r.form {
		if key, ok := strings.CutPrefix(name, "metadata["); ok {
			record.Metadata[strings.TrimSuffix(key, "]")] = values[0]
		}
	}
	if _, err := s.intents.InsertOne(ctx, record); err != nil && !mongo.IsDuplicateKeyError(err) {
		return answer{}, fmt.Errorf("keep a payment intent: %w", err)
	}
	return s.retrieve(ctx, request{id: record.ID})
}

func (s *Sandbox) find(ctx context.Context, id string) (*intentRecord, error) {
	var record intentRecord
	if err := s.intents.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&record); err != nil {
		if errors.Is(err, mongo.ErrNoDocuments) {
			return nil, nil
		}
		return nil, fmt.Errorf("read a payment intent: %w", err)
	}
	return &record, nil
}

func (s *Sandbox) retrieve(ctx context.Context, r request) (answer, error) {
	record, err := s.find(ctx, r.id)
	if err != nil {
		return answer{}, err
	}
	if record == nil {
		return noSuch(http.StatusNotFound, "payment_intent", "intent", r.id), nil
	}
	return answer{code: http.StatusOK, body: record.object()}, nil
}

// move changes an intent that has one of the statuses, and answers with it as it then is. Of an intent with another status it
// answers what Stripe answers, unless the same request had already moved it.
func (s *Sandbox) move(ctx context.Context, r request, verb, step string, from []Status, set bson.D) (answer, error) {
	set = append(set, bson.E{Key: "by." + step, Value: r.key})
	var record intentRecord
	err := s.intents.FindOneAndUpdate(ctx,
		bson.D{{Key: "_id", Value: r.id}, {Key: "status", Value: bson.D{{Key: "$in", Value: from}}}},
		bson.D{{Key: "$set", Value: set}}, options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&record)
	if err == nil {
		return answer{code: http.StatusOK, body: record.object()}, nil
	}
	if !errors.Is(err, mongo.ErrNoDocuments) {
		return answer{}, fmt.Errorf("%s a payment intent: %w", verb, err)
	}
	found, err := s.find(ctx, r.id)
	if err != nil {
		return answer{}, err
	}
	if found == nil {
		return noSuch(http.StatusNotFound, "payment_intent", "intent", r.id), nil
	}
	if done := map[string]string{"confirm": found.By.Confirm, "capture": found.By.Capture, "cancel": found.By.Cancel}[step]; done == r.key {
		return answer{code: http.StatusOK, body: found.object()}, nil
	}
	names := make([]string, len(from))
	for i, f := range from {
		names[i] = string(f)
	}
	return refusal(http.StatusBadRequest, apiError{
		Type: invalidRequest, Code: "payment_intent_unexpected_state", PaymentIntent: found.object(),
		Message: fmt.Sprintf("This PaymentIntent could not be %s because it has a status of %s. Only a PaymentIntent with one of the following statuses may be %s: %s.",
			verb, found.Status, verb, strings.Join(names, ", ")),
	}), nil
}

func (s *Sandbox) confirm(ctx context.Context, r request) (answer, error) {
	if a, bad := unknown(r.form, "payment_method"); bad {
		return a, nil
	}
	record, err := s.find(ctx, r.id)
	if err != nil {
		return answer{}, err
	}
	if record == nil {
		return noSuch(http.StatusNotFound, "payment_intent", "intent", r.id), nil
	}
	method := r.form.Get("payment_method")
	if method == "" {
		return refusal(http.StatusBadRequest, apiError{Type: invalidRequest, Code: "payment_intent_unexpected_state", PaymentIntent: record.object(), Message: "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method."}), nil
	}
	from := []Status{NeedsMethod, NeedsConfirmation, NeedsAction}
	approved := bson.D{{Key: "method", Value: method}, {Key: "decline", Value: ""}, {Key: "status", Value: Authorised}}
	if !record.Manual {
		approved = bson.D{{Key: "method", Value: method}, {Key: "decline", Value: ""}, {Key: "status", Value: Captured}, {Key: "received", Value: record.Amount}, {Key: "refundable", Value: record.Amount}}
	}
	switch method {
	case MethodVisa, MethodMastercard:
		return s.move(ctx, r, "confirmed", "confirm", from, approved)
	case MethodDeclined:
		return s.declined(ctx, r, from, "generic_decline")
	case MethodInsufficientFunds:
		return s.declined(ctx, r, from, "insufficient_funds")
	case MethodAuthentication:
		return s.move(ctx, r, "confirmed", "confirm", from, bson.D{{Key: "method", Value: method}, {Key: "status", Value: NeedsAction}})
	case MethodTimeout, MethodDropped:
		a, err := s.move(ctx, r, "confirmed", "confirm", from, approved)
		a.hang, a.drop = method == MethodTimeout, method == MethodDropped
		return a, err
	case MethodError, MethodUnavailable:
		if method == MethodError && record.Failed > 0 {
			return s.move(ctx, r, "confirmed", "confirm", from, approved)
		}
		if _, err := s.intents.UpdateOne(ctx, bson.D{{Key: "_id", Value: r.id}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "failed", Value: 1}}}}); err != nil {
			return answer{}, fmt.Errorf("count a failure: %w", err)
		}
		return failure, nil
	}
	return noSuch(http.StatusBadRequest, "PaymentMethod", "payment_method", method), nil
}

func (s *Sandbox) declined(ctx context.Context, r request, from []Status, code string) (answer, error) {
	a, err := s.move(ctx, r, "confirmed", "confirm", from, bson.D{{Key: "status", Value: NeedsMethod}, {Key: "decline", Value: code}})
	if err != nil || a.code != http.StatusOK {
		return a, err
	}
	e := decline(code)
	e.PaymentIntent, _ = a.body.(*intentObject)
	e.Charge = "ch_" + strings.TrimPrefix(r.id, "pi_")
	return refusal(http.StatusPaymentRequired, e), nil
}

// authenticate is what the customer does with its bank: it confirms the payment, or fails to.
func (s *Sandbox) authenticate(ctx context.Context, r request) (answer, error) {
	if a, bad := unknown(r.form, "outcome"); bad {
		return a, nil
	}
	switch r.form.Get("outcome") {
	case "succeed", "":
		return s.move(ctx, r, "authenticated", "confirm", []Status{NeedsAction}, bson.D{{Key: "status", Value: Authorised}})
	case "fail":
		return s.move(ctx, r, "authenticated", "confirm", []Status{NeedsAction}, bson.D{{Key: "status", Value: NeedsMethod}, {Key: "decline", Value: "payment_intent_authentication_failure"}})
	}
	return refusal(http.StatusBadRequest, apiError{Type: invalidRequest, Param: "outcome", Message: "Invalid outcome: must be one of succeed or fail"}), nil
}

func (s *Sandbox) capture(ctx context.Context, r request) (answer, error) {
	if a, bad := unknown(r.form, "amount_to_capture"); bad {
		return a, nil
	}
	record, err := s.find(ctx, r.id)
	if err != nil {
		return answer{}, err
	}
	if record == nil {
		return noSuch(http.StatusNotFound, "payment_intent", "intent", r.id), nil
	}
	amount := record.Amount
	if raw := r.form.Get("amount_to_capture"); raw != "" {
		amount, err = strconv.ParseInt(raw, 10, 64)
		if err != nil || amount < 1 {
			return invalidInteger("amount_to_capture"), nil
		}
		if amount > record.Amount {
			return refusal(http.StatusBadRequest, apiError{Type: invalidRequest, Code: "amount_too_large", Param: "amount_to_capture", Message: "The amount to capture is greater than the amount you can capture for this charge."}), nil
		}
	}
	return s.move(ctx, r, "captured", "capture", []Status{Authorised},
		bson.D{{Key: "status", Value: Captured}, {Key: "received", Value: amount}, {Key: "refundable", Value: amount}})
}

func (s *Sandbox) cancel(ctx context.Context, r request) (answer, error) {
	if a, bad := unknown(r.form, "cancellation_reason"); bad {
		return a, nil
	}
	return s.move(ctx, r, "canceled", "cancel", []Status{NeedsMethod, Authorised, NeedsConfirmation, NeedsAction, Processing},
		bson.D{{Key: "status", Value: Voided}, {Key: "cancelled", Value: time.Now().UTC()}})
}
