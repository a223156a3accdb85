// Package upload carries files from clients to subgraphs, by the GraphQL multipart request specification
// (https://github.com/jaydenseric/graphql-multipart-request-spec): a form whose field operations is the GraphQL request
// with null in place of each file, whose field map says which file belongs where, and whose other fields are the files.
//
// While a request is under way a file is a string among its variables, the mark: nobody but the router can know it, since
// it is random. Where a request to a subgraph has marks in it, that request is a form with those files.
package upload

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"strconv"

	"github.com/lethe/lethe/router/jsontext"
)

// Files are those of one request. A nil *Files has none.
type Files struct {
	mark  string // random, before the number of a file
	files []*file
}

// file is one file: in memory where it is small, else in a file that has no name any more.
type file struct {
	field  string // in the client's form
	name   string
	media  string
	size   int64
	memory []byte
	disk   *os.File
	sent   bool
}

func (f *file) reader() io.Reader {
	if f.disk != nil {
		return io.NewSectionReader(f.disk, 0, f.size)
	}
	return bytes.NewReader(f.memory)
}

func newFiles() *Files { return &Files{mark: "lethe:file:" + rand.Text() + ":"} }

// Len gives how many files there are.
func (f *Files) Len() int {
	if f == nil {
		return 0
	}
	return len(f.files)
}

// Close frees what the files take. It may be called on nil.
func (f *Files) Close() error {
	if f == nil {
		return nil
	}
	var errs []error
	for _, one := range f.files {
		if one.disk != nil {
			errs = append(errs, one.disk.Close())
			one.disk = nil
		}
		one.memory = nil
	}
	return errors.Join(errs...)
}

// Is reports whether a JSON value is the mark of one of the files.
func (f *Files) Is(value []byte) bool {
	_, ok := f.index(value)
	return ok
}

// Within reports whether there is a mark in a JSON text.
func (f *Files) Within(text []byte) bool {
	return f != nil && bytes.Contains(text, []byte(f.mark))
}

func (f *Files) index(value []byte) (int, bool) {
	if f == nil || len(value) < len(f.mark)+3 || value[0] != '"' || string(value[1:1+len(f.mark)]) != f.mark {
		return 0, false
	}
	n, err := strconv.Atoi(string(value[1+len(f.mark) : len(value)-1]))
	return n, err == nil && n >= 0 && n < len(f.files)
}

func (f *Files) appendMark(dst []byte, index int) []byte {
	return append(strconv.AppendInt(append(append(dst, '"'), f.mark...), int64(index), 10), '"')
}

// walker writes a JSON text anew, with leaves that visit changes. The path leads to the leaf, with dots between its
// elements.
type walker struct {
	s     jsontext.Scanner
	out   []byte
	path  []byte
	visit func(path, leaf, out []byte) []byte
}

func (w *walker) value() error {
	switch c := w.s.Next(); c {
	case '{', '[':
		return w.nested(c)
	}
	leaf, err := w.s.Value()
	if err == nil {
		w.out = w.visit(w.path, leaf, w.out)
	}
	return err
}

func (w *walker) nested(open byte) error {
	if err := w.s.Enter(open); err != nil {
		return err
	}
	end := open + 2 // } stands two after {, and ] two after [
	w.out = append(w.out, open)
	for i := 0; ; i++ {
		more, err := w.s.More(end, i == 0)
		if err != nil {
			return err
		}
		if !more {
			w.out = append(w.out, end)
			return nil
		}
		if i > 0 {
			w.out = append(w.out, ',')
		}
		length := len(w.path)
		if length > 0 {
			w.path = append(w.path, '.')
		}
		if open == '{' {
			from, to, err := w.s.Key()
			if err != nil {
				return err
			}
			key := w.s.Data[from:to]
			w.path = jsontext.AppendText(w.path, key)
			w.out = append(append(append(w.out, '"'), key...), '"', ':')
		} else {
			w.path = strconv.AppendInt(w.path, int64(i), 10)
		}
		if err := w.value(); err != nil {
			return err
		}
		w.path = w.path[:length]
	}
}

// rewrite gives a JSON text anew, with leaves that visit changes.
func rewrite(text []byte, visit func(path, leaf, out []byte) []byte) ([]byte, error) {
	w := walker{s: jsontext.Scanner{Data: text}, out: make([]byte, 0, len(text)+len(text)/8), visit: visit}
	if err := w.value(); err != nil {
		return nil, err
	}
	return w.out, w.s.End()
}
