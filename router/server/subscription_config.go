package server

import (
	"net/url"
	"time"

	"github.com/lethe/lethe/router/settings"
)

// Subscriptions says how subscriptions of clients are served.
type Subscriptions struct {
	Heartbeat   settings.Duration `yaml:"heartbeat" doc:"How often a connection on which nothing happens is shown to live, such as \"12s\", which is the default."`
	InitTimeout settings.Duration `yaml:"initTimeout" doc:"How long a WebSocket may take to send connection_init, such as \"3s\", which is the default."`
	Patience    settings.Duration `yaml:"patience" doc:"How long a client may take over what it is sent, and how long a subscription may stand still whose queue is full, such as \"10s\", which is the default."`
	Queue       int               `yaml:"queue" doc:"Events of one subscription that wait for its client: 64 by default. The subgraph waits while it is full."`
	Streams     int               `yaml:"streams" doc:"Subscriptions under way, over any transport: 10000 by default."`
	Sockets     int               `yaml:"sockets" doc:"WebSockets of clients: 10000 by default."`
	PerSocket   int               `yaml:"perSocket" doc:"Operations under way on one WebSocket: 100 by default."`

	heartbeat, initTimeout, patience time.Duration
}

// SubgraphSubscriptions says how subscriptions reach a subgraph.
type SubgraphSubscriptions struct {
	Protocol  string            `yaml:"protocol" doc:"\"sse\", the default, for server-sent events (GraphQL over SSE, distinct connections mode); \"ws\" for WebSocket (graphql-transport-ws)."`
	URL       string            `yaml:"url" doc:"Where subscriptions are taken: a URL, or a path at the subgraph's address. The subgraph's address by default."`
	Heartbeat settings.Duration `yaml:"heartbeat" doc:"How often the connection has to show that it lives, such as \"15s\": the subgraph is lost when nothing was heard for twice as long. Over WebSocket the router pings, every 15s by default; over server-sent events the subgraph has to send comments, and nothing is asked of it by default."`

	heartbeat time.Duration
	url       *url.URL // nil for the subgraph's address; may be relative to that
}

// The protocols of subscriptions to subgraphs.
const (
	protocolSSE = "sse"
	protocolWS  = "ws"
)

func (c *Subscriptions) complete(check *settings.Check) {
	check.Default("subscriptions.queue", &c.Queue, 64)
	check.Default("subscriptions.streams", &c.Streams, 10_000)
	check.Default("subscriptions.sockets", &c.Sockets, 10_000)
	check.Default("subscriptions.perSocket", &c.PerSocket, 100)
	c.heartbeat = check.Duration("subscriptions.heartbeat", c.Heartbeat, 12*time.Second)
	c.initTimeout = check.Duration("subscriptions.initTimeout", c.InitTimeout, 3*time.Second)
	c.patience = check.Duration("subscriptions.patience", c.Patience, 10*time.Second)
}

// complete returns the configuration with its defaults; key is that of the subgraph.
func (c SubgraphSubscriptions) complete(check *settings.Check, key string) SubgraphSubscriptions {
	check.OneOf(key+".protocol", &c.Protocol, protocolSSE, protocolWS)
	var otherwise time.Duration
	if c.Protocol == protocolWS {
		otherwise = 15 * time.Second
	}
	c.heartbeat = check.Duration(key+".heartbeat", c.Heartbeat, otherwise)
	if c.URL == "" {
		return c
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.IsAbs() && u.Hostname() == "" || !u.IsAbs() && (u.Host != "" || u.Path == "" || u.Path[0] != '/') {
		check.Refuse(key+".url", "must be a URL such as https://orders.example/stream, or a path at the subgraph's address such as /stream; it is %q", c.URL)
		return c
	}
	switch u.Scheme {
	case "", "http", "https":
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	default:
		check.Refuse(key+".url", "must begin with https://, http://, wss:// or ws://, or be a path such as /stream; it is %q", c.URL)
		return c
	}
	c.url = u
	return c
}
