package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
)

// gallery gives a graph of which one subgraph takes files and the other none, but a note with a picture in it.
func gallery() []*subgraph {
	describe := func(v any) object {
		f, _ := v.(map[string]any)
		return object(f)
	}
	graph := func(name, sdl string, resolvers map[string]resolver) *subgraph {
		g := &subgraph{name: name, sdl: "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.3\", import: [\"@shareable\"])\n" + sdl, resolvers: resolvers}
		g.wrap = g.takesFiles
		return g
	}
	return []*subgraph{
		graph("gallery", `scalar Upload
			type Query { pictures: Int }
			type Mutation { attach(product: ID!, file: Upload!): Attachment attachAll(files: [Upload!]!): [Attachment!]! }
			type Attachment { name: String type: String size: Int start: String }`,
			map[string]resolver{
				"Mutation.attach": func(_ context.Context, _ object, args map[string]any) (any, error) {
					return describe(args["file"]), nil
				},
				"Mutation.attachAll": func(_ context.Context, _ object, args map[string]any) (any, error) {
					var out []any
					list, _ := args["files"].([]any)
					for _, f := range list {
						out = append(out, describe(f))
					}
					return out, nil
				},
			}),
		graph("notes", `scalar Upload scalar JSON
			type Mutation { note(note: NoteInput, json: JSON, text: String): String }
			input NoteInput { text: String picture: Upload }`,
			map[string]resolver{
				"Mutation.note": func(_ context.Context, _ object, args map[string]any) (any, error) {
					note, _ := args["note"].(map[string]any)
					return fmt.Sprint(note["text"], " with ", describe(note["picture"])["size"]), nil
				},
			}),
	}
}

