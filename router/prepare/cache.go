package prepare

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
)

// cache keeps prepared operations by their text and name. It is bounded by count and by bytes of text; when it is full,
// what was not asked for since the last round is dropped first. What is refused is kept apart, so that a flood of bad
// operations costs the good ones nothing.
type cache struct {
	seed    maphash.Seed
	make    func(query, name string) *Prepared
	good    generation
	refused generation
}

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
	used        atomic.Bool
	uses        atomic.Uint64
	ready       chan struct{}
	prepared    *Prepared
}

func newCache(prepare func(query, name string) *Prepared) *cache {
	c := &cache{seed: maphash.MakeSeed(), make: prepare}
	c.good = generation{maxCount: 4000, maxBytes: 32 << 20}
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

// get gives what is known of an operation. Where nothing is, the first caller makes it while others wait for that, or for
// their own context.
func (c *cache) get(ctx context.Context, query, name []byte) (*Prepared, error) {
	key := c.key(query, name)
	e := c.good.find(key, query, name)
	if e == nil {
		e = c.refused.find(key, query, name)
	}
	if e == nil {
		fresh := newEntry(key, string(query), string(name), 1)
		if e = c.good.add(fresh); e == fresh {
			return c.fill(e), nil
		}
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

func newEntry(key uint64, query, name string, uses uint64) *entry {
	e := &entry{key: key, query: query, name: name, ready: make(chan struct{})}
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
	fresh := c.fill(e)
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
	for len(g.ring) > 0 && (len(g.ring) >= g.maxCount || g.bytes+len(e.query) > g.maxBytes) {
		g.hand %= len(g.ring)
		if victim := g.ring[g.hand]; victim.used.Swap(false) {
			g.hand++
		} else {
			g.drop(victim)
		}
	}
	g.index.put(e)
	e.at = len(g.ring)
	g.ring = append(g.ring, e)
	g.bytes += len(e.query)
	return e
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
	g.bytes -= len(e.query)
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

// Len gives how many operations are kept ready.
func (p *Preparer) Len() int {
	p.cache.good.mu.Lock()
	defer p.cache.good.mu.Unlock()
	return len(p.cache.good.ring)
}
