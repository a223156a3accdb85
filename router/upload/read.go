package upload

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"strings"
)

// Limits bound a form.
type Limits struct {
	OperationsBytes int   // of the field operations, and of the field map
	Files           int   // in a form
	FileBytes       int64 // of a file
	MemoryBytes     int   // of a file; what is larger goes to a temporary file
	// Directory is where temporary files are; the system's own place where it is empty.
	Directory string
}

// Error is why a form is refused, in words for who sent it.
type Error struct {
	TooLarge bool // it goes beyond a limit
	Message  string
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

func wrong(format string, a ...any) *Error { return &Error{Message: fmt.Sprintf(format, a...)} }

func tooLarge(format string, a ...any) *Error {
	return &Error{TooLarge: true, Message: fmt.Sprintf(format, a...)}
}

const maxNameBytes = 255

// Read reads a form. It gives the operations with a mark in place of each file. An [*Error] says what the client did wrong;
// the files are the caller's to close where there is no error.
func Read(form *multipart.Reader, limits Limits) (operations []byte, files *Files, err error) {
	r := reader{form: form, limits: limits, files: newFiles(), places: map[string]int{}, fields: map[string]int{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.files.Close())
			files = nil
		}
	}()
	if operations, err = r.field("operations"); err != nil {
		return nil, nil, err
	}
	list, err := r.field("map")
	if err != nil {
		return nil, nil, err
	}
	if err := r.readMap(list); err != nil {
		return nil, nil, err
	}
	if operations, err = r.mark(operations); err != nil {
		return nil, nil, err
	}
	return operations, r.files, r.readFiles()
}

type reader struct {
	form   *multipart.Reader
	limits Limits
	files  *Files
	places map[string]int // files by where they belong in operations
	fields map[string]int // files by their field
}

func (r *reader) field(name string) ([]byte, error) {
	part, err := r.form.NextRawPart()
	if errors.Is(err, io.EOF) {
		return nil, wrong("The form has no field `%s`: a multipart request has the fields operations, map and then the files, in this order.", name)
	}
	if err != nil {
		return nil, broken(err)
	}
	defer func() { _ = part.Close() }()
	if part.FormName() != name {
		return nil, wrong("The form has the field %.40q where `%s` must be: a multipart request has the fields operations, map and then the files, in this order.", part.FormName(), name)
	}
	text, err := io.ReadAll(io.LimitReader(part, int64(r.limits.OperationsBytes)+1))
	if err != nil {
		return nil, broken(err)
	}
	if len(text) > r.limits.OperationsBytes {
		return nil, tooLarge("The field `%s` is larger than %d bytes: send less.", name, r.limits.OperationsBytes)
	}
	return text, nil
}

// broken is a form that ends or breaks off where it must not.
func broken(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return tooLarge("The request is larger than %d bytes: send less.", large.Limit)
	}
	return wrong("The form could not be read to its end: send it again as multipart/form-data.")
}

func (r *reader) readMap(text []byte) error {
	var places map[string][]string
	if err := json.Unmarshal(text, &places); err != nil {
		return wrong("The field `map` must be a JSON object: for each file's field the list of its places in operations, such as {\"0\": [\"variables.file\"]}.")
	}
	if len(places) > r.limits.Files {
		return tooLarge("The form has %d files: at most %d are taken.", len(places), r.limits.Files)
	}
	for _, field := range slices.Sorted(maps.Keys(places)) {
		paths := places[field]
		if len(paths) == 0 {
			return wrong("The field `map` gives no place for file %.40q: name one, such as \"variables.file\".", field)
		}
		index := len(r.files.files)
		r.fields[field] = index
		r.files.files = append(r.files.files, &file{field: field})
		for _, path := range paths {
			if _, ok := r.places[path]; ok {
				return wrong("The field `map` gives two files for %.80q.", path)
			}
			r.places[path] = index
		}
	}
	return nil
}

