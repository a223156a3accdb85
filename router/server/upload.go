package server

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/http1"
	"github.com/lethe/lethe/router/settings"
	"github.com/lethe/lethe/router/upload"
)

// Uploads say which files are taken of clients.
type Uploads struct {
	Enabled     *bool             `yaml:"enabled" doc:"Whether multipart requests with files are taken, where the schema has a scalar for files. On by default."`
	Scalars     []string          `yaml:"scalars" doc:"The scalars whose values are files: [\"Upload\"] by default."`
	Files       int               `yaml:"files" doc:"Files in a request: 10 by default."`
	FileBytes   int               `yaml:"fileBytes" doc:"Bytes of a file: 10 MiB by default."`
	MemoryBytes int               `yaml:"memoryBytes" doc:"Bytes of a file up to which it stays in memory; a larger one goes to a temporary file. 64 KiB by default."`
	Directory   string            `yaml:"directory" doc:"Where temporary files are; by default where the system has them."`
	Concurrent  int               `yaml:"concurrent" doc:"Requests with files under way, from their first byte to the end of the answer: 32 by default."`
	Timeout     settings.Duration `yaml:"timeout" doc:"How long a client may take to send its files, such as \"2m\", which is the default."`

	timeout time.Duration
}

func (u *Uploads) complete(check *settings.Check) {
	check.Default("uploads.files", &u.Files, 10)
	check.Default("uploads.fileBytes", &u.FileBytes, 10<<20)
	check.Default("uploads.memoryBytes", &u.MemoryBytes, 64<<10)
	check.Default("uploads.concurrent", &u.Concurrent, 32)
	if u.Scalars == nil {
		u.Scalars = []string{"Upload"}
	}
	for i, name := range u.Scalars {
		if !isName(name) {
			check.Refuse("uploads.scalars["+strconv.Itoa(i)+"]", "must be the name of a scalar, such as \"Upload\"; it is %q", name)
		}
	}
	if u.Directory != "" {
		if info, err := os.Stat(u.Directory); err != nil {
			check.Refuse("uploads.directory", "%q cannot be used: %s", u.Directory, reasonOf(err))
		} else if !info.IsDir() {
			check.Refuse("uploads.directory", "%q is no directory", u.Directory)
		}
	}
	u.timeout = check.Duration("uploads.timeout", u.Timeout, 2*time.Minute)
}

