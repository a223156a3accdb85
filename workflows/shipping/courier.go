package shipping

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe/lethe/chassis/mongodb"
)

// rounds bound what the courier does at a time, and how long it waits after a round that failed.
const (
	round      = 64
	atOnce     = 8
	afterError = time.Second
	maxBackoff = time.Minute
)

// Run moves the parcels on and tells the webhook, until ctx is done.
func (s *Sandbox) Run(ctx context.Context) error {
	ready := false
	for ctx.Err() == nil {
		wait := time.Hour
		next, err := s.round(ctx, &ready)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.log.WarnContext(ctx, "courier sandbox waits", "error", err)
			wait = afterError
		case !next.IsZero():
			wait = max(time.Until(next), 0)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// round does what is due, and gives when the next thing is due; zero when nothing is.
func (s *Sandbox) round(ctx context.Context, ready *bool) (time.Time, error) {
	if !*ready {
		err := mongodb.EnsureIndexes(ctx, s.parcels.Database(), []mongodb.Index{{
			Collection: s.parcels.Name(), Keys: bson.D{{Key: "nextAt", Value: 1}}, Options: options.Index().SetSparse(true),
		}})
		if err != nil {
			return time.Time{}, err
		}
		*ready = true
	}
	cursor, err := s.parcels.Find(ctx, bson.D{{Key: "nextAt", Value: bson.D{{Key: "$lte", Value: time.Now().UTC()}}}},
		options.Find().SetSort(bson.D{{Key: "nextAt", Value: 1}}).SetLimit(round))
	if err != nil {
		return time.Time{}, fmt.Errorf("find what is due: %w", err)
	}
	due := make([]parcelRecord, 0, round)
	if err := cursor.All(ctx, &due); err != nil {
		return time.Time{}, fmt.Errorf("find what is due: %w", err)
	}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
		slot = make(chan struct{}, atOnce)
	)
	for _, p := range due {
		slot <- struct{}{}
		wg.Go(func() {
			defer func() { <-slot }()
			if err := s.step(ctx, p); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return time.Time{}, err
	}
	var first parcelRecord
	err = s.parcels.FindOne(ctx, bson.D{{Key: "nextAt", Value: bson.D{{Key: "$gt", Value: time.Time{}}}}}, options.FindOne().SetSort(bson.D{{Key: "nextAt", Value: 1}})).Decode(&first)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("find what is due next: %w", err)
	}
	return first.NextAt, nil
}

// step tells the webhook what it does not know of a parcel, or else moves the parcel on.
func (s *Sandbox) step(ctx context.Context, p parcelRecord) error {
	if p.Untold == nil {
		to := map[string]string{StatusPreparing: StatusInTransit, StatusInTransit: StatusOutForDelivery, StatusOutForDelivery: StatusDelivered}[p.Status]
		if to == StatusDelivered && p.Undeliverable {
			to = StatusUndeliverable
		}
		if to == "" || p.Hold {
			return s.change(ctx, p, nil, bson.D{{Key: "nextAt", Value: ""}})
		}
		now := time.Now().UTC()
		event := Event{ID: fmt.Sprintf("evt_%s_%d", p.ID, p.Step), ParcelID: p.ID, OrderID: p.OrderID, Status: to, At: now}
		if err := s.change(ctx, p, bson.D{{Key: "status", Value: to}, {Key: "untold", Value: event}, {Key: "tries", Value: 0}, {Key: "nextAt", Value: now}}, nil); err != nil {
			return err
		}
		s.notify()
		return nil
	}
	if err := s.tell(ctx, p.Untold); err != nil {
		s.log.WarnContext(ctx, "courier event was not taken", "order", p.OrderID, "tries", p.Tries+1, "error", err)
		backoff := min(100*time.Millisecond<<min(p.Tries, 10), maxBackoff)
		return s.change(ctx, p, bson.D{{Key: "tries", Value: p.Tries + 1}, {Key: "nextAt", Value: time.Now().Add(backoff).UTC()}}, nil)
	}
	if p.Status == StatusDelivered || p.Status == StatusUndeliverable {
		return s.change(ctx, p, nil, bson.D{{Key: "untold", Value: ""}, {Key: "nextAt", Value: ""}})
	}
	return s.change(ctx, p, bson.D{{Key: "nextAt", Value: time.Now().Add(s.pace).UTC()}}, bson.D{{Key: "untold", Value: ""}})
}

// change changes a parcel that nobody else has changed since it was read.
func (s *Sandbox) change(ctx context.Context, p parcelRecord, set, unset bson.D) error {
	update := bson.D{{Key: "$inc", Value: bson.D{{Key: "step", Value: 1}}}}
	if len(set) > 0 {
		update = append(update, bson.E{Key: "$set", Value: set})
	}
	if len(unset) > 0 {
		update = append(update, bson.E{Key: "$unset", Value: unset})
	}
	if _, err := s.parcels.UpdateOne(ctx, bson.D{{Key: "_id", Value: p.ID}, {Key: "step", Value: p.Step}}, update); err != nil {
		return fmt.Errorf("move a parcel: %w", err)
	}
	return nil
}

func (s *Sandbox) tell(ctx context.Context, e *Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("tell an event: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(SignatureHeader, Sign(s.secret, body, time.Now()))
	resp, err := s.http.Do(req)
	if err != nil {
		return fmt.Errorf("tell an event: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("tell an event: the webhook answered %d", resp.StatusCode)
	}
	return nil
}
