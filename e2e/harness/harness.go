// Package harness runs a whole Lethe in a process of its own, as a developer would, for tests that drive it through its
// front door.
package harness

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Options say how to start.
type Options struct {
	// Dir is the data directory; empty is an ephemeral start.
	Dir string
	// Env is added to the environment: "REDIS_URL=...".
	Env []string
	// Args are added to the command line.
	Args []string
	// Base is the first port; zero takes ten free ones.
	Base int
}

// Lethe is a running lethe-dev, as one test sees it.
type Lethe struct {
	*running
	tb testing.TB
}

// With gives the same Lethe to another test.
func (l *Lethe) With(tb testing.TB) *Lethe { return &Lethe{l.running, tb} }

// running is the process.
type running struct {
	Base int
	cmd  *exec.Cmd
	done chan struct{}
	err  error

	mu  sync.Mutex
	out bytes.Buffer
}

// builder builds the binary once for a test process.
type builder struct {
	once sync.Once
	path string
	err  error
}

// Build is the lethe-dev binary of a test process, built when first needed and kept in the directory given by Dir.
type Build struct {
	Dir string
	b   builder
}

// Binary gives the path of the built binary.
func (b *Build) Binary() (string, error) {
	b.b.once.Do(func() {
		b.b.path = filepath.Join(b.Dir, "lethe-dev")
		cmd := exec.Command("go", "build", "-o", b.b.path, "github.com/lethe/lethe/cmd/lethe-dev")
		cmd.Dir = root()
		if out, err := cmd.CombinedOutput(); err != nil {
			b.b.err = fmt.Errorf("build lethe-dev: %w: %s", err, out)
		}
	})
	return b.b.path, b.b.err
}

// root is the folder of the module.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Start starts lethe-dev on free ports and waits until it says that it is ready. It is stopped when the test ends.
func (b *Build) Start(tb testing.TB, o Options) *Lethe {
	tb.Helper()
	l := b.StartShared(tb, o)
	tb.Cleanup(func() { l.With(tb).Stop() })
	return l
}

// StartShared is Start for a Lethe that outlives the test: whoever asks for it stops it.
func (b *Build) StartShared(tb testing.TB, o Options) *Lethe {
	tb.Helper()
	binary, err := b.Binary()
	if err != nil {
		tb.Fatal(err)
	}
	base := o.Base
	if base == 0 {
		base = freeBase(tb)
	}
	l := &Lethe{&running{Base: base, done: make(chan struct{})}, tb}
	args := []string{"--port-base", fmt.Sprint(l.Base)}
	if o.Dir == "" {
		args = append(args, "--ephemeral")
	} else {
		args = append(args, "--data", o.Dir)
	}
	l.cmd = exec.Command(binary, append(args, o.Args...)...)
	l.cmd.Dir = b.Dir
	l.cmd.Env = append(os.Environ(), o.Env...)
	stdout, err := l.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	l.cmd.Stderr = writer{l.running}
	if err := l.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ready := make(chan struct{})
	go l.read(stdout, ready)
	select {
	case <-ready:
	case <-l.done:
		tb.Fatalf("lethe-dev ended before it was ready: %v\n%s", l.err, l.Output())
	case <-time.After(2 * time.Minute):
		l.Kill()
		tb.Fatalf("lethe-dev is not ready after two minutes\n%s", l.Output())
	}
	return l
}

func (l *running) read(stdout io.Reader, ready chan struct{}) {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	var once sync.Once
	for lines.Scan() {
		_, _ = writer{l}.Write(append(lines.Bytes(), '\n'))
		if strings.HasPrefix(lines.Text(), "lethe is ready") {
			once.Do(func() { close(ready) })
		}
	}
	l.err = l.cmd.Wait()
	close(l.done)
}

type writer struct{ l *running }

func (w writer) Write(p []byte) (int, error) {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	return w.l.out.Write(p)
}

// Output is what lethe-dev has written so far, its log included.
func (l *running) Output() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}

// Kill ends lethe-dev as kill -9 does and waits until it is gone.
func (l *running) Kill() {
	_ = l.cmd.Process.Kill()
	<-l.done
}

