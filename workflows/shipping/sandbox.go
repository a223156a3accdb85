package shipping

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe/lethe/chassis/mongodb"
)

// Postal codes that decide in the sandbox what becomes of a parcel. All others are delivered.
const (
	// PostalCodeUndeliverable has nobody at home: the parcel goes out and cannot be delivered.
	PostalCodeUndeliverable = "00000"
	// PostalCodeHold is never collected by itself: it waits until someone moves or expedites it.
	PostalCodeHold = "99999"
)

// SandboxOptions say what a sandbox courier keeps its state in.
type SandboxOptions struct {
	DB  *mongo.Database
	Log *slog.Logger
	// Key is the secret that its customers share with it.
	Key []byte
	// Pace is how long each leg of a parcel's way takes; a second when zero.
	Pace time.Duration
}

// Sandbox is a courier. It keeps no address. Its state is in MongoDB and outlives its process; parcels move when
// somebody looks. It is for development and tests.
type Sandbox struct {
	parcels *mongo.Collection
	events  *mongo.Collection
	log     *slog.Logger
	token   string
	pace    time.Duration
	mux     *http.ServeMux

	mu      sync.Mutex
	changed chan struct{} // closed when something changed
}

// parcelRecord is a parcel as the sandbox keeps it.
type parcelRecord struct {
	ID            string `bson:"_id"`
	OrderID       string `bson:"orderId"`
	Tracking      string `bson:"tracking"`
	Status        string `bson:"status"`
	Undeliverable bool   `bson:"undeliverable"`
	HoldAt        string `bson:"holdAt"`
	// NextAt is when the parcel moves on; zero when it does not by itself.
	NextAt time.Time `bson:"nextAt,omitempty"`
}

// NewSandbox gives a sandbox, which is to be served at the root of an address.
func NewSandbox(ctx context.Context, o SandboxOptions) (*Sandbox, error) {
	if o.DB == nil || o.Log == nil {
		return nil, errors.New("the courier sandbox needs a database and a log")
	}
	if len(o.Key) < 16 {
		return nil, errors.New("the courier sandbox needs a key of at least 16 bytes")
	}
	if o.Pace <= 0 {
		o.Pace = time.Second
	}
	s := &Sandbox{
		parcels: o.DB.Collection("courier_parcels"), events: o.DB.Collection("courier_events"), log: o.Log, token: token(o.Key),
		pace: o.Pace, mux: http.NewServeMux(), changed: make(chan struct{}),
	}
	err := mongodb.EnsureIndexes(ctx, o.DB, []mongodb.Index{
		{Collection: s.parcels.Name(), Keys: bson.D{{Key: "nextAt", Value: 1}}, Options: options.Index().SetSparse(true)},
		{Collection: s.events.Name(), Keys: bson.D{{Key: "parcel", Value: 1}, {Key: "status", Value: 1}}, Options: options.Index().SetUnique(true)},
	})
	if err != nil {
		return nil, err
	}
	s.mux.HandleFunc("POST /v1/shipments", s.create)
	s.mux.HandleFunc("GET /v1/shipments/{id}", s.status)
	s.mux.HandleFunc("POST /v1/shipments/{id}/cancel", s.cancel)
	s.mux.HandleFunc("POST /v1/shipments/{id}/expedite", s.expedite)
	s.mux.HandleFunc("GET /v1/events", s.feed)
	return s, nil
}

// ServeHTTP implements [http.Handler].
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || subtle.ConstantTimeCompare([]byte(key), []byte(s.token)) != 1 {
		s.refuse(w, http.StatusUnauthorized, "The key is missing or wrong.")
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Sandbox) create(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswer))
	if err != nil {
		s.refuse(w, http.StatusRequestEntityTooLarge, "The request is too large.")
		return
	}
	var p Parcel
	if json.Unmarshal(body, &p) != nil {
		s.refuse(w, http.StatusBadRequest, "The request is no JSON object of a shipment.")
		return
	}
	if p.ID == "" || len(p.ID) > 100 || p.OrderID == "" || len(p.OrderID) > 100 || p.Address.Name == "" || p.Address.Line1 == "" || p.Address.City == "" || p.Address.PostalCode == "" || len(p.Address.CountryCode) != 2 {
		s.refuse(w, http.StatusUnprocessableEntity, "The shipment lacks a reference, an order or a part of its address.")
		return
	}
	record := parcelRecord{
		ID: p.ID, OrderID: p.OrderID, Tracking: "LC" + rand.Text()[:16], Status: StatusPreparing,
		Undeliverable: p.Address.PostalCode == PostalCodeUndeliverable, HoldAt: p.HoldAt,
	}
	if p.Address.PostalCode == PostalCodeHold {
		record.HoldAt = StatusPreparing
	}
	if record.HoldAt != StatusPreparing {
		record.NextAt = time.Now().Add(s.pace).UTC()
	}
	if _, err := s.parcels.InsertOne(r.Context(), record); err != nil && !mongo.IsDuplicateKeyError(err) {
		s.fail(w, r, fmt.Errorf("keep a parcel: %w", err))
		return
	}
	s.notify()
	s.answer(w, r, p.ID, func(found *parcelRecord) bool { return found.Status != StatusCancelled })
}

