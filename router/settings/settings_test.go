package settings_test

import (
	"strings"
	"testing"

	"github.com/lethe/lethe/router/settings"
)

type sample struct {
	Wait  settings.Duration `yaml:"wait"`
	Names []string          `yaml:"names"`
	On    *bool             `yaml:"on"`
	Deep  map[string]struct {
		Size  int     `yaml:"size"`
		Share float64 `yaml:"share"`
	} `yaml:"deep"`
}

// TestMerge holds that keys come from anchors and merges too, that a mapping's own go first, and where they stand.
func TestMerge(t *testing.T) {
	t.Parallel()
	var got sample
	file := settings.Decode([]byte("deep:\n  a: &a {size: 5, share: 0.5}\n  b:\n    <<: *a\n    size: 6\n  c:\n    <<: [*a, {size: 7}]\nwait: 5s\n"), &got)
	if err := file.With(nil).Err(); err != nil {
		t.Fatal(err)
	}
	if b, c := got.Deep["b"], got.Deep["c"]; b.Size != 6 || b.Share != 0.5 || c.Size != 5 || got.Wait != "5s" {
		t.Errorf("%+v", got)
	}
	for key, line := range map[string]int{"deep.b.size": 5, "deep.b.share": 2, "wait": 8, "deep.c.none": 6, "nowhere": 0, "deep[3]": 1} {
		if got := file.Line(key); got != line {
			t.Errorf("%s stands in line %d, want %d", key, got, line)
		}
	}
}

// FuzzDecode has no text bring the reader down, nor an error have an empty line.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		"wait: soon\nnames: [5]\n", "a: &a {<<: *a}\ndeep: *a", "x: &x [*x]\nnames: *x", "? {a: b}\n: c", "deep: {<<: [{a: {size: 1}}, {<<: {b: 1}}]}", "on: yes\n---\n", "deep: &d {x: *d}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var into sample
		err := settings.Decode([]byte(text), &into).With(nil).Err()
		if err == nil {
			return
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if strings.TrimSpace(line) == "" {
				t.Errorf("an empty line in %q", err)
			}
		}
	})
}
