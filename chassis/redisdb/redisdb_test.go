package redisdb_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lethe/lethe/chassis/redisdb"
	"github.com/lethe/lethe/embedded/redis/redistest"
)

func TestConnect(t *testing.T) {
	t.Parallel()
	client, err := redisdb.Connect(t.Context(), redistest.URL(t), "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close() // nobody listens there now
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for url, want := range map[string]string{
		"localhost:6379":                                  "REDIS_URL is not a Redis address such as redis://host:6379/0",
		"http://:s3cret@host":                             "REDIS_URL is not a Redis address",
		"redis://app:s3cret@host:port":                    "REDIS_URL is not a Redis address",
		"redis://app:s3cret@host/first":                   "REDIS_URL is not a Redis address",
		"redis://app:s3cret@" + ln.Addr().String() + "/0": "no Redis answers: check REDIS_URL and that the server runs",
	} {
		if _, err := redisdb.Connect(ctx, url, "test"); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
