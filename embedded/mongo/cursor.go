package mongo

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/aggregate"
	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

const (
	// maxCursors bounds the cursors that are open at the same time.
	maxCursors = 10_000
	// cursorTimeout is how long an idle cursor lives, as in MongoDB.
	cursorTimeout = 10 * time.Minute
	// firstBatch is the size of a first batch when the client names none, as in MongoDB.
	firstBatch = 101
	// maxReply bounds the documents of one batch in bytes.
	maxReply = 16 << 20
)

// relay is a context that stands for that of the request which is using a cursor.
type relay struct{ context.Context }

// cursor is a result that is fetched in batches. It reads the state of its beginning.
type cursor struct {
	id      int64
	ns      string
	session string
	forever bool

	mu      sync.Mutex // held while a batch is made
	stream  aggregate.Stream
	ctx     *relay
	pending value.Encoded // read, but too large for the last batch

	used time.Time // guarded by cursors.mu
}

type cursors struct {
	mu   sync.Mutex
	byID map[int64]*cursor
}

func newCursors() *cursors { return &cursors{byID: map[int64]*cursor{}} }

// batch reads up to n documents, all if n is negative, as far as they fit a reply.
func (c *cursor) batch(ctx context.Context, n int64) (docs bson.A, done bool, err error) {
	c.ctx.Context = ctx
	docs = bson.A{}
	size := 0
	for n < 0 || int64(len(docs)) < n {
		doc := c.pending
		c.pending = ""
		if doc == "" {
			row, ok, err := c.stream()
			if err != nil {
				return nil, true, err
			}
			if !ok {
				return docs, true, nil
			}
			if row.Stored != nil {
				doc = row.Stored.Raw
			} else {
				b, err := value.Encode(row.D)
				if err != nil {
					return nil, true, err
				}
				if len(b) > value.MaxDocument {
					return nil, true, fault.New(fault.BSONObjectTooLarge, "a result of %d bytes is too large", len(b))
				}
				doc = value.Encoded(b)
			}
		}
		if size += len(doc); size > maxReply && len(docs) > 0 {
			c.pending = doc
			return docs, false, nil
		}
		docs = append(docs, doc)
	}
	return docs, false, nil
}

// open makes the first answer of a result, and keeps a cursor if there is more.
func (r *request) open(ns string, stream aggregate.Stream, ctx *relay, size int64, single, forever bool) (bson.D, error) {
	c := &cursor{ns: ns, session: r.session, forever: forever, stream: stream, ctx: ctx}
	docs, done, err := c.batch(r.ctx, size)
	if err != nil {
		return nil, err
	}
	if !done && !single && size > 0 && c.pending == "" {
		// Whether this was all is known by the next document only.
		next, end, err := c.batch(r.ctx, 1)
		if err != nil {
			return nil, err
		}
		if done = end; !end {
			c.pending = next[0].(value.Encoded)
		}
	}
	if !done && !single {
		if r.txn != nil { // what the transaction writes next must not show
			if c.stream, err = buffered(c.stream); err != nil {
				return nil, err
			}
		}
		if err := r.s.cursors.add(c, r.now); err != nil {
			return nil, err
		}
	}
	return bson.D{{Key: "cursor", Value: bson.D{{Key: "firstBatch", Value: docs}, {Key: "id", Value: c.id}, {Key: "ns", Value: ns}}}}, nil
}

func buffered(in aggregate.Stream) (aggregate.Stream, error) {
	var rows []aggregate.Row
	for {
		row, ok, err := in()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if len(rows) == aggregate.MaxSorted {
			return nil, fault.New(fault.ExceededMemoryLimit, "a transaction's cursor holds more than %d documents", aggregate.MaxSorted)
		}
		rows = append(rows, row)
	}
	return func() (aggregate.Row, bool, error) {
		if len(rows) == 0 {
			return aggregate.Row{}, false, nil
		}
		row := rows[0]
		rows = rows[1:]
		return row, true, nil
	}, nil
}

func (s *cursors) add(c *cursor, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byID) >= maxCursors {
		return fault.New(fault.ExceededMemoryLimit, "more than %d cursors are open", maxCursors)
	}
	for c.id == 0 || s.byID[c.id] != nil {
		c.id = rand.Int64()
	}
	c.used = now
	s.byID[c.id] = c
	return nil
}

func (s *cursors) get(id int64, now time.Time) *cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byID[id]
	if c != nil {
		c.used = now
	}
	return c
}

func (s *cursors) remove(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.byID[id]
	delete(s.byID, id)
	return ok
}

func (s *cursors) expire(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range s.byID {
		if !c.forever && now.Sub(c.used) > cursorTimeout {
			delete(s.byID, id)
		}
	}
}

func noCursor(id int64) error { return fault.New(fault.CursorNotFound, "cursor id %d not found", id) }

func getMore(r *request) (bson.D, error) {
	id, ok := r.first.(int64)
	if !ok {
		r.mismatch("getMore", r.first, "long")
	}
	r.first, _ = r.take("collection")
	ns := r.namespace()
	size := r.args.number("batchSize", 0)
	if err := r.finish(); err != nil {
		return nil, err
	}
	if size == 0 {
		size = -1
	}
	c := r.s.cursors.get(id, r.now)
	if c == nil {
		return nil, noCursor(id)
	}
	if c.ns != ns {
		return nil, fault.New(fault.Unauthorized, "Requested getMore on namespace '%s', but cursor belongs to a different namespace %s", ns, c.ns)
	}
	if c.session != r.session {
		return nil, fault.New(fault.Unauthorized, "cursor id %d was created in another session", id)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	docs, done, err := c.batch(r.ctx, size)
	if err != nil || done {
		r.s.cursors.remove(id)
		id = 0
	}
	if err != nil {
		return nil, err
	}
	return bson.D{{Key: "cursor", Value: bson.D{{Key: "nextBatch", Value: docs}, {Key: "id", Value: id}, {Key: "ns", Value: ns}}}}, nil
}

func killCursors(r *request) (bson.D, error) {
	r.namespace()
	list := r.array("cursors")
	if err := r.finish(); err != nil {
		return nil, err
	}
	killed, missing := bson.A{}, bson.A{}
	for _, x := range list {
		id, ok := x.(int64)
		if !ok {
			return nil, fault.New(fault.TypeMismatch, "killCursors needs cursor ids")
		}
		if r.s.cursors.remove(id) {
			killed = append(killed, id)
		} else {
			missing = append(missing, id)
		}
	}
	return bson.D{{Key: "cursorsKilled", Value: killed}, {Key: "cursorsNotFound", Value: missing}, {Key: "cursorsAlive", Value: bson.A{}}, {Key: "cursorsUnknown", Value: bson.A{}}}, nil
}