// Stop ends lethe-dev as SIGTERM does and waits until it is gone.
func (l *Lethe) Stop() {
	_ = l.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-l.done:
	case <-time.After(20 * time.Second):
		l.Kill()
		l.tb.Errorf("lethe-dev did not stop within 20 s of SIGTERM")
	}
	if l.tb.Failed() {
		l.tb.Logf("lethe-dev wrote:\n%s", l.Output())
	}
}

// Wait waits until lethe-dev has ended by itself and gives its error.
func (l *running) Wait() error {
	<-l.done
	return l.err
}

// URL gives the address of the server with this offset from the base.
func (l *running) URL(offset int) string { return fmt.Sprintf("http://127.0.0.1:%d", l.Base+offset) }

// Router is the router's address.
func (l *running) Router() string { return l.URL(0) }

// Console is the console's address.
func (l *running) Console() string { return l.URL(5) }

// Temporal is host:port of Temporal's frontend.
func (l *running) Temporal() string { return fmt.Sprintf("127.0.0.1:%d", l.Base+6) }

// Mongo is the address of MongoDB, read around the front door.
func (l *running) Mongo() string {
	return fmt.Sprintf("mongodb://127.0.0.1:%d/?directConnection=true", l.Base+8)
}

// Redis is the address of Redis, read around the front door.
func (l *running) Redis() string { return fmt.Sprintf("redis://127.0.0.1:%d/0", l.Base+9) }

// Token gets a token of the development issuer.
func (l *Lethe) Token(role, subject string) string {
	l.tb.Helper()
	req, err := http.NewRequestWithContext(l.tb.Context(), http.MethodPost, l.Router()+"/dev/token?"+url.Values{"role": {role}, "subject": {subject}}.Encode(), nil)
	if err != nil {
		l.tb.Fatal(err)
	}
	req.Header.Set("Lethe-Dev", "1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.tb.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		l.tb.Fatalf("get a token: %d %s %v", resp.StatusCode, body, err)
	}
	return strings.TrimSpace(string(body))
}

// Error is an error of a GraphQL response.
type Error struct {
	Message    string            `json:"message"`
	Path       []json.RawMessage `json:"path"`
	Extensions struct {
		Code    string `json:"code"`
		Service string `json:"service"`
	} `json:"extensions"`
}

// Try sends an operation to the router and decodes data into out, which may be nil. It gives the response's errors.
func (l *Lethe) Try(ctx context.Context, token, query string, variables, out any) ([]Error, error) {
	body, err := json.Marshal(struct {
		Query     string `json:"query"`
		Variables any    `json:"variables,omitempty"`
	}{query, variables})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.Router()+"/graphql", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data   json.RawMessage `json:"data"`
		Errors []Error         `json:"errors"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("status %d: %s: %w", resp.StatusCode, text, err)
	}
	if out != nil && len(answer.Data) > 0 && !bytes.Equal(answer.Data, []byte("null")) {
		if err := json.Unmarshal(answer.Data, out); err != nil {
			return nil, fmt.Errorf("%s: %w", text, err)
		}
	}
	return answer.Errors, nil
}

// Do is Try for an operation that must give no error.
func (l *Lethe) Do(token, query string, variables, out any) {
	l.tb.Helper()
	errs, err := l.Try(l.tb.Context(), token, query, variables, out)
	if err = errors.Join(err, errorsOf(errs)); err != nil {
		l.tb.Fatalf("%v\nin %s", err, query)
	}
}

func errorsOf(errs []Error) error {
	var all []error
	for _, e := range errs {
		all = append(all, fmt.Errorf("%s (%s at %s)", e.Message, e.Extensions.Code, e.Path))
	}
	return errors.Join(all...)
}

// freeBase finds ten free ports in a row.
func freeBase(tb testing.TB) int {
	tb.Helper()
	for range 200 {
		base := 10000 + 10*rand.IntN(2200)
		if free(base) {
			return base
		}
	}
	tb.Fatal("no ten free ports in a row")
	return 0
}

func free(base int) bool {
	for i := range 10 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+i))
		if err != nil {
			return false
		}
		if err := l.Close(); err != nil {
			return false
		}
	}
	return true
}

// ResidentMB is the memory that the process holds, in megabytes, or 0 where the system does not tell.
func (l *running) ResidentMB() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kb float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kb); err == nil {
			return kb / 1000
		}
	}
	return 0
}
