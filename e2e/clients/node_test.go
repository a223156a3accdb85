// Package clients holds the router against the client libraries that front-end teams use, and the gateways that must read
// what it composes.
package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/server"
)

// patience bounds a script: it is there for those that hang, and says nothing of how long one may take.
const patience = 2 * time.Minute

// needNode gives the path of Node.js. Where it or the npm packages are missing the test is left out, except in CI, where
// it fails.
func needNode(t *testing.T) string {
	t.Helper()
	missing := "Node.js is not on the PATH"
	node, err := exec.LookPath("node")
	if err == nil {
		if _, err = os.Stat("node_modules/graphql/package.json"); err == nil {
			return node
		}
		missing = "the npm packages are missing: run npm ci in e2e/clients"
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// runNode runs a script of this folder with arguments and gives the lines that it prints, each a JSON value of type T. A
// script that fails, or prints anything else, fails the test.
func runNode[T any](t *testing.T, script string, args ...string) []T {
	t.Helper()
	node := needNode(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, append([]string{script}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", script, strings.Join(args, " "), errors.Join(err, ctx.Err()), out.String(), errs.String())
	}
	var lines []T
	for line := range strings.Lines(out.String()) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%s printed %q: %v", script, line, err)
		}
		lines = append(lines, v)
	}
	return lines
}

// router is a running router over subgraphs of this process.
type router struct {
	*server.Server
	URL string // of /graphql
}

// newRouter composes subgraphs and starts a router over them that ends with the test.
func newRouter(t *testing.T, subgraphs []*subgraph, change ...func(*server.Options)) *router {
	t.Helper()
	var inputs []compose.Subgraph
	for _, g := range subgraphs {
		g.start(t)
		inputs = append(inputs, compose.Subgraph{Name: g.name, URL: g.url, SDL: g.sdl})
	}
	composed, errs := compose.Compose(inputs)
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	o := server.Options{Supergraph: composed.SDL, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	s, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	front := httptest.NewUnstartedServer(s)
	front.Listener = s.Front(front.Listener) // as the router's process has it
	front.Start()
	t.Cleanup(front.Close)
	return &router{Server: s, URL: front.URL + "/graphql"}
}