func (s *Sandbox) status(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, r.PathValue("id"), func(*parcelRecord) bool { return true })
}

func (s *Sandbox) cancel(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	_, err := s.parcels.UpdateOne(r.Context(), bson.D{{Key: "_id", Value: id}, {Key: "status", Value: StatusPreparing}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: StatusCancelled}}}, {Key: "$unset", Value: bson.D{{Key: "nextAt", Value: ""}}}})
	if err == nil {
		// A parcel that was never heard of is cancelled beforehand.
		_, err = s.parcels.UpdateOne(r.Context(), bson.D{{Key: "_id", Value: id}},
			bson.D{{Key: "$setOnInsert", Value: parcelFields(parcelRecord{Status: StatusCancelled})}}, options.UpdateOne().SetUpsert(true))
	}
	if err != nil && !mongo.IsDuplicateKeyError(err) {
		s.fail(w, r, fmt.Errorf("cancel a parcel: %w", err))
		return
	}
	s.answer(w, r, id, func(found *parcelRecord) bool { return found.Status == StatusCancelled })
}

func parcelFields(p parcelRecord) bson.D {
	return bson.D{
		{Key: "orderId", Value: p.OrderID}, {Key: "tracking", Value: p.Tracking}, {Key: "status", Value: p.Status}, {Key: "undeliverable", Value: p.Undeliverable},
		{Key: "holdAt", Value: p.HoldAt},
	}
}

func (s *Sandbox) expedite(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	_, err := s.parcels.UpdateOne(r.Context(),
		bson.D{{Key: "_id", Value: id}, {Key: "holdAt", Value: bson.D{{Key: "$ne", Value: ""}}}, {Key: "status", Value: bson.D{{Key: "$in", Value: []string{StatusPreparing, StatusInTransit, StatusOutForDelivery}}}}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "holdAt", Value: ""}, {Key: "nextAt", Value: time.Now().UTC()}}}})
	if err != nil {
		s.fail(w, r, fmt.Errorf("expedite a parcel: %w", err))
		return
	}
	s.notify()
	s.answer(w, r, id, func(*parcelRecord) bool { return true })
}

// answer writes a parcel as it is, with 409 when it is not as the caller wants it.
func (s *Sandbox) answer(w http.ResponseWriter, r *http.Request, id string, wanted func(*parcelRecord) bool) {
	var found parcelRecord
	if err := s.parcels.FindOne(r.Context(), bson.D{{Key: "_id", Value: id}}).Decode(&found); err != nil {
		if errors.Is(err, mongo.ErrNoDocuments) {
			s.refuse(w, http.StatusNotFound, "There is no such shipment.")
			return
		}
		s.fail(w, r, fmt.Errorf("read a parcel: %w", err))
		return
	}
	if !wanted(&found) {
		s.refuse(w, http.StatusConflict, "The shipment is "+found.Status+".")
		return
	}
	if found.Status == collected {
		found.Status = StatusInTransit
	}
	s.write(w, http.StatusOK, Label{Carrier: "Lethe Courier", TrackingNumber: found.Tracking, Status: found.Status})
}

func (s *Sandbox) refuse(w http.ResponseWriter, code int, message string) {
	s.write(w, code, struct {
		Error string `json:"error"`
	}{message})
}

func (s *Sandbox) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.log.ErrorContext(r.Context(), "courier sandbox failed", "error", err)
	s.refuse(w, http.StatusInternalServerError, "Something went wrong: try again.")
}

func (s *Sandbox) write(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}
