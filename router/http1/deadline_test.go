package http1_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// TestDeadlineOfEachRequest holds that a request has its own time on a connection that was kept: the deadline of the one
// before neither ends it nor lets it wait for longer.
func TestDeadlineOfEachRequest(t *testing.T) {
	t.Parallel()
	const soon = time.Second // for a busy machine to answer in
	release := make(chan struct{})
	c := peer(t, func(conn net.Conn, number int) {
		if number > 0 {
			t.Error("another connection was opened")
		}
		r := bufio.NewReader(conn)
		for {
			body, err := take(conn, r)
			if err != nil {
				return
			}
			if string(body) == "wait" {
				<-release
			}
			_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		}
	})
	ask := func(body string, deadline time.Time) error {
		q := post(body)
		q.Repeatable, q.Deadline = false, deadline
		_, err := c.Post(t.Context(), q, nil)
		return err
	}
	if err := ask("connect", time.Time{}); err != nil {
		t.Fatal(err)
	}
	early := time.Now().Add(soon)
	if err := ask("first", early); err != nil {
		t.Fatal(err)
	}
	passed, cancel := context.WithDeadline(t.Context(), early.Add(10*time.Millisecond))
	defer cancel()
	go func() {
		<-passed.Done() // the first deadline is met while the second request waits
		release <- struct{}{}
	}()
	if err := ask("wait", time.Now().Add(time.Minute)); err != nil {
		t.Errorf("a request ended with the deadline of another: %v", err)
	}
	if err := ask("at once", time.Time{}); err != nil {
		t.Errorf("a request without a deadline: %v", err)
	}
	if err := ask("wait", time.Now().Add(soon)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a request waited for longer than it was to: %v", err)
	}
	close(release)
}
