package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sort"

	"github.com/lethe/lethe/bench/gateways/floor"
	"github.com/lethe/lethe/bench/gateways/process"
	"github.com/lethe/lethe/bench/gateways/subgraph"
)

// backend is the process of the subgraphs.
type backend struct {
	*process.Process
	addresses subgraph.Addresses
}

// startBackend serves the subgraphs of a set; public is the directory of the public benchmark.
func startBackend(ctx context.Context, self, set, public, cores string) (*backend, error) {
	return startSubgraphs(ctx, cores, self, partSubgraphs, set, public)
}

// startSubgraphs starts a part of the rig that writes the addresses of subgraphs as a line of JSON.
func startSubgraphs(ctx context.Context, cores string, line ...string) (*backend, error) {
	cmd := pinned(cores, line, nil)
	lines, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer func() { _ = lines.Close() }()
	cmd.Stdout = w
	p, err := process.Start(cmd)
	_ = w.Close() // the child has it
	if err != nil {
		return nil, err
	}
	b := &backend{Process: p}
	if err := json.NewDecoder(lines).Decode(&b.addresses); err != nil {
		p.Stop(ctx)
		return nil, fmt.Errorf("the subgraphs did not start: %w\n%s", err, p.Output())
	}
	return b, nil
}

func (b *backend) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.addresses.Control+path, nil)
	if err != nil {
		return fmt.Errorf("ask the subgraphs for %s: %w", path, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the subgraphs for %s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("ask the subgraphs for %s: %w", path, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("ask the subgraphs for %s: %w", path, err)
	}
	return nil
}

func (b *backend) counts(ctx context.Context) (c subgraph.Counts, err error) {
	return c, b.get(ctx, "/counts", &c)
}

// record writes the script of the null routers: what Lethe's router asks of the subgraphs for one request, step by step,
// and its answer.
func (b *backend) record(ctx context.Context, r *running, file string) (*floor.Script, error) {
	var none any
	if err := b.get(ctx, "/record", &none); err != nil {
		return nil, err
	}
	answer, err := r.load.Ask()
	if err != nil {
		return nil, err
	}
	var recorded []subgraph.Recorded
	if err := b.get(ctx, "/recorded", &recorded); err != nil {
		return nil, err
	}
	sort.SliceStable(recorded, func(i, j int) bool { return recorded[i].Step < recorded[j].Step })
	s := &floor.Script{Answer: string(answer)}
	for _, q := range recorded {
		if q.Step == len(s.Steps) {
			s.Steps = append(s.Steps, nil)
		}
		s.Steps[q.Step] = append(s.Steps[q.Step], floor.Request{URL: b.addresses.Subgraphs[q.Subgraph], Body: q.Body})
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write the script: %w", err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, fmt.Errorf("write the script: %w", err)
	}
	return s, nil
}

// self is this program's own file.
func self() (string, error) {
	file, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return file, nil
}

// restrict puts this process on the cores that the routers do not run on.
func restrict(ctx context.Context, cores string) error {
	if out, err := exec.CommandContext(ctx, "taskset", "-a", "-c", "-p", cores, fmt.Sprint(os.Getpid())).CombinedOutput(); err != nil {
		return fmt.Errorf("run on cores %s: %w: %s", cores, err, out)
	}
	return nil
}
