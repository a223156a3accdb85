package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

const nameHiveRouter = "hive-router"

// hiveRouter gives Hive Router, the one in Rust, or why there is none.
func hiveRouter(o *options, f files, dir string) ([]candidate, error) {
	binary, err := exec.LookPath(o.hive)
	if err == nil {
		binary, err = filepath.Abs(binary)
	}
	if err != nil {
		return nil, fmt.Errorf("cargo install hive-router --version 0.3.10 installs it: %w", err)
	}
	// Equal requests are shared at both doors: of clients, and to subgraphs. It logs errors alone; there is no less. The
	// other limits are those of connections to a subgraph, of which each client may need several. A client for each worker is
	// the cheaper of its two modes.
	config := "supergraph: {source: file, path: " + strconv.Quote(f.supergraph) + "}\n" +
		"log: {level: error}\n" +
		"query_planner: {allow_expose: false}\n" +
		"traffic_shaping:\n" +
		"  router: {dedupe: {enabled: " + strconv.FormatBool(o.sharing) + "}}\n" +
		"  all: {dedupe_enabled: " + strconv.FormatBool(o.sharing) + "}\n" +
		"  max_connections_per_host: 4096\n" +
		"  http_client_mode: per_worker\n"
	file := filepath.Join(dir, "hive-router.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("write its configuration: %w", err)
	}
	return []candidate{{name: nameHiveRouter, command: func(port string) []string {
		return []string{"env", "ROUTER_CONFIG_FILE_PATH=" + file, "HOST=127.0.0.1", "PORT=" + port, binary}
	}}}, nil
}
