package mongodb_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/embedded/mongo"
)

// refusing gives an address that nobody listens on.
func refusing(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

func TestConnectRefuses(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	for uri, want := range map[string]string{
		"localhost:27017":                  "MONGODB_URI is not a MongoDB connection string",
		"mongodb://app:s3cret:x@/":         "MONGODB_URI is not a MongoDB connection string",
		"mongodb://app:s3cret@h/?nope=%zz": "MONGODB_URI is not a MongoDB connection string",
		"mongodb://app:s3cret@" + refusing(t) + "/?directConnection=true": "MongoDB does not answer: check MONGODB_URI and that the server runs",
	} {
		if _, err := mongodb.Connect(ctx, uri, "test"); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestEnsureIndexes(t *testing.T) {
	t.Parallel()
	server, err := mongo.Start(t.Context(), mongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	client, err := mongodb.Connect(t.Context(), server.URI(), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	db := client.Database("things")
	index := func(unique bool) []mongodb.Index {
		return []mongodb.Index{
			{Collection: "a", Keys: bson.D{{Key: "x", Value: 1}}, Options: options.Index().SetName("x").SetUnique(unique)},
			{Collection: "b", Keys: bson.D{{Key: "y", Value: -1}, {Key: "_id", Value: 1}}},
		}
	}
	for range 2 { // the second time they are there
		if err := mongodb.EnsureIndexes(t.Context(), db, index(true)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int{"a": 2, "b": 2} {
		if found, err := db.Collection(name).Indexes().ListSpecifications(t.Context()); err != nil || len(found) != want {
			t.Errorf("%s has %d indexes: %v", name, len(found), err)
		}
	}
	if err := mongodb.EnsureIndexes(t.Context(), db, index(false)); err == nil || !strings.Contains(err.Error(), "make the indexes of things.a") {
		t.Errorf("an index that is otherwise: %v", err)
	}
}
