package mongo_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// documents is how many documents the benchmarks work on.
const documents = 100_000

func benchCollection(b *testing.B, dir string) *driver.Collection {
	b.Helper()
	c := connect(b, start(b, dir).URI()).Database("bench").Collection("c")
	index(b, c, bson.D{{Key: "sku", Value: 1}}, options.Index().SetUnique(true))
	index(b, c, bson.D{{Key: "category", Value: 1}, {Key: "price", Value: -1}}, nil)
	for i := 0; i < documents; i += 10_000 {
		docs := make([]any, 10_000)
		for k := range docs {
			n := i + k
			docs[k] = bson.D{
				{Key: "_id", Value: n}, {Key: "sku", Value: sku(n)}, {Key: "category", Value: n % 500}, {Key: "price", Value: n % 997}, {Key: "avail", Value: 1 << 30},
				{Key: "name", Value: fmt.Sprintf("product number %d", n)}, {Key: "tags", Value: bson.A{"a", "b"}}, {Key: "dim", Value: bson.D{{Key: "w", Value: 1.5}, {Key: "h", Value: 2}}},
			}
		}
		if _, err := c.InsertMany(b.Context(), docs); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	return c
}

func sku(n int) string { return fmt.Sprintf("SKU-%06d", n) }

func perSecond(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func BenchmarkReadByUniqueKey(b *testing.B) {
	c := benchCollection(b, "")
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := c.FindOne(b.Context(), bson.D{{Key: "sku", Value: sku(rand.IntN(documents))}}).Err(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	perSecond(b)
}

func BenchmarkReadPageInOrder(b *testing.B) {
	c := benchCollection(b, "")
	o := options.Find().SetSort(bson.D{{Key: "price", Value: -1}}).SetLimit(20)
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			cur, err := c.Find(b.Context(), bson.D{{Key: "category", Value: rand.IntN(500)}, {Key: "price", Value: bson.D{{Key: "$lt", Value: 900}}}}, o)
			if err != nil {
				b.Error(err)
				return
			}
			var docs []bson.Raw
			if err := cur.All(b.Context(), &docs); err != nil || len(docs) != 20 {
				b.Errorf("%d documents, %v", len(docs), err)
				return
			}
		}
	})
	perSecond(b)
}

func benchmarkUpdates(b *testing.B, dir string) {
	c := benchCollection(b, dir)
	var lost atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := rand.IntN(documents)
			res, err := c.UpdateOne(b.Context(), bson.D{{Key: "sku", Value: sku(n)}, {Key: "avail", Value: bson.D{{Key: "$gte", Value: 1}}}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "avail", Value: -1}}}})
			if err != nil {
				b.Error(err)
				return
			}
			if res.ModifiedCount != 1 {
				lost.Add(1)
			}
		}
	})
	perSecond(b)
	if lost.Load() > 0 {
		b.Errorf("%d updates did nothing", lost.Load())
	}
}

func BenchmarkConditionalUpdate(b *testing.B) { benchmarkUpdates(b, "") }

// BenchmarkDurableUpdate waits for the disk with every update; many updates share a sync.
func BenchmarkDurableUpdate(b *testing.B) { benchmarkUpdates(b, b.TempDir()) }

func BenchmarkInsert(b *testing.B) {
	c := connect(b, start(b, b.TempDir()).URI()).Database("bench").Collection("c")
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.InsertOne(b.Context(), bson.D{{Key: "name", Value: "a thing"}, {Key: "n", Value: 1}}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	perSecond(b)
}
