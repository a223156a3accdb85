package catalogue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/chassis/page"
)

// store keeps products in MongoDB.
type store struct {
	products *mongo.Collection
	counts   *categoryCounts
}

const productsName = "products"

// indexes serve the queries below, each by its own.
func indexes() []mongodb.Index {
	keys := func(name string, k bson.D) mongodb.Index {
		return mongodb.Index{Collection: productsName, Keys: k, Options: options.Index().SetName(name)}
	}
	asc := func(f string) bson.E { return bson.E{Key: f, Value: 1} }
	return []mongodb.Index{
		{Collection: productsName, Keys: bson.D{asc("sku")}, Options: options.Index().SetName("sku").SetUnique(true)},
		{Collection: productsName, Keys: bson.D{asc("request")}, Options: options.Index().SetName("request").SetUnique(true).
			SetPartialFilterExpression(bson.D{{Key: "request", Value: bson.D{{Key: "$exists", Value: true}}}})},
		keys("name", bson.D{asc("name"), asc("_id")}),
		keys("price", bson.D{asc("prices.EUR"), asc("_id")}),
		keys("created", bson.D{asc("createdAt"), asc("_id")}),
		keys("category", bson.D{asc("category"), asc("name"), asc("_id")}),
		keys("brand", bson.D{asc("brand"), asc("name"), asc("_id")}),
		keys("pounds", bson.D{asc("prices.GBP"), asc("_id")}),
		keys("inStock", bson.D{asc("inStock"), asc("name"), asc("_id")}),
		{Collection: productsName, Keys: bson.D{{Key: "name", Value: "text"}, {Key: "brand", Value: "text"}, {Key: "label", Value: "text"}, {Key: "description", Value: "text"}},
			Options: options.Index().SetName("text").SetWeights(bson.D{{Key: "name", Value: 10}, {Key: "brand", Value: 6}, {Key: "label", Value: 4}, {Key: "description", Value: 1}})},
	}
}

func newStore(ctx context.Context, db *mongo.Database) (*store, error) {
	if err := mongodb.EnsureIndexes(ctx, db, indexes()); err != nil {
		return nil, err
	}
	s := &store{products: db.Collection(productsName)}
	s.counts = &categoryCounts{read: s.countCategories, now: time.Now}
	return s, nil
}

// byIDs gives products by their ids; those that there are not are missing from the map.
func (s *store) byIDs(ctx context.Context, ids []string) (map[string]*product, error) {
	var found []*product
	if err := s.find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}, nil, &found); err != nil {
		return nil, err
	}
	out := make(map[string]*product, len(found))
	for _, p := range found {
		out[p.ID] = p
	}
	return out, nil
}

func (s *store) find(ctx context.Context, filter bson.D, o *options.FindOptionsBuilder, into *[]*product) error {
	if o == nil {
		o = options.Find()
	}
	cursor, err := s.products.Find(ctx, filter, o)
	if err != nil {
		return fmt.Errorf("read products: %w", err)
	}
	if err := cursor.All(ctx, into); err != nil {
		return fmt.Errorf("read products: %w", err)
	}
	return nil
}

// page reads one window of a list.
func (s *store) page(ctx context.Context, filter bson.D, order []page.Order, w page.Window) ([]*product, error) {
	if more := w.Filter(order); len(more) > 0 {
		filter = append(filter[:len(filter):len(filter)], bson.E{Key: "$and", Value: more})
	}
	var out []*product
	err := s.find(ctx, filter, options.Find().SetSort(w.Sort(order)).SetLimit(int64(w.Limit)+1), &out)
	return out, err
}

// maxRanked bounds how far a list by relevance goes.
const maxRanked = 1000

// ranked gives the best matches of a text search, best first.
func (s *store) ranked(ctx context.Context, filter bson.D) ([]*product, error) {
	score := bson.D{{Key: "$meta", Value: "textScore"}}
	var out []*product
	err := s.find(ctx, filter, options.Find().SetProjection(bson.D{{Key: "score", Value: score}}).
		SetSort(bson.D{{Key: "score", Value: score}, {Key: "_id", Value: 1}}).SetLimit(maxRanked), &out)
	return out, err
}

// count counts up to page.MaxCount.
func (s *store) count(ctx context.Context, filter bson.D) (int, error) {
	o := options.Count().SetLimit(page.MaxCount)
	if len(filter) == 0 {
		o.SetHint("_id_") // all there are: counted in an index rather than read
	}
	n, err := s.products.CountDocuments(ctx, filter, o)
	if err != nil {
		return 0, fmt.Errorf("count products: %w", err)
	}
	return int(n), nil
}

// create adds a product. A second call with the same request gives the first one's product, or errReused.
func (s *store) create(ctx context.Context, p *product) (*product, error) {
	_, err := s.products.InsertOne(ctx, p)
	if err == nil {
		s.counts.forget()
		return p, nil
	}
	if !mongo.IsDuplicateKeyError(err) {
		return nil, fmt.Errorf("add a product: %w", err)
	}
	var before product
	err = s.products.FindOne(ctx, bson.D{{Key: "request", Value: p.Request}}).Decode(&before)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return nil, errTaken
	case err != nil:
		return nil, fmt.Errorf("read a product: %w", err)
	case before.Input != p.Input:
		return nil, errReused
	}
	return &before, nil
}

// update changes a product, where version is given only while it has that version.
func (s *store) update(ctx context.Context, id string, version *int, set bson.D) (*product, error) {
	filter := bson.D{{Key: "_id", Value: id}}
	if version != nil {
		filter = append(filter, bson.E{Key: "version", Value: *version})
	}
	set = append(set, bson.E{Key: "updatedAt", Value: time.Now().UTC().Truncate(time.Millisecond)})
	var out product
	err := s.products.FindOneAndUpdate(ctx, filter,
		bson.D{{Key: "$set", Value: set}, {Key: "$inc", Value: bson.D{{Key: "version", Value: 1}}}},
		options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&out)
	if errors.Is(err, mongo.ErrNoDocuments) {
		n, err := s.products.CountDocuments(ctx, bson.D{{Key: "_id", Value: id}}, options.Count().SetLimit(1))
		if err != nil {
			return nil, fmt.Errorf("read a product: %w", err)
		}
		if n == 0 {
			return nil, errNotFound
		}
		return nil, errConflict
	}
	if err != nil {
		return nil, fmt.Errorf("change a product: %w", err)
	}
	s.counts.forget()
	return &out, nil
}

// setStock notes whether a product can be bought, unless a newer fact was noted already.
func (s *store) setStock(ctx context.Context, id string, seq int64, inStock bool) error {
	_, err := s.products.UpdateOne(ctx,
		bson.D{{Key: "_id", Value: id}, {Key: "stockSeq", Value: bson.D{{Key: "$lt", Value: seq}}}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "inStock", Value: inStock}, {Key: "stockSeq", Value: seq}}}})
	if err != nil {
		return fmt.Errorf("note a product's stock: %w", err)
	}
	return nil
}
