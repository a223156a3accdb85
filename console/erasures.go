package console

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const erasuresPerPage = 25

// The erasure states that the pages tell apart. All others follow from their place among these in the schema.
const (
	statusSealed    = "SEALED"
	statusCompleted = "COMPLETED"
	statusClosed    = "CLOSED"
	statusApproval  = "AWAITING_APPROVAL"
	statusCancelled = "CANCELLED"
	statusRejected  = "REJECTED"
	statusHold      = "ON_HOLD"
	statusOperator  = "NEEDS_OPERATOR"
)

// erasure is an erasure as the pages show it. Each query fills what it asks for.
type erasure struct {
	ID, Status, Subject, Ground, Regulation, Reason string
	Customer                                        *customer
	ReceivedAt, DueAt, RequestedAt                  time.Time
	GraceUntil, SealedAt, CompletedAt               *time.Time
	OpenOrders, RequestedBy, ApprovedBy, WaitingFor string
	Steps                                           []step
	Retained                                        []retained
	Certificate                                     *certificate
}

// step is what one service does in an erasure.
type step struct {
	ID, Service, Name, Status, LastError string
	Attempts                             int
	Matched, Changed                     *int
	StartedAt, EndedAt                   *time.Time
}

// retained is what an erasure keeps.
type retained struct {
	Path, Rule, Law string
	Until           time.Time
	Count           int
}

// certificate is the signed proof of an erasure.
type certificate struct {
	Document string
	IssuedAt time.Time
}

// place gives the position of a status in the schema's order, or -1.
func (c *console) place(status string) int {
	return slices.IndexFunc(c.words["ErasureStatus"], func(t term) bool { return t.Value == status })
}

// underWay says whether an erasure still changes by itself or waits for somebody.
func (c *console) underWay(status string) bool {
	switch status {
	case statusCancelled, statusRejected:
		return false
	}
	at := c.place(status)
	return at < c.place(statusCompleted) || at > c.place(statusClosed)
}

// sealed says whether an erasure has passed the point of no return.
func (c *console) sealed(e erasure) bool {
	at := c.place(e.Status)
	return e.SealedAt != nil || at >= c.place(statusSealed) && at <= c.place(statusClosed)
}

// group is a selection of erasures that staff look for.
type group struct {
	Name, Label string
	Statuses    []string // none is all
	Chosen      bool
}

// groups gives the selections of the list.
func (c *console) groups() []group {
	var moving, done []string
	for _, t := range c.words["ErasureStatus"] {
		switch at := c.place(t.Value); {
		case !c.underWay(t.Value) && at <= c.place(statusClosed):
			done = append(done, t.Value)
		case c.underWay(t.Value):
			moving = append(moving, t.Value)
		}
	}
	return []group{
		{Name: "", Label: "All"},
		{Name: "staff", Label: "Waiting for staff", Statuses: []string{statusApproval, statusHold, statusOperator}},
		{Name: "under-way", Label: "Under way", Statuses: moving},
		{Name: "done", Label: "Done", Statuses: done},
		{Name: "stopped", Label: "Stopped", Statuses: []string{statusCancelled, statusRejected}},
	}
}

// erasuresView is the list of erasures.
type erasuresView struct {
	Groups   []group
	Statuses []term
	Show     string // a group's name, or a status
	After    string
	Erasures []erasure
	Total    int
	Page     pageInfo
	Missing  []missing
}

// Next gives the address of the next page.
func (v erasuresView) Next() string {
	return "/erasures?" + url.Values{"show": {v.Show}, "after": {v.Page.EndCursor}}.Encode()
}

// erasuresPage lists the erasures.
func (c *console) erasuresPage(w http.ResponseWriter, r *http.Request, s *session) error {
	q := r.URL.Query()
	v := erasuresView{Groups: c.groups(), Statuses: c.words["ErasureStatus"], Show: q.Get("show"), After: q.Get("after")}
	var statuses []string
	if c.words.has("ErasureStatus", v.Show) {
		statuses = []string{v.Show}
	} else {
		i := max(0, slices.IndexFunc(v.Groups, func(g group) bool { return g.Name == v.Show }))
		v.Groups[i].Chosen = true
		v.Show, statuses = v.Groups[i].Name, v.Groups[i].Statuses
	}
	variables := struct {
		Status []string `json:"status"`
		First  int      `json:"first"`
		After  *string  `json:"after"`
	}{statuses, erasuresPerPage, optional(v.After)}
	var out struct {
		Erasures *struct {
			TotalCount int
			Nodes      []erasure
			PageInfo   pageInfo
		}
	}
	var err error
	if v.Missing, err = c.graph.do(r.Context(), s.Token, "Erasures", variables, &out); err != nil {
		return err
	}
	if out.Erasures != nil {
		v.Erasures, v.Total, v.Page = out.Erasures.Nodes, out.Erasures.TotalCount, out.Erasures.PageInfo
	}
	c.render(w, r, s, http.StatusOK, "erasures", "Erasures", v)
	return nil
}

