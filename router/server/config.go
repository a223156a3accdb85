package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/lethe/lethe/router/prepare"
)

// Config is what an operator may set. Zero values take the defaults.
type Config struct {
	Limits        Limits        `yaml:"limits" doc:"What is taken of clients and subgraphs."`
	Subgraphs     Subgraphs     `yaml:"subgraphs" doc:"How subgraphs are asked."`
	Subscriptions Subscriptions `yaml:"subscriptions" doc:"How subscriptions of clients are served."`
	CORS          CORS          `yaml:"cors" doc:"Which pages of other sites may ask."`
	Timeout       string        `yaml:"timeout" doc:"How long a whole request may take, such as \"30s\", which is the default."`
	Introspection *bool         `yaml:"introspection" doc:"Whether clients may ask for the schema. On by default."`
	QueryPlans    bool          `yaml:"queryPlans" doc:"Whether a request with the header Lethe-Query-Plan gets its query plan in the response's extensions."`
	ShareInFlight bool          `yaml:"shareInFlight" doc:"Whether queries that are alike in everything (operation, variables, identity) and under way at the same time are answered once for all of them. Off by default: an answer that is shared may have been read just before one's own mutation."`
	AccessLog     bool          `yaml:"accessLog" doc:"Whether each request is logged: its id, status, operation name and times, and nothing that a person wrote."`

	// Overrides are by label, in percent.
	Overrides map[string]float64 `yaml:"overrides" doc:"In how many of a hundred requests each label of a progressive @override is active, by the label. Labels percent(x) say it themselves."`

	PersistedQueries PersistedQueries `yaml:"persistedQueries" doc:"Operations that clients register by their hash."`
	Compression      Compression      `yaml:"compression" doc:"Which responses are compressed."`
	Uploads          Uploads          `yaml:"uploads" doc:"Files that clients send."`
	TrustedDocuments TrustedDocuments `yaml:"trustedDocuments" doc:"Operations that are known before clients ask for them."`

	timeout   time.Duration
	queueTime time.Duration
}

// Limits bound requests and answers. The limits on operations are those of [prepare.Limits].
type Limits struct {
	BodyBytes             int    `yaml:"bodyBytes" doc:"Bytes of a request: 1 MiB by default."`
	SubgraphResponseBytes int    `yaml:"subgraphResponseBytes" doc:"Bytes of a subgraph's answer: 64 MiB by default."`
	BatchSize             *int   `yaml:"batchSize" doc:"Operations in one request: 10 by default, 0 to take them only one at a time."`
	ConcurrentRequests    int    `yaml:"concurrentRequests" doc:"Requests under way, beyond which clients are told to come again: 1024 by default."`
	MemoryBytes           int    `yaml:"memoryBytes" doc:"Bytes that the subgraphs' answers to all requests under way may take together with the responses, beyond which requests wait for their turn: 12 MiB for each core by default."`
	QueueLength           int    `yaml:"queueLength" doc:"Requests that may wait for memory, beyond which clients are told to come again: half of concurrentRequests by default."`
	QueueTime             string `yaml:"queueTime" doc:"How long a request may wait for memory, such as \"2s\", which is the default: then its client is told to come again."`
	Tokens                int    `yaml:"tokens" doc:"Tokens of an operation's text: 15000 by default."`
	Depth                 int    `yaml:"depth" doc:"Levels of nested fields: 50 by default."`
	Aliases               int    `yaml:"aliases" doc:"Aliases in an operation: 200 by default."`
	Directives            int    `yaml:"directives" doc:"Directives in an operation: 200 by default."`
	RootFields            int    `yaml:"rootFields" doc:"Fields of Query or Mutation in an operation: 100 by default."`
	PreparedBytes         int    `yaml:"preparedBytes" doc:"Bytes that the operations kept ready may take together with their plans, beyond which those asked least are dropped: 128 MiB by default."`
}

// Subgraphs says how subgraphs are asked.
type Subgraphs struct {
	Timeout     string `yaml:"timeout" doc:"How long a request to a subgraph may take, such as \"15s\", which is the default."`
	Compression bool   `yaml:"compression" doc:"Whether subgraphs are asked to compress their answers with gzip: worth it where the way to them is slow."`
	MaskErrors  bool   `yaml:"maskErrors" doc:"Whether the messages of subgraphs' errors are kept from clients: they get the code alone."`
	// ErrorExtensions may be empty, which lets through the code alone.
	ErrorExtensions []string `yaml:"errorExtensions" doc:"Keys of the extensions of subgraphs' errors that clients get, beside the code. All when left out; none with an empty list."`
	NameInErrors    bool     `yaml:"nameInErrors" doc:"Whether every error of a subgraph says in extensions.service which it is."`
	// Subscriptions are by the name of the subgraph.
	Subscriptions map[string]SubgraphSubscriptions `yaml:"subscriptions" doc:"How subscriptions reach each subgraph, by its name."`

	timeout time.Duration
}

