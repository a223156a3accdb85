package inventory

import (
	"context"
	"fmt"
	"hash/fnv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Seed gives products stock in the three warehouses. What is there stays as it is.
func Seed(ctx context.Context, db *mongo.Database, productIDs []string) error {
	s, err := newStore(ctx, db)
	if err != nil {
		return err
	}
	if len(productIDs) == 0 {
		return nil
	}
	last := stockID(productIDs[len(productIDs)-1], warehouses()[2].code)
	if n, err := s.stock.CountDocuments(ctx, bson.D{{Key: "_id", Value: last}}); err != nil || n > 0 {
		return err
	}
	var docs, lines []any
	for _, product := range productIDs {
		for _, w := range warehouses() {
			id := stockID(product, w.code)
			h := fnv.New32a()
			_, _ = h.Write([]byte(id))
			n := int(h.Sum32() % 120)
			if n < 12 {
				n = 0 // some shelves are empty
			}
			docs = append(docs, stock{
				ID: id, Product: product, Warehouse: w.code, OnHand: n, Avail: n, Res: map[string]held{}, Done: map[string]ended{},
				Outbox: []movement{s.available(kindOpening)}, Requests: map[string]string{}, Version: 1, Schema: 1,
			})
			lines = append(lines, bson.D{{Key: "stock", Value: id}, {Key: "ref", Value: "opening"}, {Key: "kind", Value: kindOpening}, {Key: "q", Value: n}, {Key: "at", Value: s.now()}})
		}
	}
	for _, batch := range []struct {
		collection *mongo.Collection
		docs       []any
	}{{s.ledger, lines}, {s.stock, docs}} {
		_, err := batch.collection.InsertMany(ctx, batch.docs, options.InsertMany().SetOrdered(false))
		if err != nil && !mongo.IsDuplicateKeyError(err) {
			return fmt.Errorf("seed %s: %w", batch.collection.Name(), err)
		}
	}
	return nil
}
