// Package watch tells when files have other contents than before.
package watch

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Defaults of [Options].
const (
	DefaultQuiet = 100 * time.Millisecond
	DefaultPoll  = 5 * time.Second
)

// patience bounds, in quiet periods, how long a directory without a quiet moment puts a look off.
const patience = 10

// Options say what is watched.
type Options struct {
	Files []string
	// Quiet is for how long nothing may happen before the files are read, so that one who writes gets to the end; 100 ms
	// by default.
	Quiet time.Duration
	// Poll is how often the files are read without any sign from the system, as on network file systems; 5 s by default.
	Poll time.Duration
	// Again asks for a report of all files, changed or not, as SIGHUP does; nil for none.
	Again <-chan os.Signal
	Log   *slog.Logger
}

// Watcher knows the contents that files had.
type Watcher struct {
	options Options
	known   map[string][sha256.Size]byte
	notes   *fsnotify.Watcher // nil where the system gives no notes
}

// New reads the files as they are now, to which later contents are compared, and begins to listen for changes. A file that
// cannot be read counts as one without contents.
func New(o Options) *Watcher {
	if o.Quiet <= 0 {
		o.Quiet = DefaultQuiet
	}
	if o.Poll <= 0 {
		o.Poll = DefaultPoll
	}
	w := &Watcher{options: o, known: map[string][sha256.Size]byte{}}
	var err error
	if w.notes, err = fsnotify.NewWatcher(); err != nil {
		o.Log.Warn("the system tells of no changes to files: they are read every now and then", "every", o.Poll.String(), "error", err)
	}
	w.listen()
	w.changed()
	return w
}

// Run calls report with the names of the files that have other contents than at the last report, until ctx is done. It
// does not return an error: what cannot be watched is polled.
func (w *Watcher) Run(ctx context.Context, report func(changed []string)) error {
	var events <-chan fsnotify.Event
	var errs <-chan error
	if w.notes != nil {
		events, errs = w.notes.Events, w.notes.Errors
		defer func() { _ = w.notes.Close() }()
	}
	poll := time.NewTicker(w.options.Poll)
	defer poll.Stop()
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	defer quiet.Stop()
	var since time.Time // the first event that no look followed
	look := func() {
		quiet.Stop()
		since = time.Time{}
		w.listen()
		if changed := w.changed(); len(changed) > 0 {
			report(changed)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			now := time.Now()
			if since.IsZero() {
				since = now
			}
			quiet.Reset(max(0, min(w.options.Quiet, patience*w.options.Quiet-now.Sub(since))))
		case err, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			w.options.Log.Debug("notes of changes to files were lost", "error", err)
			quiet.Reset(w.options.Quiet)
		case <-quiet.C:
			look()
		case <-poll.C:
			if since.IsZero() { // else somebody is writing
				look()
			}
		case <-w.options.Again:
			w.listen()
			w.changed()
			report(w.options.Files)
		}
	}
}

// Watch changes which files are watched. Only a report may call it: those that are new are known as they are now.
func (w *Watcher) Watch(files []string) {
	w.options.Files = files
	maps.DeleteFunc(w.known, func(name string, _ [sha256.Size]byte) bool { return !slices.Contains(files, name) })
	w.listen()
	for _, file := range files {
		if _, ok := w.known[file]; !ok {
			w.known[file] = w.digest(file)
		}
	}
}

// listen asks for notes of the directories in which the files stand, and of those that symbolic links lead to: a file that
// is replaced is another file, and Kubernetes replaces the link to the directory. It asks again each time, since
// directories are replaced too.
func (w *Watcher) listen() {
	if w.notes == nil {
		return
	}
	for _, file := range w.options.Files {
		for _, dir := range directories(file, nil, maxLinks) {
			if err := w.notes.Add(dir); err != nil {
				w.options.Log.Debug("a directory is not watched: it is polled", "dir", dir, "error", err)
			}
		}
	}
}

// maxLinks bounds how many symbolic links are followed to a file, as systems do.
const maxLinks = 40

// directories adds to dirs those in which a change may make another file of path: its own, and those of every symbolic
// link on the way.
func directories(path string, dirs []string, links int) []string {
	if path = filepath.Clean(path); !slices.Contains(dirs, filepath.Dir(path)) {
		dirs = append(dirs, filepath.Dir(path))
	}
	for p, rest := path, ""; p != filepath.Dir(p) && links > 0; p, rest = filepath.Dir(p), filepath.Join(filepath.Base(p), rest) {
		target, err := os.Readlink(p)
		if err != nil {
			continue
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(p), target)
		}
		if dir := filepath.Dir(p); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
		return directories(filepath.Join(target, rest), dirs, links-1)
	}
	return dirs
}

// changed gives the files whose contents are others than at the last call.
func (w *Watcher) changed() []string {
	var out []string
	for _, file := range w.options.Files {
		sum := w.digest(file)
		if old, ok := w.known[file]; !ok || old != sum {
			w.known[file] = sum
			out = append(out, file)
		}
	}
	return out
}

// digest gives the hash of a file's contents, zero where it cannot be read.
func (w *Watcher) digest(file string) (sum [sha256.Size]byte) {
	sum, err := digest(file)
	if err != nil {
		w.options.Log.Debug("a file is not there", "error", err)
	}
	return sum
}

func digest(file string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(file)
	if err != nil {
		return sum, fmt.Errorf("watch: %w", err)
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, fmt.Errorf("watch %s: %w", file, err)
	}
	h.Sum(sum[:0])
	return sum, nil
}
