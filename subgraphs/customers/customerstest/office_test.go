package customerstest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/durable"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/embedded/mongo"
	"github.com/lethe/lethe/embedded/redis"
	"github.com/lethe/lethe/embedded/temporal"
	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/privacy/datamap"
	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/schema"
	"github.com/lethe/lethe/subgraphs/customers"
	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/erasure"
)

// house is the customers service with all that it works with. One process runs one Temporal server, so the tests share it.
type house struct {
	url      string // of the customers subgraph
	strict   string // of another one that wants erasures approved, on the same database
	signer   *identity.Signer
	db       *driver.Database
	ledger   *driver.Database
	reviews  *driver.Database
	temporal client.Client
	redis    *goredis.Client
	log      *lockedBuffer
	desk     *reviewDesk
	keys     privacy.Keys
}

var theHouse *house

// lockedBuffer takes the log of everything, to be searched.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	h := &house{log: &lockedBuffer{}, keys: testKeys()}
	var out io.Writer = h.log
	if testing.Verbose() {
		out = io.MultiWriter(h.log, os.Stderr)
	}
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var closers []func()
	defer func() {
		for _, c := range slices.Backward(closers) {
			c()
		}
	}()
	data, err := mongo.Start(ctx, mongo.Options{})
	if err != nil {
		return 1, err
	}
	closers = append(closers, func() { _ = data.Close() })
	cache, err := redis.Start("127.0.0.1:0")
	if err != nil {
		return 1, err
	}
	closers = append(closers, cache.Close)
	server, err := temporal.Start(ctx, temporal.Options{Addr: "127.0.0.1:0", Namespaces: []string{"default"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return 1, err
	}
	closers = append(closers, func() { server.Stop(5 * time.Second) })
	if h.temporal, err = durable.Dial(ctx, durable.Options{Address: server.Addr(), Namespace: "default", Identity: "test", Log: log}); err != nil {
		return 1, err
	}
	closers = append(closers, h.temporal.Close)
	mongoClient, err := mongodb.Connect(ctx, data.URI(), "test")
	if err != nil {
		return 1, err
	}
	o, err := goredis.ParseURL(cache.URL())
	if err != nil {
		return 1, err
	}
	h.db, h.ledger, h.reviews, h.redis = mongoClient.Database("customers"), mongoClient.Database("ledger"), mongoClient.Database("reviews"), goredis.NewClient(o)
	running, err := h.open(ctx, log)
	if err != nil {
		return 1, err
	}
	closers = append(closers, running.Wait, cancel)
	theHouse = h
	return m.Run(), nil
}

func testKeys() privacy.Keys {
	key := func(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }
	return privacy.Keys{
		Tombstone: key(1), Receipt: key(2), Dossier: key(3), Certificate: ed25519.NewKeyFromSeed(key(4)), Idempotency: key(5),
	}
}

// supergraph composes the customers' schema and that of the tests' own service.
func supergraph() (string, error) {
	var own string
	for _, s := range schema.Subgraphs() {
		if s.Name == "customers" {
			own = s.SDL
		}
	}
	shared := own[:strings.Index(own, "type Query {")]
	result, errs := compose.Compose([]compose.Subgraph{
		{Name: "customers", URL: "http://customers", SDL: own},
		{Name: "reviews", URL: "http://reviews", SDL: shared + reviewsSDL},
	})
	if len(errs) > 0 {
		return "", fmt.Errorf("the subgraphs do not compose: %v", errs)
	}
	return result.SDL, nil
}

// open starts the service and the workers.
func (h *house) open(ctx context.Context, log *slog.Logger) (*sync.WaitGroup, error) {
	sdl, err := supergraph()
	if err != nil {
		return nil, err
	}
	key := bytes.Repeat([]byte("k"), 32)
	gate, err := identity.NewGate("customers", key)
	if err != nil {
		return nil, err
	}
	if h.signer, err = identity.NewSigner(map[string][]byte{"customers": key}); err != nil {
		return nil, err
	}
	o := customers.Options{
		DB: h.db, Redis: h.redis, Temporal: h.temporal, Gate: gate, Log: log, Supergraph: func() string { return sdl }, Retention: schema.Retention(), Keys: h.keys,
	}
	service, err := customers.New(ctx, o)
	if err != nil {
		return nil, err
	}
	o.Policy = customers.Policy{Approval: true, GraceDays: 7}
	strict, err := customers.New(ctx, o)
	if err != nil {
		return nil, err
	}
	activities, err := erasure.NewActivities(ctx, erasure.Options{
		DB: h.ledger, Redis: h.redis, Temporal: h.temporal, Supergraph: o.Supergraph, Retention: schema.Retention(), Keys: h.keys, Log: log,
	})
	if err != nil {
		return nil, err
	}
	data, err := datamap.Read(sdl)
	if err != nil {
		return nil, err
	}
	if h.desk, err = newReviewDesk(h.reviews, data, h.keys, h.redis); err != nil {
		return nil, err
	}
	loops := []func(context.Context) error{
		durable.Worker(h.temporal, workflows.QueueWorkflows, "", func(r worker.Registry) { erasure.Register(r, activities) }),
		durable.Worker(h.temporal, workflows.PrivacyQueue("reviews"), "", h.desk.participant.Register),
	}
	for s, url := range map[*chassis.Service]*string{service: &h.url, strict: &h.strict} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		*url = "http://" + ln.Addr().String() + "/graphql"
		if s == strict {
			s.Run = nil // the workers of one are enough
		}
		loops = append(loops, func(ctx context.Context) error { return chassis.Serve(ctx, log, ln, s) })
	}
	var wg sync.WaitGroup
	for _, loop := range loops {
		wg.Go(func() {
			if err := loop(ctx); err != nil {
				log.Error("a part of the house stopped", "error", err)
			}
		})
	}
	return &wg, nil
}

