package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// report is everything that was measured.
type report struct {
	Time      time.Time `json:"time"`
	CPU       string    `json:"cpu"`
	Cores     int       `json:"cores"`
	Pinned    string    `json:"routersOnCores,omitempty"`
	Clients   int       `json:"clients"`
	Rounds    int       `json:"rounds"`
	Round     string    `json:"round"`
	Scenarios []*table  `json:"scenarios"`
}

// table is what was measured under one scenario.
type table struct {
	Scenario    string    `json:"scenario"`
	Sharing     bool      `json:"sharing"`
	AnswerBytes int       `json:"answerBytes"`
	Requests    int       `json:"floorSubgraphRequests"`
	Steps       int       `json:"floorSteps"`
	Rows        []*row    `json:"routers"`
	Failed      []failure `json:"failed,omitempty"`
}

// row is one router.
type row struct {
	Router string `json:"router"`
	// Median holds the median of each figure over the rounds, but for the memory's peak, which is the highest.
	Median sample `json:"median"`
	// Spread is how far the CPU per request lay apart, as a share of the median: (highest - lowest) / median.
	Spread float64 `json:"cpuSpread"`
	// Ratios are of the CPU per request to that of the floors.
	Ratios  map[string]float64 `json:"ratios"`
	Samples []sample           `json:"samples"`
}

// failure is a router that could not be measured.
type failure struct {
	Router string `json:"router"`
	Why    string `json:"why"`
}

func newReport(o *options) *report {
	return &report{
		Time: time.Now().UTC(), CPU: cpuModel(), Cores: runtime.NumCPU(), Pinned: o.pin,
		Clients: o.clients, Rounds: o.rounds, Round: o.round.String(),
	}
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func (t *table) summarise() {
	floors := map[string]float64{}
	for _, r := range t.Rows {
		r.Median = medians(r.Samples)
		var cpu []float64
		for _, s := range r.Samples {
			cpu = append(cpu, s.CPU)
		}
		r.Spread = (slices.Max(cpu) - slices.Min(cpu)) / r.Median.CPU
		if isFloor(r.Router) {
			floors[r.Router] = r.Median.CPU
		}
	}
	for _, r := range t.Rows {
		r.Ratios = map[string]float64{}
		for name, cpu := range floors {
			r.Ratios[name] = r.Median.CPU / cpu
		}
	}
}

func medians(samples []sample) sample {
	of := func(get func(*sample) float64) float64 {
		var values []float64
		for i := range samples {
			values = append(values, get(&samples[i]))
		}
		return medianOf(values)
	}
	out := sample{
		RequestsPerSecond: of(func(s *sample) float64 { return s.RequestsPerSecond }),
		CPU:               of(func(s *sample) float64 { return s.CPU }),
		User:              of(func(s *sample) float64 { return s.User }),
		System:            of(func(s *sample) float64 { return s.System }),
		P50:               of(func(s *sample) float64 { return s.P50 }),
		P95:               of(func(s *sample) float64 { return s.P95 }),
		P99:               of(func(s *sample) float64 { return s.P99 }),
		Fetches:           of(func(s *sample) float64 { return s.Fetches }),
		ResidentMB:        of(func(s *sample) float64 { return s.ResidentMB }),
		LoadAverage:       of(func(s *sample) float64 { return s.LoadAverage }),
	}
	for _, s := range samples {
		out.PeakMB = max(out.PeakMB, s.PeakMB)
	}
	return out
}

// medianOf gives the middle of some values.
func medianOf(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// print writes the table for people, as Markdown.
func (t *table) print(w io.Writer) {
	shares := ""
	if t.Sharing {
		shares = ", equal requests in flight shared"
	}
	_, _ = fmt.Fprintf(w, "\n### %s%s: an answer of %d bytes; the floors send %d requests in %d steps\n\n", t.Scenario, shares, t.AnswerBytes, t.Requests, t.Steps)
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	heads := []string{"router", "CPU µs/request", "± %", "user", "system"}
	for _, n := range floors() {
		heads = append(heads, "to "+n.kind+" floor")
	}
	heads = append(heads, "requests/s", "p50 ms", "p95 ms", "p99 ms", "MB: first round, last, peak", "subgraph requests", "load")
	line(tw, heads...)
	line(tw, slices.Repeat([]string{"---"}, len(heads))...)
	for _, r := range t.Rows {
		m := r.Median
		cells := []string{r.Router, number(m.CPU, 0), number(50*r.Spread, 0), number(m.User, 0), number(m.System, 0)}
		for _, n := range floors() {
			cells = append(cells, ratio(r.Ratios, n.name))
		}
		memory := number(r.Samples[0].ResidentMB, 0) + ", " + number(r.Samples[len(r.Samples)-1].ResidentMB, 0) + ", " + number(m.PeakMB, 0)
		cells = append(cells, number(m.RequestsPerSecond, 0), number(m.P50, 1), number(m.P95, 1), number(m.P99, 1), memory, number(m.Fetches, 2), number(m.LoadAverage, 1))
		line(tw, cells...)
	}
	_ = tw.Flush() // to the terminal
	for _, f := range t.Failed {
		_, _ = fmt.Fprintf(w, "\n%s could not be measured: %s\n", f.Router, f.Why)
	}
}

// line writes a row of a table in Markdown to a writer that aligns the cells.
func line(w io.Writer, cells ...string) {
	_, _ = fmt.Fprintln(w, "| "+strings.Join(cells, "\t| ")+"\t|") // to the terminal
}

// number writes f with so many digits after the point.
func number(f float64, digits int) string { return strconv.FormatFloat(f, 'f', digits, 64) }

func ratio(ratios map[string]float64, name string) string {
	if ratios[name] == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", ratios[name])
}

// write writes the report as JSON; to no file where none is named.
func (r *report) write(file string) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
