package payment

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe/lethe/chassis/mongodb"
)

// Means of payment that the sandbox knows. Those of Stripe have Stripe's names and behave as Stripe's test mode does; the
// others, named after Lethe, bring about what a network and a provider can do.
const (
	MethodVisa              = "pm_card_visa"
	MethodMastercard        = "pm_card_mastercard"
	MethodDeclined          = "pm_card_chargeDeclined"
	MethodInsufficientFunds = "pm_card_chargeDeclinedInsufficientFunds"
	MethodAuthentication    = "pm_card_authenticationRequired"
	MethodTimeout           = "pm_lethe_timeout"     // takes effect and does not answer
	MethodDropped           = "pm_lethe_dropped"     // takes effect and drops the connection
	MethodError             = "pm_lethe_error"       // answers 500 once, without effect
	MethodUnavailable       = "pm_lethe_unavailable" // answers 500 always, without effect
)

// Bounds of a request to the sandbox.
const (
	maxBody           = 64 << 10
	maxIdempotencyKey = 255
	// lease is after how long a request that died with its process is taken up by its repetition.
	lease = 5 * time.Second
	// silence is how long a method that does not answer keeps the caller waiting at most.
	silence = 30 * time.Second
)

// SandboxOptions say what a sandbox keeps its state in.
type SandboxOptions struct {
	DB  *mongo.Database
	Log *slog.Logger
	// APIKey is the only key that is admitted; empty admits every key of a test mode, which starts with sk_test_.
	APIKey string
}

// Sandbox is a payment provider that behaves as Stripe does for the calls that [Client] makes, errors and idempotency
// included. Its state is in MongoDB and outlives its process. It is for development and tests.
type Sandbox struct {
	intents *mongo.Collection
	refunds *mongo.Collection
	keys    *mongo.Collection
	log     *slog.Logger
	apiKey  string
	mux     *http.ServeMux
}

// NewSandbox gives a sandbox, which is to be served at the root of an address.
func NewSandbox(ctx context.Context, o SandboxOptions) (*Sandbox, error) {
	if o.DB == nil || o.Log == nil {
		return nil, errors.New("the payment sandbox needs a database and a log")
	}
	s := &Sandbox{
		intents: o.DB.Collection("payment_intents"), refunds: o.DB.Collection("payment_refunds"), keys: o.DB.Collection("payment_requests"),
		log: o.Log, apiKey: o.APIKey, mux: http.NewServeMux(),
	}
	// Stripe, too, forgets idempotency keys after a day.
	err := mongodb.EnsureIndexes(ctx, o.DB, []mongodb.Index{
		{Collection: s.keys.Name(), Keys: bson.D{{Key: "until", Value: 1}}, Options: options.Index().SetExpireAfterSeconds(24 * 60 * 60)},
	})
	if err != nil {
		return nil, err
	}
	for pattern, h := range map[string]operation{
		"POST /v1/payment_intents":                                s.create,
		"GET /v1/payment_intents/{id}":                            s.retrieve,
		"POST /v1/payment_intents/{id}/confirm":                   s.confirm,
		"POST /v1/payment_intents/{id}/capture":                   s.capture,
		"POST /v1/payment_intents/{id}/cancel":                    s.cancel,
		"POST /v1/test_helpers/payment_intents/{id}/authenticate": s.authenticate,
		"POST /v1/refunds":                                        s.refund,
		"GET /v1/refunds/{id}":                                    s.retrieveRefund,
	} {
		s.mux.Handle(pattern, s.endpoint(h))
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.write(w, refusal(http.StatusNotFound, apiError{
			Type:    invalidRequest,
			Message: fmt.Sprintf("Unrecognized request URL (%s: %s). Please see https://stripe.com/docs.", r.Method, r.URL.Path),
		}))
	})
	return s, nil
}

// ServeHTTP implements [http.Handler].
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Request-Id", "req_"+randomID())
	key := apiKey(r)
	switch {
	case key == "":
		s.write(w, refusal(http.StatusUnauthorized, apiError{Type: invalidRequest, Message: "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth."}))
		return
	case s.apiKey != "" && subtle.ConstantTimeCompare([]byte(key), []byte(s.apiKey)) != 1, s.apiKey == "" && !strings.HasPrefix(key, "sk_test_"):
		s.write(w, refusal(http.StatusUnauthorized, apiError{Type: invalidRequest, Message: "Invalid API Key provided."}))
		return
	}
	s.mux.ServeHTTP(w, r)
}

func apiKey(r *http.Request) string {
	if key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return strings.TrimSpace(key)
	}
	user, _, _ := r.BasicAuth()
	return user
}

// request is one call with its parameters. Key names what it makes, so that a repetition after a crash makes the same.
type request struct {
	id   string
	form url.Values
	key  string
}

