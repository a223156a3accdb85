package redis_test

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/lethe/lethe/embedded/redis"
)

func TestKeysExpire(t *testing.T) {
	t.Parallel()
	s, err := redis.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	o, err := goredis.ParseURL(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	c := goredis.NewClient(o)
	defer func() { _ = c.Close() }()
	if err := c.Set(t.Context(), "k", "v", 100*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	for c.Get(t.Context(), "k").Err() != goredis.Nil {
		if t.Context().Err() != nil {
			t.Fatal("the key never expired")
		}
	}
}
