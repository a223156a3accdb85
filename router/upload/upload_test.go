package upload_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"os"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/upload"
)

const boundary = "B"

// field writes a field of a form; name may bring more of its header, as in `0"; filename="a.txt`.
func field(name, body string) string {
	return "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + body + "\r\n"
}

func form(fields ...string) string { return strings.Join(fields, "") + "--" + boundary + "--\r\n" }

func limits(t testing.TB) upload.Limits {
	return upload.Limits{OperationsBytes: 1000, Files: 3, FileBytes: 5000, MemoryBytes: 100, Directory: t.TempDir()}
}

func read(t testing.TB, text string, l upload.Limits) ([]byte, *upload.Files, error) {
	t.Helper()
	return upload.Read(multipart.NewReader(strings.NewReader(text), boundary), l)
}

// sent gives a form that goes to a subgraph, field by field.
func sent(t *testing.T, f *upload.Form) string {
	t.Helper()
	body, err := io.ReadAll(f.Reader())
	if err != nil || int64(len(body)) != f.Size() {
		t.Fatalf("%d bytes, the size says %d: %v", len(body), f.Size(), err)
	}
	_, params, err := mime.ParseMediaType(f.ContentType())
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for r := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		content, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		out += fmt.Sprintf("%s %s %s: %.60s (%d)\n", p.FormName(), p.FileName(), p.Header.Get("Content-Type"), content, len(content))
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	l := limits(t)
	long := strings.Repeat("long ", 500)
	operations, files, err := read(t, form(
		field("operations", `{"query":"mutation($a: Upload!, $b: [Upload!]!) { x }","variables":{"a":null,"b":[null,null],"c":null,"d":1}}`),
		field("map", `{"one":["variables.a","variables.b.1"],"two":["variables.b.0"]}`),
		field(`two"; filename="größe ;.txt`, long),
		"--"+boundary+"\r\nContent-Disposition: form-data; name=\"one\"; filename=\"../a\\\"b.txt\"\r\nContent-Type: text/plain\r\n\r\nshort\r\n",
	), l)
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(l.Directory); err != nil || len(entries) > 0 {
		t.Errorf("files with names stay: %v %v", entries, err)
	}
	var parsed struct {
		Variables struct {
			A json.RawMessage
			B []json.RawMessage
			C json.RawMessage
		}
	}
	if err := json.Unmarshal(operations, &parsed); err != nil {
		t.Fatal(err)
	}
	v := parsed.Variables
	if !files.Is(v.A) || !files.Is(v.B[0]) || !bytes.Equal(v.A, v.B[1]) || string(v.C) != "null" || files.Is([]byte(`"lethe:file:x:0"`)) || !files.Within(operations) {
		t.Errorf("%s", operations)
	}
	out, err := files.Form([]byte(`{"query":"q","variables":{"in":{"x":[` + string(v.B[0]) + `]},"a":` + string(v.A) + `,"b":` + string(v.A) + `,"s":"\"é"}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := `operations  application/json: {"query":"q","variables":{"in":{"x":[null]},"a":null,"b":nul (74)
map  application/json: {"0":["variables.a","variables.b"],"1":["variables.in.x.0"]} (60)
0 a%22b.txt text/plain: short (5)
1 größe ;.txt application/octet-stream: long long long long long long long long long long long long  (2500)
`
	for range 2 { // it can be sent again
		if got := sent(t, out); got != want {
			t.Errorf("%s", got)
		}
	}
	one, err := files.Form([]byte(`{"variables":{"a":` + string(v.B[0]) + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := sent(t, one); strings.Contains(got, "short") || !strings.Contains(got, `{"0":["variables.a"]}`) {
		t.Errorf("a subgraph gets a file that it was not sent: %s", got)
	}
	if err := files.Close(); err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	ops, places := field("operations", `{"query":"q","variables":{"a":null,"b":"x"}}`), field("map", `{"0":["variables.a"]}`)
	file := field(`0"; filename="a.txt`, "content")
	for name, c := range map[string]struct{ form, want string }{
		"nothing":                   {"", "no field `operations`"},
		"no fields":                 {form(), "no field `operations`"},
		"map first":                 {form(places, ops, file), "field \"map\" where `operations` must be"},
		"no map":                    {form(ops, file), "field \"0\" where `map` must be"},
		"no map at the end":         {form(ops), "no field `map`"},
		"map is a list":             {form(ops, field("map", `[]`), file), "`map` must be a JSON object"},
		"map of texts":              {form(ops, field("map", `{"0":"variables.a"}`), file), "`map` must be a JSON object"},
		"no place":                  {form(ops, field("map", `{"0":[]}`), file), "no place for file \"0\""},
		"a place twice":             {form(ops, field("map", `{"0":["variables.a"],"1":["variables.a"]}`), file), "two files for \"variables.a\""},
		"a place outside":           {form(ops, field("map", `{"0":["query"]}`), file), "files stand in variables"},
		"a place that is not there": {form(ops, field("map", `{"0":["variables.z"]}`), file), "1 places of which 0 are null"},
		"a place that is not null":  {form(ops, field("map", `{"0":["variables.b"]}`), file), "1 places of which 0 are null"},
		"too many files":            {form(ops, field("map", `{"0":["a"],"1":["b"],"2":["c"],"3":["d"]}`), file), "4 files: at most 3"},
		"a file that is not named":  {form(ops, places, field(`1"; filename="a`, "x")), "field \"1\", which `map` does not name"},
		"a file twice":              {form(ops, places, file, file), "file \"0\" twice"},
		"a file is missing":         {form(ops, places), "lacks the file \"0\""},
		"a file too large":          {form(ops, places, field(`0"; filename="a`, strings.Repeat("x", 5001))), "larger than 5000 bytes"},
		"operations too large":      {form(field("operations", strings.Repeat(" ", 1001)), places, file), "`operations` is larger than 1000 bytes"},
		"operations that are none":  {form(field("operations", `{"query"`), places, file), "must be a GraphQL request in JSON"},
		"cut off":                   {ops + places + strings.TrimSuffix(file, "\r\n"), "could not be read to its end"},
		"cut off in a long file":    {ops + places + field(`0"; filename="a`, strings.Repeat("x", 500)), "could not be read to its end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, files, err := read(t, c.form, limits(t))
			var refused *upload.Error
			if files != nil || !errors.As(err, &refused) || !strings.Contains(refused.Message, c.want) {
				t.Errorf("%v", err)
			} else if refused.TooLarge != (strings.Contains(c.want, "larger") || strings.Contains(c.want, "at most")) {
				t.Errorf("too large: %v for %v", refused.TooLarge, err)
			}
		})
	}
}

func TestBatchPlaces(t *testing.T) {
	t.Parallel()
	operations, files, err := read(t, form(
		field("operations", `[{"query":"q","variables":{"a":null}},{"query":"q","variables":{"a":null}}]`),
		field("map", `{"0":["0.variables.a"],"1":["1.variables.a"]}`), field(`0"; filename="a`, "x"), field(`1"; filename="b`, "y")), limits(t))
	if err != nil || files.Len() != 2 || bytes.Contains(operations, []byte("null")) {
		t.Errorf("%s %v", operations, err)
	}
}

// TestNoFiles holds that a nil *Files can be asked.
func TestNoFiles(t *testing.T) {
	t.Parallel()
	var none *upload.Files
	if none.Len() != 0 || none.Is([]byte(`"x"`)) || none.Within([]byte(`"x"`)) || none.Close() != nil {
		t.Error("a nil *Files has files")
	}
}

// FuzzRead reads forms; what is taken must be sent on whole.
func FuzzRead(f *testing.F) {
	f.Add(form(field("operations", `{"variables":{"a":null}}`), field("map", `{"0":["variables.a"]}`), field(`0"; filename="a.txt`, "content")))
	f.Add(form(field("operations", `[{"variables":{"a":[null]}}]`), field("map", `{"0":["0.variables.a.0"]}`), field(`0"; filename="a"; x="`, strings.Repeat("y", 300))))
	f.Add(form(field("operations", `{}`), field("map", `{}`)))
	f.Fuzz(func(t *testing.T, text string) {
		operations, files, err := read(t, text, limits(t))
		if err != nil {
			var refused *upload.Error
			if !errors.As(err, &refused) {
				t.Fatal(err)
			}
			return
		}
		defer func() { _ = files.Close() }()
		if !json.Valid(operations) || files.Within(operations) != (files.Len() > 0) {
			t.Fatalf("%q from %q", operations, text)
		}
		out, err := files.Form(operations)
		if err != nil {
			t.Fatal(err)
		}
		sent(t, out)
	})
}