// CORS says which pages of other sites may ask.
type CORS struct {
	Origins []string `yaml:"origins" doc:"Origins that browsers may ask from, such as \"https://shop.example\"; \"*\" for all. None by default."`
}

// ReadConfig reads a YAML file. Unknown keys are refused.
func ReadConfig(text []byte) (Config, error) {
	var c Config
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if len(bytes.TrimSpace(text)) > 0 {
		if err := d.Decode(&c); err != nil {
			return c, fmt.Errorf("read the configuration: %w", err)
		}
	}
	return c.complete()
}

func (c Config) complete() (Config, error) {
	for key, v := range map[string]int{
		"bodyBytes": c.Limits.BodyBytes, "subgraphResponseBytes": c.Limits.SubgraphResponseBytes, "concurrentRequests": c.Limits.ConcurrentRequests, "memoryBytes": c.Limits.MemoryBytes, "queueLength": c.Limits.QueueLength,
		"tokens": c.Limits.Tokens, "depth": c.Limits.Depth, "aliases": c.Limits.Aliases, "directives": c.Limits.Directives, "rootFields": c.Limits.RootFields, "preparedBytes": c.Limits.PreparedBytes,
	} {
		if v < 0 {
			return c, fmt.Errorf("limits.%s is %d: it must be above zero, or left out for the default", key, v)
		}
	}
	if n := c.Limits.batchSize(); n < 0 {
		return c, fmt.Errorf("limits.batchSize is %d: it must be 0 or more, or left out for the default", n)
	}
	set := func(v *int, otherwise int) {
		if *v == 0 {
			*v = otherwise
		}
	}
	set(&c.Limits.BodyBytes, 1<<20)
	set(&c.Limits.SubgraphResponseBytes, 64<<20)
	set(&c.Limits.ConcurrentRequests, 1024)
	set(&c.Limits.MemoryBytes, 12<<20*runtime.GOMAXPROCS(0))
	set(&c.Limits.QueueLength, max(1, c.Limits.ConcurrentRequests/2))
	if err := c.Subscriptions.complete(); err != nil {
		return c, err
	}
	for label, percent := range c.Overrides {
		if percent < 0 || percent > 100 || percent != percent {
			return c, fmt.Errorf("overrides.%s is %v: it must be a percentage from 0 to 100", label, percent)
		}
	}
	upstreams := make(map[string]SubgraphSubscriptions, len(c.Subgraphs.Subscriptions))
	for name, sub := range c.Subgraphs.Subscriptions {
		var err error
		if upstreams[name], err = sub.complete(name); err != nil {
			return c, err
		}
	}
	c.Subgraphs.Subscriptions = upstreams
	var err error
	if c.Subgraphs.timeout, err = duration("subgraphs.timeout", c.Subgraphs.Timeout, 15*time.Second); err != nil {
		return c, err
	}
	if c.timeout, err = duration("timeout", c.Timeout, 30*time.Second); err != nil {
		return c, err
	}
	if c.queueTime, err = duration("limits.queueTime", c.Limits.QueueTime, 2*time.Second); err != nil {
		return c, err
	}
	if c.PersistedQueries.ttl, err = duration("persistedQueries.ttl", c.PersistedQueries.TTL, 24*time.Hour); err != nil {
		return c, err
	}
	if err = c.Compression.complete(); err != nil {
		return c, err
	}
	if err = c.Uploads.complete(); err != nil {
		return c, err
	}
	return c, c.TrustedDocuments.complete()
}

func duration(key, text string, otherwise time.Duration) (time.Duration, error) {
	if text == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%s is %q: it must be a duration such as \"15s\"", key, text)
	}
	return d, nil
}

func (c Config) operationLimits() prepare.Limits {
	return prepare.Limits{
		Tokens: c.Limits.Tokens, Depth: c.Limits.Depth, Aliases: c.Limits.Aliases,
		Directives: c.Limits.Directives, RootFields: c.Limits.RootFields, PreparedBytes: c.Limits.PreparedBytes,
	}
}

func (c Config) introspection() bool { return c.Introspection == nil || *c.Introspection }

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
	Items       *jsonSchema            `json:"items,omitempty"`
	Properties  map[string]*jsonSchema `json:"properties,omitempty"`
	// Additional is false for a struct, and the schema of the values for a map.
	Additional any `json:"additionalProperties,omitempty"`
}

func schemaOf(t reflect.Type) *jsonSchema {
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
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