// reviewsSDL is a service that nothing in the workflow knows of.
const reviewsSDL = `
type Query {
  "One review."
  review(id: ID!): Review
}
type Customer @key(fields: "id") {
  id: ID! @personal(category: IDENTIFIER, onErasure: DELETE)
  "What the customer wrote."
  reviews: [Review!]!
}
type Review @key(fields: "id") @belongsToSubject(path: "customer.id") {
  id: ID! @notPersonal(because: "An opaque number.")
  customer: Customer
  stars: Int! @notPersonal(because: "A number without its author.")
  text: String @personal(category: FREE_TEXT, onErasure: UNSET)
  nickname: String @personal(category: IDENTITY, onErasure: UNSET)
  invoice: String @personal(category: TRANSACTION, onErasure: RETAIN, rule: "invoices")
  town: String @personal(category: LOCATION, onErasure: GENERALISE, with: "FIRST_LETTER")
}
`

// review is a document of the tests' own service.
type review struct {
	ID         string    `bson:"_id"`
	CustomerID string    `bson:"customerId,omitempty"`
	Stars      int       `bson:"stars"`
	Text       string    `bson:"text,omitempty"`
	Nickname   string    `bson:"nickname,omitempty"`
	Invoice    string    `bson:"invoice,omitempty"`
	Town       string    `bson:"town,omitempty"`
	At         time.Time `bson:"at"`
}

// reviewDesk is the tests' own service.
type reviewDesk struct {
	reviews     *driver.Collection
	participant *privacy.Participant

	mu       sync.Mutex
	blockers map[string]int // by customer
}

func newReviewDesk(db *driver.Database, data *datamap.Map, keys privacy.Keys, r *goredis.Client) (*reviewDesk, error) {
	rules, err := privacy.ReadRules(schema.Retention())
	if err != nil {
		return nil, err
	}
	fields, err := data.Bind("reviews", []privacy.Field{
		{Path: "Customer.id", BSON: "customerId", Link: true},
		{Path: "Review.text", BSON: "text"},
		{Path: "Review.nickname", BSON: "nickname"},
		{Path: "Review.invoice", BSON: "invoice", Anchor: "at"},
		{Path: "Review.town", BSON: "town", With: func(s string) string { return s[:1] }},
	})
	if err != nil {
		return nil, err
	}
	d := &reviewDesk{reviews: db.Collection("reviews"), blockers: map[string]int{}}
	d.participant = &privacy.Participant{
		Service: "reviews", DB: db, Rules: rules, Keys: keys, Redis: r, Barrier: privacy.NewBarrier(db, keys),
		Stores: []privacy.Store{{
			Collection: d.reviews, Subject: func(id string) bson.D { return bson.D{{Key: "customerId", Value: id}} }, Fields: fields,
		}},
		Blockers: func(_ context.Context, customerID string) ([]workflows.Blocker, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			return []workflows.Blocker{{Kind: "OPEN_ORDER", Count: d.blockers[customerID]}}, nil
		},
		Drain: func(_ context.Context, customerID string, _ bool) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.blockers[customerID] = max(0, d.blockers[customerID]-1)
			return nil
		},
		Notify: func(_ context.Context, documents map[string][]string) ([]workflows.Recipient, error) {
			return []workflows.Recipient{{Name: "printer", Answer: "ERASED", Count: len(documents["reviews"])}}, nil
		},
	}
	return d, nil
}

