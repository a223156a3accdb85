package catalogue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/chassis/graphqlserver/graphqltest"
	"github.com/lethe/lethe/chassis/page"
)

// TestCountsAreReadOnce holds that all who ask at a time, and for a while, are answered by one reading.
func TestCountsAreReadOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int64
		c := &categoryCounts{now: time.Now, read: func(ctx context.Context) (map[string]int, error) {
			n := int(reads.Add(1))
			time.Sleep(time.Second)
			return map[string]int{"kitchen": n}, ctx.Err()
		}}
		is := func(want int) {
			t.Helper()
			if got, err := c.of(t.Context()); err != nil || !maps.Equal(got, map[string]int{"kitchen": want}) {
				t.Errorf("%v %v, want %d", got, err, want)
			}
		}
		gone, cancel := context.WithCancel(t.Context())
		go func() { _, _ = c.of(gone) }()
		synctest.Wait()
		cancel() // who asked first has gone
		for range 100 {
			go is(1)
		}
		is(1)
		synctest.Wait()
		time.Sleep(countsAge - 2*time.Second)
		is(1)
		time.Sleep(2 * time.Second)
		is(2)
		// What changed while it was read is read again.
		time.Sleep(countsAge)
		go func() { _, _ = c.of(t.Context()) }()
		synctest.Wait()
		c.forget()
		is(4)
		is(4)
		c.read = func(context.Context) (map[string]int, error) { return nil, errors.New("no") }
		c.forget()
		if _, err := c.of(t.Context()); err == nil {
			t.Error("counts that could not be read")
		}
	})
}

// TestProductCounts asks for the count of a category a hundred times in one request: it is read once, exact beyond what totals are
// counted to, and follows what is written.
func TestProductCounts(t *testing.T) {
	s := newShop(t)
	const many = page.MaxCount + 1
	var docs []any
	for i := range many {
		docs = append(docs, bson.D{{Key: "_id", Value: fmt.Sprintf("x%d", i)}, {Key: "sku", Value: fmt.Sprintf("X-%d", i)}, {Key: "name", Value: "X"}, {Key: "category", Value: "garden"}})
	}
	if _, err := s.db.Collection(productsName).InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	s.asked.Forget()
	query := "{ categories { slug productCount }"
	for i := range 20 {
		query += fmt.Sprintf(" p%d: product(id: %q) { category { productCount } }", i, s.all[i].ID)
	}
	var got struct {
		Categories []struct {
			Slug         string
			ProductCount int
		}
	}
	s.Must(t, graphqltest.Anonymous(), query+" }", nil, &got)
	for _, c := range got.Categories {
		want := 0
		for _, p := range s.all {
			if p.Category == c.Slug {
				want++
			}
		}
		if c.Slug == "garden" {
			want += many
		}
		if c.ProductCount != want {
			t.Errorf("%s has %d products, want %d", c.Slug, c.ProductCount, want)
		}
	}
	if n := s.asked.Asked("aggregate"); n != 1 {
		t.Errorf("the counts were read %d times", n)
	}
}
