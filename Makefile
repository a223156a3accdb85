.PHONY: dev test check generate goldens bench bench-long

# Everything in one process on embedded servers, seeded.
dev:
	go run ./cmd/lethe-dev

# One package's tests at a time: several start a whole Lethe, and two of those at once are more than two cores carry. At the end it
# says which public data is absent, since go shows nothing that a passing package writes.
test:
	go test -p=1 ./...
	go test -count=1 -v -run TestWhatIsNotRun ./router/routertest/public

# What a change must pass before tests.
check:
	test -z "$$(git ls-files '*.go' | xargs gofmt -l)"
	go mod tidy -diff
	go vet ./...
	go tool staticcheck ./...

# The code that is made from schemas.
generate:
	go generate ./subgraphs/... ./schema/...

# The golden files, written anew. Read what changed: each golden says why its answer is the right one.
goldens:
	go test ./router/plan ./router/compose ./router/supergraph ./router/server -run 'Goldens|JoinVersions|ConfigSchema' -update

# What a router costs per request: Lethe's, null routers, and other gateways from npm (docs/performance.md).
bench:
	npm ci --ignore-scripts --no-audit --no-fund --silent --prefix e2e/clients
	go run ./bench/gateways -sharing=both $(BENCHFLAGS)

bench-long:
	$(MAKE) bench BENCHFLAGS="-long $(BENCHFLAGS)"
