package privacy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// redis reads every key and gives how many it read and how many hold something of the subject.
func (s *search) redis(ctx context.Context, r *redis.Client) (read, hits int, err error) {
	keys := r.Scan(ctx, 0, "*", 1000).Iterator()
	for keys.Next(ctx) {
		beat(ctx)
		read++
		texts, err := redisTexts(ctx, r, keys.Val())
		if err != nil {
			return read, hits, err
		}
		if slices.ContainsFunc(append(texts, keys.Val()), s.tells) {
			hits++
		}
	}
	if err := keys.Err(); err != nil {
		return read, hits, fmt.Errorf("read the keys of Redis: %w", err)
	}
	return read, hits, nil
}

func (s *search) tells(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(s.telling, func(t string) bool { return strings.Contains(text, t) })
}

// redisTexts gives all texts of one key; none where it is gone.
func redisTexts(ctx context.Context, r *redis.Client, key string) ([]string, error) {
	kind, err := r.Type(ctx, key).Result()
	if err != nil {
		return nil, fmt.Errorf("read the type of a key of Redis: %w", err)
	}
	var out []string
	switch kind {
	case "none":
	case "string":
		var text string
		if text, err = r.Get(ctx, key).Result(); err == redis.Nil {
			return nil, nil // it expired meanwhile
		}
		out = []string{text}
	case "hash":
		var all map[string]string
		all, err = r.HGetAll(ctx, key).Result()
		for k, v := range all {
			out = append(out, k, v)
		}
	case "list":
		out, err = r.LRange(ctx, key, 0, -1).Result()
	case "set":
		out, err = r.SMembers(ctx, key).Result()
	case "zset":
		out, err = r.ZRange(ctx, key, 0, -1).Result()
	case "stream":
		var all []redis.XMessage
		all, err = r.XRange(ctx, key, "-", "+").Result()
		for _, m := range all {
			for k, v := range m.Values {
				out = append(out, k, fmt.Sprint(v))
			}
		}
	default:
		return nil, fmt.Errorf("a key of Redis is a %s, which a verification cannot read", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("read a key of Redis: %w", err)
	}
	return out, nil
}
