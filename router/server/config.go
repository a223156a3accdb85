package server

import (
	"bytes"
	"fmt"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/lethe/lethe/router/prepare"
)

// Config is what an operator may set. Zero values take the defaults.
type Config struct {
	Limits struct {
		BodyBytes             int `yaml:"bodyBytes"`             // of a request; 1 MiB
		SubgraphResponseBytes int `yaml:"subgraphResponseBytes"` // of a subgraph's answer; 64 MiB
		ConcurrentRequests    int `yaml:"concurrentRequests"`    // more are told to come again; 1024
		Tokens                int `yaml:"tokens"`
		Depth                 int `yaml:"depth"`
		Aliases               int `yaml:"aliases"`
		Directives            int `yaml:"directives"`
		RootFields            int `yaml:"rootFields"`
	} `yaml:"limits"`
	Subgraphs struct {
		Timeout    string `yaml:"timeout"`    // of a request to a subgraph; "15s"
		MaskErrors bool   `yaml:"maskErrors"` // keep the messages of subgraphs' errors from clients
		timeout    time.Duration
	} `yaml:"subgraphs"`
	CORS struct {
		Origins []string `yaml:"origins"` // that browsers may ask from; none
	} `yaml:"cors"`
	Introspection *bool  `yaml:"introspection"` // true
	QueryPlans    bool   `yaml:"queryPlans"`    // answer the header Lethe-Query-Plan with the plan
	AccessLog     bool   `yaml:"accessLog"`     // a line for each request
	Timeout       string `yaml:"timeout"`       // of a whole request; "30s"
	timeout       time.Duration
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
	set := func(v *int, otherwise int) {
		if *v <= 0 {
			*v = otherwise
		}
	}
	set(&c.Limits.BodyBytes, 1<<20)
	set(&c.Limits.SubgraphResponseBytes, 64<<20)
	set(&c.Limits.ConcurrentRequests, 1024)
	var err error
	if c.Subgraphs.timeout, err = duration("subgraphs.timeout", c.Subgraphs.Timeout, 15*time.Second); err != nil {
		return c, err
	}
	if c.timeout, err = duration("timeout", c.Timeout, 30*time.Second); err != nil {
		return c, err
	}
	return c, nil
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
		Directives: c.Limits.Directives, RootFields: c.Limits.RootFields,
	}
}

func (c Config) introspection() bool { return c.Introspection == nil || *c.Introspection }
