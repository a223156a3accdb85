package command

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// health asks a running process whether it is ready: images without a shell have nothing else to ask with.
func health(ctx context.Context, sys System, args []string) error {
	fs := flags(sys, "health")
	target := fs.String("url", "http://127.0.0.1:8080/ready", "the `address` to ask")
	if err := parse(fs, args, 0, ""); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, *target, nil)
	if err != nil {
		return usage("--url is not an address")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("nothing answers at %s", *target)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := readLimited(resp.Body)
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", *target, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d: %s", *target, resp.StatusCode, body)
	}
	_, err = fmt.Fprintln(sys.Stdout, body)
	return err
}

// readLimited reads a short answer.
func readLimited(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, 1<<20))
	return strings.TrimSpace(string(b)), err
}
