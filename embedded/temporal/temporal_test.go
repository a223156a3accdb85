package temporal_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/lethe/lethe/embedded/temporal"
)

func double(_ workflow.Context, n int) (int, error) { return 2 * n, nil }

// TestAWorkflowOutlivesTheServer starts a server on a directory, leaves a workflow unfinished, starts another server on
// the same directory and finishes it there: Temporal's process-wide state allows one at a time, so it is one test.
func TestAWorkflowOutlivesTheServer(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	first := start(ctx, t, dir)
	c := dial(t, first.Addr())
	if _, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "double", TaskQueue: "q"}, double, 21); err != nil {
		t.Fatal(err)
	}
	c.Close()
	first.Stop(5 * time.Second)

	second := start(ctx, t, dir)
	defer second.Stop(5 * time.Second)
	c = dial(t, second.Addr())
	defer c.Close()
	w := worker.New(c, "q", worker.Options{})
	w.RegisterWorkflow(double)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	var got int
	if err := c.GetWorkflow(ctx, "double", "").Get(ctx, &got); err != nil || got != 42 {
		t.Fatalf("got %d, %v; want 42", got, err)
	}
}

func start(ctx context.Context, t *testing.T, dir string) *temporal.Server {
	t.Helper()
	s, err := temporal.Start(ctx, temporal.Options{
		Addr: "127.0.0.1:0", Dir: dir, Namespaces: []string{"default"}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func dial(t *testing.T, addr string) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: addr})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
