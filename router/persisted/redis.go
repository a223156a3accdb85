package persisted

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// keyPrefix stands before the hash in Redis.
const keyPrefix = "lethe:apq:"

// Redis is a [Shared] store in Redis.
type Redis struct {
	Client redis.UniversalClient
	// TTL says how long a text is kept that no router asks for.
	TTL func() time.Duration
}

var _ Shared = Redis{}

// Get implements [Shared]. What is asked for stays for another TTL.
func (r Redis) Get(ctx context.Context, h Hash) ([]byte, error) {
	text, err := r.Client.GetEx(ctx, keyPrefix+h.String(), r.TTL()).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a persisted query from Redis: %w", err)
	}
	return text, nil
}

// Put implements [Shared].
func (r Redis) Put(ctx context.Context, h Hash, text []byte) error {
	if err := r.Client.Set(ctx, keyPrefix+h.String(), text, r.TTL()).Err(); err != nil {
		return fmt.Errorf("write a persisted query to Redis: %w", err)
	}
	return nil
}
