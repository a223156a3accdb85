// Package temporal runs a whole Temporal server inside the process, on an SQLite file, with its web UI. It is for
// development and tests: production runs Temporal's own deployment.
//
// It links Temporal's server, whose first build takes minutes. Only cmd/lethe-dev and the tests that need a real server
// import it.
package temporal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
)

const clusterName = "active"

// Options say where the server keeps its data and what it listens on.
type Options struct {
	// Addr is host:port of the frontend; port 0 takes a free one.
	Addr string
	// UIAddr is host:port of the web UI; empty for none.
	UIAddr string
	// Dir holds the database; empty keeps nothing.
	Dir string
	// Namespaces are made if they are not there.
	Namespaces []string
	// SearchAttributes are registered in every namespace.
	SearchAttributes map[string]enumspb.IndexedValueType
	Log              *slog.Logger
}

// Server is a running Temporal server.
type Server struct {
	server temporal.Server
	ui     *server.Server
	addr   string
}

// Start starts the server and returns once its frontend answers. Temporal keeps process-wide state, so that one process
// runs one server at a time.
func Start(ctx context.Context, o Options) (*Server, error) {
	host, port, err := hostPort(o.Addr)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(host, 4)
	if err != nil {
		return nil, err
	}
	if port == 0 {
		port = ports[3]
	}
	addr := net.JoinHostPort(host, fmt.Sprint(port))
	sql, err := database(o)
	if err != nil {
		return nil, err
	}
	logger := slogLogger{o.Log}
	conf := configuration(host, port, ports, sql)
	authorizer, err := authorization.GetAuthorizerFromConfig(&conf.Global.Authorization)
	if err != nil {
		return nil, fmt.Errorf("configure Temporal: %w", err)
	}
	claims, err := authorization.GetClaimMapperFromConfig(&conf.Global.Authorization, logger)
	if err != nil {
		return nil, fmt.Errorf("configure Temporal: %w", err)
	}
	hosts := map[primitives.ServiceName]static.Hosts{}
	for name, p := range map[primitives.ServiceName]int{
		primitives.FrontendService: port, primitives.HistoryService: ports[0],
		primitives.MatchingService: ports[1], primitives.WorkerService: ports[2],
	} {
		hosts[name] = static.SingleLocalHost(net.JoinHostPort(host, fmt.Sprint(p)))
	}
	s, err := temporal.NewServer(
		temporal.WithConfig(conf),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(logger),
		temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims }),
		temporal.WithDynamicConfigClient(dynamicconfig.StaticClient{
			dynamicconfig.HistoryCacheHostLevelMaxSize.Key():                 8096,
			dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 1000,
			dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key():      true,
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("build Temporal's server: %w", err)
	}
	if err := s.Start(); err != nil {
		return nil, fmt.Errorf("start Temporal's server: %w", err)
	}
	out := &Server{server: s, addr: addr}
	if err := out.awaitFrontend(ctx, o.Log); err != nil {
		out.Stop(time.Second)
		return nil, err
	}
	if o.UIAddr != "" {
		if err := out.startUI(o.UIAddr); err != nil {
			out.Stop(time.Second)
			return nil, err
		}
	}
	return out, nil
}

// Addr is host:port of the frontend.
func (s *Server) Addr() string { return s.addr }

// Stop gives the server d to stop gracefully and then returns anyway: it belongs to a process that is about to exit, and
// its database survives being cut off. It reports whether the stop was complete.
func (s *Server) Stop(d time.Duration) bool {
	if s.ui != nil {
		s.ui.Stop()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.server.Stop()
	}()
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}

func (s *Server) awaitFrontend(ctx context.Context, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	c, err := client.DialContext(ctx, client.Options{HostPort: s.addr, Logger: discard{}})
	if err != nil {
		return fmt.Errorf("await Temporal's frontend on %s: %w", s.addr, err)
	}
	defer c.Close()
	log.Debug("temporal's frontend answers", "addr", s.addr)
	return nil
}

