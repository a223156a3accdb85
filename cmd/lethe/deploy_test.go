package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/lethe/lethe/cmd/internal/command"
	"github.com/lethe/lethe/cmd/internal/process"
)

const root = "../.."

// TestComposeFileStartsEveryProcess loads docker-compose.yml as Docker would, with the keys that lethe keys prints, and
// starts the command line of each Lethe process with that file's environment as far as reading the configuration.
func TestComposeFileStartsEveryProcess(t *testing.T) {
	t.Parallel()
	project := loadCompose(t)
	processes := 0
	for name, service := range project.Services {
		if service.Image != "lethe" {
			if service.HealthCheck == nil && !slices.Contains([]string{"temporal-schema", "temporal-namespace", "temporal-ui"}, name) {
				t.Errorf("service %s has no health check", name)
			}
			continue
		}
		processes++
		if service.HealthCheck == nil && name != "seed" {
			t.Errorf("service %s has no health check", name)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			code := command.Main(t.Context(), command.System{
				Lookup: func(variable string) (string, bool) {
					v, ok := service.Environment[variable]
					if !ok || v == nil {
						return "", false
					}
					return *v, true
				},
				Stdout: &out, Stderr: &errs,
			}, append(slices.Clone(service.Command), "--check"))
			if code != 0 {
				t.Errorf("lethe %s --check ends with %d: %s", strings.Join(service.Command, " "), code, errs.String())
			}
		})
	}
	if processes < 9 {
		t.Errorf("%d Lethe processes in docker-compose.yml, want all nine and the seed", processes)
	}
}

// TestComposeFileWithoutKeysSaysWhatToDo loads docker-compose.yml without keys.
func TestComposeFileWithoutKeysSaysWhatToDo(t *testing.T) {
	t.Parallel()
	_, err := load(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "run lethe keys > .env first") {
		t.Errorf("loads with %v, want the advice to make keys", err)
	}
}

func loadCompose(t *testing.T) *types.Project {
	t.Helper()
	keys, err := process.NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	for k, v := range keys {
		env = append(env, k+"="+v)
	}
	project, err := load(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func load(ctx context.Context, env []string) (*types.Project, error) {
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithEnv(env), cli.WithName("lethe"))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(ctx)
}

// TestBinaryIsSmallAndEmbedsNoServer builds the binary that is deployed.
func TestBinaryIsSmallAndEmbedsNoServer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lethe")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("lethe is %.1f MB", float64(info.Size())/1e6)
	if info.Size() > 60e6 {
		t.Errorf("lethe is %.1f MB, want under 60", float64(info.Size())/1e6)
	}
}

// TestArrows keeps the directions in which packages may reach each other.
func TestArrows(t *testing.T) {
	t.Parallel()
	const module = "github.com/lethe/lethe/"
	for _, rule := range []struct {
		from   string
		except []string
		never  []string
	}{
		{"./cmd/lethe", nil, []string{module + "embedded/", "go.temporal.io/server", "github.com/alicebob/miniredis"}},
		{"./router/...", nil, []string{module + "subgraphs/", module + "workflows", "go.mongodb.org/mongo-driver", "go.temporal.io/"}},
		{"./subgraphs/catalogue", nil, []string{module + "router", module + "subgraphs/inventory", module + "subgraphs/orders", module + "subgraphs/customers", module + "console"}},
		{"./subgraphs/inventory", nil, []string{module + "router", module + "subgraphs/catalogue", module + "subgraphs/orders", module + "subgraphs/customers", module + "console"}},
		{"./subgraphs/orders", nil, []string{module + "router", module + "subgraphs/catalogue", module + "subgraphs/inventory", module + "subgraphs/customers", module + "console"}},
		{"./subgraphs/customers", nil, []string{module + "router", module + "subgraphs/catalogue", module + "subgraphs/inventory", module + "subgraphs/orders", module + "console"}},
		{"./workflows", nil, []string{"github.com/", "go.mongodb.org/", "go.temporal.io/"}},
		{"./workflows/fulfilment", nil, []string{"go.mongodb.org/mongo-driver", module + "subgraphs/", module + "router"}},
		{"./privacy", nil, []string{module + "subgraphs/", module + "router", module + "workflows/"}},
		{"./chassis/...", nil, []string{module + "subgraphs/", module + "router", module + "workflows", module + "privacy", module + "console", module + "embedded"}},
		{"./console", nil, []string{module + "subgraphs/", module + "workflows", "go.mongodb.org/mongo-driver", "go.temporal.io/"}},
	} {
		cmd := exec.Command("go", "list", "-deps", rule.from)
		cmd.Dir = root
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list -deps %s: %v", rule.from, err)
		}
		for _, dep := range strings.Fields(string(out)) {
			for _, no := range rule.never {
				if strings.HasPrefix(dep, no) && !strings.HasPrefix(module+strings.TrimPrefix(rule.from, "./"), dep) {
					t.Errorf("%s reaches %s", rule.from, dep)
				}
			}
		}
	}
}
