// Package reload keeps a router on the newest schema and configuration that files hold.
package reload

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/lethe/lethe/router/compose"
)

// Bounds of the files that are read, in bytes.
const (
	maxSchema = 32 << 20
	maxConfig = 1 << 20
)

// Source is where a supergraph comes from: a file, or the files of the subgraphs that it is composed from.
type Source struct {
	File      string     // with the supergraph; "" where it is composed
	Subgraphs []Subgraph // to compose
	Compose   []compose.Option
}

// Subgraph is the file with a subgraph's schema and where the subgraph is served.
type Subgraph struct {
	Name string
	File string
	URL  string // "" where the router learns it otherwise
}

// ParseSubgraph reads NAME=FILE or NAME=FILE@URL.
func ParseSubgraph(text string) (Subgraph, error) {
	name, file, ok := strings.Cut(text, "=")
	if !ok || name == "" || file == "" {
		return Subgraph{}, fmt.Errorf("%q is not NAME=FILE or NAME=FILE@URL", text)
	}
	if i := strings.Index(file, "@http"); i > 0 {
		return Subgraph{Name: name, File: file[:i], URL: file[i+1:]}, nil
	}
	return Subgraph{Name: name, File: file}, nil
}

// Files gives the names of the files that the supergraph comes from.
func (s Source) Files() []string {
	if s.File != "" {
		return []string{s.File}
	}
	var out []string
	for _, g := range s.Subgraphs {
		out = append(out, g.File)
	}
	return out
}

// Read gives the supergraph's SDL. The error is a [*CompositionError] where the subgraphs do not compose.
func (s Source) Read() (string, error) {
	if s.File != "" {
		sdl, err := readFile(s.File, maxSchema)
		return string(sdl), err
	}
	subgraphs, err := s.Schemas()
	if err != nil {
		return "", err
	}
	result, errs := compose.Compose(subgraphs, s.Compose...)
	if len(errs) > 0 {
		return "", &CompositionError{errs}
	}
	return result.SDL, nil
}

// Schemas reads the subgraphs' schemas.
func (s Source) Schemas() ([]compose.Subgraph, error) {
	var out []compose.Subgraph
	for _, g := range s.Subgraphs {
		sdl, err := readFile(g.File, maxSchema)
		if err != nil {
			return nil, err
		}
		out = append(out, compose.Subgraph{Name: g.Name, URL: g.URL, SDL: string(sdl)})
	}
	return out, nil
}

// CompositionError is subgraphs that do not compose.
type CompositionError struct{ Errors []compose.Error }

// Error implements error.
func (e *CompositionError) Error() string {
	return "the subgraphs do not compose: " + compose.FormatText(e.Errors)
}

// readFile reads a file whole. The error names the file and says what is wrong with it.
func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return b, nil
}
