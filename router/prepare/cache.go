package prepare

import (
	"cmp"
	"context"
	"hash/maphash"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// cache keeps prepared operations by their text and name. It is bounded by count and by the bytes that the operations take
// with their programs; when it is full, what was not asked for since the last round is dropped first. What is refused is
// kept apart, so that a flood of bad operations costs the good ones nothing.
type cache struct {
	seed    maphash.Seed
	make    func(query, name string) *Prepared
	turns   turns
	good    generation
	refused generation
}

// turns bounds how many operations are prepared at once, to half of the cores: those that clients ask for again, which need
// no turn, keep the other half while new ones are planned.
type turns chan struct{}

func newTurns() turns { return make(turns, max(1, runtime.GOMAXPROCS(0)/2)) }

// take blocks until it is the caller's turn, which it must give back, or until ctx is done.
func (t turns) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	default:
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turns) giveBack() { <-t }

// generation is one part of a cache.
type generation struct {
	index index // read without a lock
	mu    sync.Mutex
	ring  []*entry
	hand  int
	bytes int

	maxCount, maxBytes int
}

type entry struct {
	key         uint64
	query, name string
	at          int // in the ring
	bytes       int // that are counted for it
	used        atomic.Bool
	uses        atomic.Uint64
	ready       chan struct{}
	prepared    *Prepared
}

// newCache returns a cache for what prepare makes, that takes at most about maxBytes.
func newCache(prepare func(query, name string) *Prepared, maxBytes int) *cache {
	c := &cache{seed: maphash.MakeSeed(), make: prepare, turns: newTurns()}
	c.good = generation{maxCount: 4000, maxBytes: maxBytes}
	c.refused = generation{maxCount: 500, maxBytes: 2 << 20}
	return c
}

func (c *cache) key(query, name []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	_, _ = h.Write(query)
	_ = h.WriteByte(0)
	_, _ = h.Write(name)
	return h.Sum64()
}

// get returns what is known of an operation. Where nothing is, the first caller whose turn it is makes it while others wait for
// that, or for their own context, whose end is the only error.
func (c *cache) get(ctx context.Context, query, name []byte) (*Prepared, error) {
	key := c.key(query, name)
	e := c.find(key, query, name)
	if e == nil {
		fresh := newEntry(key, string(query), string(name), 1)
		if err := c.turns.take(ctx); err != nil {
			return nil, err
		}
		// Another caller may have made it while this one waited for its turn.
		if e = c.find(key, query, name); e == nil {
			if e = c.good.add(fresh); e == fresh {
				defer c.turns.giveBack()
				return c.fill(e), nil
			}
		}
		c.turns.giveBack()
	}
	select {
	case <-e.ready:
		return e.prepared, nil
	default:
	}
	select {
	case <-e.ready:
		return e.prepared, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *cache) find(key uint64, query, name []byte) *entry {
	if e := c.good.find(key, query, name); e != nil {
		return e
	}
	return c.refused.find(key, query, name)
}

func newEntry(key uint64, query, name string, uses uint64) *entry {
	e := &entry{key: key, query: query, name: name, bytes: len(query), ready: make(chan struct{})}
	e.uses.Store(uses)
	return e
}

// adopt makes an operation ready that another cache knows, with how often it counts as used, and the programs of it for
// deferred parts that are in use there.
func (c *cache) adopt(old *entry, uses uint64) {
	e := newEntry(c.key([]byte(old.query), []byte(old.name)), old.query, old.name, uses)
	if c.good.add(e) != e {
		return
	}
	c.turns <- struct{}{}
	fresh := c.fill(e)
	c.turns.giveBack()
	select {
	case <-old.ready:
		fresh.adopt(old.prepared)
	default:
	}
}

func (c *cache) fill(e *entry) *Prepared {
	defer func() {
		if e.prepared == nil { // it panicked: those who wait get an answer, and the next one tries again
			e.prepared = refusal("INTERNAL", "Something went wrong in the router.")
			c.good.remove(e)
		}
		close(e.ready)
	}()
	e.prepared = c.make(e.query, e.name)
	if e.prepared.Program == nil {
		c.good.remove(e)
		c.refused.add(e)
		return e.prepared
	}
	c.good.grow(e, e.prepared.Program.Size())
	if v := e.prepared.variants; v != nil {
		c.good.grow(e, e.prepared.Program.Size()) // the document, which variants are planned from
		v.grown = func(bytes int) { c.good.grow(e, bytes) }
	}
	return e.prepared
}

func (g *generation) find(key uint64, query, name []byte) *entry {
	e := g.index.get(key)
	if e == nil || e.query != string(query) || e.name != string(name) {
		return nil
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	e.uses.Add(1)
	return e
}

// add puts an entry in, or gives the equal one that is already there.
func (g *generation) add(e *entry) *entry {
	g.mu.Lock()
	defer g.mu.Unlock()
	if old := g.index.get(e.key); old != nil {
		if old.query == e.query && old.name == e.name {
			return old
		}
		g.drop(old)
	}
	g.makeRoom(1, e.bytes, nil)
	g.index.put(e)
	e.at = len(g.ring)
	g.ring = append(g.ring, e)
	g.bytes += e.bytes
	return e
}

// makeRoom drops entries until there is room for others, the one that is not to go last, and must be called with mu held.
func (g *generation) makeRoom(count, bytes int, last *entry) {
	for len(g.ring) > 0 && (len(g.ring)+count > g.maxCount || g.bytes+bytes > g.maxBytes) {
		g.hand %= len(g.ring)
		switch victim := g.ring[g.hand]; {
		case victim == last && len(g.ring) > 1, victim.used.Swap(false):
			g.hand++
		default:
			g.drop(victim)
		}
	}
}

// grow counts more bytes for an entry, and drops others, or the entry itself, where there is no room for them.
func (g *generation) grow(e *entry, bytes int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e.at >= len(g.ring) || g.ring[e.at] != e {
		return // it was dropped meanwhile
	}
	e.bytes += bytes
	g.bytes += bytes
	g.makeRoom(0, 0, e)
}

func (g *generation) remove(e *entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drop(e)
}

func (g *generation) drop(e *entry) {
	if e.at >= len(g.ring) || g.ring[e.at] != e {
		return
	}
	last := len(g.ring) - 1
	g.ring[e.at] = g.ring[last]
	g.ring[e.at].at = e.at
	g.ring[last] = nil
	g.ring = g.ring[:last]
	g.bytes -= e.bytes
	g.index.remove(e)
}

// operations gives what is kept ready and how often it was asked for, the most used first.
func (c *cache) operations() []usage {
	c.good.mu.Lock()
	out := make([]usage, len(c.good.ring))
	for i, e := range c.good.ring {
		out[i] = usage{e, e.uses.Load()}
	}
	c.good.mu.Unlock()
	slices.SortStableFunc(out, func(a, b usage) int { return cmp.Compare(b.uses, a.uses) })
	return out
}

// usage is an entry and how often it was asked for.
type usage struct {
	*entry
	uses uint64
}

// Bytes returns how many bytes the operations that are kept ready take, as far as they are counted.
func (p *Preparer) Bytes() int {
	p.cache.good.mu.Lock()
	defer p.cache.good.mu.Unlock()
	return p.cache.good.bytes
}

// Len returns how many operations are kept ready.
func (p *Preparer) Len() int {
	p.cache.good.mu.Lock()
	defer p.cache.good.mu.Unlock()
	return len(p.cache.good.ring)
}