// who says a request.
type who struct {
	identity.Principal
	url string
}

func (h *house) anonymous() who { return who{identity.Principal{Role: identity.Anonymous}, h.url} }
func (h *house) customer(id string) who {
	return who{identity.Principal{Role: identity.Customer, Subject: id}, h.url}
}
func (h *house) support(id string) who {
	return who{identity.Principal{Role: identity.Support, Subject: id}, h.url}
}
func (h *house) supervisor(id string) who {
	return who{identity.Principal{Role: identity.Supervisor, Subject: id}, h.url}
}

// fault is an error of an answer.
type fault struct {
	Message    string
	Path       []any
	Extensions struct{ Code string }
}

// ask sends an operation and decodes its data; it gives the errors beside it.
func (h *house) ask(t *testing.T, w who, query string, variables map[string]any, out any) []fault {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(identity.Header, h.signer.Value(w.Principal, "customers", body))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Data   json.RawMessage
		Errors []fault
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatalf("status %d: %v", resp.StatusCode, err)
	}
	if out != nil && len(answer.Data) > 0 && string(answer.Data) != "null" {
		if err := json.Unmarshal(answer.Data, out); err != nil {
			t.Fatal(err)
		}
	}
	return answer.Errors
}

// must is ask for what has no errors.
func (h *house) must(t *testing.T, w who, query string, variables map[string]any, out any) {
	t.Helper()
	if errs := h.ask(t, w, query, variables, out); len(errs) > 0 {
		t.Fatalf("%s: %+v", query, errs)
	}
}

type userError struct {
	Field         []string
	Message, Code string
}

func codes(errs []userError) string {
	var out []string
	for _, e := range errs {
		out = append(out, strings.Join(e.Field, ".")+" "+e.Code)
	}
	return strings.Join(out, ", ")
}

type erasureState struct {
	ID, Status, DueAt, Subject, RequestedBy string
	SealedAt, Reason, WaitingFor            *string
	Customer                                *struct{ ID string }
	Steps                                   []struct {
		ID, Service, Name, Status string
		Attempts                  int
		LastError                 *string
		Matched, Changed          *int
	}
	Retained []struct {
		Path, Rule, Law, Until string
		Count                  int
	}
	Certificate *struct{ Document string }
}

const erasureFields = `id status dueAt subject requestedBy sealedAt reason waitingFor customer { id }
  steps { id service name status attempts lastError matched changed } retained { path rule law until count } certificate { document }`

type erasurePayload struct {
	Erasure    *erasureState
	UserErrors []userError
}

// command sends one of the mutations about erasures.
func (h *house) command(t *testing.T, w who, mutation string, input map[string]any) erasurePayload {
	t.Helper()
	var out map[string]erasurePayload
	kind := strings.ToUpper(mutation[:1]) + mutation[1:] + "Input"
	h.must(t, w, `mutation($input: `+kind+`!) { `+mutation+`(input: $input) { erasure { `+erasureFields+` } userErrors { field message code } } }`, map[string]any{"input": input}, &out)
	return out[mutation]
}

func (h *house) erasure(t *testing.T, id string) erasureState {
	t.Helper()
	var out struct{ Erasure *erasureState }
	h.must(t, h.support("staff_1"), `query($id: ID!) { erasure(id: $id) { `+erasureFields+` } }`, map[string]any{"id": id}, &out)
	if out.Erasure == nil {
		t.Fatalf("there is no erasure %s", id)
	}
	return *out.Erasure
}

// await reads an erasure until it has one of the statuses.
func (h *house) await(t *testing.T, id string, statuses ...string) erasureState {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		e := h.erasure(t, id)
		if slices.Contains(statuses, e.Status) {
			return e
		}
		switch e.Status {
		case "NEEDS_OPERATOR", "RETAINING", "CLOSED", "CANCELLED", "REJECTED":
			t.Fatalf("the erasure is %s, want %v: %+v", e.Status, statuses, e.Steps)
		}
		<-ticker.C
	}
}

// register makes a customer and gives its id.
func (h *house) register(t *testing.T, input map[string]any) string {
	t.Helper()
	var out struct {
		RegisterCustomer struct {
			Customer   *struct{ ID string }
			UserErrors []userError
		}
	}
	h.must(t, h.anonymous(), `mutation($input: RegisterCustomerInput!) { registerCustomer(input: $input) { customer { id } userErrors { field message code } } }`, map[string]any{"input": input}, &out)
	if out.RegisterCustomer.Customer == nil {
		t.Fatalf("refused: %s", codes(out.RegisterCustomer.UserErrors))
	}
	return out.RegisterCustomer.Customer.ID
}
