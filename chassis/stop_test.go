package chassis_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe/lethe/chassis"
)

// journal is what a service logs.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// String returns what was logged so far.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// stopped is a service that is told to stop in a test.
type stopped struct {
	t     *testing.T
	addr  string
	stop  context.CancelFunc
	ended chan error
	log   journal
}

func startToStop(t *testing.T, s *chassis.Service) *stopped {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	out := &stopped{t: t, addr: ln.Addr().String(), stop: stop, ended: make(chan error, 1)}
	go func() { out.ended <- chassis.Serve(ctx, slog.New(slog.NewTextHandler(&out.log, nil)), ln, s) }()
	return out
}

// connection is one on which a test asks as it likes.
type connection struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func (s *stopped) dial() *connection {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return &connection{s.t, c, bufio.NewReader(c)}
}

func (c *connection) ask(path string) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: things\r\n\r\n", path); err != nil {
		c.t.Fatal(err)
	}
}

func (c *connection) answer() *http.Response {
	c.t.Helper()
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp
}

// closed waits until the other side closes.
func (c *connection) closed() {
	c.t.Helper()
	if b, err := c.in.ReadByte(); err == nil {
		c.t.Errorf("the connection says %q in place of its end", b)
	} else if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		c.t.Error("the connection stays open")
	}
}

func (s *stopped) await(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); !is(); {
		if time.Now().After(end) {
			s.t.Fatalf("%s does not come", what)
		}
	}
}

func (s *stopped) end() {
	s.t.Helper()
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("it ended with %v", err)
		}
	case <-time.After(time.Minute):
		s.t.Fatal("it does not end")
	}
}

// TestNotice holds that a service which is told to stop says so, still answers, and has its clients leave.
func TestNotice(t *testing.T) {
	t.Parallel()
	s := startToStop(t, &chassis.Service{
		Name: "things", Stop: func() chassis.Stop { return chassis.Stop{Notice: 700 * time.Millisecond, Timeout: time.Minute} },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if chassis.Stopping(r.Context()) == nil {
				t.Error("the request is not told of stops")
			}
			_, _ = io.WriteString(w, "own")
		}),
	})
	kept := s.dial()
	kept.ask("/x")
	if resp := kept.answer(); resp.Close {
		t.Error("a connection is closed before the stop")
	}
	s.stop()
	s.await("the answer that it stops", func() bool {
		c := s.dial()
		c.ask("/ready")
		resp := c.answer()
		return resp.StatusCode == http.StatusServiceUnavailable && resp.Close
	})
	alive := s.dial()
	alive.ask("/health")
	if resp := alive.answer(); resp.StatusCode != http.StatusOK {
		t.Errorf("it says that it is dead: %s", resp.Status)
	}
	kept.ask("/x")
	if resp := kept.answer(); resp.StatusCode != http.StatusOK || !resp.Close {
		t.Errorf("a request during the notice: %s, closes %v", resp.Status, resp.Close)
	}
	kept.closed()
	s.end()
	if _, err := net.Dial("tcp", s.addr); err == nil {
		t.Error("the port is open after the end")
	}
}

// TestStopWithNothingUnderWay holds that connections which wait, or on which nothing was ever asked, keep nobody.
func TestStopWithNothingUnderWay(t *testing.T) {
	t.Parallel()
	s := startToStop(t, &chassis.Service{Name: "things", Stop: func() chassis.Stop { return chassis.Stop{Timeout: time.Hour} }})
	waits := s.dial()
	waits.ask("/health")
	waits.answer()
	fresh := s.dial()
	began := time.Now()
	s.stop()
	waits.closed()
	fresh.closed()
	s.end()
	if took := time.Since(began); took > 20*time.Second { // net/http alone takes five, an hour is the bound
		t.Errorf("it took %s", took)
	}
	if strings.Contains(s.log.String(), "cut") {
		t.Errorf("it cut something: %s", s.log.String())
	}
}

// TestStopAnswersWhatIsUnderWay has requests under way, plain and taken over, a loop that a request needs, and one request
// that does not end.
func TestStopAnswersWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path string
		cut  bool
	}{{"/plain", false}, {"/taken", false}, {"/never", true}, {"/taken/never", true}} {
		t.Run(c.path, func(t *testing.T) {
			t.Parallel()
			begun, release, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
			work := make(chan string)
			timeout := time.Minute
			if c.cut {
				timeout = 50 * time.Millisecond
			}
			s := startToStop(t, &chassis.Service{
				Name: "things", Stop: func() chassis.Stop { return chassis.Stop{Timeout: timeout} }, Leave: func() { close(left) },
				Run: []func(context.Context) error{func(ctx context.Context) error {
					if chassis.StopTimeout(ctx) != timeout {
						t.Errorf("the loop has %s", chassis.StopTimeout(ctx))
					}
					for {
						select {
						case work <- "worked":
						case <-ctx.Done():
							return ctx.Err()
						}
					}
				}},
				Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					out := io.Writer(w)
					if strings.HasPrefix(r.URL.Path, "/taken") {
						conn, _, err := http.NewResponseController(w).Hijack()
						if err != nil {
							t.Error(err)
							return
						}
						defer func() { _ = conn.Close() }()
						out = conn
					}
					close(begun)
					if c.cut {
						<-r.Context().Done()
						return
					}
					<-release
					if out != io.Writer(w) {
						_, _ = io.WriteString(out, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
					}
					_, _ = io.WriteString(out, <-work)
				}),
			})
			client := s.dial()
			client.ask(c.path)
			<-begun
			s.stop()
			<-left
			if _, err := net.Dial("tcp", s.addr); err == nil {
				t.Error("the port is open while it waits")
			}
			close(release)
			if c.cut {
				client.closed()
			} else {
				resp := client.answer()
				if text, _ := io.ReadAll(resp.Body); string(text) != "worked" || !resp.Close {
					t.Errorf("answered %q, closes %v", text, resp.Close)
				}
			}
			s.end()
			if got := strings.Contains(s.log.String(), "requests under way are cut"); got != c.cut {
				t.Errorf("logged %s", s.log.String())
			}
		})
	}
}

// TestStopCutsLoops has a loop that does not end.
func TestStopCutsLoops(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	defer close(stuck)
	s := startToStop(t, &chassis.Service{
		Name: "things", Stop: func() chassis.Stop { return chassis.Stop{Timeout: time.Millisecond} },
		Run: []func(context.Context) error{func(context.Context) error { <-stuck; return nil }},
	})
	s.stop()
	s.end()
	if !strings.Contains(s.log.String(), "what is done beside requests is cut") {
		t.Errorf("logged %s", s.log.String())
	}
}