// answer is what a call is answered with.
type answer struct {
	code int
	body any
	// silent makes the call take effect and never answer: by hanging, or by dropping the connection.
	hang, drop bool
}

// operation carries a call out. An error is the sandbox's own failure.
type operation func(ctx context.Context, r request) (answer, error)

// stored is a call that was made with an idempotency key.
type stored struct {
	Key         string    `bson:"_id"`
	Fingerprint string    `bson:"fingerprint"`
	Until       time.Time `bson:"until"` // when a call that has no answer yet may be taken up by another
	Done        bool      `bson:"done"`
	Code        int       `bson:"code"`
	Body        []byte    `bson:"body"`
}

func (s *Sandbox) endpoint(op operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			s.write(w, refusal(http.StatusRequestEntityTooLarge, apiError{Type: invalidRequest, Message: "Request is too large."}))
			return
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			s.write(w, refusal(http.StatusBadRequest, apiError{Type: invalidRequest, Message: "Invalid request: unable to parse the body."}))
			return
		}
		key := r.Header.Get("Idempotency-Key")
		req := request{id: r.PathValue("id"), form: form, key: digest(key)}
		if r.Method != http.MethodPost || key == "" {
			req.key = randomID()
			s.finish(w, r, s.carryOut(r.Context(), op, req))
			return
		}
		s.once(w, r, op, req, key, body)
	})
}

// once carries a call out that has an idempotency key, or answers as its first time did.
func (s *Sandbox) once(w http.ResponseWriter, r *http.Request, op operation, req request, key string, body []byte) {
	if len(key) > maxIdempotencyKey {
		s.write(w, refusal(http.StatusBadRequest, apiError{Type: idempotencyError, Message: fmt.Sprintf("Idempotency keys must be at most %d characters long.", maxIdempotencyKey)}))
		return
	}
	ctx := r.Context()
	print := digest(r.Method + " " + r.URL.Path + "?" + req.form.Encode())
	_, err := s.keys.InsertOne(ctx, stored{Key: req.key, Fingerprint: print, Until: time.Now().Add(lease)})
	if mongo.IsDuplicateKeyError(err) {
		var first stored
		if err := s.keys.FindOne(ctx, bson.D{{Key: "_id", Value: req.key}}).Decode(&first); err != nil {
			s.fail(w, r, err)
			return
		}
		switch {
		case first.Fingerprint != print:
			s.write(w, refusal(http.StatusBadRequest, apiError{Type: idempotencyError, Message: "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '" + key + "' if you meant to execute a different request."}))
			return
		case first.Done:
			w.Header().Set("Idempotent-Replayed", "true")
			w.Header().Set("Original-Request", "req_"+req.key[:14])
			s.writeBytes(w, first.Code, first.Body)
			return
		}
		taken, err := s.keys.UpdateOne(ctx,
			bson.D{{Key: "_id", Value: req.key}, {Key: "done", Value: false}, {Key: "until", Value: bson.D{{Key: "$lte", Value: time.Now()}}}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "until", Value: time.Now().Add(lease)}}}})
		if err != nil {
			s.fail(w, r, err)
			return
		}
		if taken.ModifiedCount == 0 {
			s.write(w, refusal(http.StatusConflict, apiError{Type: invalidRequest, Code: "idempotency_key_in_use", Message: "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): " + key + ". Please try again later."}))
			return
		}
	} else if err != nil {
		s.fail(w, r, err)
		return
	}
	// The effect and its record must not end with a caller that hangs up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lease)
	defer cancel()
	a := s.carryOut(ctx, op, req)
	raw, err := json.Marshal(a.body)
	if err == nil {
		_, err = s.keys.UpdateOne(ctx, bson.D{{Key: "_id", Value: req.key}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "done", Value: true}, {Key: "code", Value: a.code}, {Key: "body", Value: raw}}}})
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.finish(w, r, a)
}

func (s *Sandbox) carryOut(ctx context.Context, op operation, req request) answer {
	a, err := op(ctx, req)
	if err != nil {
		s.log.ErrorContext(ctx, "payment sandbox failed", "error", err)
		return failure
	}
	return a
}

func (s *Sandbox) finish(w http.ResponseWriter, r *http.Request, a answer) {
	switch {
	case a.drop:
		panic(http.ErrAbortHandler)
	case a.hang:
		timer := time.NewTimer(silence)
		defer timer.Stop()
		select {
		case <-r.Context().Done():
		case <-timer.C:
		}
		panic(http.ErrAbortHandler)
	}
	s.write(w, a)
}

func (s *Sandbox) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.log.ErrorContext(r.Context(), "payment sandbox failed", "error", err)
	s.write(w, failure)
}

func (s *Sandbox) write(w http.ResponseWriter, a answer) {
	raw, err := json.Marshal(a.body)
	if err != nil {
		raw = []byte("{}")
	}
	s.writeBytes(w, a.code, raw)
}

func (s *Sandbox) writeBytes(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
