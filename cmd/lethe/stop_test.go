package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/lethe/lethe/router/compose"
)

// works is a subgraph whose mutation takes until it is released, and whose events never end.
type works struct {
	url     string
	begun   chan struct{} // closed when a mutation has had its effect
	release chan struct{}
	follows chan struct{} // closed when somebody follows the events
}

const worksSDL = "type Query { thing: String } type Mutation { act: String } type Subscription { events: String }"

func newWorks(t *testing.T) *works {
	t.Helper()
	w := &works{begun: make(chan struct{}), release: make(chan struct{}), follows: make(chan struct{})}
	begun, follows := sync.OnceFunc(func() { close(w.begun) }), sync.OnceFunc(func() { close(w.follows) })
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		switch {
		case strings.Contains(string(body), "events"):
			rw.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(rw, "event: next\ndata: {\"data\":{\"events\":\"one\"}}\n\n")
			rw.(http.Flusher).Flush()
			follows()
			<-r.Context().Done()
			return
		case strings.Contains(string(body), "act"):
			begun()
			select {
			case <-w.release:
			case <-r.Context().Done():
				return
			}
			rw.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(rw, `{"data":{"act":"done"}}`)
		default:
			rw.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(rw, `{"data":{"thing":"x"}}`)
		}
	}))
	t.Cleanup(s.Close)
	w.url = s.URL
	return w
}

// routerProcess is a router in a process of its own.
type routerProcess struct {
	t     *testing.T
	cmd   *exec.Cmd
	addr  string
	ended chan struct{}

	mu  sync.Mutex
	log strings.Builder
}

func (w *works) router(t *testing.T, config string, args ...string) *routerProcess {
	t.Helper()
	result, errs := compose.Compose([]compose.Subgraph{{Name: "works", URL: w.url, SDL: worksSDL}})
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	dir := t.TempDir()
	schema, settings := filepath.Join(dir, "supergraph.graphql"), filepath.Join(dir, "router.yaml")
	if err := errors.Join(os.WriteFile(schema, []byte(result.SDL), 0o600), os.WriteFile(settings, []byte(config), 0o600)); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &routerProcess{t: t, ended: make(chan struct{})}
	p.cmd = exec.Command(self, append([]string{"router", "--supergraph", schema, "--config", settings, "--listen", "127.0.0.1:0"}, args...)...)
	p.cmd.Env = append(os.Environ(), asLethe+"=1")
	logs, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	serving := make(chan string, 1)
	go func() {
		defer close(p.ended)
		lines := bufio.NewScanner(logs)
		for lines.Scan() {
			var line struct{ Msg, Addr string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
				serving <- line.Addr
			}
			p.mu.Lock()
			p.log.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
		}
		_ = p.cmd.Wait()
	}()
	select {
	case p.addr = <-serving:
	case <-p.ended:
		t.Fatalf("the router ended before it served: %s", p.logged())
	case <-time.After(time.Minute):
		t.Fatal("the router does not serve")
	}
	return p
}

func (p *routerProcess) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *routerProcess) signal() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// wait waits until the process has ended and gives its exit code, -1 for one that a signal ended.
func (p *routerProcess) wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		p.t.Fatalf("the router does not end: %s", p.logged())
	}
	return p.cmd.ProcessState.ExitCode()
}

// await waits until a new connection is answered as it is to be, or refused where status is 0.
func (p *routerProcess) await(path string, status int) {
	p.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		got := 0
		if resp, err := client.Get("http://" + p.addr + path); err == nil {
			_ = resp.Body.Close()
			got = resp.StatusCode
		}
		if got == status {
			return
		}
	}
	p.t.Fatalf("%s is not answered with %d: %s", path, status, p.logged())
}

// withoutFront is the way to a router that has net/http alone.
const withoutFront = "net/http alone"

// ways are how an operation comes to the router: so that its own listener answers it, or net/http.
func ways() map[string]http.Header {
	return map[string]http.Header{
		"the front":  {"Content-Type": {"application/json"}},
		withoutFront: {"Content-Type": {"application/json"}},
		"net/http":   {"Content-Type": {"application/json"}, "Accept": {"multipart/mixed;deferSpec=20220824, application/json"}},
	}
}

func (p *routerProcess) post(client *http.Client, header http.Header, query string) (*http.Response, string, error) {
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		return nil, "", err
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+p.addr+"/graphql", strings.NewReader(string(body)))
	if err != nil {
		return nil, "", err
	}
	r.Header = header.Clone()
	resp, err := client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

type posted struct {
	resp *http.Response
	text string
	err  error
}

