package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// expireBatch is how many documents one write deletes for an expired index.
const expireBatch = 1000

// Expire deletes the documents whose time in an expiring index has come.
func (s *Store) Expire(ctx context.Context, now time.Time) error {
	var todo []struct{ ns, index string }
	s.View().Each(func(c *Collection) bool {
		for _, ix := range c.Indexes {
			if ix.Expire >= 0 && len(ix.expired(now, 1)) > 0 {
				todo = append(todo, struct{ ns, index string }{c.Name, ix.Name})
			}
		}
		return true
	})
	for _, t := range todo {
		for more := true; more && ctx.Err() == nil; {
			_, err := s.Write(ctx, func(d *Draft) error {
				more = false
				c := d.Collection(t.ns)
				if c == nil {
					return nil
				}
				ix := c.Index(t.index)
				if ix == nil || ix.Expire < 0 {
					return nil
				}
				records := ix.expired(now, expireBatch)
				more = len(records) == expireBatch
				for _, r := range records {
					doc, ok := c.records.Get(r)
					if !ok {
						continue
					}
					if err := d.Delete(t.ns, doc); err != nil && !Retry(err) {
						return err // what a transaction holds waits for the next time
					} else if err != nil {
						more = false
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// expired gives the records of documents whose time has come, n at most.
func (ix *Index) expired(now time.Time, n int) []uint64 {
	limit := bson.NewDateTimeFromTime(now.Add(-time.Duration(ix.Expire) * time.Second))
	b := bound{lo: value.RankKey(limit), hi: value.AppendKey(nil, limit)}
	var out []uint64
	for _, r := range b.intervals([][]byte{nil}, ix.Parts[0].Desc) {
		it := ix.tree.Iter()
		for ok := it.Seek(r.lo); ok && len(out) < n && (r.hi == "" || it.Key() < r.hi); ok = it.Next() {
			out = append(out, recordOf(it.Key()))
		}
	}
	return out
}
