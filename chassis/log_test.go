package chassis_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lethe/lethe/chassis"
)

func TestLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := chassis.NewLogger(&out, "json", "warn")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("not this")
	log.With("service", "orders").Warn("not ready", "check", "mongo", "count", 3, "error", errors.New("away"))
	var line struct {
		Level, Msg, Service, Check, Error string
		Count                             int
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Level != "WARN" || line.Msg != "not ready" || line.Service != "orders" || line.Error != "away" || line.Count != 3 {
		t.Errorf("logged %s: %v", out.String(), err)
	}
	for _, c := range [][2]string{{"xml", "info"}, {"", "info"}, {"text", "loud"}, {"text", ""}} {
		if _, err := chassis.NewLogger(&out, c[0], c[1]); err == nil || !strings.Contains(err.Error(), "must be") {
			t.Errorf("format %q and level %q: %v", c[0], c[1], err)
		}
	}
}

// TestLogRedacts logs what errors of libraries hold at times.
func TestLogRedacts(t *testing.T) {
	t.Parallel()
	const token = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJjdXNfMSJ9.c2lnbmF0dXJl"
	for _, format := range []string{"json", "text"} {
		for _, c := range []struct {
			value any
			want  string
		}{
			{`parse "redis://user:s3cret@host:port": invalid port`, `redis://[redacted]@host:port`},
			{errors.New("dial mongodb://app:p@ss:w0rd@db.example:27017/?x=1: refused"), "mongodb://[redacted]@db.example:27017/?x=1: refused"},
			{fmt.Errorf("write: %w", errors.New(`E11000 duplicate key { emailKey: "jane.roe+shop@mail.example.com" }`)), "emailKey:"},
			{"Authorization: Bearer " + token, "Authorization: [redacted]"},
			{"token " + token + " has expired", "token [redacted] has expired"},
			{"bearer s3cret", "[redacted]"},
			{"order ord_1 of 3 @ http://127.0.0.1:4003/graphql", "order ord_1 of 3 @ http://127.0.0.1:4003/graphql"},
			{"http://127.0.0.1:4003/graphql", "http://127.0.0.1:4003/graphql"},
		} {
			var out bytes.Buffer
			log, err := chassis.NewLogger(&out, format, "info")
			if err != nil {
				t.Fatal(err)
			}
			log.Info("something failed", "error", c.value)
			line := out.String()
			for _, secret := range []string{"s3cret", "w0rd", "p@ss", "jane", "mail.example.com", token, "c2lnbmF0dXJl"} {
				if strings.Contains(line, secret) {
					t.Errorf("%s: the log holds %q: %s", format, secret, line)
				}
			}
			if !strings.Contains(strings.ReplaceAll(line, `\"`, `"`), c.want) {
				t.Errorf("%s: %v is logged as %s, want %s", format, c.value, line, c.want)
			}
		}
	}
}
