package public

import (
	"os"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	Report(&out, Data{"shared/data/nothing-has-this-name", "somebody's data (somebody/data, MIT)"})
	if got, want := out.String(), "NOT RUN: somebody's data (somebody/data, MIT): not at ../shared/data/nothing-has-this-name\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestWhatIsNotRun says which public data is absent. With CI set to true that is an error.
func TestWhatIsNotRun(t *testing.T) {
	t.Parallel()
	for _, d := range []Data{Audit(), Composition()} {
		if files, _ := d.find(); len(files) > 0 {
			continue
		}
		Report(os.Stdout, d)
		if os.Getenv("CI") == "true" {
			t.Error("data is absent, and CI is true")
		}
	}
}
