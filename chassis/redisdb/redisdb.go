// Package redisdb connects a process to Redis.
package redisdb

import (
	"context"
	"errors"
	"fmt"
	neturl "net/url"
	"time"

	"github.com/redis/go-redis/v9"
)

// Connect opens a client, waits until the server answers, and gives it.
func Connect(ctx context.Context, url, application string) (*redis.Client, error) {
	o, err := options(url, application, 3*time.Second)
	if err != nil {
		return nil, err
	}
	client := redis.NewClient(o)
	if err := client.Ping(ctx).Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("no Redis answers: check REDIS_URL and that the server runs: %w", err), client.Close())
	}
	return client, nil
}

// Open gives a client that connects when it is first used, tries once, and gives up soon: for what goes on without Redis.
func Open(url, application string) (*redis.Client, error) {
	o, err := options(url, application, 250*time.Millisecond)
	if err != nil {
		return nil, err
	}
	o.MaxRetries, o.DialerRetries = -1, 1
	return redis.NewClient(o), nil
}

func options(url, application string, patience time.Duration) (*redis.Options, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		// net/url's error holds the whole address with its password: only what is wrong with it is told.
		var malformed *neturl.Error
		if errors.As(err, &malformed) {
			err = malformed.Err
		}
		return nil, fmt.Errorf("REDIS_URL is not a Redis address such as redis://host:6379/0: %w", err)
	}
	o.ClientName = application
	o.ContextTimeoutEnabled = true
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = patience, patience, patience
	return o, nil
}