// mark puts the marks of the files in their places, which must be null.
func (r *reader) mark(operations []byte) ([]byte, error) {
	placed := 0
	out, err := rewrite(operations, func(path, leaf, out []byte) []byte {
		if index, ok := r.places[string(path)]; ok && leaf[0] == 'n' && inVariables(path) {
			placed++
			return r.files.appendMark(out, index)
		}
		return append(out, leaf...)
	})
	if err != nil {
		return nil, wrong("The field `operations` must be a GraphQL request in JSON, or a list of them.")
	}
	if placed < len(r.places) {
		for path := range r.places {
			if !inVariables([]byte(path)) {
				return nil, wrong("The field `map` gives %.80q as a file's place: files stand in variables, such as \"variables.file\" or \"0.variables.file\" in a batch.", path)
			}
		}
		return nil, wrong("The field `map` names %d places of which %d are null in `operations`: each must be there, and null.", len(r.places), placed)
	}
	return out, nil
}

// inVariables reports whether a path leads into the variables of a request, or of one in a batch.
func inVariables(path []byte) bool {
	text := string(path)
	if first, rest, ok := strings.Cut(text, "."); ok && first != "" && strings.Trim(first, "0123456789") == "" {
		text = rest
	}
	return strings.HasPrefix(text, "variables.")
}

func (r *reader) readFiles() error {
	for {
		part, err := r.form.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return broken(err)
		}
		index, ok := r.fields[part.FormName()]
		if !ok {
			return wrong("The form has the field %.40q, which `map` does not name.", part.FormName())
		}
		f := r.files.files[index]
		if f.sent {
			return wrong("The form has the file %.40q twice.", f.field)
		}
		f.sent, f.name, f.media = true, clean(part.FileName()), clean(part.Header.Get("Content-Type"))
		if err := r.store(f, part); err != nil {
			return err
		}
	}
	for _, f := range r.files.files {
		if !f.sent {
			return wrong("The form lacks the file %.40q, which `map` names.", f.field)
		}
	}
	return nil
}

// clean bounds what a client says of a file, and drops what has no place in a header.
func clean(text string) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, text)
	if len(text) > maxNameBytes {
		text = strings.ToValidUTF8(text[:maxNameBytes], "")
	}
	return text
}

// store keeps a file: in memory as far as it may, else in a temporary file whose name goes at once, so that nothing stays
// behind whatever happens.
func (r *reader) store(f *file, from io.Reader) error {
	from = io.LimitReader(from, r.limits.FileBytes+1)
	head, err := io.ReadAll(io.LimitReader(from, int64(r.limits.MemoryBytes)))
	if err != nil {
		return broken(err)
	}
	f.size = int64(len(head))
	if len(head) < r.limits.MemoryBytes {
		f.memory = head
	} else if err := r.spill(f, head, from); err != nil {
		return err
	}
	if f.size > r.limits.FileBytes {
		return tooLarge("The file %.40q is larger than %d bytes: send a smaller one.", f.field, r.limits.FileBytes)
	}
	return nil
}

func (r *reader) spill(f *file, head []byte, from io.Reader) error {
	disk, err := os.CreateTemp(r.limits.Directory, "lethe-upload-*")
	if err != nil {
		return fmt.Errorf("keep an uploaded file: %w", err)
	}
	f.disk = disk
	if err := os.Remove(disk.Name()); err != nil {
		return fmt.Errorf("keep an uploaded file: %w", err)
	}
	if _, err := disk.Write(head); err != nil {
		return fmt.Errorf("keep an uploaded file: %w", err)
	}
	source := &faults{Reader: from}
	n, err := io.Copy(disk, source)
	f.size += n
	if source.err != nil {
		return broken(source.err)
	}
	if err != nil {
		return fmt.Errorf("keep an uploaded file: %w", err)
	}
	return nil
}

// faults remembers that reading failed, to be told from writing.
type faults struct {
	io.Reader
	err error
}

func (f *faults) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}
