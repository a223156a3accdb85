// Package payment is how Lethe takes money: a client of Stripe's API through Stripe's own SDK, and a sandbox that behaves
// like Stripe for the calls that the client makes. No personal data goes to the provider: an order's id is all it learns.
package payment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v83"
)

// Options say where the provider is.
type Options struct {
	// BaseURL is the address of the API: https://api.stripe.com, or that of a sandbox.
	BaseURL string
	// APIKey is the secret key of the account.
	APIKey string
	// Timeout bounds one request; ten seconds when zero.
	Timeout time.Duration
}

// Client asks a payment provider to set money aside, take it, let it go and give it back.
type Client struct {
	stripe *stripe.Client
}

// New gives a client. It sends nothing yet.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.BaseURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the address of the payment provider is not a URL such as https://api.stripe.com")
	}
	if o.APIKey == "" {
		return nil, errors.New("the API key of the payment provider is missing")
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	backends := stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		URL:             stripe.String(strings.TrimRight(o.BaseURL, "/")),
		HTTPClient:      &http.Client{Timeout: o.Timeout},
		EnableTelemetry: stripe.Bool(false),
		// The SDK's own retries repeat with the same idempotency key; the activity behind repeats for longer.
		MaxNetworkRetries: stripe.Int64(2),
		// At its lower levels the SDK logs bodies.
		LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})
	return &Client{stripe.NewClient(o.APIKey, stripe.WithBackends(backends))}, nil
}

// Status is where a payment stands.
type Status string

// The statuses of a payment, as Stripe names them.
const (
	NeedsMethod       Status = "requires_payment_method"
	NeedsConfirmation Status = "requires_confirmation"
	NeedsAction       Status = "requires_action" // the customer must confirm it with its bank
	Authorised        Status = "requires_capture"
	Captured          Status = "succeeded"
	Voided            Status = "canceled"
	Processing        Status = "processing"
)

// Intent is a payment at the provider. Amounts are in minor units of its currency.
type Intent struct {
	ID            string
	Status        Status
	AmountMinor   int64
	CapturedMinor int64
}

// Declined is the provider's refusal to take money from this means of payment.
type Declined struct {
	// Code is the provider's: "insufficient_funds".
	Code string
}

// Error implements error.
func (d *Declined) Error() string { return "the payment was declined: " + d.Code }

// WrongState is the provider's refusal of a step that the payment's state does not allow.
type WrongState struct {
	Status Status
}

// Error implements error.
func (w *WrongState) Error() string { return "the payment is " + string(w.Status) }

// Create makes a payment of an order, with nothing asked of the customer's bank yet. It is idempotent by order.
func (c *Client) Create(ctx context.Context, orderID string, minor int64, currency string) (Intent, error) {
	p := &stripe.PaymentIntentCreateParams{
		Amount:             stripe.Int64(minor),
		Currency:           stripe.String(strings.ToLower(currency)),
		CaptureMethod:      stripe.String(string(stripe.PaymentIntentCaptureMethodManual)),
		PaymentMethodTypes: []*string{stripe.String("card")},
	}
	p.AddMetadata("order_id", orderID)
	p.SetIdempotencyKey(orderID + "/intent")
	return intent("create a payment")(c.stripe.V1PaymentIntents.Create(ctx, p))
}

// Get gives a payment as it is.
func (c *Client) Get(ctx context.Context, id string) (Intent, error) {
	return intent("read a payment")(c.stripe.V1PaymentIntents.Retrieve(ctx, id, nil))
}

// Confirm asks the bank to set the money aside. A [Declined] is a refusal; a payment that [NeedsAction] waits for the
// customer.
func (c *Client) Confirm(ctx context.Context, id, method, key string) (Intent, error) {
	p := &stripe.PaymentIntentConfirmParams{PaymentMethod: stripe.String(method)}
	p.SetIdempotencyKey(key)
	return intent("authorise a payment")(c.stripe.V1PaymentIntents.Confirm(ctx, id, p))
}

// Capture takes the money that was set aside.
func (c *Client) Capture(ctx context.Context, id, key string) (Intent, error) {
	p := &stripe.PaymentIntentCaptureParams{}
	p.SetIdempotencyKey(key)
	return intent("capture a payment")(c.stripe.V1PaymentIntents.Capture(ctx, id, p))
}

// Cancel lets the money that was set aside go.
func (c *Client) Cancel(ctx context.Context, id, key string) (Intent, error) {
	p := &stripe.PaymentIntentCancelParams{}
	p.SetIdempotencyKey(key)
	return intent("void a payment")(c.stripe.V1PaymentIntents.Cancel(ctx, id, p))
}

// Refund gives minor units of a captured payment back.
func (c *Client) Refund(ctx context.Context, id string, minor int64, key string) error {
	p := &stripe.RefundCreateParams{PaymentIntent: stripe.String(id), Amount: stripe.Int64(minor)}
	p.SetIdempotencyKey(key)
	_, err := c.stripe.V1Refunds.Create(ctx, p)
	return translate("refund a payment", err)
}

func intent(what string) func(*stripe.PaymentIntent, error) (Intent, error) {
	return func(p *stripe.PaymentIntent, err error) (Intent, error) {
		if err != nil {
			return Intent{}, translate(what, err)
		}
		return Intent{p.ID, Status(p.Status), p.Amount, p.AmountReceived}, nil
	}
}

// translate gives the domain's error for the SDK's, without the provider's words, which may repeat what a customer wrote.
func translate(what string, err error) error {
	if err == nil {
		return nil
	}
	var s *stripe.Error
	if !errors.As(err, &s) {
		if errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s: %w", what, context.Canceled)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%s: the payment provider did not answer in time: %w", what, context.DeadlineExceeded)
		}
		return fmt.Errorf("%s: the payment provider cannot be reached", what)
	}
	switch {
	case s.Type == stripe.ErrorTypeCard:
		code := string(s.DeclineCode)
		if code == "" {
			code = string(s.Code)
		}
		return &Declined{code}
	case s.Code == stripe.ErrorCodeResourceMissing && s.Param == "payment_method", s.Type == stripe.ErrorTypeInvalidRequest && s.Param == "amount":
		return &Declined{string(s.Code)}
	case s.Code == stripe.ErrorCodePaymentIntentUnexpectedState && s.PaymentIntent != nil:
		return &WrongState{Status(s.PaymentIntent.Status)}
	}
	return fmt.Errorf("%s: the payment provider answered %d %s %s (request %s)", what, s.HTTPStatusCode, s.Type, s.Code, s.RequestID)
}