func (s *Server) startUI(addr string) error {
	host, port, err := hostPort(addr)
	if err != nil {
		return err
	}
	// The UI's server ends the process when its port is taken, so the port is tried first.
	probe, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on %s for Temporal's web UI: %w", addr, err)
	}
	if err := probe.Close(); err != nil {
		return fmt.Errorf("listen on %s for Temporal's web UI: %w", addr, err)
	}
	s.ui = server.NewServer(server_options.WithConfigProvider(&uiconfig.Config{
		TemporalGRPCAddress: s.addr, Host: host, Port: port, EnableUI: true, HideLogs: true,
		DisableNewsFetch: true, CORS: uiconfig.CORS{CookieInsecure: true},
	}))
	go func() { _ = s.ui.Start() }()
	return nil
}

// database prepares the SQLite database: schema first, in a file of another name, so that a process killed half way
// leaves no half schema behind.
func database(o Options) (*config.SQL, error) {
	sql := &config.SQL{PluginName: sqliteplugin.PluginName, ConnectAttributes: map[string]string{}}
	if o.Dir == "" {
		sql.DatabaseName = fmt.Sprintf("temporal%d", time.Now().UnixNano())
		sql.ConnectAttributes["mode"], sql.ConnectAttributes["cache"] = "memory", "shared"
	} else {
		file := filepath.Join(o.Dir, "temporal.db")
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			if err := makeSchema(o.Dir, file); err != nil {
				return nil, err
			}
		}
		sql.DatabaseName = file
		for k, v := range map[string]string{"mode": "rwc", "journal_mode": "wal", "synchronous": "1", "busy_timeout": "10000"} {
			sql.ConnectAttributes[k] = v
		}
	}
	var namespaces []*sqliteschema.NamespaceConfig
	for _, n := range o.Namespaces {
		ns, err := sqliteschema.NewNamespaceConfig(clusterName, n, false, o.SearchAttributes)
		if err != nil {
			return nil, fmt.Errorf("describe Temporal namespace %s: %w", n, err)
		}
		namespaces = append(namespaces, ns)
	}
	if err := sqliteschema.CreateNamespaces(sql, namespaces...); err != nil {
		return nil, fmt.Errorf("make Temporal's namespaces: %w", err)
	}
	return sql, nil
}

func makeSchema(dir, file string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of Temporal's database: %w", err)
	}
	half := file + ".new"
	if err := os.Remove(half); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove a half-made Temporal database: %w", err)
	}
	err := sqliteschema.SetupSchema(&config.SQL{
		PluginName: sqliteplugin.PluginName, DatabaseName: half, ConnectAttributes: map[string]string{"mode": "rwc"},
	})
	if err != nil {
		return fmt.Errorf("make Temporal's schema: %w", err)
	}
	if err := os.Rename(half, file); err != nil {
		return fmt.Errorf("put Temporal's database in its place: %w", err)
	}
	return nil
}

func configuration(host string, port int, ports []int, sql *config.SQL) *config.Config {
	service := func(p int) config.Service {
		return config.Service{RPC: config.RPC{GRPCPort: p, BindOnIP: host}}
	}
	addr := net.JoinHostPort(host, fmt.Sprint(port))
	return &config.Config{
		Global: config.Global{Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: host}},
		Persistence: config.Persistence{
			DefaultStore: "sqlite", VisibilityStore: "sqlite", NumHistoryShards: 1,
			DataStores: map[string]config.DataStore{"sqlite": {SQL: sql}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10, MasterClusterName: clusterName, CurrentClusterName: clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{clusterName: {
				Enabled: true, InitialFailoverVersion: 1, RPCAddress: addr,
				ClusterID: "5ef1c1a5-0000-4000-8000-000000000001",
			}},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services: map[string]config.Service{
			"frontend": service(port), "history": service(ports[0]), "matching": service(ports[1]), "worker": service(ports[2]),
		},
		Archival: config.Archival{
			History: config.HistoryArchival{State: "disabled"}, Visibility: config.VisibilityArchival{State: "disabled"},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History: config.HistoryArchivalNamespaceDefaults{State: "disabled"}, Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
		}},
		PublicClient: config.PublicClient{HostPort: addr},
	}
}

func hostPort(addr string) (string, int, error) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return "", 0, fmt.Errorf("read the address %q: %w", addr, err)
	}
	if a.IP == nil {
		a.IP = net.IPv4(127, 0, 0, 1)
	}
	return a.IP.String(), a.Port, nil
}

// freePorts finds n ports by listening on all of them at once and letting them go.
func freePorts(host string, n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
