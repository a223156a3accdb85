package customers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/chassis/page"
)

// Collections of the service.
const (
	collectionCustomers = "customers"
	collectionErasures  = "erasures"
)

var (
	errNotFound = errors.New("not found")
	errTaken    = errors.New("the e-mail address is taken")
	errConflict = errors.New("changed by another")
)

func exists(field string) bson.D {
	return bson.D{{Key: field, Value: bson.D{{Key: "$exists", Value: true}}}}
}

// indexes serve the queries below and those of records.go.
func indexes() []mongodb.Index {
	return []mongodb.Index{
		// Partial, because what is left of a customer while it is being erased has no address.
		{Collection: collectionCustomers, Keys: bson.D{{Key: "emailKey", Value: 1}}, Options: options.Index().SetUnique(true).SetPartialFilterExpression(exists("emailKey"))},
		{Collection: collectionCustomers, Keys: bson.D{{Key: "nameKeys", Value: 1}}},
		{Collection: collectionCustomers, Keys: bson.D{{Key: "createdAt", Value: -1}, {Key: "_id", Value: -1}}},
		// One erasure at a time for each subject.
		{Collection: collectionErasures, Keys: bson.D{{Key: "active", Value: 1}}, Options: options.Index().SetUnique(true).SetPartialFilterExpression(exists("active"))},
		{Collection: collectionErasures, Keys: bson.D{{Key: "customerId", Value: 1}, {Key: "requestedAt", Value: -1}}},
		{Collection: collectionErasures, Keys: bson.D{{Key: "requestedAt", Value: -1}, {Key: "_id", Value: -1}}},
		{Collection: collectionErasures, Keys: bson.D{{Key: "status", Value: 1}, {Key: "requestedAt", Value: -1}, {Key: "_id", Value: -1}}},
	}
}

// store keeps the customers and the records of erasures.
type store struct {
	customers *mongo.Collection
	erasures  *mongo.Collection
}

func newStore(db *mongo.Database) *store {
	return &store{customers: db.Collection(collectionCustomers), erasures: db.Collection(collectionErasures)}
}

func byID(id string) bson.D { return bson.D{{Key: "_id", Value: id}} }

// whole is the condition that a customer's document is not what an erasure leaves of it for a moment.
var whole = bson.E{Key: "emailKey", Value: bson.D{{Key: "$exists", Value: true}}}

// insert adds a customer, or answers errTaken.
func (s *store) insert(ctx context.Context, c *Customer) error {
	if _, err := s.customers.InsertOne(ctx, c); err != nil {
		if mongo.IsDuplicateKeyError(err) {
			return errTaken
		}
		return fmt.Errorf("write customer %s: %w", c.ID, err)
	}
	return nil
}

// customer gives a customer, or errNotFound.
func (s *store) customer(ctx context.Context, id string) (*Customer, error) {
	var c Customer
	if err := s.customers.FindOne(ctx, append(byID(id), whole)).Decode(&c); err != nil {
		if errors.Is(err, mongo.ErrNoDocuments) {
			return nil, errNotFound
		}
		return nil, fmt.Errorf("read customer %s: %w", id, err)
	}
	return &c, nil
}

// many gives those of the customers that exist, by id.
func (s *store) many(ctx context.Context, ids []string) (map[string]*Customer, error) {
	found, err := all[Customer](ctx, s.customers, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}, whole})
	if err != nil {
		return nil, fmt.Errorf("read customers: %w", err)
	}
	by := make(map[string]*Customer, len(found))
	for _, c := range found {
		by[c.ID] = c
	}
	return by, nil
}

// replace writes a customer back that was read with a version, or answers errConflict or errTaken.
func (s *store) replace(ctx context.Context, c *Customer, version int) error {
	r, err := s.customers.ReplaceOne(ctx, bson.D{{Key: "_id", Value: c.ID}, {Key: "version", Value: version}}, c)
	switch {
	case mongo.IsDuplicateKeyError(err):
		return errTaken
	case err != nil:
		return fmt.Errorf("write customer %s: %w", c.ID, err)
	case r.MatchedCount == 0:
		return errConflict
	}
	return nil
}

// restrict writes down whether a customer waits for its erasure. It changes no version: it is no change of what the
// customer said.
func (s *store) restrict(ctx context.Context, id string, restricted bool) error {
	status := statusActive
	if restricted {
		status = statusRestricted
	}
	if _, err := s.customers.UpdateOne(ctx, append(byID(id), whole), bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: status}}}}); err != nil {
		return fmt.Errorf("write the status of customer %s: %w", id, err)
	}
	return nil
}

var newestCustomers = []page.Order{{Field: "createdAt", Descending: true}, {Field: "_id", Descending: true}}

// find gives a window of the customers that a search fits, and one more where there is one.
func (s *store) find(ctx context.Context, search string, w page.Window) ([]*Customer, error) {
	filter := searched(search)
	if conditions := w.Filter(newestCustomers); len(conditions) > 0 {
		filter = append(filter, bson.E{Key: "$and", Value: conditions})
	}
	found, err := all[Customer](ctx, s.customers, filter, options.Find().SetSort(w.Sort(newestCustomers)).SetLimit(int64(w.Limit+1)))
	if err != nil {
		return nil, fmt.Errorf("find customers: %w", err)
	}
	return found, nil
}

func (s *store) count(ctx context.Context, search string) (int, error) {
	n, err := s.customers.CountDocuments(ctx, searched(search), options.Count().SetLimit(page.MaxCount))
	if err != nil {
		return 0, fmt.Errorf("count customers: %w", err)
	}
	return int(n), nil
}

// searched is the filter of a search: an id, an e-mail address, or the beginning of one or of a word of a name.
func searched(search string) bson.D {
	text := nameKey(search)
	switch {
	case text == "":
		return bson.D{whole}
	case strings.HasPrefix(text, "cus_"):
		return bson.D{{Key: "_id", Value: text}, whole}
	case strings.Contains(text, "@"):
		return bson.D{{Key: "emailKey", Value: beginning(text)}}
	}
	return bson.D{{Key: "$or", Value: bson.A{
		bson.D{{Key: "nameKeys", Value: bson.D{{Key: "$elemMatch", Value: beginning(text)}}}},
		bson.D{{Key: "emailKey", Value: beginning(text)}},
	}}}
}

// beginning is the condition that a text begins with another.
func beginning(text string) bson.D {
	return bson.D{{Key: "$gte", Value: text}, {Key: "$lt", Value: text + "\U0010FFFF"}}
}

func all[T any](ctx context.Context, c *mongo.Collection, filter bson.D, o ...options.Lister[options.FindOptions]) ([]*T, error) {
	cursor, err := c.Find(ctx, filter, o...)
	if err != nil {
		return nil, err
	}
	found := []*T{}
	return found, cursor.All(ctx, &found)
}

// moment turns the first part of a cursor's key into the time that the documents hold.
func moment(k *page.Key) (*page.Key, error) {
	if k == nil {
		return nil, nil
	}
	if len(*k) != 2 {
		return nil, errNotFound
	}
	ms, isTime := (*k)[0].(int64)
	id, isID := (*k)[1].(string)
	if !isTime || !isID {
		return nil, errNotFound
	}
	return &page.Key{time.UnixMilli(ms).UTC(), id}, nil
}
