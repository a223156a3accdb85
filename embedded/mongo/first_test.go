package mongo_test

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func TestDriverRoundTrip(t *testing.T) {
	t.Parallel()
	db := database(t)
	ctx := t.Context()
	c := db.Collection("things")
	if _, err := c.Indexes().CreateOne(ctx, driver.IndexModel{Keys: bson.D{{Key: "sku", Value: 1}}, Options: options.Index().SetUnique(true)}); err != nil {
		t.Fatal(err)
	}
	load(t, c, `{"_id":1,"sku":"a","n":5}`, `{"_id":2,"sku":"b","n":7}`)
	if _, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: 3}, {Key: "sku", Value: "a"}}); !driver.IsDuplicateKeyError(err) {
		t.Fatalf("a second a: %v", err)
	}
	res, err := c.UpdateOne(ctx, bson.D{{Key: "sku", Value: "a"}, {Key: "n", Value: bson.D{{Key: "$gte", Value: 5}}}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: -5}}}})
	if err != nil || res.ModifiedCount != 1 {
		t.Fatalf("update: %v %v", res, err)
	}
	s, err := db.Client().StartSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.EndSession(context.WithoutCancel(ctx))
	_, err = s.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		_, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: 2}}, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: 1}}}})
		return nil, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := all(t, c, bson.D{}), "{\"_id\":1,\"sku\":\"a\",\"n\":0}\n{\"_id\":2,\"sku\":\"b\",\"n\":1}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
