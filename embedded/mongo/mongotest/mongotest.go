// Package mongotest gives tests a MongoDB of their own, and explains what a service asked of it.
package mongotest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/lethe/lethe/embedded/mongo"
)

// Database starts an embedded server that ends with the test, and gives one of its databases together with a record of the
// commands that are sent to it.
func Database(tb testing.TB, name string) (*driver.Database, *Record) {
	tb.Helper()
	server, err := mongo.Start(tb.Context(), mongo.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = server.Close() })
	r := &Record{}
	// As chassis/mongodb connects, and watched.
	client, err := driver.Connect(options.Client().ApplyURI(server.URI()).
		SetReadConcern(readconcern.Majority()).SetWriteConcern(writeconcern.Majority()).
		SetBSONOptions(&options.BSONOptions{NilSliceAsEmpty: true}).
		SetMonitor(&event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) { r.add(e.CommandName, e.Command) }}))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	r.db = client.Database(name)
	return r.db, r
}

// Record is what was asked of a database.
type Record struct {
	db *driver.Database

	mu       sync.Mutex
	commands []bson.Raw
}

// add keeps the commands that look for documents.
func (r *Record) add(name string, command bson.Raw) {
	switch name {
	case "find", "aggregate", "count", "distinct", "update", "delete", "findAndModify":
		r.mu.Lock()
		defer r.mu.Unlock()
		r.commands = append(r.commands, slices.Clone(command))
	}
}

// Forget drops what was asked so far: the preparations of a test.
func (r *Record) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commands = nil
}

// Asked returns how many commands of a name, such as "aggregate", were asked since [Record.Forget].
func (r *Record) Asked(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, c := range r.commands {
		if elements, err := c.Elements(); err == nil && len(elements) > 0 && elements[0].Key() == name {
			n++
		}
	}
	return n
}

// transport are the fields of a command that are not of what it asks.
func transport(key string) bool {
	switch key {
	case "lsid", "txnNumber", "startTransaction", "autocommit", "readConcern", "writeConcern", "maxTimeMS":
		return true
	}
	return strings.HasPrefix(key, "$")
}

// AssertIndexed has the server explain everything that was asked, and fails the test for what reads a whole collection. It
// gives how many different commands there were.
func (r *Record) AssertIndexed(tb testing.TB) int {
	tb.Helper()
	r.mu.Lock()
	commands := slices.Clone(r.commands)
	r.mu.Unlock()
	explained := map[string]bool{}
	for _, c := range commands {
		for _, one := range split(tb, c) {
			text, err := bson.MarshalExtJSON(one, false, false)
			if err != nil {
				tb.Fatal(err)
			}
			if explained[string(text)] {
				continue
			}
			explained[string(text)] = true
			plan, err := r.db.RunCommand(context.WithoutCancel(tb.Context()), bson.D{{Key: "explain", Value: one}, {Key: "verbosity", Value: "queryPlanner"}}).Raw()
			if err != nil {
				tb.Errorf("explain %s: %v", text, err)
			} else if strings.Contains(plan.String(), `"COLLSCAN"`) {
				tb.Errorf("reads the whole collection: %s", text)
			}
		}
	}
	return len(explained)
}

// split gives a command as it can be explained: without what belongs to its transport, and one for each of its statements.
func split(tb testing.TB, command bson.Raw) []bson.D {
	tb.Helper()
	var whole, rest bson.D
	if err := bson.Unmarshal(command, &whole); err != nil {
		tb.Fatal(err)
	}
	var statements bson.A
	list := ""
	for _, e := range whole {
		switch {
		case transport(e.Key):
		case e.Key == "updates" || e.Key == "deletes":
			list, statements = e.Key, e.Value.(bson.A)
		default:
			rest = append(rest, e)
		}
	}
	if list == "" {
		return []bson.D{rest}
	}
	var out []bson.D
	for _, s := range statements {
		out = append(out, append(rest[:len(rest):len(rest)], bson.E{Key: list, Value: bson.A{s}}))
	}
	return out
}
