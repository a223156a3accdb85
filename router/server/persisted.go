package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/lethe/lethe/router/jsontext"
	"github.com/lethe/lethe/router/persisted"
	"github.com/lethe/lethe/router/prepare"
	"github.com/lethe/lethe/router/settings"
)

// PersistedQueries say what is kept of operations that clients register by their hash.
type PersistedQueries struct {
	Enabled *bool             `yaml:"enabled" doc:"Whether clients may send an operation's hash in place of its text once they registered it (automatic persisted queries). On by default."`
	TTL     settings.Duration `yaml:"ttl" doc:"How long Redis keeps a text that no router asks it for, such as \"24h\", which is the default."`

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

func (t *TrustedDocuments) complete(check *settings.Check) {
	check.OneOf("trustedDocuments.mode", &t.Mode, allowOthers, requireListed)
	if t.Mode == requireListed && len(t.Files) == 0 {
		check.Refuse("trustedDocuments.mode", "is \"require\" and trustedDocuments.files names no manifest: every request would be refused")
	}
	for i, name := range t.Files {
		if info, err := os.Stat(name); err != nil {
			check.Refuse("trustedDocuments.files["+strconv.Itoa(i)+"]", "%q cannot be read: %s", name, reasonOf(err))
		} else if info.IsDir() {
			check.Refuse("trustedDocuments.files["+strconv.Itoa(i)+"]", "%q is a directory", name)
		}
	}
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

// notFound is why there is no text for the operation that a request names.
type notFound struct {
	errors   gqlerror.List
	protocol bool     // the protocol of automatic persisted queries asks for status 200, and for no cache to keep it
	problem  *problem // where the request itself is not right
}

// find puts the text of the operation that a request names in place of its name, or says why there is none.
func (s *Server) find(ctx context.Context, q *request, e *engine) *notFound {
	if q.persisted.id() == nil && e.documents == nil {
		return nil
	}
	if e.documents != nil {
		if id := q.persisted.id(); id != nil {
			if d := e.documents.find(id); d != nil {
				return q.trusted(d)
			}
		}
		if e.config.TrustedDocuments.Mode == requireListed {
			return &notFound{errors: coded("DOCUMENT_NOT_TRUSTED", "Only operations that were registered before are answered here: send the id of one, or have this one added to the manifest.")}
		}
	}
	switch {
	case q.persisted.hash != nil:
		return s.findHash(ctx, q, e)
	case len(q.query) == 0:
		return &notFound{errors: coded("DOCUMENT_NOT_FOUND", "No operation of this id is known here: check the id, or send the operation itself as query.")}
	}
	return nil
}

// notFound answers that there is no text for the operation that the request names.
func (x *exchange) notFound(n *notFound) {
	switch {
	case n.problem != nil:
		x.refuse(n.problem)
	case n.protocol:
		x.protocol(n.errors)
	default:
		x.reject(n.errors)
	}
}

// id gives the id that a request names a trusted document by.
func (p *persistedID) id() []byte {
	if p.document != nil {
		return p.document
	}
	return p.hash
}

// findHash follows the protocol of automatic persisted queries.
func (s *Server) findHash(ctx context.Context, q *request, e *engine) *notFound {
	p := &q.persisted
	if !e.config.PersistedQueries.enabled() {
		return &notFound{errors: coded("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported"), protocol: true}
	}
	var ok bool
	if p.parsed, ok = persisted.ParseHash(p.hash); !ok {
		return &notFound{problem: errVersion}
	}
	if len(q.query) > 0 {
		if persisted.HashOf(q.query) != p.parsed {
			return &notFound{problem: errHash}
		}
		p.register = true
		return nil
	}
	if q.query = s.persisted.Find(ctx, p.parsed); q.query == nil {
		s.queries.missing.Inc()
		return &notFound{errors: coded("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"), protocol: true}
	}
	s.queries.found.Inc()
	return nil
}

// register keeps the text of a query that was sent with its hash, and is valid.
func (s *Server) register(ctx context.Context, q *request) {
	if q.persisted.register {
		s.queries.registered.Inc()
		s.persisted.Add(ctx, q.persisted.parsed, q.query)
	}
}

// protocol answers that a persisted query is not there. No cache may keep it: the next request may find the query.
func (x *exchange) protocol(errs gqlerror.List) {
	x.errors = len(errs)
	x.w.Header().Set("Cache-Control", "private, no-cache, must-revalidate")
	x.sendErrors(http.StatusOK, errs)
}

// trusted takes a trusted document. A text that is sent with its id must be the same.
func (q *request) trusted(d *document) *notFound {
	if len(q.query) > 0 && !bytes.Equal(bytes.TrimSpace(q.query), bytes.TrimSpace(d.text)) {
		return &notFound{errors: coded("DOCUMENT_NOT_TRUSTED", "The query is not the one that was registered under this id: send the id alone.")}
	}
	if len(d.errors) > 0 {
		return &notFound{errors: d.errors}
	}
	q.query = d.text
	if string(q.name) == d.name {
		q.name = nil // it has one operation, which was prepared without its name
	}
	return nil
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
