// Package mongodb connects a service to its MongoDB and keeps its indexes.
package mongodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
)

// Connect opens a client, waits until the server answers, and gives it. An operation without a deadline of its own ends
// after five seconds. Writes are acknowledged by a majority and journaled.
func Connect(ctx context.Context, uri, application string) (*mongo.Client, error) {
	if _, err := connstring.ParseAndValidate(uri); err != nil {
		return nil, fmt.Errorf("MONGODB_URI is not a MongoDB connection string: %w", err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri).
		SetAppName(application).
		SetTimeout(5 * time.Second).
		SetServerSelectionTimeout(5 * time.Second).
		SetReadConcern(readconcern.Majority()).
		SetWriteConcern(writeconcern.Majority()).
		SetBSONOptions(&options.BSONOptions{NilSliceAsEmpty: true}))
	if err != nil {
		return nil, fmt.Errorf("connect to MongoDB: %w", err)
	}
	if err := client.Ping(ctx, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("MongoDB does not answer: check MONGODB_URI and that the server runs: %w", err), client.Disconnect(ctx))
	}
	return client, nil
}

// Index is one index of a collection, declared beside the queries that need it.
type Index struct {
	Collection string
	Keys       bson.D
	Options    *options.IndexOptionsBuilder
}

// EnsureIndexes makes the indexes that are not there. It changes nothing that is.
func EnsureIndexes(ctx context.Context, db *mongo.Database, indexes []Index) error {
	by := map[string][]mongo.IndexModel{}
	var names []string
	for _, ix := range indexes {
		if by[ix.Collection] == nil {
			names = append(names, ix.Collection)
		}
		by[ix.Collection] = append(by[ix.Collection], mongo.IndexModel{Keys: ix.Keys, Options: ix.Options})
	}
	for _, name := range names {
		if _, err := db.Collection(name).Indexes().CreateMany(ctx, by[name]); err != nil {
			return fmt.Errorf("make the indexes of %s.%s: %w", db.Name(), name, err)
		}
	}
	return nil
}
