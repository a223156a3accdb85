.PHONY: bench bench-long

# What a router costs per request: Lethe's, null routers, and other gateways from npm (docs/performance.md).
bench:
	npm ci --ignore-scripts --no-audit --no-fund --silent --prefix e2e/clients
	go run ./bench/gateways -sharing=both $(BENCHFLAGS)

bench-long:
	$(MAKE) bench BENCHFLAGS="-long $(BENCHFLAGS)"