// isName reports whether text is a name of GraphQL (specification of September 2025, section 2.1.9).
func isName(text string) bool {
	for i, r := range text {
		if r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return text != ""
}

// reasonOf returns why a file cannot be had, without its name.
func reasonOf(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// of gives the scalars of a schema whose values are files; none where files are not taken.
func (u *Uploads) of(schema *ast.Schema) []string {
	if u.Enabled != nil && !*u.Enabled {
		return nil
	}
	var out []string
	for _, name := range u.Scalars {
		if def := schema.Types[name]; def != nil && def.Kind == ast.Scalar {
			out = append(out, name)
		}
	}
	return out
}

const formType = "multipart/form-data"

// formOverhead bounds what a form takes beside its fields, and for each file, in bytes.
const formOverhead = 16 << 10

// isForm reports whether a request is a form, as browsers send it without asking first.
func isForm(r *http.Request) bool {
	media, _, _ := strings.Cut(first(r.Header["Content-Type"]), ";")
	return r.Method == http.MethodPost && strings.EqualFold(strings.TrimSpace(media), formType)
}

// preflighted reports whether a request shows that a browser asked before it sent it.
func preflighted(r *http.Request) bool {
	return slices.ContainsFunc(preflightHeaders, func(h string) bool { return r.Header.Get(h) != "" })
}

// readUpload reads a request with files. The files are the exchange's to close.
func (s *Server) readUpload(ctx context.Context, x *exchange, e *engine) *problem {
	u := e.config.Uploads
	if len(e.uploads) == 0 {
		return &problem{http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "No files are taken here: send the request as Content-Type: application/json."}
	}
	_, params, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return badRequest("The Content-Type of a form must name its boundary.")
	}
	x.uploads = true // until its files are closed: so what they take is bounded
	p := s.principal(ctx)
	if p.Kind != Service {
		share := e.config.Clients.Shares.Uploads
		if x.uploaded = s.shares.take(s.account(x.r, p), ofUploads, 1, share); x.uploaded == nil {
			s.uploads.Add(1)
			return overShare(x.w, codeTooManyUploads, "uploads under way", share)
		}
	}
	if s.uploads.Add(1) > kept(u.Concurrent, p.Kind) {
		x.w.Header().Set("Retry-After", "1")
		return &problem{http.StatusServiceUnavailable, "OVERLOADED", "Too many uploads are under way: try again in a moment."}
	}
	control := http.NewResponseController(x.w)
	// Not every connection has deadlines; those of net/http's own server do.
	if err := control.SetReadDeadline(time.Now().Add(u.timeout)); err == nil {
		defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	}
	limits := upload.Limits{
		OperationsBytes: e.config.Limits.BodyBytes, Files: u.Files, FileBytes: int64(u.FileBytes), MemoryBytes: u.MemoryBytes, Directory: u.Directory,
	}
	whole := 2*int64(limits.OperationsBytes) + int64(u.Files)*(limits.FileBytes+formOverhead) + formOverhead
	operations, files, err := upload.Read(multipart.NewReader(http.MaxBytesReader(x.w, x.r.Body, whole), params["boundary"]), limits)
	if err != nil {
		var refused *upload.Error
		switch {
		case !errors.As(err, &refused):
			s.log.ErrorContext(x.r.Context(), "an upload could not be kept", "request_id", x.id, "reason", err)
			return &problem{http.StatusInternalServerError, "INTERNAL", "The files could not be kept here: try again, and if it stays so tell us the request id."}
		case refused.TooLarge:
			return &problem{http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE", refused.Message}
		}
		return badRequest(refused.Message)
	}
	x.files = files
	x.body = append(x.body[:0], operations...)
	return x.parseBody(e.config.Limits)
}

// sendForm sends a request with files to a subgraph. What signs requests is given the operations alone.
func (s *subgraphs) sendForm(ctx context.Context, to *subgraph, call execute.Call, into []byte) ([]byte, error) {
	ctx, cancel := context.WithDeadline(ctx, call.Deadline)
	defer cancel()
	form, err := call.Files.Form(call.Body)
	if err != nil {
		return into, err
	}
	header := trailed(call.Trail)
	header["Content-Type"], header["Accept"] = []string{form.ContentType()}, jsonType
	header[http1.ExchangeHeader], header["Accept-Encoding"] = []string{newID()}, identityCoding
	// Subgraphs that guard against forms of other sites want to see that nobody was tricked into this one.
	header["Graphql-Require-Preflight"], header["Apollo-Require-Preflight"] = []string{"1"}, []string{"true"}
	if s.outgoing != nil {
		s.outgoing(ctx, header, to.name, form.Operations)
	}
	body := func() (io.ReadCloser, error) { return io.NopCloser(form.Reader()), nil }
	reader, _ := body()
	resp, err := s.client.Do((&http.Request{
		Method: http.MethodPost, URL: to.url, Host: to.url.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: reader, ContentLength: form.Size(), GetBody: body,
	}).WithContext(ctx))
	if err != nil {
		return into, err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := http1.Answers(resp.Header, header); err != nil {
		return into, err
	}
	return s.readAnswer(into, resp, call)
}

// read reads a request in whatever form it is sent.
func (s *Server) read(ctx context.Context, x *exchange, form bool, e *engine) *problem {
	if form {
		return s.readUpload(ctx, x, e)
	}
	return x.request.read(x.w, x.r, e.config.Limits)
}

// closeFiles frees what a request's files take.
func (x *exchange) closeFiles(s *Server) {
	if x.uploads {
		s.uploads.Add(-1)
		x.uploaded.drop(ofUploads, 1)
	}
	if err := x.files.Close(); err != nil {
		s.log.ErrorContext(x.r.Context(), "a temporary file could not be closed", "request_id", x.id, "reason", err)
	}
}
