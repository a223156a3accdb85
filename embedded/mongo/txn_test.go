package mongo_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// transaction opens a session with a transaction in it.
func transaction(t testing.TB, db *driver.Database) (*driver.Session, context.Context) {
	t.Helper()
	s, err := db.Client().StartSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.StartTransaction(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.EndSession(context.WithoutCancel(t.Context())) })
	return s, driver.NewSessionContext(t.Context(), s)
}

func set(field string, v any) bson.D {
	return bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: v}}}}
}

func byID(id any) bson.D { return bson.D{{Key: "_id", Value: id}} }

func TestTransactionCommits(t *testing.T) {
	t.Parallel()
	db := database(t)
	c := db.Collection("c")
	load(t, c, `{"_id":1,"v":1}`, `{"_id":2,"v":2}`)
	s, in := transaction(t, db)
	if _, err := c.UpdateOne(in, byID(1), set("v", 10)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.InsertOne(in, bson.D{{Key: "_id", Value: 3}, {Key: "v", Value: 3}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteOne(in, byID(2)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Collection("new").InsertOne(in, byID(1)); err != nil {
		t.Fatal(err)
	}
	cur, err := c.Find(in, bson.D{}, options.Find().SetBatchSize(1))
	if err != nil {
		t.Fatal(err)
	}
	var own []bson.D
	if err := cur.All(in, &own); err != nil || lines(t, own) != "{\"_id\":1,\"v\":10}\n{\"_id\":3,\"v\":3}" {
		t.Errorf("the transaction sees %s, %v", lines(t, own), err)
	}
	if got := all(t, c, bson.D{}); got != "{\"_id\":1,\"v\":1}\n{\"_id\":2,\"v\":2}" {
		t.Errorf("others see %s", got)
	}
	if err := s.CommitTransaction(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.CommitTransaction(t.Context()); err != nil {
		t.Errorf("committing again: %v", err)
	}
	if got := all(t, c, bson.D{}); got != "{\"_id\":1,\"v\":10}\n{\"_id\":3,\"v\":3}" {
		t.Errorf("afterwards others see %s", got)
	}
}

func TestTransactionAborts(t *testing.T) {
	t.Parallel()
	db := database(t)
	c := db.Collection("c")
	load(t, c, `{"_id":1,"v":1}`)
	s, in := transaction(t, db)
	if _, err := c.UpdateOne(in, byID(1), set("v", 10)); err != nil {
		t.Fatal(err)
	}
	if err := s.AbortTransaction(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := all(t, c, bson.D{}); got != `{"_id":1,"v":1}` {
		t.Errorf("after the abort: %s", got)
	}
	s, in = transaction(t, db)
	if _, err := c.InsertOne(in, byID(1)); !driver.IsDuplicateKeyError(err) {
		t.Fatalf("a duplicate in a transaction: %v", err)
	}
	_, err := c.InsertOne(in, byID(9))
	if codeOf(t, err) != 251 {
		t.Errorf("after an error the transaction is over: %v", err)
	}
	if err := s.AbortTransaction(t.Context()); err != nil {
		t.Errorf("aborting what is over: %v", err)
	}
}

func TestTransactionReadsItsSnapshot(t *testing.T) {
	t.Parallel()
	db := database(t)
	c := db.Collection("c")
	load(t, c, `{"_id":1,"v":1}`)
	_, in := transaction(t, db)
	read := func() int {
		var d struct{ V int }
		if err := c.FindOne(in, byID(1)).Decode(&d); err != nil {
			t.Fatal(err)
		}
		return d.V
	}
	if v := read(); v != 1 {
		t.Fatalf("v is %d", v)
	}
	if _, err := c.UpdateOne(t.Context(), byID(1), set("v", 2)); err != nil {
		t.Fatal(err)
	}
	if v := read(); v != 1 {
		t.Errorf("the transaction sees a later write: %d", v)
	}
	_, err := c.UpdateOne(in, byID(1), set("v", 3))
	var ce driver.CommandError
	if !errors.As(err, &ce) || ce.Code != 112 || !ce.HasErrorLabel("TransientTransactionError") {
		t.Errorf("writing over a later write: %v", err)
	}
}

func TestTransactionsConflict(t *testing.T) {
	t.Parallel()
	db := database(t)
	c := db.Collection("c")
	index(t, c, bson.D{{Key: "u", Value: 1}}, options.Index().SetUnique(true).SetSparse(true))
	load(t, c, `{"_id":1,"v":1}`)
	first, one := transaction(t, db)
	_, two := transaction(t, db)
	_, three := transaction(t, db)
	if _, err := c.UpdateOne(one, byID(1), set("v", 2)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.InsertOne(one, bson.D{{Key: "u", Value: 1}}); err != nil {
		t.Fatal(err)
	}
	_, err := c.UpdateOne(two, byID(1), set("v", 3))
	if codeOf(t, err) != 112 {
		t.Errorf("the same document: %v", err)
	}
	_, err = c.InsertOne(three, bson.D{{Key: "u", Value: 1}})
	if codeOf(t, err) != 112 {
		t.Errorf("the same unique key: %v", err)
	}
	// A write outside of a transaction waits.
	done := make(chan error, 1)
	go func() {
		_, err := c.UpdateOne(t.Context(), byID(1), bson.D{{Key: "$inc", Value: bson.D{{Key: "v", Value: 100}}}})
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("the write did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := first.CommitTransaction(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := all(t, c, byID(1)); got != `{"_id":1,"v":102}` {
		t.Errorf("after both: %s", got)
	}
}

// TestConcurrentTransfers moves money between accounts in transactions that run again when they lose; none is made or
// lost.
func TestConcurrentTransfers(t *testing.T) {
	t.Parallel()
	db := database(t)
	c := db.Collection("c")
	const accounts, workers, each = 8, 8, 15
	for i := range accounts {
		load(t, c, text(t, bson.D{{Key: "_id", Value: i}, {Key: "v", Value: 100}}))
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			s, err := db.Client().StartSession()
			if err != nil {
				t.Error(err)
				return
			}
			defer s.EndSession(context.WithoutCancel(t.Context()))
			for i := range each {
				from, to := (w+i)%accounts, (w+i*3+1)%accounts
				_, err := s.WithTransaction(t.Context(), func(ctx context.Context) (any, error) {
					for _, m := range []struct{ id, by int }{{from, -1}, {to, 1}} {
						if _, err := c.UpdateOne(ctx, byID(m.id), bson.D{{Key: "$inc", Value: bson.D{{Key: "v", Value: m.by}, {Key: "n", Value: 1}}}}); err != nil {
							return nil, err
						}
					}
					return nil, nil
				}, options.Transaction().SetReadConcern(readconcern.Snapshot()).SetWriteConcern(writeconcern.Majority()))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := pipeline(t, c, `[{"$group":{"_id":null,"v":{"$sum":"$v"},"n":{"$sum":"$n"}}}]`)
	if err != nil || got != `{"_id":null,"v":800,"n":240}` {
		t.Errorf("the sum: %s, %v", got, err)
	}
}

// TestRepeatedWritesAreDoneOnce sends a retryable write again by its number, as drivers do when they did not see the
// answer.
func TestRepeatedWritesAreDoneOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir)
	db := connect(t, s.URI()).Database("db")
	c := db.Collection("c")
	load(t, c, `{"_id":1,"v":0}`)
	cmd := bson.D{
		{Key: "update", Value: "c"},
		{Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: byID(1)}, {Key: "u", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "v", Value: 1}}}}}}}},
		{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}}}},
		{Key: "txnNumber", Value: int64(7)}, {Key: "$db", Value: "db"},
	}
	for range 3 {
		if reply := command(t, s.Addr(), cmd); reply["ok"] != 1.0 || reply["nModified"] != int32(1) {
			t.Fatalf("the answer is %v", reply)
		}
	}
	if got := all(t, c, bson.D{}); got != `{"_id":1,"v":1}` {
		t.Errorf("after three: %s", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := start(t, dir)
	if reply := command(t, again.Addr(), cmd); reply["nModified"] != int32(1) {
		t.Fatalf("the answer after a restart is %v", reply)
	}
	if got := all(t, connect(t, again.URI()).Database("db").Collection("c"), bson.D{}); got != `{"_id":1,"v":1}` {
		t.Errorf("after a restart: %s", got)
	}
	cmd[3].Value = int64(6)
	if reply := command(t, again.Addr(), cmd); reply["code"] != int32(225) {
		t.Errorf("an older number: %v", reply)
	}
}
