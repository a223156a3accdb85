package server

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/lethe/lethe/router/cost"
	"github.com/lethe/lethe/router/prepare"
	"github.com/lethe/lethe/router/settings"
)

// DemandControl says how dear an operation may be.
type DemandControl struct {
	Mode     string  `yaml:"mode" doc:"\"enforce\", the default, where operations that cost too much are refused; \"measure\", where costs are only counted in the metrics; or \"off\"."`
	ListSize int     `yaml:"listSize" doc:"The length that is assumed of a list of which no @listSize says more: 10 by default."`
	MaxCost  MaxCost `yaml:"maxCost" doc:"What the operations of one request may cost together, by who asks. One object of the response costs 1 where @cost does not say otherwise."`
	Sample   *int    `yaml:"sample" doc:"Of one in how many answers it is measured what they really cost, for the metrics: 1000 by default, 0 for none."`

	on     bool                // costs are looked at
	limits [len(kinds)]float64 // by kind; more than anything costs where none is enforced
	sample uint64
}

// MaxCost bounds the cost of a request by the kind of its identity.
type MaxCost struct {
	Anonymous int `yaml:"anonymous" doc:"Of those who are not known: 30000 by default."`
	SignedIn  int `yaml:"signedIn" doc:"Of those who are signed in: 100000 by default."`
	Service   int `yaml:"service" doc:"Of staff and of services: 1000000 by default."`
}

// The modes of demand control.
const (
	demandEnforce = "enforce"
	demandMeasure = "measure"
	demandOff     = "off"
)

func (d *DemandControl) complete(check *settings.Check) {
	check.OneOf("demandControl.mode", &d.Mode, demandEnforce, demandMeasure, demandOff)
	check.Default("demandControl.listSize", &d.ListSize, 10)
	check.Default("demandControl.maxCost.anonymous", &d.MaxCost.Anonymous, 30_000)
	check.Default("demandControl.maxCost.signedIn", &d.MaxCost.SignedIn, 100_000)
	check.Default("demandControl.maxCost.service", &d.MaxCost.Service, 1_000_000)
	d.sample = 1000
	if n := d.Sample; n != nil {
		if *n < 0 {
			check.Refuse("demandControl.sample", "must be 0 or more, or left out for the default; it is %d", *n)
		}
		d.sample = uint64(max(0, *n)) //nolint:gosec // above zero
	}
	d.on = d.Mode != demandOff
	d.limits = [...]float64{Anonymous: float64(d.MaxCost.Anonymous), SignedIn: float64(d.MaxCost.SignedIn), Service: float64(d.MaxCost.Service)}
	if d.Mode != demandEnforce {
		d.limits = [...]float64{Anonymous: cost.Ceiling, SignedIn: cost.Ceiling, Service: cost.Ceiling}
	}
}

// most returns the cost beyond which nobody may run an operation.
func (d *DemandControl) most() float64 { return slices.Max(d.limits[:]) }

// costHeader asks for the estimated and the actual cost in the response's extensions.
const costHeader = "Lethe-Cost"

// codeTooExpensive is that of an operation that costs more than its request may.
const codeTooExpensive = "OPERATION_TOO_EXPENSIVE"

// whose names the kinds of identity in messages.
var whose = [...]string{Anonymous: "a request without a token", SignedIn: "somebody who is signed in", Service: "staff or a service"} //nolint:gochecknoglobals // a constant

// tooExpensive says that operations cost more than a request may.
func tooExpensive(what string, charge, limit float64, kind Kind) gqlerror.List {
	return gqlerror.List{{
		Message: fmt.Sprintf("%s at an estimated cost of %.0f, and at most %.0f is taken of %s: ask for fewer objects, with smaller pages, fewer nested lists or fewer aliases.",
			what, charge, limit, whose[kind]),
		Extensions: map[string]any{"code": codeTooExpensive, "cost": charge, "limit": limit},
	}}
}

// charge returns what a request of a principal for an operation is estimated to cost, or why it may not run.
func (s *Server) charge(p Principal, e *engine, prepared *prepare.Prepared, v *prepare.Values) (float64, gqlerror.List) {
	demand := &e.config.Demand
	if !demand.on {
		return 0, nil
	}
	charge, errs := prepared.Cost(v)
	if errs != nil {
		return 0, errs
	}
	s.metrics.estimated.observe(charge)
	if limit := demand.limits[p.Kind]; charge > limit {
		s.metrics.expensive[p.Kind].Inc()
		return charge, tooExpensive("The operation is refused", charge, limit, p.Kind)
	}
	return charge, nil
}

// affordable reports whether the operations of a batch together cost no more than one request may. Where they do, none
// of them runs, and each is answered with that.
func (s *Server) affordable(p Principal, parts []part, e *engine) bool {
	sum := 0.0
	for i := range parts {
		sum = min(sum+parts[i].charge, cost.Ceiling)
	}
	limit := e.config.Demand.limits[p.Kind]
	if sum <= limit {
		return true
	}
	s.metrics.expensive[p.Kind].Inc()
	for i := range parts {
		if parts[i].ready {
			parts[i].reject(tooExpensive("The operations of this batch are refused together", sum, limit, p.Kind))
		}
	}
	return false
}

// gauge decides what is measured of an answer: where its client asks for the cost, and of one answer in so many.
type gauge struct {
	meter *cost.Meter // nil where nothing is measured
	asked bool
}

// gauge returns what measures the answer to a request; asked says that its client wants to know.
func (s *Server) gauge(asked bool, e *engine, prepared *prepare.Prepared, v *prepare.Values) gauge {
	demand := &e.config.Demand
	if !demand.on || !asked && (demand.sample == 0 || s.metrics.answers.Add(1)%demand.sample != 0) {
		return gauge{}
	}
	return gauge{meter: prepared.Meter(v), asked: asked}
}

// actualGap is where the actual cost is filled in once the response is written: JSON lets spaces stand before a value. It
// has room for [cost.Ceiling].
var actualGap = []byte(`"actual":` + strings.Repeat(" ", len("1000000000000000"))) //nolint:gochecknoglobals // a constant

// costExtension returns the member of the response's extensions that holds the costs; without the actual one of a response
// that is sent in parts, which holds it before all of them are there.
func costExtension(estimated float64, actual bool) []byte {
	out := strconv.AppendFloat([]byte(`"cost":{"estimated":`), estimated, 'f', -1, 64)
	if actual {
		out = append(append(out, ','), actualGap...)
	}
	return append(out, '}')
}

// measure measures a whole response, and fills in its actual cost where it has the extension.
func (g *gauge) measure(m *metrics, body []byte) {
	if g.meter == nil {
		return
	}
	_, _ = g.meter.Write(body)
	if g.asked {
		if at := bytes.LastIndex(body, actualGap); at >= 0 {
			value := body[at+len(`"actual":`) : at+len(actualGap)]
			text := strconv.AppendFloat(nil, g.meter.Cost(), 'f', -1, 64)
			copy(value[len(value)-len(text):], text)
		}
	}
	g.end(m)
}

// end notes what was measured.
func (g *gauge) end(m *metrics) {
	if g.meter != nil {
		m.actual.observe(g.meter.Cost())
		g.meter = nil
	}
}