// erasureByID asks for one erasure.
func (c *console) erasureByID(r *http.Request, s *session) (*erasure, []missing, error) {
	var out struct{ Erasure *erasure }
	gaps, err := c.graph.do(r.Context(), s.Token, "Erasure", byID{r.PathValue("id")}, &out)
	switch {
	case err != nil:
		return nil, nil, err
	case out.Erasure != nil:
		return out.Erasure, gaps, nil
	case len(gaps) > 0:
		return nil, nil, &fault{code: gaps[0].Code, requestID: gaps[0].RequestID}
	}
	return nil, nil, fmt.Errorf("erasure: %w", errNotFound)
}

// erasurePage shows an erasure.
func (c *console) erasurePage(w http.ResponseWriter, r *http.Request, s *session) error {
	return c.showErasure(w, r, s, http.StatusOK, nil)
}

// showErasure shows the erasure of the path, with what was refused.
func (c *console) showErasure(w http.ResponseWriter, r *http.Request, s *session, status int, refused []userError) error {
	e, gaps, err := c.erasureByID(r, s)
	if err != nil {
		return err
	}
	v, err := c.erasureView(*e, gaps, s)
	if err != nil {
		return err
	}
	v.Refused = refused
	c.render(w, r, s, status, "erasure", "Erasure "+e.ID, v)
	return nil
}

// progress answers a page that updates itself: with the parts that have changed, for which it waits a moment where none
// have, or with nothing.
func (c *console) progress(w http.ResponseWriter, r *http.Request, s *session) error {
	e, gaps, err := c.erasureByID(r, s)
	switch code := faultCode(err); {
	case err != nil && (code == codeUnavailable || code == codeTimeout):
		// The page keeps what it has, and goes on asking.
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("HX-Reswap", "none")
		body, err := c.fragment("erasure", "lost", nil)
		if err != nil {
			return err
		}
		_, _ = w.Write(body)
		return nil
	case err != nil:
		return err
	}
	v, err := c.erasureView(*e, gaps, s)
	if err != nil {
		return err
	}
	seen := strings.Split(r.URL.Query().Get("seen"), ".")
	fresh := func(v erasureView) bool {
		return len(seen) != 2 || seen[0] != v.ProgressHash || seen[1] != v.ActionsHash
	}
	if !fresh(v) && r.URL.Query().Get("lost") == "" {
		changed := c.changed(r, s, fresh)
		if changed == nil {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		v = *changed
	}
	v.ActionsChanged = len(seen) != 2 || seen[1] != v.ActionsHash
	body, err := c.fragment("erasure", "update", v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(body)
	return nil
}

// mutate sends a mutation about an erasure, and goes back to its page; a refusal is said there.
func (c *console) mutate(w http.ResponseWriter, r *http.Request, s *session, operation string, in any) error {
	var out payload
	if _, err := c.graph.do(r.Context(), s.Token, operation, input{in}, &out); err != nil {
		return err
	}
	if refused := out.refusals(); len(refused) > 0 {
		return c.showErasure(w, r, s, http.StatusConflict, refused)
	}
	c.log.Info("acted on an erasure", "operation", operation, "staff", s.Staff.ID, "erasure", r.PathValue("id"))
	http.Redirect(w, r, "/erasures/"+r.PathValue("id"), http.StatusSeeOther)
	return nil
}

// payload is what a mutation about an erasure answers: one of these is there.
type payload struct {
	ApproveErasure, CancelErasure, RetryErasureStep, WaiveErasureStep struct{ UserErrors []userError }
}

func (p payload) refusals() []userError {
	return slices.Concat(p.ApproveErasure.UserErrors, p.CancelErasure.UserErrors, p.RetryErasureStep.UserErrors, p.WaiveErasureStep.UserErrors)
}

func (c *console) approvePost(w http.ResponseWriter, r *http.Request, s *session) error {
	return c.mutate(w, r, s, "ApproveErasure", byID{r.PathValue("id")})
}

func (c *console) cancelPost(w http.ResponseWriter, r *http.Request, s *session) error {
	return c.mutate(w, r, s, "CancelErasure", struct {
		ID     string  `json:"id"`
		Reason *string `json:"reason,omitempty"`
	}{r.PathValue("id"), optional(strings.TrimSpace(r.PostFormValue("reason")))})
}

// stepInput names a step.
type stepInput struct {
	ID     string `json:"id"`
	StepID string `json:"stepId"`
}

func (c *console) retryPost(w http.ResponseWriter, r *http.Request, s *session) error {
	return c.mutate(w, r, s, "RetryErasureStep", stepInput{r.PathValue("id"), r.PathValue("step")})
}

func (c *console) waivePost(w http.ResponseWriter, r *http.Request, s *session) error {
	return c.mutate(w, r, s, "WaiveErasureStep", struct {
		stepInput
		Reason string `json:"reason"`
	}{stepInput{r.PathValue("id"), r.PathValue("step")}, strings.TrimSpace(r.PostFormValue("reason"))})
}
