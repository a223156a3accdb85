package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"time"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/router/cors"
	"github.com/lethe/lethe/router/prepare"
	"github.com/lethe/lethe/router/settings"
	"github.com/lethe/lethe/router/supergraph"
)

// Config is what an operator may set. Zero values take the defaults.
type Config struct {
	Limits        Limits            `yaml:"limits" doc:"What is taken of clients and subgraphs."`
	Subgraphs     Subgraphs         `yaml:"subgraphs" doc:"How subgraphs are asked."`
	Subscriptions Subscriptions     `yaml:"subscriptions" doc:"How subscriptions of clients are served."`
	CORS          cors.Config       `yaml:"cors" doc:"Which pages of other sites may ask."`
	Timeout       settings.Duration `yaml:"timeout" doc:"How long a whole request may take, such as \"30s\", which is the default."`
	Introspection *bool             `yaml:"introspection" doc:"Whether clients may ask for the schema. On by default."`
	Playground    *bool             `yaml:"playground" doc:"Whether the playground is served on / where the process has one. On by default."`
	QueryPlans    bool              `yaml:"queryPlans" doc:"Whether a request with the header Lethe-Query-Plan gets its query plan in the response's extensions."`
	ShareInFlight bool              `yaml:"shareInFlight" doc:"Whether queries that are alike in everything (operation, variables, identity) and under way at the same time are answered once for all of them. Off by default: an answer that is shared may have been read just before one's own mutation."`
	AccessLog     bool              `yaml:"accessLog" doc:"Whether each request is logged: its id, status, operation name and times, and nothing that a person wrote."`

	// Overrides are by label, in percent.
	Overrides map[string]float64 `yaml:"overrides" doc:"In how many of a hundred requests each label of a progressive @override is active, by the label. Labels percent(x) say it themselves."`

	Connections      Connections      `yaml:"connections" doc:"Connections of clients, and how long they may take to send a request."`
	HTTP1            *bool            `yaml:"http1" doc:"Whether the router's own HTTP/1.1 is used towards clients and subgraphs where messages are plain; net/http is used everywhere without it. On by default. Towards clients a change needs a restart."`
	Shutdown         Shutdown         `yaml:"shutdown" doc:"How the router stops when it is told to (SIGTERM)."`
	PersistedQueries PersistedQueries `yaml:"persistedQueries" doc:"Operations that clients register by their hash."`
	Compression      Compression      `yaml:"compression" doc:"Which responses are compressed."`
	Uploads          Uploads          `yaml:"uploads" doc:"Files that clients send."`
	Clients          Clients          `yaml:"clients" doc:"How clients are told apart, and what one of them may have at a time."`
	Demand           DemandControl    `yaml:"demandControl" doc:"How dear an operation may be."`
	TrustedDocuments TrustedDocuments `yaml:"trustedDocuments" doc:"Operations that are known before clients ask for them."`

	timeout   time.Duration
	queueTime time.Duration
	cors      *cors.Policy
	file      *settings.File // that it was read from; nil for none
}

// Limits bound requests and answers. The limits on operations are those of [prepare.Limits].
type Limits struct {
	BodyBytes             int               `yaml:"bodyBytes" doc:"Bytes of a request: 1 MiB by default."`
	SubgraphResponseBytes int               `yaml:"subgraphResponseBytes" doc:"Bytes of a subgraph's answer: 64 MiB by default."`
	BatchSize             *int              `yaml:"batchSize" doc:"Operations in one request: 10 by default, 0 to take them only one at a time."`
	ConcurrentRequests    int               `yaml:"concurrentRequests" doc:"Requests under way, beyond which clients are told to come again: 1024 by default."`
	MemoryBytes           int               `yaml:"memoryBytes" doc:"Bytes that the subgraphs' answers to all requests under way may take together with the responses, beyond which requests wait for their turn: 12 MiB for each core by default."`
	QueueLength           int               `yaml:"queueLength" doc:"Requests that may wait for memory, beyond which clients are told to come again: half of concurrentRequests by default."`
	QueueTime             settings.Duration `yaml:"queueTime" doc:"How long a request may wait for memory, such as \"2s\", which is the default: then its client is told to come again."`
	Tokens                int               `yaml:"tokens" doc:"Tokens of an operation's text: 15000 by default."`
	Depth                 int               `yaml:"depth" doc:"Levels of nested fields: 50 by default."`
	Aliases               int               `yaml:"aliases" doc:"Aliases in an operation: 200 by default."`
	Directives            int               `yaml:"directives" doc:"Directives in an operation: 200 by default."`
	RootFields            int               `yaml:"rootFields" doc:"Fields of Query or Mutation in an operation: 100 by default."`
	PreparedBytes         int               `yaml:"preparedBytes" doc:"Bytes that the operations kept ready may take together with their plans, beyond which those asked least are dropped: 128 MiB by default."`
}

