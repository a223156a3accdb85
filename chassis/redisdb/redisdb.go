// Package redisdb connects a process to Redis.
package redisdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Connect opens a client, waits until the server answers, and gives it.
func Connect(ctx context.Context, url, application string) (*redis.Client, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL is not a Redis address such as redis://host:6379/0: %w", err)
	}
	o.ClientName = application
	o.ContextTimeoutEnabled = true
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = 3*time.Second, 3*time.Second, 3*time.Second
	client := redis.NewClient(o)
	if err := client.Ping(ctx).Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("no Redis answers: check REDIS_URL and that the server runs: %w", err), client.Close())
	}
	return client, nil
}
