package server_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
)

// TestConfigMistakes writes mistakes into a configuration, one or several at once: each is reported in one line, in the words
// of whoever wrote the file.
func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		// Kinds.
		{"limits:\n  queueTime: [5s]", "limits.queueTime: expected a duration such as 5s, found a list (line 2)"},
		{"limits:\n  queueTime: {s: 5}", "limits.queueTime: expected a duration such as 5s, found keys and values (line 2)"},
		{"timeout: 30", "timeout: expected a duration such as 5s, found the number 30: write a unit, such as 30s (line 1)"},
		{"timeout: 1.5", "timeout: expected a duration such as 5s, found the number 1.5 (line 1)"},
		{"timeout: true", "timeout: expected a duration such as 5s, found true (line 1)"},
		{"timeout: soon", `timeout: expected a duration such as 5s, found "soon" (line 1)`},
		{"timeout: 5 seconds", `timeout: expected a duration such as 5s, found "5 seconds" (line 1)`},
		{"timeout: \"\"", `timeout: expected a duration such as 5s, found the text "" (line 1)`},
		{"limits: 5", "limits: expected keys and values, found the number 5 (line 1)"},
		{"limits: [depth, 5]", "limits: expected keys and values, found a list (line 1)"},
		{"limits:\n  depth: much", `limits.depth: expected a whole number, found the text "much" (line 2)`},
		{"limits: {depth: \"5\"}", `limits.depth: expected a whole number, found the text "5" (line 1)`},
		{"limits: {depth: 1.5}", "limits.depth: expected a whole number, found the number 1.5 (line 1)"},
		{"limits: {depth: yes}", `limits.depth: expected a whole number, found the text "yes" (line 1)`},
		{"limits: {depth: 99999999999999999999}", "limits.depth: expected a whole number, found the number 99999999999999999999 (line 1)"},
		{"limits: {batchSize: [10]}", "limits.batchSize: expected a whole number, found a list (line 1)"},
		{"introspection: 1", "introspection: expected true or false, found the number 1 (line 1)"},
		{"introspection: \"yes\"", `introspection: expected true or false, found the text "yes" (line 1)`},
		{"introspection: perhaps", `introspection: expected true or false, found the text "perhaps" (line 1)`},
		{"cors: {origins: https://shop.example}", `cors.origins: expected a list, found the text "https://shop.example": put it in brackets, [https://shop.example] (line 1)`},
		{"cors:\n  origins:\n    - 7", "cors.origins[0]: expected text, found the number 7: put it in quotes (line 3)"},
		{"cors:\n  origins:\n    - https://a.example\n    -", "cors.origins[1]: expected text, found nothing (line 4)"},
		{"cors: {origins: {a: b}}", "cors.origins: expected a list, found keys and values (line 1)"},
		{"overrides: [a]", "overrides: expected keys and values, found a list (line 1)"},
		{"overrides:\n  move: half", `overrides.move: expected a number, found the text "half" (line 2)`},
		{"trustedDocuments: {mode: true}", "trustedDocuments.mode: expected text, found true: put it in quotes (line 1)"},
		{"subgraphs: {subscriptions: {orders: ws}}", `subgraphs.subscriptions.orders: expected keys and values, found the text "ws" (line 1)`},
		{"- a\n- b", "expected keys and values, found a list (line 1)"},
		{"just words", `expected keys and values, found the text "just words" (line 1)`},
		// Keys.
		{"limit: {}", "limit: there is no such key: did you mean limits? (line 1)"},
		{"Limits: {}", "Limits: there is no such key: did you mean limits? (line 1)"},
		{"limits:\n  queue_time: 5s", "limits.queue_time: there is no such key: did you mean queueTime? (line 2)"},
		{"limits:\n  dept: 5", "limits.dept: there is no such key: did you mean depth? (line 2)"},
		{"depth: 5", "depth: there is no such key here: did you mean limits.depth? (line 1)"},
		{"persistedQueries:\n  frobnicate: 5", "persistedQueries.frobnicate: there is no such key: there are enabled, ttl (line 2)"},
		{"subgraphs:\n  subscriptions:\n    orders:\n      protcol: ws", "subgraphs.subscriptions.orders.protcol: there is no such key: did you mean protocol? (line 4)"},
		{"limits: {depth: 5}\nlimits: {depth: 6}", "limits: stands twice, first in line 1: leave one out (line 2)"},
		{"limits:\n  depth: 5\n  tokens: 6\n  depth: 7", "limits.depth: stands twice, first in line 2: leave one out (line 4)"},
		{"? [a, b]\n: c", "a key must be a word, found a list (line 1)"},
		// The file.
		{"limits:\n\tdepth: 5", "this is not YAML: found character that cannot start any token (line 2)"},
		{"limits: {depth: 5", "this is not YAML: did not find expected ',' or '}' (line 1)"},
		{"timeout: 5s\n---\ntimeout: 6s", "there is more than one document: leave out the line --- (line 2)"},
		{"timeout: *nowhere", "this is not YAML: unknown anchor 'nowhere' referenced"},
		// Values.
		{"limits: {depth: -1}", "limits.depth: must be above zero, or left out for the default; it is -1 (line 1)"},
		{"limits:\n  bodyBytes: -1\n  memoryBytes: -2", "limits.bodyBytes: must be above zero, or left out for the default; it is -1 (line 2)\nlimits.memoryBytes: must be above zero, or left out for the default; it is -2 (line 3)"},
		{"limits: {batchSize: -1}", "limits.batchSize: must be 0 or more, or left out for the default; it is -1 (line 1)"},
		{"timeout: 0s", `timeout: must be above zero, or left out for the default; it is "0s" (line 1)`},
		{"subscriptions: {heartbeat: -1s}", `subscriptions.heartbeat: must not be below zero; it is "-1s" (line 1)`},
		{"subscriptions:\n  queue: -3", "subscriptions.queue: must be above zero, or left out for the default; it is -3 (line 2)"},
		{"uploads: {files: -1}", "uploads.files: must be above zero, or left out for the default; it is -1 (line 1)"},
		{"uploads: {scalars: [\"Up load\"]}", `uploads.scalars[0]: must be the name of a scalar, such as "Upload"; it is "Up load" (line 1)`},
		{"uploads: {directory: /nowhere/at/all}", `uploads.directory: "/nowhere/at/all" cannot be used: no such file or directory (line 1)`},
		{"uploads: {directory: config.go}", `uploads.directory: "config.go" is no directory (line 1)`},
		{"compression: {minBytes: -5}", "compression.minBytes: must be above zero, or left out for the default; it is -5 (line 1)"},
		{"overrides: {move: 101}", "overrides.move: must be a percentage from 0 to 100; it is 101 (line 1)"},
		{"overrides: {move: .nan}", "overrides.move: must be a percentage from 0 to 100; it is NaN (line 1)"},
		{"trustedDocuments: {mode: alow}", `trustedDocuments.mode: must be "allow" or "require"; it is "alow": did you mean "allow"? (line 1)`},
		{"trustedDocuments: {mode: require}", `trustedDocuments.mode: is "require" and trustedDocuments.files names no manifest: every request would be refused (line 1)`},
		{"trustedDocuments: {files: [/nowhere.json]}", `trustedDocuments.files[0]: "/nowhere.json" cannot be read: no such file or directory (line 1)`},
		{"trustedDocuments: {files: [testdata]}", `trustedDocuments.files[0]: "testdata" is a directory (line 1)`},
		{"subgraphs: {subscriptions: {orders: {protocol: sse2}}}", `subgraphs.subscriptions.orders.protocol: must be "sse" or "ws"; it is "sse2": did you mean "sse"? (line 1)`},
		{"subgraphs: {subscriptions: {orders: {url: \"orders.example/stream\"}}}", `subgraphs.subscriptions.orders.url: must be a URL such as https://orders.example/stream, or a path at the subgraph's address such as /stream; it is "orders.example/stream" (line 1)`},
		{"subgraphs: {subscriptions: {orders: {url: \"ftp://orders.example/stream\"}}}", `subgraphs.subscriptions.orders.url: must begin with https://, http://, wss:// or ws://, or be a path such as /stream; it is "ftp://orders.example/stream" (line 1)`},
		{"subgraphs: {subscriptions: {orders: {url: \"http://\"}}}", `subgraphs.subscriptions.orders.url: must be a URL such as https://orders.example/stream, or a path at the subgraph's address such as /stream; it is "http://" (line 1)`},
		// Values that contradict others.
		{"timeout: 10s\nsubgraphs: {timeout: 20s}", "subgraphs.timeout: is 20s, but a whole request is given up after timeout, which is 10s: make timeout longer, or this shorter (line 2)"},
		{"limits: {queueTime: 1m}", "limits.queueTime: is 1m0s, but a whole request is given up after timeout, which is 30s: make timeout longer, or this shorter (line 1)"},
		{"limits: {concurrentRequests: 5, queueLength: 6}", "limits.queueLength: is 6, but no more than limits.concurrentRequests, which is 5, are under way to wait: make that larger, or this smaller (line 1)"},
		// Origins.
		{"cors: {origins: [shop.example]}", `cors.origins[0]: "shop.example" has no scheme: write https://shop.example (line 1)`},
		{"cors: {origins: [\"localhost:3000\"]}", `cors.origins[0]: "localhost:3000" has no scheme: write http://localhost:3000 (line 1)`},
		{"cors: {origins: [\"*.shop.example\"]}", `cors.origins[0]: "*.shop.example" has no scheme: write https://*.shop.example (line 1)`},
		{"cors: {origins: [\"https://shop.example/\"]}", `cors.origins[0]: "https://shop.example/" never matches, since an origin has no path: write https://shop.example (line 1)`},
		{"cors: {origins: [\"https://shop.example/*\"]}", `cors.origins[0]: "https://shop.example/*" never matches, since an origin has no path: write https://shop.example (line 1)`},
		{"cors: {origins: [\"*://shop.example\"]}", `cors.origins[0]: "*://shop.example" has no scheme that browsers know: write http or https, without a wildcard (line 1)`},
		{"cors: {origins: [\"http*://shop.example\"]}", `cors.origins[0]: "http*://shop.example" has no scheme that browsers know: write http or https, without a wildcard (line 1)`},
		{"cors: {origins: [\"https://*\"]}", `cors.origins[0]: "https://*" lets every host in: write "*" alone for all origins, or name a domain such as https://*.shop.example (line 1)`},
		{"cors: {origins: [\"https://shop.*\"]}", `cors.origins[0]: "https://shop.*" has a wildcard at the end of the host, where anybody can register a name: name the domain, as in https://*.shop.example (line 1)`},
		{"cors: {origins: [\"http://192.168.1.*:3000\"]}", `cors.origins[0]: "http://192.168.1.*:3000" has a wildcard at the end of the host, where anybody can register a name: name the domain, as in https://*.shop.example (line 1)`},
		{"cors: {origins: [\"http://192.168.1.256\"]}", `cors.origins[0]: "http://192.168.1.256" has no IP address: write one whole, such as http://127.0.0.1:* (line 1)`},
		{"cors: {origins: [\"https://**.shop.example\"]}", `cors.origins[0]: "https://**.shop.example" has two wildcards in a row: write one * (line 1)`},
		{"cors: {origins: [\"https://shop.example:port\"]}", `cors.origins[0]: "https://shop.example:port" has the port "port": write a number from 1 to 65535, or * for any (line 1)`},
		{"cors: {origins: [\"https://shop.example:30*\"]}", `cors.origins[0]: "https://shop.example:30*" has the port "30*": write a number from 1 to 65535, or * for any (line 1)`},
		{"cors: {origins: [\"https://shop.example:65536\"]}", `cors.origins[0]: "https://shop.example:65536" has the port "65536": write a number from 1 to 65535, or * for any (line 1)`},
		{"cors: {origins: [\"https://shop.example:\"]}", `cors.origins[0]: "https://shop.example:" ends with a colon: write a port, or leave the colon out (line 1)`},
		{"cors: {origins: [\"https://me@shop.example\"]}", `cors.origins[0]: "https://me@shop.example" never matches, since an origin has no user: write https://shop.example (line 1)`},
		{"cors: {origins: [\"https://a.example, https://b.example\"]}", `cors.origins[0]: "https://a.example, https://b.example" is more than one origin, or has a space in it: write each as an item of its own (line 1)`},
		{"cors: {origins: [\"http://::1:3000\"]}", `cors.origins[0]: "http://::1:3000" has no host such as shop.example: "::1" is no part of a name (line 1)`},
		{"cors: {origins: [\"http://[::1\"]}", `cors.origins[0]: "http://[::1" has a bracket that is not closed (line 1)`},
		{"cors: {origins: [\"https://shop..example\"]}", `cors.origins[0]: "https://shop..example" has no host such as shop.example: "" is no part of a name (line 1)`},
		{"cors: {origins: [\"null\"]}", `cors.origins[0]: "null" is the origin of every local file and sandboxed frame: name an origin such as https://shop.example (line 1)`},
		{"cors: {origins: [\"\"]}", "cors.origins[0]: is empty: write an origin such as https://shop.example (line 1)"},
		{"cors:\n  credentials: true\n  origins: [\"*\"]", `cors.origins[0]: "*" with cors.credentials lets every page of the web ask with the cookies of its visitor: name the origins, or leave credentials out (line 3)`},
		{"cors: {origins: [\"*\", \"https://a.example\"]}", `cors.origins[0]: "*" stands for all origins: leave out the others, or "*" (line 1)`},
		{"cors: {origins: [\"https://a.example\", \"https://a.example\"]}", `cors.origins[1]: "https://a.example" stands twice (line 1)`},
		{"cors: {methods: [DELETE]}", `cors.methods[0]: must be "GET" or "POST": the router answers no other; it is "DELETE" (line 1)`},
		{"cors: {headers: [\"x y\"]}", `cors.headers[0]: must be the name of a header, with a * at its end for any rest; it is "x y" (line 1)`},
		{"cors: {headers: [\"x-*-id\"]}", `cors.headers[0]: must be the name of a header, with a * at its end for any rest; it is "x-*-id" (line 1)`},
		{"cors: {exposedHeaders: [\"x:\"]}", `cors.exposedHeaders[0]: must be the name of a header, or "*" for all; it is "x:" (line 1)`},
		{"cors: {credentials: true, exposedHeaders: [\"*\"]}", `cors.exposedHeaders[0]: "*" means nothing to browsers together with cors.credentials: name the headers (line 1)`},
		{"cors: {maxAge: 25h}", "cors.maxAge: is 25h0m0s: no browser keeps it for longer than 24h (line 1)"},
		// All at once, in the order of the file.
		{
			"timeout: soon\nlimits:\n  dept: 5\n  depth: [5]\n  tokens: -1\ncors:\n  origins: [a.example]",
			`timeout: expected a duration such as 5s, found "soon" (line 1)
limits.dept: there is no such key: did you mean depth? (line 3)
limits.depth: expected a whole number, found a list (line 4)
limits.tokens: must be above zero, or left out for the default; it is -1 (line 5)
cors.origins[0]: "a.example" has no scheme: write https://a.example (line 7)`,
		},
	} {
		_, err := server.ReadConfig([]byte(c.text))
		if err == nil {
			t.Errorf("%q is taken", c.text)
		} else if err.Error() != c.want {
			t.Errorf("%q:\n%s\nwant\n%s", c.text, err, c.want)
		}
	}
}

