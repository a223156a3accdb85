package catalogue

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// countsAge is how old the counts of the categories may be, and countsTime how long reading them may take.
const (
	countsAge  = 5 * time.Second
	countsTime = 10 * time.Second
)

// categoryCounts is how many products stand in each category. All are read at once, for all who ask meanwhile, and kept
// for a while: a count is as dear as the category is large, and a page of products asks for one with each of them.
type categoryCounts struct {
	read func(ctx context.Context) (map[string]int, error)
	now  func() time.Time

	mu      sync.Mutex
	counts  map[string]int
	at      time.Time
	reading *countsRead // nil while nobody reads
	changed int         // how often what was read turned out to be old
}

// countsRead is one reading. Its fields are to be read once done is closed.
type countsRead struct {
	done    chan struct{}
	changed int
	counts  map[string]int
	err     error
}

// of returns the counts by the categories' slugs; a category without products is missing.
func (c *categoryCounts) of(ctx context.Context) (map[string]int, error) {
	c.mu.Lock()
	if c.counts != nil && c.now().Sub(c.at) < countsAge {
		defer c.mu.Unlock()
		return c.counts, nil
	}
	r := c.reading
	if r == nil || r.changed != c.changed {
		r = &countsRead{done: make(chan struct{}), changed: c.changed}
		c.reading = r
		go c.fill(context.WithoutCancel(ctx), r) // it is for others, too, when this one has gone
	}
	c.mu.Unlock()
	select {
	case <-r.done:
		return r.counts, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *categoryCounts) fill(ctx context.Context, r *countsRead) {
	ctx, cancel := context.WithTimeout(ctx, countsTime)
	defer cancel()
	at := c.now()
	r.counts, r.err = c.read(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.err == nil && r.changed == c.changed {
		c.counts, c.at = r.counts, at
	}
	if c.reading == r {
		c.reading = nil
	}
	close(r.done)
}

// forget has the counts read anew: a product came, or went to another category.
func (c *categoryCounts) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts, c.changed = nil, c.changed+1
}

// countCategories counts the products of every category, all of them.
func (s *store) countCategories(ctx context.Context) (map[string]int, error) {
	slugs := bson.A{}
	for _, c := range categories() {
		slugs = append(slugs, c.slug)
	}
	cursor, err := s.products.Aggregate(ctx, bson.A{
		bson.D{{Key: "$match", Value: bson.D{{Key: "category", Value: bson.D{{Key: "$in", Value: slugs}}}}}}, // the index answers
		bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$category"}, {Key: "count", Value: bson.D{{Key: "$sum", Value: 1}}}}}},
	})
	if err != nil {
		return nil, fmt.Errorf("count the products of categories: %w", err)
	}
	var found []struct {
		Slug  string `bson:"_id"`
		Count int    `bson:"count"`
	}
	if err := cursor.All(ctx, &found); err != nil {
		return nil, fmt.Errorf("count the products of categories: %w", err)
	}
	out := make(map[string]int, len(found))
	for _, f := range found {
		out[f.Slug] = f.Count
	}
	return out, nil
}
