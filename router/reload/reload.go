package reload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/lethe/lethe/router/server"
	"github.com/lethe/lethe/router/settings"
	"github.com/lethe/lethe/router/watch"
)

// Options say what a router is kept on.
type Options struct {
	// Schema is where the supergraph comes from; the zero value for one that stays.
	Schema Source
	// Config is the file with the configuration; "" for one that stays.
	Config string
	// Again has everything read and taken anew, as SIGHUP does; nil for none.
	Again <-chan os.Signal
	// Quiet and Poll are those of [watch.Options].
	Quiet, Poll time.Duration
	Log         *slog.Logger
}

// Watcher keeps a router on what its files hold.
type Watcher struct {
	options   Options
	files     *watch.Watcher
	manifests []string // that the configuration names
}

// New begins to watch. Whoever reads the files after it misses no change.
func New(o Options) *Watcher {
	w := &Watcher{options: o}
	if o.Config != "" {
		if c, err := ReadConfig(o.Config); err == nil { // else the router is not built, or refuses it
			w.manifests = c.TrustedDocuments.Files
		}
	}
	w.files = watch.New(watch.Options{Files: w.all(), Quiet: o.Quiet, Poll: o.Poll, Again: o.Again, Log: o.Log})
	return w
}

// all gives the names of all files that matter.
func (w *Watcher) all() []string {
	out := slices.Clone(w.options.Schema.Files())
	if w.options.Config != "" {
		out = append(append(out, w.options.Config), w.manifests...)
	}
	return out
}

// InFile returns what is wrong with a configuration with the file's name before each line.
func InFile(file string, found settings.Problems) error {
	lines := make([]error, len(found))
	for i, p := range found {
		lines[i] = fmt.Errorf("%s: %w", file, p)
	}
	return errors.Join(lines...)
}

// ReadConfig reads the router's configuration from a file. The error has a line for each mistake in it, in which case what is
// right of it is returned all the same.
func ReadConfig(file string) (server.Config, error) {
	text, err := readFile(file, maxConfig)
	if err != nil {
		return server.Config{}, err
	}
	c, err := server.ReadConfig(text)
	var found settings.Problems
	if errors.As(err, &found) {
		return c, InFile(file, found)
	}
	return c, err
}

// Run has the router take what changes, until ctx is done. What is not right is refused by the router, which logs and
// shows it, and goes on with what it has.
func (w *Watcher) Run(ctx context.Context, s *server.Server) error {
	return w.files.Run(ctx, func(changed []string) {
		among := func(files []string) bool {
			return slices.ContainsFunc(files, func(f string) bool { return slices.Contains(changed, f) })
		}
		if w.options.Config != "" && among(append([]string{w.options.Config}, w.manifests...)) {
			w.configure(s)
		}
		if among(w.options.Schema.Files()) {
			w.reload(s)
		}
	})
}

func (w *Watcher) reload(s *server.Server) {
	sdl, err := w.options.Schema.Read()
	if err != nil {
		s.Refuse(err)
		return
	}
	_ = s.Reload(sdl) // the server tells
}

func (w *Watcher) configure(s *server.Server) {
	c, err := ReadConfig(w.options.Config)
	if err != nil {
		s.RefuseConfig(err)
		return
	}
	w.manifests = c.TrustedDocuments.Files
	w.files.Watch(w.all())
	_ = s.Configure(c) // the server tells
}
