package mongo_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/lethe/lethe/embedded/mongo"
)

// realServer is the address of a MongoDB to hold the embedded server against: the conformance tests run there when it
// is set.
func realServer() string { return os.Getenv("MONGODB_URI") }

// start starts a server for a test, which ends with it.
func start(t testing.TB, dir string) *mongo.Server {
	t.Helper()
	s, err := mongo.Start(t.Context(), mongo.Options{Addr: "127.0.0.1:0", Dir: dir})
	if err != nil {
		t.Fatalf("starting the server: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the server: %v", err)
		}
	})
	return s
}

func connect(t testing.TB, uri string) *driver.Client {
	t.Helper()
	c, err := driver.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := c.Disconnect(ctx); err != nil {
			t.Errorf("disconnecting: %v", err)
		}
	})
	return c
}

var databases atomic.Int64

// database gives an empty database on the embedded server, or on the one of MONGODB_URI.
func database(t testing.TB) *driver.Database {
	t.Helper()
	uri := realServer()
	if uri == "" {
		uri = start(t, "").URI()
	}
	name := fmt.Sprintf("conformance_%d_%d", os.Getpid(), databases.Add(1))
	db := connect(t, uri).Database(name)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := db.Drop(ctx); err != nil {
			t.Errorf("dropping the database: %v", err)
		}
	})
	return db
}

// load fills a collection from documents in extended JSON, one each.
func load(t testing.TB, c *driver.Collection, docs ...string) {
	t.Helper()
	var list []any
	for _, s := range docs {
		list = append(list, doc(t, s))
	}
	if _, err := c.InsertMany(t.Context(), list); err != nil {
		t.Fatalf("inserting: %v", err)
	}
}

// doc reads a document in extended JSON.
func doc(t testing.TB, s string) bson.D {
	t.Helper()
	if s == "" {
		return bson.D{}
	}
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(s), false, &d); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return d
}

// text writes a value in extended JSON.
func text(t testing.TB, v any) string {
	t.Helper()
	if v == nil {
		return "null"
	}
	b, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: v}}, false, false)
	if err != nil {
		t.Fatalf("marshalling: %v", err)
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(b), `{"v":`), "}")
}

// lines writes documents in extended JSON, one a line.
func lines(t testing.TB, docs []bson.D) string {
	t.Helper()
	var out []string
	for _, d := range docs {
		out = append(out, text(t, d))
	}
	return strings.Join(out, "\n")
}

// all runs a find and writes what it gives.
func all(t testing.TB, c *driver.Collection, filter any, o ...options.Lister[options.FindOptions]) string {
	t.Helper()
	cur, err := c.Find(t.Context(), filter, o...)
	if err != nil {
		t.Fatalf("finding %v: %v", filter, err)
	}
	var docs []bson.D
	if err := cur.All(t.Context(), &docs); err != nil {
		t.Fatalf("finding %v: %v", filter, err)
	}
	return lines(t, docs)
}

// codeOf gives a server error's code, 0 for success.
func codeOf(t testing.TB, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	se, ok := err.(driver.ServerError)
	if !ok {
		t.Fatalf("not an error of the server: %v", err)
	}
	codes := se.ErrorCodes()
	if len(codes) == 0 {
		t.Fatalf("an error without a code: %v", err)
	}
	return codes[0]
}

// index makes an index.
func index(t testing.TB, c *driver.Collection, keys bson.D, o *options.IndexOptionsBuilder) string {
	t.Helper()
	m := driver.IndexModel{Keys: keys}
	if o != nil {
		m.Options = o
	}
	name, err := c.Indexes().CreateOne(t.Context(), m)
	if err != nil {
		t.Fatalf("making index %v: %v", keys, err)
	}
	return name
}

// await asks again and again until something is so.
func await(t testing.TB, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second) // a real server expires documents once a minute
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s did not come", what)
		}
	}
}

func unacknowledged() *writeconcern.WriteConcern { return writeconcern.Unacknowledged() }