// takesFiles reads forms as the multipart request specification has them, for a subgraph whose values of Upload are
// objects that describe a file.
func (g *subgraph) takesFiles(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || media != "multipart/form-data" {
			next.ServeHTTP(w, r)
			return
		}
		var operations map[string]any
		places := map[string][]string{}
		form := multipart.NewReader(r.Body, params["boundary"])
		for {
			p, err := form.NextPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			content, err := io.ReadAll(p)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			switch name := p.FormName(); name {
			case "operations":
				err = json.Unmarshal(content, &operations)
			case "map":
				err = json.Unmarshal(content, &places)
			default:
				for _, path := range places[name] {
					put(operations, strings.Split(path, "."), map[string]any{
						"name": p.FileName(), "type": p.Header.Get("Content-Type"), "size": len(content), "start": string(content[:min(10, len(content))]),
					})
				}
				delete(places, name)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		if len(places) > 0 || r.Header.Get("Apollo-Require-Preflight") == "" {
			http.Error(w, "files are missing, or a preflight header", http.StatusBadRequest)
			return
		}
		body, err := json.Marshal(operations)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func put(in any, path []string, v any) {
	switch in := in.(type) {
	case map[string]any:
		if len(path) == 1 {
			in[path[0]] = v
			return
		}
		put(in[path[0]], path[1:], v)
	case []any:
		i, err := strconv.Atoi(path[0])
		if err != nil || i >= len(in) {
			return
		}
		if len(path) == 1 {
			in[i] = v
			return
		}
		put(in[i], path[1:], v)
	}
}

// TestUpload drives apollo-upload-client, and fetch with FormData.
func TestUpload(t *testing.T) {
	t.Parallel()
	type line struct {
		Data   json.RawMessage
		Error  string
		Status int
	}
	subgraphs := gallery()
	got := runNode[line](t, "upload.mjs", newRouter(t, subgraphs).URL)
	want := []line{
		{Data: json.RawMessage(`{"attach":{"__typename":"Attachment","name":"grüße %221%22.txt","type":"text/plain","size":7,"start":"grüße"}}`)},
		{Data: json.RawMessage(`{"attachAll":[{"__typename":"Attachment","name":"grüße %221%22.txt","size":7},{"__typename":"Attachment","name":"large.bin","size":300000},{"__typename":"Attachment","name":"grüße %221%22.txt","size":7}]}`)},
		{Data: json.RawMessage(`{"attach":{"__typename":"Attachment","size":7},"note":"hello with 300000"}`)},
		{Data: json.RawMessage(`{"attach":{"name":"grüße %221%22.txt","size":7}}`), Status: 200},
		{Data: json.RawMessage(`{"attach":{"name":"grüße %221%22.txt","size":7}}`), Status: 200},
		{Data: json.RawMessage(`{"attach":{"name":"large.bin","size":300000}}`), Status: 200},
		{Error: "CSRF_PREVENTED", Status: 403},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i, w := range want {
		if string(got[i].Data) != string(w.Data) || got[i].Error != w.Error || got[i].Status != w.Status {
			t.Errorf("%d: %s %s %d", i, got[i].Data, got[i].Error, got[i].Status)
		}
	}
	for _, q := range subgraphs[1].questions() {
		if strings.Contains(fmt.Sprint(q.Variables), "lethe:file") {
			t.Errorf("a subgraph sees a mark: %v", q.Variables)
		}
	}
}

// TestUploadRefusals sends forms that are not right, or not taken.
func TestUploadRefusals(t *testing.T) {
	t.Parallel()
	// A directory that is not there when the router starts is refused with the configuration. This one goes later.
	lost, err := os.MkdirTemp(t.TempDir(), "lost")
	if err != nil {
		t.Fatal(err)
	}
	const attach = `"query":"mutation($f: Upload!) { attach(product: 1, file: $f) { size } }","variables":{"f":null}`
	for name, c := range map[string]struct {
		change           func(*server.Options)
		operations, list string
		content          string
		status           int
		want             string
	}{
		"taken":                {nil, `{` + attach + `}`, `{"0":["variables.f"]}`, "x", 200, `{"attach":{"size":1}}`},
		"no file":              {nil, `{` + attach + `}`, `{}`, "x", 400, "which `map` does not name"},
		"in a text":            {nil, `{"query":"mutation($f: String) { note(text: $f) }","variables":{"f":null}}`, `{"0":["variables.f"]}`, "x", 200, "a file stands where String is needed"},
		"within JSON":          {nil, `{"query":"mutation($f: JSON) { note(json: $f) }","variables":{"f":{"a":[null]}}}`, `{"0":["variables.f.a.0"]}`, "x", 200, "a file stands where JSON is needed"},
		"as an input":          {nil, `{"query":"mutation($f: NoteInput) { note(note: $f) }","variables":{"f":null}}`, `{"0":["variables.f"]}`, "x", 200, "must be an object of type NoteInput"},
		"too large":            {func(o *server.Options) { o.Config.Uploads.FileBytes = 1000 }, `{` + attach + `}`, `{"0":["variables.f"]}`, strings.Repeat("x", 2000), 413, "larger than 1000 bytes"},
		"much too large":       {func(o *server.Options) { o.Config.Uploads.FileBytes, o.Config.Limits.BodyBytes = 1000, 1000 }, `{` + attach + `}`, `{"0":["variables.f"]}`, strings.Repeat("x", 1<<20), 413, "larger than 1000 bytes"},
		"switched off":         {func(o *server.Options) { o.Config.Uploads.Enabled = new(bool) }, `{` + attach + `}`, `{"0":["variables.f"]}`, "x", 415, "No files are taken here"},
		"another scalar":       {func(o *server.Options) { o.Config.Uploads.Scalars = []string{"File"} }, `{` + attach + `}`, `{"0":["variables.f"]}`, "x", 415, "No files are taken here"},
		"nowhere to keep it":   {func(o *server.Options) { o.Config.Uploads.Directory = lost }, `{` + attach + `}`, `{"0":["variables.f"]}`, strings.Repeat("x", 100_000), 500, "could not be kept"},
		"a place outside":      {nil, `{` + attach + `}`, `{"0":["query"]}`, "x", 400, "files stand in variables"},
		"operations are wrong": {nil, `{"query":1}`, `{}`, "", 400, "must be a string"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := newRouter(t, gallery(), func(o *server.Options) {
				o.Config.Uploads.Directory = dir
				if c.change != nil {
					c.change(o)
				}
			})
			if name == "nowhere to keep it" {
				if err := os.Remove(lost); err != nil {
					t.Fatal(err)
				}
			}
			var body bytes.Buffer
			form := multipart.NewWriter(&body)
			_ = form.WriteField("operations", c.operations) // writing to memory does not fail
			_ = form.WriteField("map", c.list)
			if c.content != "" {
				file, _ := form.CreateFormFile("0", "a.txt")
				_, _ = io.WriteString(file, c.content)
			}
			_ = form.Close()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL, &body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", form.FormDataContentType())
			req.Header.Set("X-Requested-With", "test")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || resp.StatusCode != c.status || !strings.Contains(string(text), c.want) {
				t.Errorf("%d %s %v", resp.StatusCode, text, err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("files stay behind: %v %v", left, err)
			}
		})
	}
}

// TestUploadWithoutForm gives a text where a file is needed.
func TestUploadWithoutForm(t *testing.T) {
	t.Parallel()
	resp, err := http.Post(newRouter(t, gallery()).URL, "application/json", strings.NewReader(
		`{"query":"mutation($f: Upload!) { attach(product: 1, file: $f) { size } }","variables":{"f":"lethe:file:0"}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if text, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(text), "a file of a multipart/form-data request is needed") {
		t.Errorf("%s %v", text, err)
	}
}
