package command_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lethe/lethe/cmd/internal/command"
	"github.com/lethe/lethe/cmd/internal/process"
)

// environment is a right one for every process.
func environment(t *testing.T) map[string]string {
	t.Helper()
	env, err := process.NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(env, map[string]string{
		"MONGODB_URI": "mongodb://a.example:27017,b.example:27017/?replicaSet=lethe", "REDIS_URL": "redis://redis.example:6379/0", "TEMPORAL_ADDRESS": "temporal.example:7233",
		"PUBLIC_URL": "https://img.example", "STRIPE_API_URL": "https://stripe.example", "COURIER_URL": "https://courier.example/x", "ROUTER_URL": "http://router.example:4000", "JWT_ISSUER": "somebody",
	})
	return env
}

// checked runs a command with --check and gives its exit code and what it reports.
func checked(t *testing.T, env map[string]string, args ...string) (int, string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := command.Main(t.Context(), command.System{
		Lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok }, Stdout: &out, Stderr: &errs,
	}, append(args, "--check"))
	if code == 0 && out.String() != "the configuration is right\n" {
		t.Errorf("lethe %v says %q", args, out.String())
	}
	return code, errs.String()
}

// TestCheck breaks the configuration of each process, in one place and in several: all is reported at once, a line each, and
// no secret is in it.
func TestCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	config := write("router.yaml", "limits:\n  dept: 5\nsubgraphs:\n  subscriptions:\n    oders: {protocol: ws}\ncors:\n  origins: [shop.example]\n")
	unknown := write("unknown.yaml", "subgraphs:\n  subscriptions:\n    oders: {protocol: ws}\n")
	manifest := write("manifest.yaml", "trustedDocuments:\n  files: ["+write("m.json", `{"a":1}`)+"]\n")
	broken := write("broken.graphql", "type Query {")
	const secret = "s3cr3t-s3cr3t"
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		want []string // the beginnings of lines
	}{
		"right":                      {[]string{"router"}, nil, nil},
		"right, subgraph":            {[]string{"subgraph", "orders"}, nil, nil},
		"right, worker":              {[]string{"worker"}, nil, nil},
		"right, console":             {[]string{"console"}, nil, nil},
		"right, sandbox":             {[]string{"sandbox"}, nil, nil},
		"right, seed":                {[]string{"seed"}, nil, nil},
		"right, all that can be set": {[]string{"router", "--listen", "[::1]:0", "--shutdown-notice", "0s"}, map[string]string{"SHUTDOWN_TIMEOUT": "90s", "LISTEN": "localhost:4000", "LOG_LEVEL": "debug", "LOG_FORMAT": "text"}, nil},
		"no subgraph":                {[]string{"subgraph", "order"}, nil, []string{`there is no subgraph "order"`}},
		"a port alone":               {[]string{"router"}, map[string]string{"LISTEN": "8080"}, []string{`LISTEN is "8080": it must be HOST:PORT, such as :8080 or 127.0.0.1:8080`}},
		"a URL to listen on":         {[]string{"worker"}, map[string]string{"LISTEN": "http://0.0.0.0:8080"}, []string{`LISTEN is "http://0.0.0.0:8080": it must be HOST:PORT`}},
		"a port out of range":        {[]string{"console"}, map[string]string{"LISTEN": ":65536"}, []string{`LISTEN is ":65536": its port must be a number from 0 to 65535`}},
		"a port by its name":         {[]string{"console"}, map[string]string{"LISTEN": ":http-alt"}, []string{`LISTEN is ":http-alt": its port must be a number`}},
		"no IP address":              {[]string{"sandbox"}, map[string]string{"LISTEN": "127.0.0.256:80"}, []string{`LISTEN is "127.0.0.256:80": it must be HOST:PORT`}},
		"IPv6 without brackets":      {[]string{"sandbox"}, map[string]string{"LISTEN": "::1:80"}, []string{`LISTEN is "::1:80": it must be HOST:PORT`}},
		"a flag":                     {[]string{"router", "--listen", "localhost"}, nil, []string{`--listen is "localhost": it must be HOST:PORT`}},
		"notice":                     {[]string{"router", "--shutdown-notice", "-1s"}, map[string]string{"SHUTDOWN_TIMEOUT": "soon"}, []string{`SHUTDOWN_TIMEOUT must be a duration from 1ms to 24h0m0s`, `--shutdown-notice must be a duration from 0s to 10m0s`}},
		"a time of zero":             {[]string{"worker"}, map[string]string{"SHUTDOWN_TIMEOUT": "0s", "SHUTDOWN_NOTICE": "-5s"}, []string{`SHUTDOWN_NOTICE must be a duration from 0s to 10m0s`, `SHUTDOWN_TIMEOUT must be a duration`}},
		"the log":                    {[]string{"worker"}, map[string]string{"LOG_LEVEL": "loud"}, []string{`LOG_LEVEL is "loud"`}},
		"the log's format":           {[]string{"router"}, map[string]string{"LOG_FORMAT": "xml", "LISTEN": "x"}, []string{`LOG_FORMAT is "xml"`, `LISTEN is "x"`}},
		"keys that are an address":   {[]string{"router"}, map[string]string{"JWT_JWKS": "https://issuer.example/jwks"}, []string{"JWT_JWKS is an address: it must hold the JWK set itself, as JSON; an address belongs into JWT_JWKS_URL"}},
		"keys that are a file":       {[]string{"router"}, map[string]string{"JWT_JWKS": "/etc/keys.json"}, []string{"JWT_JWKS is no JWK set"}},
		"keys that are cut off":      {[]string{"router"}, map[string]string{"JWT_JWKS": `{"keys":[`}, []string{"JWT_JWKS is not right: read the JWK set"}},
		"no keys":                    {[]string{"router"}, map[string]string{"JWT_JWKS": `{"keys":[]}`}, []string{"JWT_JWKS is not right: read the JWK set: it holds no Ed25519 key"}},
		"keys of another kind":       {[]string{"router"}, map[string]string{"JWT_JWKS": `{"keys":[{"kty":"RSA","n":"x","e":"AQAB"}]}`}, []string{"JWT_JWKS is not right: read the JWK set: it holds no Ed25519 key"}},
		"a key of another length":    {[]string{"router"}, map[string]string{"JWT_JWKS": `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"AAAA"}]}`}, []string{`JWT_JWKS is not right: read the JWK set: key "k" is not an Ed25519 key`}},
		"keys without an issuer":     {[]string{"router"}, map[string]string{"JWT_ISSUER": ""}, []string{"JWT_ISSUER is not set, but JWT_JWKS is"}},
		"an issuer without keys":     {[]string{"router"}, map[string]string{"JWT_JWKS": ""}, []string{"JWT_JWKS_URL is not set"}},
		"keys in two places":         {[]string{"router"}, map[string]string{"JWT_JWKS_URL": "https://issuer.example/jwks"}, []string{"JWT_JWKS and JWT_JWKS_URL are both set: leave one out"}},
		"keys at no address":         {[]string{"router"}, map[string]string{"JWT_JWKS": "", "JWT_JWKS_URL": "issuer.example/jwks"}, []string{"JWT_JWKS_URL is not a URL"}},
		"a subgraph at no address":   {[]string{"router"}, map[string]string{"SUBGRAPH_URL_ORDERS": "orders:4001"}, []string{"SUBGRAPH_URL_ORDERS is not a URL"}},
		"a subgraph's port":          {[]string{"router"}, map[string]string{"SUBGRAPH_URL_ORDERS": "http://orders:99999/graphql"}, []string{"SUBGRAPH_URL_ORDERS is not a URL"}},
		"a subgraph's key":           {[]string{"router"}, map[string]string{"SUBGRAPH_KEY_ORDERS": secret}, []string{"SUBGRAPH_KEY_ORDERS must hold"}},
		"Redis":                      {[]string{"router"}, map[string]string{"REDIS_URL": "redis://:" + secret + "@redis:6379/first"}, []string{"REDIS_URL is not right"}},
		"MongoDB":                    {[]string{"subgraph", "orders"}, map[string]string{"MONGODB_URI": "mongodb://me:" + secret + "@db:27017/?w=many&authMechanism=none"}, []string{"MONGODB_URI is not right"}},
		"MongoDB's scheme":           {[]string{"worker"}, map[string]string{"MONGODB_URI": "http://db:27017"}, []string{"MONGODB_URI must start with mongodb:// or mongodb+srv://"}},
		"a database's name":          {[]string{"subgraph", "orders"}, map[string]string{"MONGODB_DATABASE_ORDERS": "the orders"}, []string{`MONGODB_DATABASE_ORDERS is "the orders"`}},
		"Temporal":                   {[]string{"worker"}, map[string]string{"TEMPORAL_ADDRESS": "temporal"}, []string{`TEMPORAL_ADDRESS is "temporal": it must hold host:port`}},
		"Stripe":                     {[]string{"subgraph", "orders"}, map[string]string{"STRIPE_API_URL": "https://stripe.example/v1"}, []string{`STRIPE_API_URL has the path "/v1"`}},
		"the seed, once":             {[]string{"seed"}, map[string]string{"MONGODB_URI": ""}, []string{"MONGODB_URI is not set"}},
		"much at once":               {[]string{"subgraph", "orders"}, map[string]string{"MONGODB_URI": "", "REDIS_URL": "x", "TEMPORAL_ADDRESS": ":1", "LISTEN": "y", "TOMBSTONE_KEY": secret}, []string{"MONGODB_URI", "REDIS_URL", "TEMPORAL_ADDRESS", "TOMBSTONE_KEY", "LISTEN"}},
		"the console":                {[]string{"console"}, map[string]string{"ROUTER_URL": "router:4000", "SECURE_COOKIES": "perhaps", "CONSOLE_SESSION_KEY": "x"}, []string{"ROUTER_URL", "SECURE_COOKIES must be true or false", "CONSOLE_SESSION_KEY"}},
		"the days of an erasure":     {[]string{"subgraph", "customers"}, map[string]string{"ERASURE_GRACE_DAYS": "-1", "ERASURE_APPROVAL": "maybe"}, []string{"ERASURE_GRACE_DAYS", "ERASURE_APPROVAL"}},
		"no file":                    {[]string{"router", "--config", dir + "/none.yaml"}, map[string]string{"LISTEN": "x"}, []string{dir + "/none.yaml cannot be read: no such file or directory", `LISTEN is "x"`}},
		"no supergraph":              {[]string{"router", "--supergraph", dir + "/none.graphql", "--config", config}, nil, []string{dir + "/none.graphql cannot be read", config + ": limits.dept", config + ": cors.origins[0]"}},
		"a broken supergraph":        {[]string{"router", "--supergraph", broken}, map[string]string{"LISTEN": "x"}, []string{"read the supergraph", `LISTEN is "x"`}},
		"a subgraph of the file":     {[]string{"router", "--config", unknown}, nil, []string{unknown + `: subgraphs.subscriptions.oders: must be "catalogue", "customers", "inventory" or "orders"; it is "oders": did you mean "orders"? (line 3)`}},
		"a manifest of no form":      {[]string{"router", "--config", manifest}, nil, []string{""}},
		"the file, with the variables": {[]string{"router", "--config", config}, map[string]string{"JWT_JWKS": "x", "LISTEN": "y"}, []string{
			config + ": limits.dept: there is no such key: did you mean depth? (line 2)", config + `: cors.origins[0]: "shop.example" has no scheme: write https://shop.example (line 7)`,
			config + ": subgraphs.subscriptions.oders: must be", "JWT_JWKS is no JWK set", `LISTEN is "y"`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := environment(t)
			maps.Copy(env, c.env)
			code, report := checked(t, env, c.args...)
			if len(c.want) == 0 {
				if code != 0 {
					t.Errorf("ends with %d: %s", code, report)
				}
				return
			}
			if code != 2 || strings.Contains(report, secret) {
				t.Errorf("ends with %d: %s", code, report)
			}
			lines := strings.Split(strings.TrimSuffix(report, "\n"), "\n")
			if len(lines) != len(c.want) {
				t.Fatalf("%d lines, want %d:\n%s", len(lines), len(c.want), report)
			}
			for _, want := range c.want {
				begins := false
				for _, line := range lines {
					begins = begins || strings.HasPrefix(line, "lethe "+c.args[0]+": "+want)
				}
				if !begins {
					t.Errorf("no line says %q:\n%s", want, report)
				}
			}
		})
	}
}
