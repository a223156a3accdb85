package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/lethe/lethe/e2e/harness"
)

// suite is what the tests of this package share: the built binary, and one running Lethe.
type suite struct {
	build harness.Build
	once  sync.Once
	lethe *harness.Lethe
}

var shared suite //nolint:gochecknoglobals // TestMain has no other way to hand something to tests

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lethe-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shared.build.Dir = dir
	code := m.Run()
	if shared.lethe != nil {
		shared.lethe.Kill()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// TestMistakesAreOneLine starts lethe-dev wrongly: one clear line, exit code 2, nothing else.
func TestMistakesAreOneLine(t *testing.T) {
	t.Parallel()
	binary, err := shared.build.Binary()
	if err != nil {
		t.Fatal(err)
	}
	running := shared.build.Start(t, harness.Options{})
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"unknown flag", []string{"--colour", "blue"}, "colour"},
		{"unknown word", []string{"now"}, `"now" is not understood`},
		{"bad port", []string{"--port-base", "70000"}, "--port-base must be from"},
		{"port in use", []string{"--ephemeral", "--port-base", fmt.Sprint(running.Base)}, fmt.Sprintf("port %d is in use", running.Base)},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(binary, c.args...)
			cmd.Dir = t.TempDir()
			out, err := cmd.CombinedOutput()
			exit, ok := err.(*exec.ExitError)
			if !ok || exit.ExitCode() != 2 {
				t.Fatalf("ended with %v, want exit code 2\n%s", err, out)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if len(lines) != 1 || !strings.Contains(lines[0], c.want) {
				t.Errorf("wrote %q, want one line with %q", out, c.want)
			}
		})
	}
}
