package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/lethe/lethe/embedded/redis"
	"github.com/lethe/lethe/embedded/temporal"
)

// servers are the stores that lethe-dev runs on: its own, or those that the environment names.
type servers struct {
	mongo    *database
	redis    *redis.Server
	temporal *temporal.Server

	mongoURI, redisURL, temporalAddr string
}

// startServers starts the servers that the environment does not name, all at once.
func startServers(ctx context.Context, log *slog.Logger, out *steps, dir *directory, p ports, lookup func(string) (string, bool)) (*servers, error) {
	s := &servers{}
	var wg sync.WaitGroup
	var errs [3]error
	wg.Go(func() {
		began := time.Now()
		if uri, ok := lookup("MONGODB_URI"); ok && uri != "" {
			s.mongoURI = uri
			out.done("mongo", "as MONGODB_URI says", began)
			return
		}
		if s.mongo, errs[0] = startMongo(ctx, log, dir, p.addr(portMongo)); errs[0] == nil {
			s.mongoURI = s.mongo.uri
			out.done("mongo", s.mongo.kind+", "+p.addr(portMongo), began)
		}
	})
	wg.Go(func() {
		began := time.Now()
		if url, ok := lookup("REDIS_URL"); ok && url != "" {
			s.redisURL = url
			out.done("redis", "as REDIS_URL says", began)
			return
		}
		if s.redis, errs[1] = redis.Start(p.addr(portRedis)); errs[1] == nil {
			s.redisURL = s.redis.URL()
			out.done("redis", "embedded, "+p.addr(portRedis), began)
		}
	})
	wg.Go(func() {
		began := time.Now()
		if addr, ok := lookup("TEMPORAL_ADDRESS"); ok && addr != "" {
			s.temporalAddr = addr
			out.done("temporal", "as TEMPORAL_ADDRESS says", began)
			return
		}
		s.temporal, errs[2] = temporal.Start(ctx, temporal.Options{
			Addr: p.addr(portTemporal), UIAddr: p.addr(portTemporalUI), Dir: dir.sub("temporal"),
			Namespaces: []string{"default"}, SearchAttributes: map[string]enumspb.IndexedValueType{}, Log: log,
		})
		if errs[2] == nil {
			s.temporalAddr = s.temporal.Addr()
			out.done("temporal", "embedded, "+p.addr(portTemporal)+", web UI "+p.addr(portTemporalUI), began)
		}
	})
	wg.Wait()
	return s, errors.Join(errs[:]...)
}

// settings adds to the keys what the processes must know of each other.
func (s *servers) settings(keys map[string]string, p ports) map[string]string {
	all := map[string]string{
		"MONGODB_URI":        s.mongoURI,
		"REDIS_URL":          s.redisURL,
		"TEMPORAL_ADDRESS":   s.temporalAddr,
		"PUBLIC_URL":         p.url(portCatalogue),
		"ROUTER_URL":         p.url(portRouter),
		"JWT_ISSUER":         "lethe-dev",
		"ERASURE_APPROVAL":   "false",
		"ERASURE_GRACE_DAYS": "0",
	}
	for k, v := range keys {
		all[k] = v
	}
	return all
}

// stop ends the servers, Temporal first because it writes the most.
func (s *servers) stop(within time.Duration) error {
	var errs []error
	if s.temporal != nil {
		s.temporal.Stop(max(within-200*time.Millisecond, 100*time.Millisecond))
	}
	if s.redis != nil {
		s.redis.Close()
	}
	if s.mongo != nil {
		errs = append(errs, s.mongo.stop())
	}
	return errors.Join(errs...)
}

// listenLocal listens on a free port, for what nobody needs to know the port of.
func listenLocal(ctx context.Context) (net.Listener, string, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", host+":0")
	if err != nil {
		return nil, "", fmt.Errorf("find a free port: %w", err)
	}
	return ln, "http://" + host + ":" + strconv.Itoa(ln.Addr().(*net.TCPAddr).Port), nil
}