// Subgraphs says how subgraphs are asked.
type Subgraphs struct {
	Timeout     settings.Duration `yaml:"timeout" doc:"How long a request to a subgraph may take, such as \"15s\", which is the default, or timeout where that is shorter."`
	Compression bool              `yaml:"compression" doc:"Whether subgraphs are asked to compress their answers with gzip: worth it where the way to them is slow."`
	MaskErrors  bool              `yaml:"maskErrors" doc:"Whether the messages of subgraphs' errors are kept from clients: they get the code alone."`
	// ErrorExtensions may be empty, which lets through the code alone.
	ErrorExtensions []string `yaml:"errorExtensions" doc:"Keys of the extensions of subgraphs' errors that clients get, beside the code. All when left out; none with an empty list."`
	NameInErrors    bool     `yaml:"nameInErrors" doc:"Whether every error of a subgraph says in extensions.service which it is."`
	// Subscriptions are by the name of the subgraph.
	Subscriptions map[string]SubgraphSubscriptions `yaml:"subscriptions" doc:"How subscriptions reach each subgraph, by its name."`

	timeout time.Duration
}

// Shutdown says how the router stops. What the command line and the environment say goes before it.
type Shutdown struct {
	Notice  settings.Duration `yaml:"notice" doc:"How long /ready answers 503 before the port closes, so that load balancers send nothing more: \"5s\" by default. It may be \"0s\"."`
	Timeout settings.Duration `yaml:"timeout" doc:"How long requests under way may take from when the port closes: by default as long as timeout lets one take, and a second to send the answer."`

	notice, timeout time.Duration
}

func (s *Shutdown) complete(check *settings.Check, request time.Duration) {
	s.notice = check.DurationOrZero("shutdown.notice", s.Notice, chassis.NoNotice)
	s.timeout = check.Duration("shutdown.timeout", s.Timeout, request+time.Second)
}

// ReadConfig reads a YAML file. The error is [settings.Problems], with every mistake in it.
func ReadConfig(text []byte) (Config, error) {
	var c Config
	file := settings.Decode(text, &c)
	c.file = file
	c, err := c.complete()
	var found settings.Problems
	errors.As(err, &found)
	return c, file.With(found).Err()
}

// Fits returns what of the configuration can mean nothing with a supergraph, as [settings.Problems]: settings for a subgraph
// that it does not have.
func (c *Config) Fits(graph *supergraph.Supergraph) error {
	var names []string
	for _, g := range graph.Subgraphs() {
		names = append(names, g.Name)
	}
	check := &settings.Check{}
	for _, name := range slices.Sorted(maps.Keys(c.Subgraphs.Subscriptions)) {
		key := "subgraphs.subscriptions." + name
		check.OneOf(key, &name, names...)
		if n := len(check.Problems); n > 0 && c.file != nil && check.Problems[n-1].Key == key {
			check.Problems[n-1].Line = c.file.Line(key)
		}
	}
	return check.Problems.Err()
}

// complete returns the configuration with its defaults. The error is [settings.Problems].
func (c Config) complete() (Config, error) {
	check := &settings.Check{}
	c.timeout = check.Duration("timeout", c.Timeout, 30*time.Second)
	c.Limits.complete(check)
	c.queueTime = c.within(check, "limits.queueTime", c.Limits.QueueTime, 2*time.Second)
	c.Subscriptions.complete(check)
	for label, percent := range c.Overrides {
		if percent < 0 || percent > 100 || percent != percent {
			check.Refuse("overrides."+label, "must be a percentage from 0 to 100; it is %v", percent)
		}
	}
	upstreams := make(map[string]SubgraphSubscriptions, len(c.Subgraphs.Subscriptions))
	for name, sub := range c.Subgraphs.Subscriptions {
		upstreams[name] = sub.complete(check, "subgraphs.subscriptions."+name)
	}
	c.Subgraphs.Subscriptions = upstreams
	c.Subgraphs.timeout = c.within(check, "subgraphs.timeout", c.Subgraphs.Timeout, 15*time.Second)
	c.PersistedQueries.ttl = check.Duration("persistedQueries.ttl", c.PersistedQueries.TTL, 24*time.Hour)
	c.cors = c.CORS.Compile(check)
	c.Compression.complete(check)
	c.Uploads.complete(check)
	c.Connections.complete(check)
	c.Shutdown.complete(check, c.timeout)
	c.TrustedDocuments.complete(check)
	c.Demand.complete(check)
	c.Clients.complete(check, &c)
	return c, check.Problems.Err()
}

