package shipping

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// eventRecord is an event as the sandbox keeps it.
type eventRecord struct {
	Sequence int64     `bson:"_id"`
	ParcelID string    `bson:"parcel"`
	OrderID  string    `bson:"orderId"`
	Status   string    `bson:"status"`
	At       time.Time `bson:"at"`
}

// round bounds how many parcels move at a time.
const round = 200

// feed answers with the events after a sequence number, and waits for one where there are none.
func (s *Sandbox) feed(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.ParseInt(r.FormValue("after"), 10, 64)
	if err != nil || after < 0 {
		s.refuse(w, http.StatusBadRequest, "after must be a sequence number.")
		return
	}
	seconds, err := strconv.Atoi(r.FormValue("wait"))
	if err != nil || seconds < 0 {
		s.refuse(w, http.StatusBadRequest, "wait must be a number of seconds.")
		return
	}
	timeout := time.NewTimer(min(time.Duration(seconds)*time.Second, MaxWait))
	defer timeout.Stop()
	for {
		changed := s.watch()
		next, err := s.moveDue(r.Context())
		if err != nil {
			s.fail(w, r, err)
			return
		}
		events, err := s.eventsAfter(r.Context(), after)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		if len(events) > 0 {
			s.write(w, http.StatusOK, feed{events})
			return
		}
		due := time.NewTimer(next)
		select {
		case <-r.Context().Done():
			due.Stop()
			return
		case <-timeout.C:
			due.Stop()
			s.write(w, http.StatusOK, feed{[]Event{}})
			return
		case <-changed:
		case <-due.C:
		}
		due.Stop()
	}
}

// watch gives a channel that is closed at the next change.
func (s *Sandbox) watch() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *Sandbox) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Sandbox) eventsAfter(ctx context.Context, after int64) ([]Event, error) {
	cursor, err := s.events.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(MaxEvents))
	if err != nil {
		return nil, fmt.Errorf("read the events: %w", err)
	}
	var records []eventRecord
	if err := cursor.All(ctx, &records); err != nil {
		return nil, fmt.Errorf("read the events: %w", err)
	}
	events := make([]Event, len(records))
	for i, e := range records {
		events[i] = Event(e)
	}
	return events, nil
}

// moveDue moves the parcels whose time has come, and gives how long it is until the next one's.
func (s *Sandbox) moveDue(ctx context.Context) (time.Duration, error) {
	for {
		now := time.Now().UTC()
		cursor, err := s.parcels.Find(ctx, bson.D{{Key: "nextAt", Value: bson.D{{Key: "$gt", Value: time.Unix(0, 0)}}}},
			options.Find().SetSort(bson.D{{Key: "nextAt", Value: 1}}).SetLimit(round))
		if err != nil {
			return 0, fmt.Errorf("find what is due: %w", err)
		}
		var due []parcelRecord
		if err := cursor.All(ctx, &due); err != nil {
			return 0, fmt.Errorf("find what is due: %w", err)
		}
		for _, p := range due {
			if p.NextAt.After(now) {
				return p.NextAt.Sub(now), nil
			}
			if err := s.move(ctx, p); err != nil {
				return 0, err
			}
		}
		if len(due) < round {
			return MaxWait, nil
		}
	}
}

// move moves a parcel on by one leg. The event is written before the parcel changes: a crash between the two is made good
// by the next look, since a parcel has each event once. Collecting a parcel excludes cancelling it, so that is written first.
func (s *Sandbox) move(ctx context.Context, p parcelRecord) error {
	if p.Status == StatusPreparing {
		taken, err := s.parcels.UpdateOne(ctx, bson.D{{Key: "_id", Value: p.ID}, {Key: "status", Value: StatusPreparing}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: collected}}}})
		if err != nil {
			return fmt.Errorf("collect a parcel: %w", err)
		}
		if taken.MatchedCount == 0 {
			return nil
		}
		p.Status = collected
	}
	to := map[string]string{collected: StatusInTransit, StatusInTransit: StatusOutForDelivery, StatusOutForDelivery: StatusDelivered}[p.Status]
	if to == StatusDelivered && p.Undeliverable {
		to = StatusUndeliverable
	}
	if err := s.publish(ctx, eventRecord{ParcelID: p.ID, OrderID: p.OrderID, Status: to, At: time.Now().UTC()}); err != nil {
		return err
	}
	update := bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: to}, {Key: "nextAt", Value: time.Now().Add(s.pace).UTC()}}}}
	if to == StatusDelivered || to == StatusUndeliverable || to == p.HoldAt {
		update = bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: to}}}, {Key: "$unset", Value: bson.D{{Key: "nextAt", Value: ""}}}}
	}
	if _, err := s.parcels.UpdateOne(ctx, bson.D{{Key: "_id", Value: p.ID}, {Key: "status", Value: p.Status}}, update); err != nil {
		return fmt.Errorf("move a parcel: %w", err)
	}
	s.notify()
	return nil
}

// collected is a parcel that was taken and whose event is not yet written. To its customers it is in transit.
const collected = "COLLECTED"

// publish appends an event with the next sequence number. The number is taken by writing the event, so that nobody sees
// one before all those before it.
func (s *Sandbox) publish(ctx context.Context, e eventRecord) error {
	for {
		var last eventRecord
		err := s.events.FindOne(ctx, bson.D{}, options.FindOne().SetSort(bson.D{{Key: "_id", Value: -1}})).Decode(&last)
		if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
			return fmt.Errorf("find the last event: %w", err)
		}
		e.Sequence = last.Sequence + 1
		_, err = s.events.InsertOne(ctx, e)
		if err == nil {
			return nil
		}
		if !mongo.IsDuplicateKeyError(err) {
			return fmt.Errorf("write an event: %w", err)
		}
		known, err := s.events.CountDocuments(ctx, bson.D{{Key: "parcel", Value: e.ParcelID}, {Key: "status", Value: e.Status}})
		if err != nil {
			return fmt.Errorf("look for an event: %w", err)
		}
		if known > 0 {
			return nil
		}
	}
}
