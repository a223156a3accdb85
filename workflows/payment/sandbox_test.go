package payment_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v83"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/embedded/mongo"
	"github.com/lethe/lethe/workflows/payment"
)

const key = "sk_test_of_the_tests"

func database(t testing.TB) *driver.Database {
	t.Helper()
	server, err := mongo.Start(t.Context(), mongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	client, err := mongodb.Connect(t.Context(), server.URI(), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database("sandbox")
}

func serve(t testing.TB, db *driver.Database) string {
	t.Helper()
	sandbox, err := payment.NewSandbox(t.Context(), payment.SandboxOptions{DB: db, Log: slog.New(slog.DiscardHandler), APIKey: key})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(sandbox)
	t.Cleanup(s.Close)
	return s.URL
}

func client(t testing.TB, url string) *payment.Client {
	t.Helper()
	c, err := payment.New(payment.Options{BaseURL: url, APIKey: key, Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sdk gives Stripe's own client, without ours around it.
func sdk(url string) *stripe.Client {
	return stripe.NewClient(key, stripe.WithBackends(stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		URL: stripe.String(url), MaxNetworkRetries: stripe.Int64(0), LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})))
}

// TestPayment takes payments through Stripe's SDK with every means of payment.
func TestPayment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method   string
		tries    int // how often it is confirmed
		status   payment.Status
		declined string
	}{
		{payment.MethodVisa, 1, payment.Authorised, ""},
		{payment.MethodMastercard, 1, payment.Authorised, ""},
		{payment.MethodDeclined, 1, payment.NeedsMethod, "generic_decline"},
		{payment.MethodInsufficientFunds, 1, payment.NeedsMethod, "insufficient_funds"},
		{payment.MethodAuthentication, 1, payment.NeedsAction, ""},
		{payment.MethodTimeout, 1, payment.Authorised, ""}, // the SDK's own repetition learns what came of it
		{payment.MethodDropped, 1, payment.Authorised, ""},
		{payment.MethodError, 2, payment.Authorised, ""},
		{payment.MethodUnavailable, 2, payment.NeedsMethod, ""},
		{"pm_card_of_nobody", 1, payment.NeedsMethod, "resource_missing"},
	} {
		t.Run(c.method, func(t *testing.T) {
			t.Parallel()
			pay := client(t, serve(t, database(t)))
			made, err := pay.Create(t.Context(), "ord_1", 1999, "EUR")
			if err != nil || made.Status != payment.NeedsMethod || made.AmountMinor != 1999 {
				t.Fatalf("made %+v, %v", made, err)
			}
			for try := range c.tries {
				_, err = pay.Confirm(t.Context(), made.ID, c.method, "ord_1/authorise/"+string(rune('a'+try)))
				if try+1 < c.tries && err == nil {
					t.Error("the first try succeeded")
				}
			}
			var declined *payment.Declined
			switch {
			case c.declined != "":
				if !errors.As(err, &declined) || declined.Code != c.declined {
					t.Errorf("confirming was answered %v, want %s", err, c.declined)
				}
			case (err == nil) != (c.method != payment.MethodUnavailable):
				t.Errorf("confirming was answered %v", err)
			}
			found, err := pay.Get(t.Context(), made.ID)
			if err != nil || found.Status != c.status {
				t.Errorf("the payment is %+v, %v; want %s", found, err, c.status)
			}
		})
	}
}

func TestCaptureAndRefund(t *testing.T) {
	t.Parallel()
	pay := client(t, serve(t, database(t)))
	ctx := t.Context()
	made, err := pay.Create(ctx, "ord_1", 1000, "GBP")
	if err != nil {
		t.Fatal(err)
	}
	var state *payment.WrongState
	if _, err := pay.Capture(ctx, made.ID, "early"); !errors.As(err, &state) || state.Status != payment.NeedsMethod {
		t.Errorf("capturing early was answered %v", err)
	}
	if _, err := pay.Confirm(ctx, made.ID, payment.MethodVisa, "confirm"); err != nil {
		t.Fatal(err)
	}
	if _, err := pay.Confirm(ctx, made.ID, payment.MethodVisa, "again"); !errors.As(err, &state) || state.Status != payment.Authorised {
		t.Errorf("confirming twice was answered %v", err)
	}
	for range 2 { // the same key twice
		if got, err := pay.Capture(ctx, made.ID, "capture"); err != nil || got.CapturedMinor != 1000 || got.Status != payment.Captured {
			t.Fatalf("captured %+v, %v", got, err)
		}
	}
	if _, err := pay.Cancel(ctx, made.ID, "void"); !errors.As(err, &state) || state.Status != payment.Captured {
		t.Errorf("voiding after the capture was answered %v", err)
	}
	for range 2 {
		if err := pay.Refund(ctx, made.ID, 400, "refund/1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := pay.Refund(ctx, made.ID, 601, "refund/2"); err == nil {
		t.Error("more was refunded than taken")
	}
	if err := pay.Refund(ctx, made.ID, 600, "refund/3"); err != nil {
		t.Errorf("the rest was not refunded: %v", err)
	}
}

// TestConcurrently has one payment taken and refunded by many at once: it happens once.
func TestConcurrently(t *testing.T) {
	t.Parallel()
	url := serve(t, database(t))
	pay, err := payment.New(payment.Options{BaseURL: url, APIKey: key})
	if err != nil {
		t.Fatal(err)
	}
	made, err := pay.Create(t.Context(), "ord_1", 1000, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pay.Confirm(t.Context(), made.ID, payment.MethodVisa, "confirm"); err != nil {
		t.Fatal(err)
	}
	if _, err := pay.Capture(t.Context(), made.ID, "capture"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	refund := func(i int) error { return pay.Refund(t.Context(), made.ID, 100, "refund/"+string(rune('a'+i))) }
	for i := range 32 {
		wg.Go(func() { _ = refund(i % 16) }) // of two with the same key one may be told that the other is under way
	}
	wg.Wait()
	done := 0
	for i := range 16 {
		if refund(i) == nil {
			done++
		}
	}
	if done != 10 {
		t.Errorf("%d refunds of 100 out of 1000 were done", done)
	}
}

// TestSurvives keeps payments over a restart of the sandbox.
func TestSurvives(t *testing.T) {
	t.Parallel()
	db := database(t)
	made, err := client(t, serve(t, db)).Create(t.Context(), "ord_1", 500, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	again := client(t, serve(t, db))
	if found, err := again.Get(t.Context(), made.ID); err != nil || found.AmountMinor != 500 {
		t.Errorf("after a restart the payment is %+v, %v", found, err)
	}
	if repeated, err := again.Create(t.Context(), "ord_1", 500, "EUR"); err != nil || repeated.ID != made.ID {
		t.Errorf("the same key made %+v, %v", repeated, err)
	}
}

// TestErrors compares the sandbox's errors with those that Stripe documents, as Stripe's SDK reads them.
func TestErrors(t *testing.T) {
	t.Parallel()
	url := serve(t, database(t))
	s := sdk(url)
	ctx := t.Context()
	made, err := s.V1PaymentIntents.Create(ctx, &stripe.PaymentIntentCreateParams{
		Params: stripe.Params{IdempotencyKey: stripe.String("k1")}, Amount: stripe.Int64(100), Currency: stripe.String("eur"), CaptureMethod: stripe.String("manual"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if made.Livemode || made.Status != stripe.PaymentIntentStatusRequiresPaymentMethod || !strings.HasPrefix(made.ID, "pi_") || made.ClientSecret == "" {
		t.Errorf("made %+v", made)
	}
	for name, c := range map[string]struct {
		do    func() error
		code  stripe.ErrorCode
		kind  stripe.ErrorType
		http  int
		param string
	}{
		"the same key for another amount": {func() error {
			_, err := s.V1PaymentIntents.Create(ctx, &stripe.PaymentIntentCreateParams{Params: stripe.Params{IdempotencyKey: stripe.String("k1")}, Amount: stripe.Int64(101), Currency: stripe.String("eur")})
			return err
		}, "", stripe.ErrorTypeIdempotency, 400, ""},
		"no amount": {func() error {
			_, err := s.V1PaymentIntents.Create(ctx, &stripe.PaymentIntentCreateParams{Currency: stripe.String("eur")})
			return err
		}, "parameter_missing", stripe.ErrorTypeInvalidRequest, 400, "amount"},
		"an unknown parameter": {func() error {
			_, err := s.V1PaymentIntents.Create(ctx, &stripe.PaymentIntentCreateParams{Amount: stripe.Int64(100), Currency: stripe.String("eur"), Customer: stripe.String("cus_1")})
			return err
		}, "parameter_unknown", stripe.ErrorTypeInvalidRequest, 400, "customer"},
		"no such payment": {func() error {
			_, err := s.V1PaymentIntents.Retrieve(ctx, "pi_none", nil)
			return err
		}, stripe.ErrorCodeResourceMissing, stripe.ErrorTypeInvalidRequest, 404, "intent"},
		"no such means of payment": {func() error {
			_, err := s.V1PaymentIntents.Confirm(ctx, made.ID, &stripe.PaymentIntentConfirmParams{PaymentMethod: stripe.String("pm_none")})
			return err
		}, stripe.ErrorCodeResourceMissing, stripe.ErrorTypeInvalidRequest, 400, "payment_method"},
		"a decline": {func() error {
			_, err := s.V1PaymentIntents.Confirm(ctx, made.ID, &stripe.PaymentIntentConfirmParams{PaymentMethod: stripe.String(payment.MethodDeclined)})
			return err
		}, stripe.ErrorCodeCardDeclined, stripe.ErrorTypeCard, 402, ""},
		"a capture before its time": {func() error {
			_, err := s.V1PaymentIntents.Capture(ctx, made.ID, nil)
			return err
		}, stripe.ErrorCodePaymentIntentUnexpectedState, stripe.ErrorTypeInvalidRequest, 400, ""},
		"another key": {func() error {
			_, err := stripe.NewClient("sk_test_wrong", stripe.WithBackends(stripe.NewBackendsWithConfig(&stripe.BackendConfig{URL: stripe.String(url), LeveledLogger: &stripe.LeveledLogger{}}))).
				V1PaymentIntents.Retrieve(ctx, made.ID, nil)
			return err
		}, "", stripe.ErrorTypeInvalidRequest, 401, ""},
		"a call that there is none of": {func() error {
			_, err := s.V1Customers.Create(ctx, &stripe.CustomerCreateParams{})
			return err
		}, "", stripe.ErrorTypeInvalidRequest, 404, ""},
		"too long a key": {func() error {
			_, err := s.V1PaymentIntents.Create(ctx, &stripe.PaymentIntentCreateParams{Params: stripe.Params{IdempotencyKey: stripe.String(strings.Repeat("k", 255))}, Amount: stripe.Int64(0), Currency: stripe.String("eur")})
			return err
		}, "parameter_invalid_integer", stripe.ErrorTypeInvalidRequest, 400, "amount"},
	} {
		t.Run(name, func(t *testing.T) {
			var got *stripe.Error
			if err := c.do(); !errors.As(err, &got) {
				t.Fatalf("answered %v", err)
			}
			if got.Code != c.code || got.Type != c.kind || got.HTTPStatusCode != c.http || got.Param != c.param || got.Msg == "" || got.RequestID == "" {
				t.Errorf("answered %d %s %q about %q (%s), want %d %s %q about %q", got.HTTPStatusCode, got.Type, got.Code, got.Param, got.Msg, c.http, c.kind, c.code, c.param)
			}
		})
	}
}

// TestAuthenticate has the customer confirm a payment with its bank, and fail to.
func TestAuthenticate(t *testing.T) {
	t.Parallel()
	url := serve(t, database(t))
	pay := client(t, url)
	for outcome, want := range map[string]payment.Status{"succeed": payment.Authorised, "fail": payment.NeedsMethod} {
		made, err := pay.Create(t.Context(), "ord_"+outcome, 100, "EUR")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pay.Confirm(t.Context(), made.ID, payment.MethodAuthentication, outcome); err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/test_helpers/payment_intents/"+made.ID+"/authenticate", strings.NewReader("outcome="+outcome))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if found, err := pay.Get(t.Context(), made.ID); err != nil || found.Status != want {
			t.Errorf("after %s the payment is %+v, %v", outcome, found, err)
		}
	}
}

// TestErrorsTellNothing checks that the client's errors do not repeat what was sent or answered.
func TestErrorsTellNothing(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"type": "invalid_request_error", "message": "secret " + string(body), "param": "x"}})
	}))
	t.Cleanup(s.Close)
	_, err := client(t, s.URL).Confirm(t.Context(), "pi_1", "pm_of_Jane", "k")
	if err == nil || strings.Contains(err.Error(), "Jane") || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error is %v", err)
	}
}

// FuzzSandbox sends anything to the sandbox: it answers, and never with its own failure.
func FuzzSandbox(f *testing.F) {
	url := serve(f, database(f))
	f.Add("payment_intents", "amount=100&currency=eur&metadata[a]=b", "k")
	f.Add("payment_intents/pi_1/confirm", "payment_method=pm_card_visa", "")
	f.Add("refunds", "payment_intent=pi_1&amount=-1", "k")
	f.Fuzz(func(t *testing.T, path, body, idempotency string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/"+path, strings.NewReader(body))
		if err != nil {
			t.Skip()
		}
		req.Header.Set("Authorization", "Bearer "+key)
		if strings.ContainsAny(idempotency, "\r\n\x00") {
			t.Skip()
		}
		req.Header["Idempotency-Key"] = []string{idempotency}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Skip()
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode >= 500 {
			t.Errorf("answered %d", resp.StatusCode)
		}
	})
}
