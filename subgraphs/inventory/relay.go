package inventory

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// The relay moves what stands in the outboxes of stock documents to the ledger, and tells on a stream which products can be
// bought. It does each at least once: the ledger takes an entry once, and facts carry a number that grows.
const (
	factsStream = "inventory.availability"
	factsKept   = 20_000
	relayEvery  = time.Second
)

type relay struct {
	store *store
	redis *redis.Client
	log   *slog.Logger
	bell  chan struct{}
}

// wake gives the function that has the relay look at once.
func (r *relay) wake() func() {
	r.bell = make(chan struct{}, 1)
	return func() {
		select {
		case r.bell <- struct{}{}:
		default:
		}
	}
}

func (r *relay) run(ctx context.Context) error {
	t := time.NewTicker(relayEvery)
	defer t.Stop()
	for {
		if err := r.once(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("stock facts cannot be told", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.bell:
		case <-t.C:
		}
	}
}

func (r *relay) once(ctx context.Context) error {
	for {
		// The bound on the time is for the index, which is by that.
		cursor, err := r.store.stock.Find(ctx, bson.D{
			{Key: "outbox.0", Value: bson.D{{Key: "$exists", Value: true}}}, {Key: "outbox.at", Value: bson.D{{Key: "$gt", Value: time.Time{}}}},
		}, options.Find().SetLimit(200))
		if err != nil {
			return fmt.Errorf("read outboxes: %w", err)
		}
		var full []*stock
		if err := cursor.All(ctx, &full); err != nil {
			return fmt.Errorf("read outboxes: %w", err)
		}
		if len(full) == 0 {
			return nil
		}
		products := map[string]bool{}
		for _, st := range full {
			if err := r.enter(ctx, st); err != nil {
				return err
			}
			products[st.Product] = true
		}
		for product := range products {
			if err := r.tell(ctx, product); err != nil {
				return err
			}
		}
		for _, st := range full {
			refs := make(bson.A, len(st.Outbox))
			for i, m := range st.Outbox {
				refs[i] = bson.D{{Key: "ref", Value: m.Ref}, {Key: "kind", Value: m.Kind}, {Key: "at", Value: m.At}}
			}
			for _, ref := range refs {
				if _, err := r.store.stock.UpdateOne(ctx, bson.D{{Key: "_id", Value: st.ID}}, bson.D{{Key: "$pull", Value: bson.D{{Key: "outbox", Value: ref}}}}); err != nil {
					return fmt.Errorf("empty an outbox: %w", err)
				}
			}
		}
	}
}

// enter writes a document's movements to the ledger.
func (r *relay) enter(ctx context.Context, st *stock) error {
	for _, m := range st.Outbox {
		if m.Kind == kindAvailable {
			continue
		}
		_, err := r.store.ledger.InsertOne(ctx, bson.D{
			{Key: "stock", Value: st.ID}, {Key: "ref", Value: m.Ref}, {Key: "kind", Value: m.Kind}, {Key: "q", Value: m.Q}, {Key: "at", Value: m.At},
		})
		if err != nil && !mongo.IsDuplicateKeyError(err) {
			return fmt.Errorf("write the ledger: %w", err)
		}
	}
	return nil
}

// tell says how many of a product can be bought. Its number is the sum of the versions of its stock, which only grow.
func (r *relay) tell(ctx context.Context, product string) error {
	have, err := r.store.of(ctx, []string{product})
	if err != nil {
		return err
	}
	available, seq := 0, int64(0)
	for _, st := range have[product] {
		available += st.Avail
		seq += st.Version
	}
	err = r.redis.XAdd(ctx, &redis.XAddArgs{
		Stream: factsStream, MaxLen: factsKept, Approx: true,
		Values: []any{"product", product, "available", available, "seq", seq},
	}).Err()
	if err != nil {
		return fmt.Errorf("tell a stock fact: %w", err)
	}
	return nil
}
