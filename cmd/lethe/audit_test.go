package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/routertest"
	"github.com/lethe/lethe/router/routertest/public"
)

// asLethe has the test's own binary be Lethe.
const asLethe = "LETHE_TEST_AS_LETHE"

func TestMain(m *testing.M) {
	if os.Getenv(asLethe) != "" {
		main()
		return
	}
	os.Exit(public.Main(m, public.Audit()))
}

// TestFederationAudit asks every case of the public federation gateway audit of the binary: once with the supergraphs that
// the audit gives, and once with those that Lethe composes of its subgraphs.
func TestFederationAudit(t *testing.T) {
	t.Parallel()
	for _, suite := range routertest.Suites(t) {
		t.Run(suite.Name, func(t *testing.T) {
			t.Parallel()
			sdl := suite.Supergraph
			urls := suite.Start(t)
			for _, s := range suite.Subgraphs {
				sdl = strings.ReplaceAll(sdl, `"`+s.URL+`"`, `"`+urls[s.Name]+`"`)
			}
			auditSupergraph(t, suite, sdl)
		})
		if strings.HasPrefix(suite.Name, "corrupted-") {
			continue // the audit's supergraph is wrong on purpose, and one that is composed is not
		}
		t.Run(suite.Name+" composed", func(t *testing.T) {
			t.Parallel()
			auditComposed(t, suite)
		})
	}
}

// TestSuites asks every case of the repository's own suites of the binary, with the supergraphs that Lethe composes.
func TestSuites(t *testing.T) {
	t.Parallel()
	for _, suite := range routertest.OwnSuites(t) {
		t.Run(suite.Name, func(t *testing.T) {
			t.Parallel()
			auditComposed(t, suite.Public(t))
		})
	}
}

// auditComposed composes a suite's subgraphs, which it starts, and asks its cases.
func auditComposed(t *testing.T, suite *routertest.Suite) {
	urls := suite.Start(t)
	var subgraphs []compose.Subgraph
	for _, s := range suite.Subgraphs {
		subgraphs = append(subgraphs, compose.Subgraph{Name: s.Name, URL: urls[s.Name], SDL: s.SDL})
	}
	result, errs := compose.Compose(subgraphs)
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	auditSupergraph(t, suite, result.SDL)
}

// auditSupergraph starts the router on a supergraph and asks the suite's cases of it.
func auditSupergraph(t *testing.T, suite *routertest.Suite, sdl string) {
	file := filepath.Join(t.TempDir(), "supergraph.graphql")
	if err := os.WriteFile(file, []byte(sdl), 0o600); err != nil {
		t.Fatal(err)
	}
	address := startRouter(t, file)
	client := &http.Client{Timeout: 30 * time.Second}
	health, err := client.Get(address + "/health")
	if err != nil {
		t.Fatal(err)
	}
	_ = health.Body.Close()
	if health.StatusCode != http.StatusOK {
		t.Fatalf("GET /health answers %d", health.StatusCode)
	}
	for _, c := range suite.Tests {
		body, err := json.Marshal(map[string]any{"query": c.Query, "variables": c.Variables})
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Post(address+"/graphql", "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Data   any
			Errors []json.RawMessage
		}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		var want any
		if len(c.Expected.Data) > 0 {
			if err := json.Unmarshal(c.Expected.Data, &want); err != nil {
				t.Fatal(err)
			}
		}
		if len(c.Expected.Data) > 0 && !reflect.DeepEqual(got.Data, want) || c.Expected.Errors != (len(got.Errors) > 0) {
			t.Errorf("%s\ngot  %s\nwant %s, errors %v", c.Query, text, c.Expected.Data, c.Expected.Errors)
		}
	}
}

// startRouter starts the router on a free port until the test ends, and gives its address once it serves.
func startRouter(t *testing.T, file string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "router", "--supergraph", file, "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), asLethe+"=1")
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = io.Discard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		_ = cmd.Wait()
	})
	serving := make(chan string, 1)
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(logs)
		for lines.Scan() {
			var line struct{ Msg, Addr string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
				serving <- line.Addr
			} else {
				t.Log(lines.Text())
			}
		}
	}()
	select {
	case addr := <-serving:
		return "http://" + addr
	case <-ended:
		t.Fatal("the router ended before it served")
	case <-time.After(time.Minute):
		t.Fatal("the router does not serve")
	}
	return ""
}
