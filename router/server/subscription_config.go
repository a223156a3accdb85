package server

import (
	"fmt"
	"net/url"
	"time"
)

// Subscriptions says how subscriptions of clients are served.
type Subscriptions struct {
	Heartbeat   string `yaml:"heartbeat" doc:"How often a connection on which nothing happens is shown to live, such as \"12s\", which is the default."`
	InitTimeout string `yaml:"initTimeout" doc:"How long a WebSocket may take to send connection_init, such as \"3s\", which is the default."`
	Patience    string `yaml:"patience" doc:"How long a client may take over what it is sent, and how long a subscription may stand still whose queue is full, such as \"10s\", which is the default."`
	Queue       int    `yaml:"queue" doc:"Events of one subscription that wait for its client: 64 by default. The subgraph waits while it is full."`
	Streams     int    `yaml:"streams" doc:"Subscriptions under way, over any transport: 10000 by default."`
	Sockets     int    `yaml:"sockets" doc:"WebSockets of clients: 10000 by default."`
	PerSocket   int    `yaml:"perSocket" doc:"Operations under way on one WebSocket: 100 by default."`

	heartbeat, initTimeout, patience time.Duration
}

// SubgraphSubscriptions says how subscriptions reach a subgraph.
type SubgraphSubscriptions struct {
	Protocol  string `yaml:"protocol" doc:"\"sse\", the default, for server-sent events (GraphQL over SSE, distinct connections mode); \"ws\" for WebSocket (graphql-transport-ws)."`
	URL       string `yaml:"url" doc:"Where subscriptions are taken: a URL, or a path at the subgraph's address. The subgraph's address by default."`
	Heartbeat string `yaml:"heartbeat" doc:"How often the connection has to show that it lives, such as \"15s\": the subgraph is lost when nothing was heard for twice as long. Over WebSocket the router pings, every 15s by default; over server-sent events the subgraph has to send comments, and nothing is asked of it by default."`

	heartbeat time.Duration
	url       *url.URL // nil for the subgraph's address; may be relative to that
}

// The protocols of subscriptions to subgraphs.
const (
	protocolSSE = "sse"
	protocolWS  = "ws"
)

func (c *Subscriptions) complete() error {
	for _, n := range []struct {
		key       string
		value     *int
		otherwise int
	}{{"queue", &c.Queue, 64}, {"streams", &c.Streams, 10_000}, {"sockets", &c.Sockets, 10_000}, {"perSocket", &c.PerSocket, 100}} {
		if *n.value < 0 {
			return fmt.Errorf("subscriptions.%s is %d: it must be above zero, or left out for the default", n.key, *n.value)
		}
		if *n.value == 0 {
			*n.value = n.otherwise
		}
	}
	var err error
	if c.heartbeat, err = duration("subscriptions.heartbeat", c.Heartbeat, 12*time.Second); err != nil {
		return err
	}
	if c.initTimeout, err = duration("subscriptions.initTimeout", c.InitTimeout, 3*time.Second); err != nil {
		return err
	}
	c.patience, err = duration("subscriptions.patience", c.Patience, 10*time.Second)
	return err
}

// complete gives the configuration with its defaults; the subgraph's name is for the error.
func (c SubgraphSubscriptions) complete(subgraph string) (SubgraphSubscriptions, error) {
	key := "subgraphs.subscriptions." + subgraph
	var otherwise time.Duration
	switch c.Protocol {
	case "":
		c.Protocol = protocolSSE
	case protocolSSE:
	case protocolWS:
		otherwise = 15 * time.Second
	default:
		return c, fmt.Errorf("%s.protocol is %q: it must be %q or %q", key, c.Protocol, protocolSSE, protocolWS)
	}
	var err error
	if c.heartbeat, err = duration(key+".heartbeat", c.Heartbeat, otherwise); err != nil {
		return c, err
	}
	if c.URL == "" {
		return c, nil
	}
	if c.url, err = url.Parse(c.URL); err != nil || c.url.IsAbs() && c.url.Host == "" || !c.url.IsAbs() && (c.url.Host != "" || c.url.Path == "") {
		return c, fmt.Errorf("%s.url is %q: it must be a URL, or a path at the subgraph's address", key, c.URL)
	}
	switch c.url.Scheme {
	case "", "http", "https":
	case "ws":
		c.url.Scheme = "http"
	case "wss":
		c.url.Scheme = "https"
	default:
		return c, fmt.Errorf("%s.url is %q: its scheme must be http, https, ws or wss", key, c.URL)
	}
	return c, nil
}
