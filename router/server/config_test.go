package server_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
)

var update = flag.Bool("update", false, "write the golden files")

func TestConfig(t *testing.T) {
	t.Parallel()
	c, err := server.ReadConfig([]byte("limits: {depth: 7}\nsubgraphs: {timeout: 2s}\ncors: {origins: [\"https://shop.example\"]}\nintrospection: false\n"))
	if err != nil || c.Limits.Depth != 7 || c.Limits.BodyBytes != 1<<20 || c.Introspection == nil || *c.Introspection {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := server.ReadConfig(nil); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"limit: {}":                   "limit",
		"limits: {deep: 1}":           "deep",
		"limits: {depth: much}":       "much",
		"limits: {depth: -1}":         "limits.depth: must be above zero, or left out for the default; it is -1 (line 1)",
		"subgraphs: {timeout: soon}":  `subgraphs.timeout: expected a duration such as 5s, found "soon" (line 1)`,
		"timeout: 0s":                 `timeout: must be above zero, or left out for the default; it is "0s" (line 1)`,
		"- a list":                    "expected keys and values, found a list (line 1)",
		"introspection: [true, true]": "introspection: expected true or false, found a list (line 1)",
	} {
		if _, err := server.ReadConfig([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestConfigSchema keeps the published schema of the configuration file true.
func TestConfigSchema(t *testing.T) {
	t.Parallel()
	got, err := server.ConfigSchema()
	if err != nil {
		t.Fatal(err)
	}
	const file = "config.schema.json"
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the types say (%v): run go test ./router/server -run TestConfigSchema -update", file, err)
	}
}
