package prepare

import (
	"context"
	"hash/maphash"
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
	mu    sync.RWMutex
	byKey map[uint64]*entry
	ring  []*entry
	hand  int
	bytes int

	maxCount, maxBytes int
}

type entry struct {
	key         uint64
	query, name string
	used        atomic.Bool
	ready       chan struct{}
	prepared    *Prepared
}

func newCache(prepare func(query, name string) *Prepared) *cache {
	c := &cache{seed: maphash.MakeSeed(), make: prepare}
	c.good = generation{byKey: map[uint64]*entry{}, maxCount: 4000, maxBytes: 32 << 20}
	c.refused = generation{byKey: map[uint64]*entry{}, maxCount: 500, maxBytes: 2 << 20}
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
		fresh := &entry{key: key, query: string(query), name: string(name), ready: make(chan struct{})}
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
	g.mu.RLock()
	e := g.byKey[key]
	g.mu.RUnlock()
	if e == nil || e.query != string(query) || e.name != string(name) {
		return nil
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e
}

// add puts an entry in, or gives the equal one that is already there.
func (g *generation) add(e *entry) *entry {
	g.mu.Lock()
	defer g.mu.Unlock()
	if old := g.byKey[e.key]; old != nil {
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
	g.byKey[e.key] = e
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
	for i, other := range g.ring {
		if other == e {
			last := len(g.ring) - 1
			g.ring[i] = g.ring[last]
			g.ring[last] = nil
			g.ring = g.ring[:last]
			g.bytes -= len(e.query)
			if g.byKey[e.key] == e {
				delete(g.byKey, e.key)
			}
			return
		}
	}
}

// operations gives the texts and names that are kept and were used since the last round.
func (c *cache) operations() []*entry {
	c.good.mu.RLock()
	defer c.good.mu.RUnlock()
	var out []*entry
	for _, e := range c.good.ring {
		if e.used.Load() {
			out = append(out, e)
		}
	}
	return out
}

// Len gives how many operations are kept ready.
func (p *Preparer) Len() int {
	p.cache.good.mu.RLock()
	defer p.cache.good.mu.RUnlock()
	return len(p.cache.good.ring)
}
