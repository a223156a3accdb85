package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	embedded "github.com/lethe/lethe/embedded/mongo"
)

// database is a running MongoDB and how to stop it.
type database struct {
	uri  string
	kind string // "embedded" or "mongod"
	stop func() error
}

// startMongo runs the mongod of the PATH in the data directory if there is one, else the embedded server.
func startMongo(ctx context.Context, log *slog.Logger, d *directory, addr string) (*database, error) {
	binary, err := exec.LookPath("mongod")
	if err == nil {
		return startMongod(ctx, binary, d.sub("mongod"), addr)
	}
	s, err := embedded.Start(ctx, embedded.Options{Addr: addr, Dir: d.sub("mongo"), Log: log})
	if err != nil {
		return nil, fmt.Errorf("start the embedded MongoDB: %w", err)
	}
	return &database{uri: s.URI(), kind: "embedded", stop: s.Close}, nil
}

// startMongod runs a replica set of one, so that retryable writes and transactions work as in production.
func startMongod(ctx context.Context, binary, dir, addr string) (*database, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of mongod: %w", err)
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("read the address of mongod: %w", err)
	}
	cmd := exec.Command(binary, "--dbpath", dir, "--bind_ip", host, "--port", port, "--replSet", "lethe", "--logpath", dir+"/mongod.log", "--logappend")
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	stop := func() error {
		if err := cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop mongod: %w", err)
		}
		var ended *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.As(err, &ended) {
			return fmt.Errorf("stop mongod: %w", err)
		}
		return nil
	}
	if err := initiate(ctx, addr); err != nil {
		return nil, errors.Join(err, stop())
	}
	return &database{uri: "mongodb://" + addr + "/?replicaSet=lethe", kind: "mongod", stop: stop}, nil
}

func initiate(ctx context.Context, addr string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + addr + "/?directConnection=true"))
	if err != nil {
		return fmt.Errorf("connect to mongod: %w", err)
	}
	defer func() { err = errors.Join(err, client.Disconnect(context.WithoutCancel(ctx))) }()
	admin := client.Database("admin")
	const alreadyInitialized = 23
	err = admin.RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: bson.D{
		{Key: "_id", Value: "lethe"},
		{Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: addr}}}},
	}}}).Err()
	var refused mongo.CommandError
	if err != nil && (!errors.As(err, &refused) || refused.Code != alreadyInitialized) {
		return fmt.Errorf("make mongod a replica set: %w", err)
	}
	primary, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + addr + "/?replicaSet=lethe").SetServerSelectionTimeout(25 * time.Second))
	if err != nil {
		return fmt.Errorf("connect to mongod: %w", err)
	}
	defer func() { err = errors.Join(err, primary.Disconnect(context.WithoutCancel(ctx))) }()
	if err := primary.Ping(ctx, nil); err != nil {
		return fmt.Errorf("await mongod's primary: %w", err)
	}
	return nil
}
