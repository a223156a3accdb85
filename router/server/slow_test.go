//go:build unix

package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lethe/lethe/router/server"
)

const (
	slowChild       = "LETHE_TEST_SLOW_CHILD"
	slowDescriptors = 256
	slowConnections = 260
)

// TestSlowChild is the process of [TestSlowConnections]: a router with few file descriptors.
func TestSlowChild(t *testing.T) {
	if os.Getenv(slowChild) == "" {
		return // nobody asks for it
	}
	limit := syscall.Rlimit{Cur: slowDescriptors, Max: slowDescriptors}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	sdl, err := os.ReadFile("testdata/shop.graphql")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = io.ReadAll(os.Stdin) // until whoever started it has gone
		cancel()
	}()
	fmt.Printf("listening on %s\n", ln.Addr())
	on := os.Getenv(slowChild) == "http1"
	if err := server.Run(ctx, ln, server.Options{Supergraph: string(sdl), Config: server.Config{HTTP1: &on}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}); err != nil {
		t.Fatal(err)
	}
}

// TestSlowConnections opens more connections than a router has file descriptors, on which requests come slowly or never:
// others are answered all the while.
func TestSlowConnections(t *testing.T) {
	t.Parallel()
	for _, with := range []string{"http1", "net/http"} {
		t.Run(with, func(t *testing.T) {
			t.Parallel()
			address := startSlowChild(t, with)
			const post = "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: "
			begins := []string{"", "P", post, post + "60000\r\n\r\n{", "GET /graphql?query=x HTTP/1.1\r\nHost: h\r\nX: ", "POST /elsewhere HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n", post + "70000\r\n\r\n{\"query\":\""}
			var slow []net.Conn
			defer func() {
				for _, c := range slow {
					_ = c.Close()
				}
			}()
			ask := func() {
				t.Helper()
				client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
				resp, err := client.Post("http://"+address+"/graphql", plain, strings.NewReader(`{"query":"{ __typename }"}`))
				if err != nil {
					t.Fatalf("with %d slow connections: %v", len(slow), err)
				}
				defer func() { _ = resp.Body.Close() }()
				if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(text), `"Query"`) {
					t.Fatalf("with %d slow connections: %d %s %v", len(slow), resp.StatusCode, text, err)
				}
			}
			for i := range slowConnections {
				conn, err := net.DialTimeout("tcp", address, time.Minute)
				if err != nil {
					t.Fatalf("with %d slow connections: %v", len(slow), err)
				}
				slow = append(slow, conn)
				_, _ = io.WriteString(conn, begins[i%len(begins)])
				if i%20 == 0 {
					for _, c := range slow {
						_, _ = io.WriteString(c, "x") // where it is still taken
					}
					ask()
				}
			}
			for range 20 {
				ask()
			}
			resp, err := http.Get("http://" + address + "/metrics")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			text, err := io.ReadAll(resp.Body)
			if err != nil || !strings.Contains(string(text), `lethe_router_connections_closed_total{reason="gave_way"}`) || !strings.Contains(string(text), "lethe_router_connections_waiting") {
				t.Errorf("the metrics do not tell: %v", err)
			}
		})
	}
}

func startSlowChild(t *testing.T, with string) (address string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestSlowChild$", "-test.v")
	cmd.Env = append(os.Environ(), slowChild+"="+with)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if found, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return found
		}
	}
	t.Fatal("the router did not start")
	return ""
}
