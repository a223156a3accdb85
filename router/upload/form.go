package upload

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/lethe/lethe/router/jsontext"
)

// Form is a request to a subgraph with files.
type Form struct {
	// Operations is the GraphQL request, with null in place of each file.
	Operations []byte

	boundary string
	parts    []formPart
	size     int64
}

// formPart is a piece of the form's text, and the file that follows it, if any.
type formPart struct {
	text []byte
	file *file
}

// Form gives the form for a request to a subgraph that has marks in it.
func (f *Files) Form(request []byte) (*Form, error) {
	used := make([][]string, len(f.files)) // the places of each file
	operations, err := rewrite(request, func(path, leaf, out []byte) []byte {
		if i, ok := f.index(leaf); ok {
			used[i] = append(used[i], string(path))
			return append(out, "null"...)
		}
		return append(out, leaf...)
	})
	if err != nil {
		return nil, fmt.Errorf("read a request with files: %w", err)
	}
	form := &Form{Operations: operations, boundary: "lethe" + rand.Text()}
	list := []byte{'{'}
	var sent []*file
	for i, places := range used {
		if len(places) == 0 {
			continue
		}
		if len(sent) > 0 {
			list = append(list, ',')
		}
		list = append(jsontext.AppendString(list, strconv.Itoa(len(sent))), ':', '[')
		for j, path := range places {
			if j > 0 {
				list = append(list, ',')
			}
			list = jsontext.AppendString(list, path)
		}
		list = append(list, ']')
		sent = append(sent, f.files[i])
	}
	list = append(list, '}')
	var text bytes.Buffer
	field := func(name string, body []byte) {
		fmt.Fprintf(&text, "--%s\r\nContent-Disposition: form-data; name=%q\r\nContent-Type: application/json\r\n\r\n", form.boundary, name)
		text.Write(body)
		text.WriteString("\r\n")
	}
	field("operations", operations)
	field("map", list)
	for i, one := range sent {
		media := one.media
		if media == "" {
			media = "application/octet-stream"
		}
		fmt.Fprintf(&text, "--%s\r\nContent-Disposition: form-data; name=\"%d\"; filename=\"%s\"\r\nContent-Type: %s\r\n\r\n", form.boundary, i, escape(one.name), media)
		form.add(slices.Clone(text.Bytes()), one)
		text.Reset()
		text.WriteString("\r\n")
	}
	fmt.Fprintf(&text, "--%s--\r\n", form.boundary)
	form.add(text.Bytes(), nil)
	return form, nil
}

func (f *Form) add(text []byte, file *file) {
	f.parts = append(f.parts, formPart{text, file})
	f.size += int64(len(text))
	if file != nil {
		f.size += file.size
	}
}

// escape writes a file's name as browsers do (HTML standard, multipart/form-data).
func escape(name string) string {
	return strings.NewReplacer(`"`, "%22", "\r", "%0D", "\n", "%0A").Replace(name)
}

// ContentType gives the form's media type with its boundary.
func (f *Form) ContentType() string { return "multipart/form-data; boundary=" + f.boundary }

// Size gives the bytes of the form.
func (f *Form) Size() int64 { return f.size }

// Reader gives the form's text from its beginning. It may be called several times.
func (f *Form) Reader() io.Reader {
	var all []io.Reader
	for _, p := range f.parts {
		all = append(all, bytes.NewReader(p.text))
		if p.file != nil {
			all = append(all, p.file.reader())
		}
	}
	return io.MultiReader(all...)
}
