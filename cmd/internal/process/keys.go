package process

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"sort"
	"strings"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/privacy"
)

// DevHeader must stand on requests to lethe-dev's own endpoints, so that no web page can call them unasked: a browser
// asks first before it sends it.
const DevHeader = "Lethe-Dev"

// IssuerName is the development issuer's name in tokens.
const IssuerName = "lethe-dev"

// NewKeys makes all the keys of a deployment, by the environment variables that processes read them from.
func NewKeys() (map[string]string, error) {
	keys := map[string]string{}
	for _, name := range SubgraphNames() {
		keys[SubgraphKeyVariable(name)] = secret()
	}
	for _, name := range []string{"CONSOLE_SESSION_KEY", "COURIER_KEY", "DEV_ISSUER_KEY"} {
		keys[name] = secret()
	}
	keys["STRIPE_API_KEY"] = "sk_test_" + rand.Text()
	keys["TEMPORAL_DB_PASSWORD"] = rand.Text()
	for name, value := range privacy.NewKeys() {
		keys[name] = value
	}
	issuer, err := newIssuer(keys["DEV_ISSUER_KEY"])
	if err != nil {
		return nil, err
	}
	keys["JWT_JWKS"] = string(issuer.KeySet())
	return keys, nil
}

func secret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: it ends the process instead
	return base64.StdEncoding.EncodeToString(b)
}

func newIssuer(key string) (*identity.Issuer, error) {
	seed, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("DEV_ISSUER_KEY must hold %d bytes in base64", ed25519.SeedSize)
	}
	return identity.NewIssuer(IssuerName, ed25519.NewKeyFromSeed(seed)), nil
}

// ReadIssuer reads the development issuer.
func ReadIssuer(env *chassis.Env) *identity.Issuer {
	key := env.Key("DEV_ISSUER_KEY", ed25519.SeedSize, "the key of the development issuer of tokens")
	if len(key) < ed25519.SeedSize {
		return nil
	}
	return identity.NewIssuer(IssuerName, ed25519.NewKeyFromSeed(key[:ed25519.SeedSize]))
}

// FormatKeys writes keys as an environment file, sorted.
func FormatKeys(keys map[string]string) string {
	names := make([]string, 0, len(keys))
	for n := range keys {
		names = append(names, n)
	}
	sort.Strings(names)
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, "%s='%s'\n", n, keys[n])
	}
	return b.String()
}

// ParseKeys reads what FormatKeys wrote.
func ParseKeys(text string) (map[string]string, error) {
	keys := map[string]string{}
	scanner := bufio.NewScanner(strings.NewReader(text))
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("line %d is not NAME='value'", n)
		}
		keys[name] = strings.Trim(value, "'")
	}
	return keys, scanner.Err()
}