// within returns a length of time that is part of a request's: by default it is no longer than that.
func (c *Config) within(check *settings.Check, key string, text settings.Duration, otherwise time.Duration) time.Duration {
	d := check.Duration(key, text, min(otherwise, c.timeout))
	if d > c.timeout {
		check.Refuse(key, "is %s, but a whole request is given up after timeout, which is %s: make timeout longer, or this shorter", d, c.timeout)
	}
	return d
}

func (l *Limits) complete(check *settings.Check) {
	check.Default("limits.bodyBytes", &l.BodyBytes, 1<<20)
	check.Default("limits.subgraphResponseBytes", &l.SubgraphResponseBytes, 64<<20)
	check.Default("limits.concurrentRequests", &l.ConcurrentRequests, 1024)
	check.Default("limits.memoryBytes", &l.MemoryBytes, 12<<20*runtime.GOMAXPROCS(0))
	check.Default("limits.queueLength", &l.QueueLength, max(1, l.ConcurrentRequests/2))
	if l.QueueLength > l.ConcurrentRequests {
		check.Refuse("limits.queueLength", "is %d, but no more than limits.concurrentRequests, which is %d, are under way to wait: make that larger, or this smaller", l.QueueLength, l.ConcurrentRequests)
	}
	for key, v := range map[string]*int{"tokens": &l.Tokens, "depth": &l.Depth, "aliases": &l.Aliases, "directives": &l.Directives, "rootFields": &l.RootFields, "preparedBytes": &l.PreparedBytes} {
		check.Default("limits."+key, v, 0) // whose default is that of [prepare.Limits]
	}
	if n := l.batchSize(); n < 0 {
		check.Refuse("limits.batchSize", "must be 0 or more, or left out for the default; it is %d", n)
	}
}

func (c Config) operationLimits() prepare.Limits {
	return prepare.Limits{
		Tokens: c.Limits.Tokens, Depth: c.Limits.Depth, Aliases: c.Limits.Aliases,
		Directives: c.Limits.Directives, RootFields: c.Limits.RootFields, PreparedBytes: c.Limits.PreparedBytes,
	}
}

func (c Config) introspection() bool { return c.Introspection == nil || *c.Introspection }

func (c *Config) playground() bool { return c.Playground == nil || *c.Playground }

// ConfigSchema gives the JSON schema (draft 2020-12) of the configuration file, made from its types.
func ConfigSchema() ([]byte, error) {
	s := schemaOf(reflect.TypeFor[Config]())
	s.Schema, s.Title = "https://json-schema.org/draft/2020-12/schema", "Configuration of Lethe's router"
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema of the configuration: %w", err)
	}
	return append(out, '\n'), nil
}

type jsonSchema struct {
	Schema      string                 `json:"$schema,omitempty"`
	Title       string                 `json:"title,omitempty"`
	Description string                 `json:"description,omitempty"`
	Type        string                 `json:"type"`
	Minimum     *int                   `json:"minimum,omitempty"`
	Pattern     string                 `json:"pattern,omitempty"`
	Items       *jsonSchema            `json:"items,omitempty"`
	Properties  map[string]*jsonSchema `json:"properties,omitempty"`
	// Additional is false for a struct, and the schema of the values for a map.
	Additional any `json:"additionalProperties,omitempty"`
}

// durationPattern is what [time.ParseDuration] takes, without a sign.
const durationPattern = `^(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+$`

func schemaOf(t reflect.Type) *jsonSchema {
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.String:
		if t == reflect.TypeFor[settings.Duration]() {
			return &jsonSchema{Type: "string", Pattern: durationPattern}
		}
	case reflect.Bool:
		return &jsonSchema{Type: "boolean"}
	case reflect.Int:
		return &jsonSchema{Type: "integer", Minimum: new(int)}
	case reflect.Float64:
		return &jsonSchema{Type: "number", Minimum: new(int)}
	case reflect.Slice:
		return &jsonSchema{Type: "array", Items: schemaOf(t.Elem())}
	case reflect.Map:
		return &jsonSchema{Type: "object", Additional: schemaOf(t.Elem())}
	case reflect.Struct:
		out := &jsonSchema{Type: "object", Properties: map[string]*jsonSchema{}, Additional: false}
		for f := range t.Fields() {
			if f.IsExported() {
				p := schemaOf(f.Type)
				p.Description = f.Tag.Get("doc")
				out.Properties[f.Tag.Get("yaml")] = p
			}
		}
		return out
	}
	return &jsonSchema{Type: "string"}
}
