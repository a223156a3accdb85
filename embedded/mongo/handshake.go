package mongo

import (
	"runtime"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// version is the MongoDB whose behaviour the server follows; wireVersion is its protocol's.
const (
	version     = "7.0.0"
	wireVersion = 21
)

func isHello(name string) bool { return name == "hello" || name == "isMaster" || name == "ismaster" }

// hello describes the server: the primary of a replica set that has no other member.
func hello(r *request) (bson.D, error) {
	// What a client says about itself, and what it would like: neither compression nor authentication is offered.
	r.permitted("client", "helloOk", "compression", "saslSupportedMechs", "speculativeAuthenticate", "hostInfo", "internalClient", "backpressure")
	r.simple("loadBalanced", "topologyVersion", "maxAwaitTimeMS")
	if err := r.finish(); err != nil {
		return nil, err
	}
	addr := r.s.Addr()
	return bson.D{
		{Key: "helloOk", Value: true}, {Key: "isWritablePrimary", Value: true}, {Key: "ismaster", Value: true}, {Key: "secondary", Value: false},
		{Key: "setName", Value: setName}, {Key: "setVersion", Value: int32(1)}, {Key: "hosts", Value: bson.A{addr}}, {Key: "me", Value: addr}, {Key: "primary", Value: addr},
		{Key: "maxBsonObjectSize", Value: int32(value.MaxDocument)}, {Key: "maxMessageSizeBytes", Value: int32(maxMessage)}, {Key: "maxWriteBatchSize", Value: int32(maxBatch)},
		{Key: "localTime", Value: bson.NewDateTimeFromTime(r.now)}, {Key: "logicalSessionTimeoutMinutes", Value: int32(30)}, {Key: "connectionId", Value: r.connection},
		{Key: "minWireVersion", Value: int32(0)}, {Key: "maxWireVersion", Value: int32(wireVersion)}, {Key: "readOnly", Value: false},
	}, nil
}

func ping(r *request) (bson.D, error) { return bson.D{}, r.finish() }

func buildInfo(r *request) (bson.D, error) {
	return bson.D{
		{Key: "version", Value: version}, {Key: "versionArray", Value: bson.A{int32(7), int32(0), int32(0), int32(0)}}, {Key: "modules", Value: bson.A{"lethe embedded/mongo"}},
		{Key: "bits", Value: int32(64)}, {Key: "maxBsonObjectSize", Value: int32(value.MaxDocument)}, {Key: "storageEngines", Value: bson.A{"memory"}},
	}, r.finish()
}

func serverStatus(r *request) (bson.D, error) {
	if err := r.finish(); err != nil {
		return nil, err
	}
	r.s.mu.Lock()
	conns := len(r.s.conns)
	r.s.mu.Unlock()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	return bson.D{
		{Key: "host", Value: r.s.Addr()}, {Key: "version", Value: version}, {Key: "process", Value: "embedded/mongo"},
		{Key: "uptime", Value: time.Since(r.s.started).Seconds()}, {Key: "localTime", Value: bson.NewDateTimeFromTime(r.now)},
		{Key: "connections", Value: bson.D{{Key: "current", Value: int32(conns)}, {Key: "available", Value: int32(maxConnections - conns)}}},
		{Key: "mem", Value: bson.D{{Key: "resident", Value: int32(mem.Sys >> 20)}, {Key: "virtual", Value: int32(mem.Sys >> 20)}}},
		{Key: "repl", Value: bson.D{{Key: "setName", Value: setName}, {Key: "isWritablePrimary", Value: true}}},
	}, nil
}

func connectionStatus(r *request) (bson.D, error) {
	r.simple("showPrivileges")
	return bson.D{{Key: "authInfo", Value: bson.D{{Key: "authenticatedUsers", Value: bson.A{}}, {Key: "authenticatedUserRoles", Value: bson.A{}}}}}, r.finish()
}

func whatsMyURI(r *request) (bson.D, error) {
	return bson.D{{Key: "you", Value: r.s.Addr()}}, r.finish()
}

// getParameter knows the parameter that tools ask for: the feature compatibility version.
func getParameter(r *request) (bson.D, error) {
	v, asked := r.take("featureCompatibilityVersion")
	if err := r.finish(); err != nil {
		return nil, err
	}
	if !asked || !value.Truth(v) {
		return nil, fault.New(fault.InvalidOptions, "no option found to get")
	}
	return bson.D{{Key: "featureCompatibilityVersion", Value: bson.D{{Key: "version", Value: "7.0"}}}}, nil
}
