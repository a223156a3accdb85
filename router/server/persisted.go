package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/lethe/lethe/router/jsontext"
	"github.com/lethe/lethe/router/persisted"
	"github.com/lethe/lethe/router/prepare"
)

// PersistedQueries say what is kept of operations that clients register by their hash.
type PersistedQueries struct {
	Enabled *bool  `yaml:"enabled" doc:"Whether clients may send an operation's hash in place of its text once they registered it (automatic persisted queries). On by default."`
	TTL     string `yaml:"ttl" doc:"How long Redis keeps a text that no router asks it for, such as \"24h\", which is the default."`

	ttl time.Duration
}

func (p *PersistedQueries) enabled() bool { return p.Enabled == nil || *p.Enabled }

// TrustedDocuments say which operations are known before clients ask for them.
type TrustedDocuments struct {
	Files []string `yaml:"files" doc:"Manifests of operations that clients ask for by their id, in Apollo's form or Relay's."`
	Mode  string   `yaml:"mode" doc:"\"allow\", the default, where clients may ask for other operations too, or \"require\", where all others are refused."`
}

// The modes of trusted documents.
const (
	allowOthers   = "allow"
	requireListed = "require"
)

func (t *TrustedDocuments) complete() error {
	switch t.Mode {
	case "":
		t.Mode = allowOthers
	case allowOthers:
	case requireListed:
		if len(t.Files) == 0 {
			return errors.New("trustedDocuments.mode is \"require\" and trustedDocuments.files names no manifest: every request would be refused")
		}
	default:
		return fmt.Errorf("trustedDocuments.mode is %q: it must be \"allow\" or \"require\"", t.Mode)
	}
	return nil
}

// queryCounters count what became of persisted queries.
type queryCounters struct{ found, missing, registered prometheus.Counter }

func newQueryCounters(r prometheus.Registerer) queryCounters {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lethe_router_persisted_queries_total", Help: "Automatic persisted queries by what became of them: found, missing (the client is to send the text) or registered.",
	}, []string{"outcome"})
	r.MustRegister(v)
	return queryCounters{v.WithLabelValues("found"), v.WithLabelValues("missing"), v.WithLabelValues("registered")}
}

// persistedID is how a request names an operation.
type persistedID struct {
	document []byte // documentId, doc_id or id
	hash     []byte // extensions.persistedQuery.sha256Hash; nil where the extension is not given
	register bool   // the text was sent with its hash, and is to be kept
	parsed   persisted.Hash
}

var (
	errVersion = badRequest("`extensions.persistedQuery` must have version 1 and sha256Hash, the SHA-256 of the query in hexadecimal.")
	errHash    = badRequest("`extensions.persistedQuery.sha256Hash` is not the hash of `query`: take the SHA-256 of the very text that is sent.")
)

// readPersisted takes extensions.persistedQuery.
func (q *request) readPersisted() *problem {
	if len(q.extension) == 0 || q.extension[0] != '{' {
		return nil
	}
	value, err := memberOf(q.extension, "persistedQuery")
	if err != nil || value == nil || value[0] == 'n' {
		return nil
	}
	version, err := memberOf(value, "version")
	if err != nil {
		return errVersion
	}
	hash, err := memberOf(value, "sha256Hash")
	if err != nil || string(version) != "1" || len(hash) < 3 || hash[0] != '"' {
		return errVersion
	}
	q.persisted.hash = hash[1 : len(hash)-1]
	return nil
}

// memberOf gives the value of an object's member, nil where it has none.
func memberOf(object []byte, name string) ([]byte, error) {
	s := jsontext.Scanner{Data: object}
	if err := s.Enter('{'); err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		more, err := s.More('}', first)
		if err != nil || !more {
			return nil, err
		}
		from, to, err := s.Key()
		if err != nil {
			return nil, err
		}
		value, err := s.Value()
		if err != nil || string(object[from:to]) == name {
			return value, err
		}
	}
}

// find puts the text of the operation that a request names in place of its name. It answers where there is none, and
// reports false.
func (s *Server) find(ctx context.Context, x *exchange, e *engine) bool {
	if e.documents != nil {
		if id := x.persisted.id(); id != nil {
			if d := e.documents.find(id); d != nil {
				return x.trusted(d)
			}
		}
		if e.config.TrustedDocuments.Mode == requireListed {
			x.reject(coded("DOCUMENT_NOT_TRUSTED", "Only operations that were registered before are answered here: send the id of one, or have this one added to the manifest."))
			return false
		}
	}
	switch {
	case x.persisted.hash != nil:
		return s.findHash(ctx, x, e)
	case len(x.query) == 0:
		x.reject(coded("DOCUMENT_NOT_FOUND", "No operation of this id is known here: check the id, or send the operation itself as query."))
		return false
	}
	return true
}

