// Package changes lets clients follow one thing each while any process of a service changes it. A change is announced over
// Redis, by the thing's id alone; whoever follows it then reads it again from its database. So nothing depends on an
// announcement: one that is lost costs only the time until the next reading.
package changes

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Times of a feed.
const (
	// DefaultReread is how often something is read again that no change was announced of.
	DefaultReread = 30 * time.Second
	// retry is how soon a reading that failed is tried again.
	retry = time.Second
	// announceWithin bounds how long an announcement may keep whoever made the change.
	announceWithin = 500 * time.Millisecond
)

// Options are what a feed works with.
type Options struct {
	Redis *redis.Client
	// Topic begins the names of the Redis channels: "orders:changed:".
	Topic string
	Log   *slog.Logger
	// Reread is how often something is read again that no change was announced of; 0 is DefaultReread.
	Reread time.Duration
}

// Feed announces changes and hears of those that other processes announce.
type Feed struct {
	o Options

	mu        sync.Mutex
	followers map[string]map[chan struct{}]struct{} // by the id that they follow
}

// New gives a feed. It hears nothing until [Feed.Run] runs.
func New(o Options) *Feed {
	if o.Reread <= 0 {
		o.Reread = DefaultReread
	}
	return &Feed{o: o, followers: map[string]map[chan struct{}]struct{}{}}
}

// Announce tells every process that the thing with this id has changed. It is called after the change is written, and
// never fails it.
func (f *Feed) Announce(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), announceWithin)
	defer cancel()
	if err := f.o.Redis.Publish(ctx, f.o.Topic+id, id).Err(); err != nil {
		f.o.Log.WarnContext(ctx, "a change was not announced", "id", id, "error", err)
	}
}

// Run hears of changes until ctx is done, and wakes those who follow. When the connection was lost and is back, all of
// them are woken: something may have been missed.
func (f *Feed) Run(ctx context.Context) error {
	heard := f.o.Redis.PSubscribe(ctx, f.o.Topic+"*")
	defer func() { _ = heard.Close() }()
	events := heard.ChannelWithSubscriptions()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-events:
			if !ok {
				return nil
			}
			switch e := e.(type) {
			case *redis.Message:
				f.wake(e.Payload)
			case *redis.Subscription:
				f.wakeAll()
			}
		}
	}
}

func (f *Feed) wake(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for bell := range f.followers[id] {
		ring(bell)
	}
}

func (f *Feed) wakeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, bells := range f.followers {
		for bell := range bells {
			ring(bell)
		}
	}
}

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default: // it has yet to answer the last ring, and will see this change then
	}
}

// attend gives a bell that rings when the thing has changed, and the function that takes it down.
func (f *Feed) attend(id string) (bell chan struct{}, leave func()) {
	bell = make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.followers[id] == nil {
		f.followers[id] = map[chan struct{}]struct{}{}
	}
	f.followers[id][bell] = struct{}{}
	return bell, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.followers[id], bell)
		if len(f.followers[id]) == 0 {
			delete(f.followers, id)
		}
	}
}

// Following reports how many follow something.
func (f *Feed) Following() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, bells := range f.followers {
		n += len(bells)
	}
	return n
}

// pause is the time until the next reading without an announcement: spread, so that those who began to follow at once do
// not read at once for ever.
func (f *Feed) pause() time.Duration { return f.o.Reread*3/4 + rand.N(f.o.Reread/2+1) }
