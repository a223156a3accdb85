package watch_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lethe/lethe/router/watch"
)

// watching runs a watcher and gives what it reports.
func watching(t *testing.T, o watch.Options) <-chan []string {
	t.Helper()
	o.Quiet, o.Log = 20*time.Millisecond, slog.New(slog.DiscardHandler)
	if o.Poll == 0 {
		o.Poll = time.Hour // only what the system tells
	}
	reports := make(chan []string)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	w := watch.New(o)
	go func() {
		defer close(done)
		if err := w.Run(ctx, func(changed []string) {
			select {
			case reports <- changed:
			case <-ctx.Done():
			}
		}); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return reports
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, reports <-chan []string, want ...string) {
	t.Helper()
	select {
	case got := <-reports:
		if !slices.Equal(got, want) {
			t.Errorf("reported %q, want %q", got, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("nothing is reported, want %q", want)
	}
}

func TestWaysToChangeAFile(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, file string){
		"written over": func(t *testing.T, file string) { write(t, file, "new") },
		"replaced by a rename": func(t *testing.T, file string) {
			write(t, file+".tmp", "new")
			rename(t, file+".tmp", file)
		},
		"moved away and written anew, as editors do": func(t *testing.T, file string) {
			rename(t, file, file+"~")
			write(t, file, "new")
		},
		"removed": func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
			write(t, a, "old")
			write(t, b, "old")
			reports := watching(t, watch.Options{Files: []string{a, b}})
			change(t, a)
			expect(t, reports, a)
			write(t, b, "new")
			expect(t, reports, b)
			write(t, a, "newer")
			expect(t, reports, a)
		})
	}
}

// TestKubernetesVolume checks the way that config maps are replaced: the link ..data is renamed over to a new directory.
func TestKubernetesVolume(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	version := func(name, text string) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "schema"), text)
		if err := os.Symlink(name, filepath.Join(dir, "..tmp")); err != nil {
			t.Fatal(err)
		}
		rename(t, filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data"))
	}
	version("..1", "old")
	file := filepath.Join(dir, "schema")
	if err := os.Symlink("..data/schema", file); err != nil {
		t.Fatal(err)
	}
	reports := watching(t, watch.Options{Files: []string{file}})
	for _, v := range []string{"..2", "..3", "..4"} {
		version(v, v)
		expect(t, reports, file)
	}
}

// TestLinkedDirectory checks the way that releases are deployed: a link to the directory of one is renamed over.
func TestLinkedDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	release := func(name string) {
		made := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Join(made, "schemas"), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(made, "schemas", "file"), name)
		if err := os.Symlink(made, filepath.Join(dir, "next")); err != nil {
			t.Fatal(err)
		}
		rename(t, filepath.Join(dir, "next"), filepath.Join(dir, "current"))
	}
	release("1")
	file := filepath.Join(dir, "current", "schemas", "file")
	reports := watching(t, watch.Options{Files: []string{file}})
	for _, name := range []string{"2", "3"} {
		release(name)
		expect(t, reports, file)
	}
}

// TestLinkElsewhere checks a link to a file of another directory, which is written there.
func TestLinkElsewhere(t *testing.T) {
	t.Parallel()
	file, target := filepath.Join(t.TempDir(), "link"), filepath.Join(t.TempDir(), "target")
	write(t, target, "old")
	if err := os.Symlink(target, file); err != nil {
		t.Fatal(err)
	}
	reports := watching(t, watch.Options{Files: []string{file}})
	write(t, target, "new")
	expect(t, reports, file)
}

// TestPoll checks that a change is found without a note of it: the directory was not there when the watcher began.
func TestPoll(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "later")
	file := filepath.Join(dir, "file")
	reports := watching(t, watch.Options{Files: []string{file}, Poll: 5 * time.Millisecond})
	made := dir + "-made"
	if err := os.Mkdir(made, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(made, "file"), "new")
	rename(t, made, dir)
	expect(t, reports, file)
}

// TestAgain checks that a signal reports all files, changed or not.
func TestAgain(t *testing.T) {
	t.Parallel()
	file, again := filepath.Join(t.TempDir(), "file"), make(chan os.Signal)
	write(t, file, "old")
	reports := watching(t, watch.Options{Files: []string{file}, Again: again})
	again <- os.Interrupt
	expect(t, reports, file)
}

// TestOtherFiles checks that a report may change what is watched.
func TestOtherFiles(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
	file := filepath.Join(dir, "file")
	write(t, file, "old")
	write(t, other, "old")
	w := watch.New(watch.Options{Files: []string{file}, Quiet: time.Millisecond, Poll: time.Hour, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	reports, done := make(chan []string, 10), make(chan error, 1)
	go func() {
		done <- w.Run(ctx, func(changed []string) {
			if changed[0] == file {
				w.Watch([]string{file, other})
			}
			reports <- changed
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	write(t, file, "new")
	expect(t, reports, file)
	write(t, other, "new")
	expect(t, reports, other)
}

// TestSameContents checks that a file that is written with what it held, or whose neighbour changes, is no change.
func TestSameContents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, other := filepath.Join(dir, "file"), filepath.Join(dir, "other")
	write(t, file, "same")
	write(t, other, "old")
	reports := watching(t, watch.Options{Files: []string{file, other}})
	write(t, file, "same")
	write(t, filepath.Join(dir, "neighbour"), "x")
	write(t, other, "new")
	expect(t, reports, other)
}
