package privacy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// ErrErased is answered to a write for a subject that was erased.
var ErrErased = errors.New("the customer's data was erased")

// ErrRestricted is answered to a write for a subject that waits for its erasure.
var ErrRestricted = errors.New("the customer is restricted while an erasure is under way")

// Barrier keeps what was erased from coming back. It needs no transaction: a writer writes its document and then asks
// the barrier; the seal writes the tombstone and erases after. With single-document atomicity at least one of the two
// sees the other.
type Barrier struct {
	tombstones   *mongo.Collection
	restrictions *mongo.Collection
	keys         Keys
}

// NewBarrier keeps tombstones and restrictions in a service's own database.
func NewBarrier(db *mongo.Database, keys Keys) *Barrier {
	return &Barrier{db.Collection("tombstones"), db.Collection("restrictions"), keys}
}

func has(ctx context.Context, c *mongo.Collection, id string) (bool, error) {
	err := c.FindOne(ctx, bson.D{{Key: "_id", Value: id}}, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, mongo.ErrNoDocuments):
		return false, nil
	}
	return false, fmt.Errorf("read %s: %w", c.Name(), err)
}

func put(ctx context.Context, c *mongo.Collection, id, erasure string) error {
	_, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: id}},
		bson.D{{Key: "$setOnInsert", Value: bson.D{{Key: "erasure", Value: erasure}, {Key: "at", Value: time.Now().UTC()}}}}, options.UpdateOne().SetUpsert(true))
	if err != nil && !mongo.IsDuplicateKeyError(err) {
		return fmt.Errorf("write %s: %w", c.Name(), err)
	}
	return nil
}

// Check gives ErrErased or ErrRestricted for a customer that may not be written for. Call it before a write, to answer
// early, and [Barrier.After] after it, to be right.
func (b *Barrier) Check(ctx context.Context, customerID string) error {
	if err := b.Erased(ctx, customerID); err != nil {
		return err
	}
	restricted, err := has(ctx, b.restrictions, b.keys.SubjectHash(customerID))
	if err != nil {
		return err
	}
	if restricted {
		return ErrRestricted
	}
	return nil
}

// Erased gives ErrErased for a customer that was erased.
func (b *Barrier) Erased(ctx context.Context, customerID string) error {
	erased, err := has(ctx, b.tombstones, b.keys.SubjectHash(customerID))
	if err != nil {
		return err
	}
	if erased {
		return ErrErased
	}
	return nil
}

// After is called when a write for a customer is done: where the customer was erased meanwhile it calls undo, which takes
// the write back, and gives ErrErased.
func (b *Barrier) After(ctx context.Context, customerID string, undo func(context.Context) error) error {
	err := b.Erased(ctx, customerID)
	if errors.Is(err, ErrErased) {
		return errors.Join(ErrErased, undo(context.WithoutCancel(ctx)))
	}
	return err
}

// KnownContact reports whether an e-mail address or phone number belongs to somebody who was erased: imports and feeds
// must leave it out. It does not keep a person from registering anew.
func (b *Barrier) KnownContact(ctx context.Context, kind, value string) (bool, error) {
	return has(ctx, b.tombstones, b.keys.ContactHash(kind, value))
}

func (b *Barrier) restrict(ctx context.Context, customerID, erasure string) error {
	return put(ctx, b.restrictions, b.keys.SubjectHash(customerID), erasure)
}

func (b *Barrier) unrestrict(ctx context.Context, customerID string) error {
	if _, err := b.restrictions.DeleteOne(ctx, bson.D{{Key: "_id", Value: b.keys.SubjectHash(customerID)}}); err != nil {
		return fmt.Errorf("write restrictions: %w", err)
	}
	return nil
}

func (b *Barrier) seal(ctx context.Context, customerID, erasure string, contacts []string) error {
	if err := put(ctx, b.tombstones, b.keys.SubjectHash(customerID), erasure); err != nil {
		return err
	}
	for _, hash := range contacts {
		if err := put(ctx, b.tombstones, hash, erasure); err != nil {
			return err
		}
	}
	return b.unrestrict(ctx, customerID)
}