// TestStopOfARouter tells a router to stop while a mutation is under way whose effect has happened: the balancer is told, then
// the port closes, and the mutation is answered, or cut with a line in the log where it takes longer than it may.
func TestStopOfARouter(t *testing.T) {
	t.Parallel()
	for way, header := range ways() {
		for _, cut := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, cut %v", way, cut), func(t *testing.T) {
				t.Parallel()
				w := newWorks(t)
				timeout := "1m"
				if cut {
					timeout = "100ms"
				}
				config := "shutdown: {notice: 2s, timeout: " + timeout + "}"
				if way == withoutFront {
					config += "\nhttp1: false"
				}
				p := w.router(t, config)
				client := &http.Client{Transport: &http.Transport{}}
				defer client.CloseIdleConnections()
				done := make(chan posted, 1)
				go func() {
					resp, text, err := p.post(client, header, "mutation { act }")
					done <- posted{resp, text, err}
				}()
				<-w.begun
				p.signal()
				p.await("/ready", http.StatusServiceUnavailable)
				p.await("/health", http.StatusOK)
				if resp, text, err := p.post(&http.Client{Transport: &http.Transport{}}, header, "{ thing }"); err != nil || resp.StatusCode != 200 || !resp.Close || !strings.Contains(text, `"x"`) {
					t.Errorf("a query during the notice: %v %s %v", resp, text, err)
				}
				p.await("/health", 0)
				if !cut {
					close(w.release)
				}
				got := <-done
				if cut && got.err == nil {
					t.Errorf("the mutation is answered: %s", got.text)
				}
				if !cut && (got.err != nil || got.text != `{"data":{"act":"done"}}` || !got.resp.Close) {
					t.Errorf("the mutation: %+v", got)
				}
				if code := p.wait(); code != 0 {
					t.Errorf("it ends with %d: %s", code, p.logged())
				}
				if strings.Contains(p.logged(), "requests under way are cut") != cut {
					t.Errorf("logged %s", p.logged())
				}
			})
		}
	}
}

// TestStopOfStreams tells a router to stop that clients follow over every transport: each is told in its own way, and ends.
func TestStopOfStreams(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	p := w.router(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+p.addr+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	say := func(text string) {
		if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(part string) {
		t.Helper()
		if _, text, err := conn.Read(ctx); err != nil || !strings.Contains(string(text), part) {
			t.Fatalf("%s %v, want %s", text, err, part)
		}
	}
	say(`{"type":"connection_init"}`)
	hear("connection_ack")
	say(`{"id":"s","type":"subscribe","payload":{"query":"subscription { events }"}}`)
	hear(`"one"`)
	say(`{"id":"m","type":"subscribe","payload":{"query":"mutation { act }"}}`)
	<-w.begun

	streams := map[string]chan posted{"text/event-stream": nil, `multipart/mixed;subscriptionSpec="1.0", application/json`: nil}
	for accept := range streams {
		done, open := make(chan posted, 1), make(chan struct{})
		streams[accept] = done
		go func() {
			r, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.addr+"/graphql", strings.NewReader(`{"query":"subscription { events }"}`))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", accept)
			resp, err := http.DefaultClient.Do(r)
			close(open)
			if err != nil {
				done <- posted{err: err}
				return
			}
			text, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			done <- posted{resp, string(text), err}
		}()
		<-open
	}
	idle, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = idle.Close() }()
	cmdline := time.Now()
	p.signal()
	for accept, done := range streams {
		got := <-done
		if got.err != nil || strings.Contains(got.text, "complete") || strings.HasPrefix(accept, "multipart") != strings.Contains(got.text, "ROUTER_STOPPING") {
			t.Errorf("%s: %q %v", accept, got.text, got.err)
		}
	}
	if took := time.Since(cmdline); took < 5*time.Second {
		t.Errorf("the streams end %s after the signal: before the notice of 5s, which is the default, is over", took)
	}
	p.await("/health", 0)
	close(w.release)
	hear(`"done"`)
	hear(`"complete"`)
	var closed websocket.CloseError
	if _, _, err := conn.Read(ctx); !errors.As(err, &closed) || closed.Code != websocket.StatusServiceRestart {
		t.Errorf("the socket ends with %v", err)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("it ends with %d: %s", code, p.logged())
	}
}

// TestSecondSignal has a router end at once that is told to a second time, whatever is under way.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	p := w.router(t, "", "--shutdown-notice", "10m", "--shutdown-timeout", "1h")
	go func() { _, _, _ = p.post(http.DefaultClient, ways()["the front"], "mutation { act }") }()
	<-w.begun
	p.signal()
	p.await("/ready", http.StatusServiceUnavailable)
	p.signal()
	if code := p.wait(); code == 0 {
		t.Errorf("it ends as if all were answered: %s", p.logged())
	}
}

// TestStopWithNothingUnderWay has a router without a notice end in no time, though connections to it are open.
func TestStopWithNothingUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorks(t)
	p := w.router(t, "shutdown: {notice: 0s, timeout: 1h}")
	fresh, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fresh.Close() }()
	for _, header := range ways() {
		client := &http.Client{Transport: &http.Transport{}}
		if _, text, err := p.post(client, header, "{ thing }"); err != nil {
			t.Fatal(text, err)
		}
	}
	began := time.Now()
	p.signal()
	if code := p.wait(); code != 0 {
		t.Errorf("it ends with %d: %s", code, p.logged())
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}
