package chassis_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe/lethe/chassis"
)

// one is a listener with one connection, within the process, for a clock of its own.
type one struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (o one) Accept() (net.Conn, error) {
	select {
	case c := <-o.conn:
		return c, nil
	case <-o.closed:
		return nil, net.ErrClosed
	}
}

func (o one) Close() error {
	select {
	case <-o.closed:
	default:
		close(o.closed)
	}
	return nil
}
func (o one) Addr() net.Addr { return &net.TCPAddr{} }

// TestTotalTimes has a client send a byte each four seconds, or take nothing: the service lets go of it after a time in all.
func TestTotalTimes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, drips string
		silent        bool // whether it takes nothing
		within        time.Duration
	}{
		"a head":                   {"", "GET / HTTP/1.1\r\nHost: h\r\nX: y\r\n", false, 10 * time.Second},
		"a body":                   {"POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n", strings.Repeat("x", 1000), false, 12 * time.Second},
		"a body in chunks":         {"POST /read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", strings.Repeat("1\r\nx\r\n", 1000), false, 12 * time.Second},
		"a body that nobody reads": {"POST /ignore HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n", strings.Repeat("x", 1000), false, 10 * time.Second},
		"a response":               {"GET /large HTTP/1.1\r\nHost: h\r\n\r\n", "", true, 80 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ln := one{make(chan net.Conn), make(chan struct{})}
				mux := http.NewServeMux()
				mux.HandleFunc("POST /read", func(w http.ResponseWriter, r *http.Request) {
					if _, err := io.ReadAll(r.Body); err != nil {
						w.WriteHeader(http.StatusRequestTimeout)
					}
				})
				mux.HandleFunc("POST /ignore", func(http.ResponseWriter, *http.Request) {})
				over := make(chan time.Time, 1)
				mux.HandleFunc("GET /large", func(w http.ResponseWriter, _ *http.Request) {
					for {
						if _, err := w.Write(make([]byte, 4<<10)); err != nil {
							over <- time.Now()
							return
						}
					}
				})
				ctx, stop := context.WithCancel(context.Background())
				ended := make(chan error)
				go func() {
					ended <- chassis.ServeHandler(ctx, slog.New(slog.DiscardHandler), ln, &chassis.Service{Handler: mux})
				}()
				client, server := net.Pipe()
				began := time.Now()
				ln.conn <- server
				if !c.silent {
					go func() {
						_, _ = io.ReadAll(client)
						over <- time.Now()
					}()
				}
				dripped := make(chan struct{})
				go func() {
					defer close(dripped)
					_, _ = io.WriteString(client, c.before)
					for i := range c.drips {
						if _, err := client.Write([]byte{c.drips[i]}); err != nil {
							return
						}
						time.Sleep(4 * time.Second) // of the clock of the test
					}
				}()
				if took := (<-over).Sub(began); took > c.within {
					t.Errorf("it took %s", took)
				}
				_ = client.Close()
				<-dripped
				stop()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
