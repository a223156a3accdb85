package durable_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lethe/lethe/chassis/durable"
)

func TestDialRefuses(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close() // nobody listens there now
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = durable.Dial(ctx, durable.Options{Address: ln.Addr().String(), Namespace: "default", Identity: "test", Log: slog.New(slog.DiscardHandler)})
	if want := "no Temporal answers at " + ln.Addr().String() + ": check TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and that the server runs"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v", err)
	}
}