// TestConfigTaken holds what is right, though it looks odd.
func TestConfigTaken(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "# nothing", "---\n", "limits:", "limits: {depth: 0}", "introspection: yes", "introspection: off", "timeout: 1m30s", "timeout: 1h", "timeout: 1s", "limits: {batchSize: 0}",
		"limits: {depth: 0x10}", "overrides: {a: 5, b: 2.5}", "overrides: {5: 5}",
		"cors: {origins: [\"https://shop.example\", \"https://*.shop.example\", \"http://localhost:*\", \"http://[::1]:*\", \"http://127.0.0.1:3000\", \"capacitor://localhost\", \"https://preview-*.shop.example\"], credentials: true}",
		"cors: {origins: [\"https://BÜCHER.example\", \"https://my_app.example\"], headers: [\"apollographql-client-*\", \"*\"], exposedHeaders: [Server-Timing], maxAge: 24h, methods: [POST], privateNetwork: true}",
		"cors: {origins: []}", "subgraphs: {subscriptions: {orders: {protocol: ws, url: \"wss://orders.example/s\", heartbeat: 5s}}}",
		"subgraphs: &s {timeout: 5s}\npersistedQueries: {ttl: 5m}", "limits: {<<: {depth: 5}, tokens: 6}",
	} {
		if _, err := server.ReadConfig([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// node is a part of the JSON schema of the configuration.
type node struct {
	Type       string           `json:"type"`
	Pattern    string           `json:"pattern"`
	Properties map[string]*node `json:"properties"`
	Items      *node            `json:"items"`
	Additional json.RawMessage  `json:"additionalProperties"`
}

// TestConfigOfWrongKinds makes, from the published schema, a configuration for each key and each kind of value that the key
// does not take: what is reported names the key and its line, and knows nothing of Go.
func TestConfigOfWrongKinds(t *testing.T) {
	t.Parallel()
	schema, err := server.ConfigSchema()
	if err != nil {
		t.Fatal(err)
	}
	var root node
	if err := json.Unmarshal(schema, &root); err != nil {
		t.Fatal(err)
	}
	n := 0
	root.walk(t, nil, func(path []string, at *node) {
		for kind, value := range map[string]string{
			"object": "{ some: thing }", "array": "[[]]", "string": `"..words.."`, "integer": "7", "number": "7.25", "boolean": "true", "tagged": "!thing x", "large": "1e999",
		} {
			if kind == at.Type && at.Pattern == "" && kind != "object" && kind != "array" || kind == "integer" && at.Type == "number" || kind == "large" && at.Type == "number" {
				continue
			}
			n++
			text, key := nested(path, value)
			_, err := server.ReadConfig([]byte(text))
			if err == nil && (kind == "string" || kind == "tagged") && at.Type == "string" && at.Pattern == "" {
				continue // a text is a text
			}
			if err == nil {
				t.Errorf("%s takes %s", key, value)
				continue
			}
			if line := err.Error(); !names(line, key) || !strings.Contains(line, fmt.Sprintf("(line %d)", strings.Count(text, "\n"))) || goWords.MatchString(line) {
				t.Errorf("%s as %s: %s", key, value, line)
			}
		}
		// A key beside it that there is not.
		text, _ := nested(append(slices.Clone(path[:len(path)-1]), path[len(path)-1]+"zzqqzz"), "1")
		_, err := server.ReadConfig([]byte(text))
		if strings.Contains(strings.Join(path, "."), "MAP") && path[len(path)-1] == "MAP" {
			return // its keys are the user's own
		}
		if err == nil || !strings.Contains(err.Error(), path[len(path)-1]+"zzqqzz: there is no such key") {
			t.Errorf("beside %s: %v", path, err)
		}
	})
	if n < 200 {
		t.Errorf("only %d configurations were tried", n)
	}
}

// goWords are what a Go programmer says.
var goWords = regexp.MustCompile(`\b(int|float64|bool|struct|interface|nil)\b|map\[|unmarshal|yaml: |!!|server\.|settings\.|cannot decode`)

// names reports whether a line begins with a key, or one within it.
func names(line, key string) bool {
	return strings.HasPrefix(line, key+":") || strings.HasPrefix(line, key+"[") || strings.HasPrefix(line, key+".")
}

// nested writes a value under a path of keys, a line each, and gives the key as it is reported.
func nested(path []string, value string) (text, key string) {
	var b strings.Builder
	for i, name := range path {
		b.WriteString(strings.Repeat("  ", i) + name + ":")
		if i == len(path)-1 {
			b.WriteString(" " + value)
		}
		b.WriteByte('\n')
	}
	return b.String(), strings.Join(path, ".")
}

func (n *node) walk(t *testing.T, path []string, visit func(path []string, at *node)) {
	t.Helper()
	for name, p := range n.Properties {
		next := append(slices.Clone(path), name)
		visit(next, p)
		p.walk(t, next, visit)
	}
	var values node
	if len(n.Additional) > 0 && n.Additional[0] == '{' {
		if err := json.Unmarshal(n.Additional, &values); err != nil {
			t.Fatal(err)
		}
		next := append(slices.Clone(path), "MAP")
		visit(next, &values)
		values.walk(t, next, visit)
	}
}
