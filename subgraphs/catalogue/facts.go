package catalogue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Inventory tells on a stream which products can be bought. Each fact has a number that grows for its product, so that
// facts can come twice or late. What the stream lost is told again by inventory.
const (
	factsStream = "inventory.availability"
	factsGroup  = "catalogue"
	claimAfter  = 30 * time.Second
)

// stockFacts follows the stream.
type stockFacts struct {
	redis *redis.Client
	store *store
	log   *slog.Logger
}

// follow reads facts until ctx is done. Where Redis is away it comes back when Redis does.
func (f *stockFacts) follow(ctx context.Context) error {
	consumer := "catalogue-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	for ctx.Err() == nil {
		if err := f.read(ctx, consumer); err != nil && ctx.Err() == nil {
			f.log.Warn("stock facts cannot be read", "error", err)
			t := time.NewTimer(time.Second)
			select {
			case <-ctx.Done():
			case <-t.C:
			}
			t.Stop()
		}
	}
	return nil
}

func (f *stockFacts) read(ctx context.Context, consumer string) error {
	if err := f.redis.XGroupCreateMkStream(ctx, factsStream, factsGroup, "0").Err(); err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return fmt.Errorf("join the stream: %w", err)
	}
	for ctx.Err() == nil {
		claimed, _, err := f.redis.XAutoClaim(ctx, &redis.XAutoClaimArgs{
			Stream: factsStream, Group: factsGroup, Consumer: consumer, MinIdle: claimAfter, Start: "0", Count: 100,
		}).Result()
		if err != nil {
			return fmt.Errorf("claim facts: %w", err)
		}
		if err := f.note(ctx, claimed); err != nil {
			return err
		}
		streams, err := f.redis.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: factsGroup, Consumer: consumer, Streams: []string{factsStream, ">"}, Count: 200, Block: 2 * time.Second,
		}).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return fmt.Errorf("read facts: %w", err)
		}
		for _, s := range streams {
			if err := f.note(ctx, s.Messages); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *stockFacts) note(ctx context.Context, facts []redis.XMessage) error {
	for _, m := range facts {
		id, _ := m.Values["product"].(string)
		seq, _ := m.Values["seq"].(string)
		available, _ := m.Values["available"].(string)
		n, err := strconv.ParseInt(seq, 10, 64)
		if err != nil || id == "" {
			f.log.Warn("a stock fact is malformed", "id", m.ID)
		} else if err := f.store.setStock(ctx, id, n, available != "0"); err != nil {
			return err
		}
		if err := f.redis.XAck(ctx, factsStream, factsGroup, m.ID).Err(); err != nil {
			return fmt.Errorf("acknowledge a fact: %w", err)
		}
	}
	return nil
}