// id gives the id that a request names a trusted document by.
func (p *persistedID) id() []byte {
	if p.document != nil {
		return p.document
	}
	return p.hash
}

// findHash follows the protocol of automatic persisted queries. Its answers have status 200, as the clients of the
// protocol expect.
func (s *Server) findHash(ctx context.Context, x *exchange, e *engine) bool {
	p := &x.persisted
	if !e.config.PersistedQueries.enabled() {
		x.protocol(coded("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported"))
		return false
	}
	var ok bool
	if p.parsed, ok = persisted.ParseHash(p.hash); !ok {
		x.refuse(errVersion)
		return false
	}
	if len(x.query) > 0 {
		if persisted.HashOf(x.query) != p.parsed {
			x.refuse(errHash)
			return false
		}
		p.register = true
		return true
	}
	if x.query = s.persisted.Find(ctx, p.parsed); x.query == nil {
		s.queries.missing.Inc()
		x.protocol(coded("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"))
		return false
	}
	s.queries.found.Inc()
	return true
}

// protocol answers that a persisted query is not there. No cache may keep it: the next request may find the query.
func (x *exchange) protocol(errs gqlerror.List) {
	x.errors = len(errs)
	x.w.Header().Set("Cache-Control", "private, no-cache, must-revalidate")
	x.sendErrors(http.StatusOK, errs)
}

// trusted runs a trusted document. A text that is sent with its id must be the same.
func (x *exchange) trusted(d *document) bool {
	if len(x.query) > 0 && !bytes.Equal(bytes.TrimSpace(x.query), bytes.TrimSpace(d.text)) {
		x.reject(coded("DOCUMENT_NOT_TRUSTED", "The query is not the one that was registered under this id: send the id alone."))
		return false
	}
	if len(d.errors) > 0 {
		x.reject(d.errors)
		return false
	}
	x.query = d.text
	if string(x.name) == d.name {
		x.name = nil // it has one operation, which was prepared without its name
	}
	return true
}

func coded(code, message string) gqlerror.List {
	return gqlerror.List{{Message: message, Extensions: map[string]any{"code": code}}}
}

// documents are the trusted ones by their id.
type documents struct{ byID map[string]*document }

type document struct {
	text   []byte
	name   string        // of its operation, where it has one alone
	errors gqlerror.List // why the schema in use does not take it
}

// find gives the document of an id, nil where there is none. An id may have the prefix that the draft of GraphQL over
// HTTP's appendix on persisted documents gives to hashes.
func (d *documents) find(id []byte) *document {
	if found := d.byID[string(id)]; found != nil {
		return found
	}
	if hash, ok := bytes.CutPrefix(id, []byte("sha256:")); ok {
		return d.byID[string(hash)]
	}
	return nil
}

// readDocuments reads the manifests and prepares every document. One that the schema does not take is named in the log,
// and refused when it is asked for. It gives nil where no manifest is configured.
func (s *Server) readDocuments(config *Config, p *prepare.Preparer) (*documents, error) {
	if len(config.TrustedDocuments.Files) == 0 {
		return nil, nil
	}
	out := &documents{byID: map[string]*document{}}
	for _, name := range config.TrustedDocuments.Files {
		listed, err := readManifest(name)
		if err != nil {
			return nil, fmt.Errorf("read the trusted documents in %s: %w", name, err)
		}
		for _, d := range listed {
			if old := out.byID[d.ID]; old != nil && string(old.text) != d.Text {
				return nil, fmt.Errorf("read the trusted documents in %s: another manifest has another document with the id %q", name, d.ID)
			}
			out.byID[d.ID] = &document{text: []byte(d.Text)}
		}
	}
	s.prepareDocuments(out, p)
	return out, nil
}

// prepareDocuments prepares all documents, several at a time: so they are checked, and ready when they are asked for.
func (s *Server) prepareDocuments(docs *documents, p *prepare.Preparer) {
	type named struct {
		id string
		*document
	}
	work := make(chan named)
	var left sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		left.Go(func() {
			for d := range work {
				prepared, err := p.Prepare(context.Background(), d.text, nil)
				if err != nil {
					continue // the context is never done
				}
				d.name, d.errors = prepared.Name, prepared.Errors
				if len(d.errors) > 0 {
					s.log.Error("a trusted document does not fit the schema and is refused", "id", d.id, "reason", d.errors.Error())
				}
			}
		})
	}
	for id, d := range docs.byID {
		work <- named{id, d}
	}
	close(work)
	left.Wait()
}

func readManifest(name string) ([]persisted.Document, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, persisted.MaxManifestBytes+1))
	if err != nil {
		return nil, err
	}
	return persisted.ReadManifest(data)
}
