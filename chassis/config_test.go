package chassis_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe/lethe/chassis"
)

func environment(of map[string]string) *chassis.Env {
	return chassis.NewEnv(func(name string) (string, bool) {
		v, ok := of[name]
		return v, ok
	})
}

func TestEnv(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("k", 32)
	e := environment(map[string]string{
		"NAME": " lethe ", "URL": "mongodb+srv://db.example/x", "KEY": base64.StdEncoding.EncodeToString([]byte(key)), "WAIT": "90s", "COUNT": "7", "ON": "true", "EMPTY": "  ",
	})
	if got := e.String("NAME", "x"); got != "lethe" {
		t.Errorf("NAME is %q", got)
	}
	if got := e.String("EMPTY", "x"); got != "x" {
		t.Errorf("EMPTY is %q", got)
	}
	if got := e.Required("NAME", "a name"); got != "lethe" {
		t.Errorf("NAME is %q", got)
	}
	if got := e.URL("URL", "a database", "mongodb", "mongodb+srv"); got != "mongodb+srv://db.example/x" {
		t.Errorf("URL is %q", got)
	}
	if got := e.Key("KEY", 32, "a key"); string(got) != key {
		t.Errorf("KEY is %q", got)
	}
	if got := e.Duration("WAIT", 0, time.Second, time.Hour); got != 90*time.Second {
		t.Errorf("WAIT is %s", got)
	}
	if got := e.Int("COUNT", 0, 1, 10); got != 7 {
		t.Errorf("COUNT is %d", got)
	}
	if !e.Bool("ON", false) || !e.Bool("OFF", true) || e.Int("NONE", 3, 5, 9) != 3 || e.Duration("NONE", time.Hour, 0, 0) != time.Hour {
		t.Error("what is not set is not what it is otherwise")
	}
	if err := e.Err(); err != nil {
		t.Error(err)
	}
	if got := e.Names(); !slices.IsSorted(got) || !slices.Contains(got, "OFF") || len(got) != 9 {
		t.Errorf("asked for were %v", got)
	}
}

// TestEnvErrors gives a process everything wrong at once: it learns of all of it, and the secrets are not in the message.
func TestEnvErrors(t *testing.T) {
	t.Parallel()
	e := environment(map[string]string{
		"SCHEME": "http://user:s3cret@host", "NO_URL": "s3cret", "NO_HOST": "redis:///s3cret", "BAD_URL": "redis://:s3cret@host:port", "SHORT": "czNjcmV0", "NO_BASE64": "s3cret!",
		"LONG": "2h", "NO_TIME": "soon", "MANY": "11", "NO_NUMBER": "1.5", "NO_BOOL": "maybe",
	})
	e.Required("MISSING", "something")
	e.URL("SCHEME", "a Redis", "redis", "rediss")
	e.URL("NO_URL", "a Redis", "redis")
	e.URL("NO_HOST", "a Redis", "redis")
	e.URL("BAD_URL", "a Redis", "redis")
	e.URL("NO_ADDRESS", "a Redis", "redis")
	e.Key("SHORT", 32, "a key")
	e.Key("NO_BASE64", 32, "a key")
	e.Key("NO_KEY", 32, "a key")
	if got := e.Duration("LONG", time.Minute, 0, time.Hour); got != time.Minute {
		t.Errorf("LONG is %s", got)
	}
	e.Duration("NO_TIME", 0, 0, time.Hour)
	e.Int("MANY", 0, 0, 10)
	e.Int("NO_NUMBER", 0, 0, 10)
	e.Bool("NO_BOOL", false)
	err := e.Err()
	if err == nil {
		t.Fatal("nothing is wrong")
	}
	lines := strings.Split(err.Error(), "\n")
	want := []string{
		"MISSING is not set: it must hold something", "SCHEME must start with redis:// or rediss://", "NO_URL is not a URL: it must hold a Redis", "NO_HOST is not a URL: it must hold a Redis",
		"BAD_URL is not a URL: it must hold a Redis", "NO_ADDRESS is not set: it must hold a Redis", "SHORT must hold a key: at least 32 bytes in base64", "NO_BASE64 must hold a key: at least 32 bytes in base64",
		"NO_KEY is not set: it must hold a key", `LONG must be a duration from 0s to 1h0m0s, such as "30s"`, `NO_TIME must be a duration from 0s to 1h0m0s, such as "30s"`, "MANY must be a whole number from 0 to 10",
		"NO_NUMBER must be a whole number from 0 to 10", "NO_BOOL must be true or false",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("wrong is\n%s\nwant\n%s", err, strings.Join(want, "\n"))
	}
}
