// Package public finds the public test data that stands beside the repository, since it is others' work, and says what is not run
// where it is absent.
package public

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Data is a body of public test data.
type Data struct {
	pattern string // of its files, beside the repository
	what    string // who made it, and under which licence
}

// Audit returns the public federation gateway audit: a JSON file for each suite.
func Audit() Data {
	return Data{"shared/data/federation-audit/*.json", "the suites of the public federation gateway audit (graphql-hive/federation-gateway-audit, MIT)"}
}

// Composition returns the cases of Federation composition: one JSON file.
func Composition() Data {
	return Data{"shared/data/composition/cases.json", "the public cases of composition (graphql-hive/federation-composition, MIT)"}
}

// Expected returns the codes that a case of [Composition] is to end with: those recorded with it, which are of a composition
// that reads GraphQL's edition of October 2021, but for two cases that compose by the edition of September 2025, in which
// @oneOf is built in.
func Expected(name string, recorded []string) []string {
	switch name {
	case "composition :: guild composition (@oneOf) > supports composing built-in directive",
		"composition :: guild composition (@oneOf) > merges built-in @oneOf with an explicitly linked and composed @oneOf definition":
		return []string{}
	}
	return append([]string{}, recorded...)
}

// Files returns the paths of the data's files. Where there are none the test is skipped, and fails with CI set to true: there nothing
// may be left out in silence.
func (d Data) Files(t testing.TB) []string {
	t.Helper()
	files, pattern := d.find()
	if len(files) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s are not at %s, and CI is true", d.what, pattern)
		}
		t.Skipf("%s are not at %s", d.what, pattern)
	}
	return files
}

// find returns the files and where they were looked for: beside the folder that holds the go.mod above the working directory.
func (d Data) find() (files []string, pattern string) {
	folder, err := os.Getwd()
	if err != nil {
		return nil, d.pattern
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			break
		}
		above := filepath.Dir(folder)
		if above == folder {
			return nil, d.pattern
		}
		folder = above
	}
	files, _ = filepath.Glob(filepath.Join(filepath.Dir(folder), d.pattern)) // the pattern is well formed
	return files, "../" + d.pattern
}

// Report writes a line for each body of data that is absent, and so not tested against.
func Report(w io.Writer, data ...Data) {
	for _, d := range data {
		if files, pattern := d.find(); len(files) == 0 {
			_, _ = fmt.Fprintf(w, "NOT RUN: %s: not at %s\n", d.what, pattern)
		}
	}
}

// Main runs a package's tests for its TestMain, after it said on standard output which data is absent: "ok" alone would not. It
// returns the exit code.
func Main(m *testing.M, data ...Data) int {
	Report(os.Stdout, data...)
	return m.Run()
}
