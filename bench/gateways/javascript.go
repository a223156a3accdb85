package main

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

//go:embed peers/*.mjs
var peerScripts embed.FS

// The gateways from npm.
const (
	nameHiveNative     = "hive-gateway-native"
	nameHiveJavaScript = "hive-gateway"
	nameApollo         = "apollo-gateway"
)

func javascriptNames() []string { return []string{nameHiveNative, nameHiveJavaScript, nameApollo} }

// javascript gives the gateways from npm, or why there are none.
func javascript(o *options, f files, dir string) ([]candidate, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("gateways from npm need Node.js: %w", err)
	}
	modules, err := filepath.Abs(o.modules)
	if err == nil {
		_, err = os.Stat(filepath.Join(modules, "@apollo", "gateway"))
	}
	if err != nil {
		return nil, fmt.Errorf("the gateways from npm are not installed: run npm ci in e2e/clients: %w", err)
	}
	for _, name := range []string{"apollo.mjs", "hive.mjs"} {
		text, err := peerScripts.ReadFile("peers/" + name)
		if err != nil {
			return nil, fmt.Errorf("read a script: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, fmt.Errorf("write a script: %w", err)
		}
	}
	hive := func(planner string) func(string) []string {
		return func(port string) []string {
			return []string{node, filepath.Join(dir, "hive.mjs"), planner, f.supergraph, port, modules, strconv.FormatBool(o.sharing)}
		}
	}
	env := []string{"NODE_ENV=production"}
	return []candidate{
		{name: nameHiveNative, command: hive("native"), env: env},
		{name: nameHiveJavaScript, command: hive("javascript"), env: env},
		{name: nameApollo, env: env, command: func(port string) []string {
			return []string{node, filepath.Join(dir, "apollo.mjs"), f.supergraph, port, modules}
		}},
	}, nil
}
