// Package process builds each of Lethe's processes from its configuration: it connects what the process needs and hands
// the connections to the service's constructor. The lethe binary runs one of them, lethe-dev all of them.
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.temporal.io/sdk/client"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/durable"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/chassis/redisdb"
)

// Stores says where the servers are that a process keeps its data in.
type Stores struct {
	MongoURI          string
	Database          string
	RedisURL          string
	TemporalAddress   string
	TemporalNamespace string
}

// readStores reads the addresses of the servers. Database is the default name of the process's own database.
func readStores(env *chassis.Env, database string) Stores {
	return Stores{
		MongoURI:          readMongo(env),
		Database:          readDatabase(env, "MONGODB_DATABASE_"+strings.ToUpper(database), "lethe_"+database),
		RedisURL:          readRedis(env),
		TemporalAddress:   env.Address("TEMPORAL_ADDRESS", "host:port of Temporal's frontend"),
		TemporalNamespace: env.String("TEMPORAL_NAMESPACE", "default"),
	}
}

// readMongo reads the address of MongoDB. What the driver says of one that is not right may hold its password.
func readMongo(env *chassis.Env) string {
	const name = "MONGODB_URI"
	uri := env.URL(name, "the address of MongoDB, such as mongodb://host:27017", "mongodb", "mongodb+srv")
	if strings.HasPrefix(uri, "mongodb://") { // the other is looked up, which is for when it is needed
		if err := options.Client().ApplyURI(uri).Validate(); err != nil {
			env.Refuse(errors.New(name + " is not right: its options or its credentials are none that MongoDB has"))
		}
	}
	return uri
}

// readDatabase reads the name of a database.
func readDatabase(env *chassis.Env, name, otherwise string) string {
	v := env.String(name, otherwise)
	if len(v) > 63 || strings.ContainsAny(v, `/\. "$*<>:|?`) {
		env.Refuse(fmt.Errorf("%s is %q: a database's name has at most 63 bytes, and no spaces, dots or any of /\\\"$*<>:|?", name, v))
	}
	return v
}

// readRedis reads the address of Redis.
func readRedis(env *chassis.Env) string {
	const name = "REDIS_URL"
	address := env.URL(name, "the address of Redis, such as redis://host:6379/0", "redis", "rediss")
	if address != "" {
		if _, err := redis.ParseURL(address); err != nil {
			env.Refuse(errors.New(name + " is not right: after the host come the number of the database and options that Redis has, such as redis://host:6379/0"))
		}
	}
	return address
}

// connections are open clients and how to close them.
type connections struct {
	mongo    *mongo.Client
	redis    *redis.Client
	temporal client.Client
	db       *mongo.Database
}

func (s Stores) open(ctx context.Context, name string, log *slog.Logger) (*connections, error) {
	var c connections
	var err error
	if c.mongo, err = mongodb.Connect(ctx, s.MongoURI, "lethe-"+name); err != nil {
		return nil, err
	}
	c.db = c.mongo.Database(s.Database)
	if c.redis, err = redisdb.Connect(ctx, s.RedisURL, "lethe-"+name); err != nil {
		return nil, errors.Join(err, c.close(ctx))
	}
	c.temporal, err = durable.Dial(ctx, durable.Options{
		Address: s.TemporalAddress, Namespace: s.TemporalNamespace, Identity: "lethe-" + name, Log: quiet(log),
	})
	if err != nil {
		return nil, errors.Join(err, c.close(ctx))
	}
	return &c, nil
}

func (c *connections) close(ctx context.Context) error {
	var errs []error
	if c.temporal != nil {
		c.temporal.Close()
	}
	if c.redis != nil {
		errs = append(errs, c.redis.Close())
	}
	if c.mongo != nil {
		errs = append(errs, c.mongo.Disconnect(ctx))
	}
	return errors.Join(errs...)
}

// checks are the readiness of the stores.
func (c *connections) checks() []chassis.Check {
	return []chassis.Check{
		{Name: "mongodb", Probe: func(ctx context.Context) error { return c.mongo.Ping(ctx, nil) }},
		{Name: "redis", Probe: func(ctx context.Context) error { return c.redis.Ping(ctx).Err() }},
		{Name: "temporal", Probe: func(ctx context.Context) error {
			_, err := c.temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
			return err
		}},
	}
}

// Opened is a process that is ready to be served.
type Opened struct {
	Service *chassis.Service
	// Whole says that the handler brings its own /health, /ready and /metrics.
	Whole bool
	// front, where set, answers before the HTTP server what it can.
	front func(net.Listener) net.Listener
	close func(context.Context) error
}

// Serve serves the process on ln until ctx is done, and then stops as its service says.
func (o *Opened) Serve(ctx context.Context, log *slog.Logger, ln net.Listener) error {
	if !o.Whole {
		return chassis.Serve(ctx, log, ln, o.Service)
	}
	if o.front != nil {
		ln = o.front(ln)
	}
	return chassis.ServeHandler(ctx, log, ln, o.Service)
}

// Close closes the process's connections, after its service has stopped.
func (o *Opened) Close(ctx context.Context) error { return o.close(ctx) }

// SubgraphKeyVariable is the environment variable with the key that a subgraph shares with the router.
func SubgraphKeyVariable(name string) string { return "SUBGRAPH_KEY_" + variable(name) }

// SubgraphURLVariable is the environment variable with the address at which the router finds a subgraph, in place of the
// one in the supergraph.
func SubgraphURLVariable(name string) string { return "SUBGRAPH_URL_" + variable(name) }

func variable(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}

func gate(env *chassis.Env, name string) *identity.Gate {
	key := env.Key(SubgraphKeyVariable(name), 32, "the key that the subgraph shares with the router")
	if key == nil {
		return nil
	}
	g, err := identity.NewGate(name, key)
	if err != nil {
		return nil
	}
	return g
}

// quiet keeps the Temporal SDK's information out of a process's log: its warnings and errors stay.
func quiet(log *slog.Logger) *slog.Logger {
	return slog.New(atLeast{log.Handler(), slog.LevelWarn})
}

type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

func (h atLeast) WithAttrs(a []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(a), h.level}
}
func (h atLeast) WithGroup(n string) slog.Handler { return atLeast{h.Handler.WithGroup(n), h.level} }
