package command

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/routertest/public"
)

// compositionFlags writes each subgraph to a file of its own and gives the flags that name them.
func compositionFlags(t *testing.T, subgraphs []compose.Subgraph) []string {
	t.Helper()
	folder := t.TempDir()
	args := []string{"compose", "--format", "json"}
	for i, s := range subgraphs {
		file := filepath.Join(folder, strconv.Itoa(i)+".graphql")
		if err := os.WriteFile(file, []byte(s.SDL), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--subgraph", s.Name+"="+file)
	}
	return args
}

// composeJSON runs lethe compose and reads what it prints.
func composeJSON(t *testing.T, subgraphs []compose.Subgraph) (code int, out composed) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Main(t.Context(), System{Stdout: &stdout, Stderr: &stderr}, compositionFlags(t, subgraphs))
	if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout.String(), stderr.String())
	}
	return code, out
}

func TestComposeAsJSON(t *testing.T) {
	t.Parallel()
	code, out := composeJSON(t, []compose.Subgraph{{Name: "a", SDL: "type Query { box: Box } type Box { height: Int }"}, {Name: "b", SDL: "type Box { height: Int! }"}})
	if code != 0 || out.Errors == nil || len(out.Errors) != 0 || !strings.Contains(out.Supergraph, "type Box") {
		t.Errorf("exit %d: %+v", code, out)
	}
	if len(out.Hints) != 1 || out.Hints[0].Code != "INCONSISTENT_BUT_COMPATIBLE_FIELD_TYPE" || !reflect.DeepEqual(out.Hints[0].Subgraphs, []string{"a", "b"}) {
		t.Errorf("hints %+v", out.Hints)
	}
	code, out = composeJSON(t, []compose.Subgraph{{Name: "a", SDL: "type Query { box: Int }"}, {Name: "b", SDL: "type Query { box: String }"}})
	if code == 0 || len(out.Errors) == 0 || out.Supergraph != "" {
		t.Errorf("exit %d: %+v", code, out)
	}
}

func TestComposeAsText(t *testing.T) {
	t.Parallel()
	args := compositionFlags(t, []compose.Subgraph{{Name: "a", SDL: "type Query { box: Box } type Box { height: Int }"}, {Name: "b", SDL: "type Box { height: Int! }"}})
	args[2] = "text"
	var stdout, stderr bytes.Buffer
	if code := Main(t.Context(), System{Stdout: &stdout, Stderr: &stderr}, args); code != 0 {
		t.Fatal(code, stderr.String())
	}
	if !strings.HasPrefix(stdout.String(), "schema\n") || !strings.HasPrefix(stderr.String(), "warning: INCONSISTENT_BUT_COMPATIBLE_FIELD_TYPE [a, b]\n") {
		t.Errorf("%s\n%s", stdout.String(), stderr.String())
	}
}

// TestComposeCases runs the composition cases beside the repository through the command line.
func TestComposeCases(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(public.Composition().Files(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name      string
		Subgraphs []compose.Subgraph
		Codes     []string
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		code, out := composeJSON(t, c.Subgraphs)
		got, want := map[string]bool{}, map[string]bool{}
		for _, e := range out.Errors {
			got[e.Code] = true
		}
		for _, e := range public.Expected(c.Name, c.Codes) {
			want[e] = true
		}
		if !reflect.DeepEqual(got, want) || (code == 0) != (len(want) == 0) {
			t.Errorf("%s: exit %d, codes %v, want %v", c.Name, code, got, want)
		}
	}
}
