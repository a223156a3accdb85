package console

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"slices"
	"time"
)

// station is a state on the timeline of an erasure.
type station struct {
	term
	State string     // "done", "now", "ahead" or "skipped"
	At    *time.Time // when it was reached, where that is known
	Note  string
}

// phase is the part of the timeline before the seal, after it, or at the end.
type phase struct {
	Label, Text string
	Stations    []station
}

// wave is a step with the services that do it, which follow one another.
type wave struct {
	Name  string
	Steps []step
}

// Waves gives the steps in their order, those of the same name and next to each other together.
func (e tracked) Waves() []wave {
	var all []wave
	for _, s := range e.Steps {
		if len(all) == 0 || all[len(all)-1].Name != s.Name {
			all = append(all, wave{Name: s.Name})
		}
		last := &all[len(all)-1]
		last.Steps = append(last.Steps, s)
	}
	return all
}

// erasureView is the page of an erasure. Progress and Actions are rendered apart, so that the page exchanges only what
// has changed: whoever is in the middle of a form keeps it.
type erasureView struct {
	tracked
	Progress, Actions         template.HTML
	ProgressHash, ActionsHash string
	ActionsChanged            bool
	Refused                   []userError
	Missing                   []missing
	CSRF                      string
}

// tracked is an erasure with what the templates need to know of it.
type tracked struct {
	erasure
	Phases     []phase
	UnderWay   bool
	Sealed     bool // past the point of no return
	Done       int  // steps that are done or waived
	MayApprove bool
	Own        bool // whoever looks at it asked for it
	Parked     []step
	Aside      string // the status, when it is none of the timeline's
	LastUntil  *time.Time
	CSRF       string
}

func (v erasureView) live() bool { return v.UnderWay }

// Cancellable says whether it can still be undone.
func (e tracked) Cancellable() bool { return e.UnderWay && !e.Sealed }

// Approvable says whether it waits for a second person.
func (e tracked) Approvable() bool { return e.Status == statusApproval }

// HasActions says whether there is anything that staff could do now.
func (e tracked) HasActions() bool {
	return e.Cancellable() || e.Approvable() || len(e.Parked) > 0 || e.Certificate != nil
}

// erasureView builds the page of an erasure.
func (c *console) erasureView(e erasure, gaps []missing, s *session) (erasureView, error) {
	x := tracked{
		erasure: e, UnderWay: c.underWay(e.Status), Sealed: c.sealed(e), MayApprove: s.mayApprove(),
		Own: e.RequestedBy == s.Staff.ID, CSRF: s.CSRF,
	}
	if c.place(e.Status) > c.place(statusClosed) {
		x.Aside = e.Status
	}
	for _, st := range e.Steps {
		switch st.Status {
		case "DONE", "WAIVED":
			x.Done++
		case "PARKED":
			x.Parked = append(x.Parked, st)
		}
	}
	for _, kept := range e.Retained {
		if x.LastUntil == nil || kept.Until.After(*x.LastUntil) {
			x.LastUntil = &kept.Until
		}
	}
	x.Phases = c.phases(e)
	v := erasureView{tracked: x, Missing: gaps, CSRF: s.CSRF}
	for _, part := range []struct {
		name string
		html *template.HTML
		hash *string
	}{{"progress", &v.Progress, &v.ProgressHash}, {"actions", &v.Actions, &v.ActionsHash}} {
		text, err := c.fragment("erasure", part.name, x)
		if err != nil {
			return erasureView{}, fmt.Errorf("erasure page: %w", err)
		}
		sum := sha256.Sum256(text)
		*part.html, *part.hash = template.HTML(text), hex.EncodeToString(sum[:8]) //nolint:gosec // it comes from a template
	}
	return v, nil
}

// phases lays the states of the schema out as a timeline with the seal between the first phase and the second.
func (c *console) phases(e erasure) []phase {
	seal, completed, closed := c.place(statusSealed), c.place(statusCompleted), c.place(statusClosed)
	phases := []phase{
		{Label: "Can be undone", Text: "A cancellation puts everything back."},
		{Label: "Cannot be undone", Text: "From here there is only forward."},
		{Label: "Done", Text: "Proven by a certificate."},
	}
	at := c.place(e.Status)
	for i, t := range c.words["ErasureStatus"] {
		if i > closed {
			break
		}
		st := station{term: t, State: "ahead"}
		switch {
		case at > closed: // aside: only the seal tells how far it got
			if c.sealed(e) && i < seal || i == 0 {
				st.State = "done"
			}
			if !c.underWay(e.Status) && st.State == "ahead" {
				st.State = "skipped"
			}
		case i < at:
			st.State = "done"
		case i == at:
			st.State = "now"
		}
		c.annotate(&st, e)
		p := 0
		if i >= completed {
			p = 2
		} else if i >= seal {
			p = 1
		}
		phases[p].Stations = append(phases[p].Stations, st)
	}
	return phases
}

// annotate adds what is known of a station.
func (c *console) annotate(st *station, e erasure) {
	switch st.Value {
	case "REQUESTED":
		st.At, st.Note = &e.RequestedAt, "by "+e.RequestedBy
	case statusApproval:
		switch {
		case e.ApprovedBy != "":
			st.Note = "approved by " + e.ApprovedBy
		case st.State == "done":
			st.State, st.Note = "skipped", "not needed"
		}
	case "GRACE":
		if e.GraceUntil != nil && e.GraceUntil.After(e.RequestedAt) {
			st.Note = "until " + e.GraceUntil.UTC().Format("2 Jan 2006, 15:04 UTC")
		}
	case statusSealed:
		st.At = e.SealedAt
		if e.SealedAt != nil && st.State == "ahead" {
			st.State = "done"
		}
	case statusCompleted:
		st.At = e.CompletedAt
	case "ERASING", "VERIFYING":
		if st.State == "now" && len(e.Steps) > 0 {
			done := 0
			for _, s := range e.Steps {
				if slices.Contains([]string{"DONE", "WAIVED"}, s.Status) {
					done++
				}
			}
			st.Note = fmt.Sprintf("%d of %d steps done", done, len(e.Steps))
		}
	}
}
