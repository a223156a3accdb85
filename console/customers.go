package console

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	customersPerPage = 20
	ordersPerPage    = 10
	// maxSearch is what the graph takes of a search, in characters.
	maxSearch = 200
)

// customer is a customer as the pages show it. Each query fills what it asks for.
type customer struct {
	ID, Name, Email, Phone, Status string
	CreatedAt, UpdatedAt           time.Time
	Addresses                      []address
	MarketingConsent               struct {
		Granted bool
		At      *time.Time
	}
	Erasure *erasure
	Orders  *orderConnection
}

type address struct {
	ID, Label, Name, Line1, Line2, PostalCode, City, CountryCode, Phone string
}

type orderConnection struct {
	TotalCount int
	Nodes      []order
	PageInfo   pageInfo
}

type order struct {
	ID, Number, Status string
	PlacedAt           time.Time
	Total              struct{ Amount, CurrencyCode string }
	Lines              []struct {
		ID, Name string
		Quantity int
	}
}

// customersView is the page that finds customers.
type customersView struct {
	Search    string
	Searched  bool
	After     string
	Customers []customer
	Total     int
	Page      pageInfo
	Missing   []missing
}

// customersPage finds customers. What is looked for comes by POST, so that no name and no address ends up in a browser's
// history or in a log.
func (c *console) customersPage(w http.ResponseWriter, r *http.Request, s *session) error {
	v := customersView{Search: strings.TrimSpace(r.PostFormValue("search")), After: r.PostFormValue("after"), Searched: r.Method == http.MethodPost}
	if runes := []rune(v.Search); len(runes) > maxSearch {
		v.Search = string(runes[:maxSearch])
	}
	variables := struct {
		Search *string `json:"search"`
		First  int     `json:"first"`
		After  *string `json:"after"`
	}{optional(v.Search), customersPerPage, optional(v.After)}
	var out struct {
		Customers *struct {
			TotalCount int
			Nodes      []customer
			PageInfo   pageInfo
		}
	}
	var err error
	if v.Missing, err = c.graph.do(r.Context(), s.Token, "Customers", variables, &out); err != nil {
		return err
	}
	if out.Customers != nil {
		v.Customers, v.Total, v.Page = out.Customers.Nodes, out.Customers.TotalCount, out.Customers.PageInfo
	}
	c.render(w, r, s, http.StatusOK, "customers", "Customers", v)
	return nil
}

// optional gives null for an empty text.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// customerView is a customer's page.
type customerView struct {
	Customer customer
	Orders   *orderConnection // nil when the orders could not be had
	Missing  []missing
}

// customerPage shows a customer. The orders are asked for apart, at the same time: either stands without the other.
func (c *console) customerPage(w http.ResponseWriter, r *http.Request, s *session) error {
	id := r.PathValue("id")
	var profile, orders struct{ Customer *customer }
	var profileMissing, ordersMissing []missing
	var profileErr, ordersErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		profileMissing, profileErr = c.graph.do(r.Context(), s.Token, "Customer", byID{id}, &profile)
	})
	wg.Go(func() {
		variables := struct {
			ID    string  `json:"id"`
			First int     `json:"first"`
			After *string `json:"after"`
		}{id, ordersPerPage, optional(r.URL.Query().Get("orders"))}
		ordersMissing, ordersErr = c.graph.do(r.Context(), s.Token, "CustomerOrders", variables, &orders)
	})
	wg.Wait()
	if profileErr != nil {
		return profileErr
	}
	if profile.Customer == nil {
		if len(profileMissing) > 0 {
			return &fault{code: profileMissing[0].Code, requestID: profileMissing[0].RequestID}
		}
		return fmt.Errorf("customer: %w", errNotFound)
	}
	v := customerView{Customer: *profile.Customer, Missing: profileMissing}
	if orders.Customer != nil {
		v.Orders = orders.Customer.Orders
	}
	switch code := faultCode(ordersErr); {
	case code == codeUnauthenticated:
		return ordersErr
	case ordersErr != nil:
		c.log.Warn("ask for a customer's orders", "error", ordersErr)
		v.Missing = append(v.Missing, missing{Part: "orders", Code: code})
	default:
		v.Missing = append(v.Missing, ordersMissing...)
	}
	c.render(w, r, s, http.StatusOK, "customer", profile.Customer.Name, v)
	return nil
}

// holding is how much a service holds of one field.
type holding struct {
	Service, Path, Category, Action, Rule string
	Count                                 int
	Until                                 *time.Time
}

// blocker is what an erasure must wait for.
type blocker struct {
	Service, Kind string
	Count         int
}

// preview is what an erasure would do.
type preview struct {
	Holdings []holding
	Blockers []blocker
}

// serviceHoldings is what one service holds.
type serviceHoldings struct {
	Service  string
	Count    int
	Holdings []holding
}

// byService groups the holdings by service and sorts them by field.
func (p preview) byService() []serviceHoldings {
	var all []serviceHoldings
	for _, h := range p.Holdings {
		i := slices.IndexFunc(all, func(s serviceHoldings) bool { return s.Service == h.Service })
		if i < 0 {
			all = append(all, serviceHoldings{Service: h.Service})
			i = len(all) - 1
		}
		all[i].Count += h.Count
		all[i].Holdings = append(all[i].Holdings, h)
	}
	slices.SortFunc(all, func(a, b serviceHoldings) int { return strings.Compare(a.Service, b.Service) })
	for _, s := range all {
		slices.SortStableFunc(s.Holdings, func(a, b holding) int {
			// What there is comes before what there could be.
			return cmp.Or(boolCompare(a.Count == 0, b.Count == 0), strings.Compare(a.Path, b.Path))
		})
	}
	return all
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// actionCount is how many values one action meets.
type actionCount struct {
	Action string
	Count  int
}

// byAction sums the holdings by what would become of them, in the schema's order of actions.
func (p preview) byAction(words vocabulary) []actionCount {
	counts := make(map[string]int)
	for _, h := range p.Holdings {
		counts[h.Action] += h.Count
	}
	all := make([]actionCount, 0, len(counts))
	for _, t := range words["ErasureAction"] {
		all = append(all, actionCount{t.Value, counts[t.Value]})
	}
	return all
}

func (p preview) total() int {
	n := 0
	for _, h := range p.Holdings {
		n += h.Count
	}
	return n
}

// heldView is the page that says what is held where.
type heldView struct {
	Customer customer
	Services []serviceHoldings
	Actions  []actionCount
	Terms    []term
	Blockers []blocker
	Total    int
	Rules    map[string]rule
	Missing  []missing
	Known    bool // whether the preview could be had at all
}

// heldPage says what is held about a customer: where, how much, and what would become of it. Never a value.
func (c *console) heldPage(w http.ResponseWriter, r *http.Request, s *session) error {
	subject, err := c.subject(r, s)
	if err != nil {
		return err
	}
	v := heldView{Customer: subject, Terms: c.words["ErasureAction"]}
	var held struct{ ErasurePreview *preview }
	var fields struct{ DataMap *dataMap }
	var heldMissing, mapMissing []missing
	var heldErr, mapErr error
	var wg sync.WaitGroup
	wg.Go(func() { heldMissing, heldErr = c.graph.do(r.Context(), s.Token, "Held", byID{subject.ID}, &held) })
	wg.Go(func() { mapMissing, mapErr = c.graph.do(r.Context(), s.Token, "DataMap", nil, &fields) })
	wg.Wait()
	if faultCode(heldErr) == codeUnauthenticated || faultCode(heldErr) == codeForbidden {
		return heldErr
	}
	v.Missing = append(heldMissing, mapMissing...)
	if heldErr != nil {
		c.log.Warn("ask what is held", "error", heldErr)
		v.Missing = append(v.Missing, missing{Part: "what is held", Code: faultCode(heldErr)})
	}
	if held.ErasurePreview != nil {
		p := *held.ErasurePreview
		v.Known, v.Services, v.Actions, v.Blockers, v.Total = true, p.byService(), p.byAction(c.words), p.Blockers, p.total()
	}
	if mapErr != nil {
		c.log.Warn("ask for the retention rules", "error", mapErr)
		v.Missing = append(v.Missing, missing{Part: "retention rules", Code: faultCode(mapErr)})
	}
	if fields.DataMap != nil {
		v.Rules = fields.DataMap.rules()
	}
	c.render(w, r, s, http.StatusOK, "held", "What is held about "+subject.Name, v)
	return nil
}

// subject gives the customer of the path, with what is needed to speak of its erasure.
func (c *console) subject(r *http.Request, s *session) (customer, error) {
	var out struct{ Customer *customer }
	gaps, err := c.graph.do(r.Context(), s.Token, "Subject", byID{r.PathValue("id")}, &out)
	if err != nil {
		return customer{}, err
	}
	if out.Customer == nil {
		if len(gaps) > 0 {
			return customer{}, &fault{code: gaps[0].Code, requestID: gaps[0].RequestID}
		}
		return customer{}, fmt.Errorf("customer: %w", errNotFound)
	}
	return *out.Customer, nil
}

// eraseView is the form that asks for an erasure.
type eraseView struct {
	Customer    customer
	Grounds     []term
	Regulations []term
	OpenOrders  []term
	Today       string
	Form        eraseForm
	Errors      []formError
}

// eraseForm is what staff filled in.
type eraseForm struct {
	Ground, Regulation, ReceivedAt, GraceDays, OpenOrders, Reason, Confirmation string
}

// formError is what is wrong with a form. Field is the id of the input, or "".
type formError struct{ Field, Message string }

// Error gives what is wrong with one input, or "".
func (v eraseView) Error(field string) string {
	for _, e := range v.Errors {
		if e.Field == field {
			return e.Message
		}
	}
	return ""
}

func (c *console) eraseView(subject customer, form eraseForm) eraseView {
	return eraseView{
		Customer: subject, Form: form, Today: c.now().UTC().Format(time.DateOnly),
		Grounds: c.words["ErasureGround"], Regulations: c.words["ErasureRegulation"], OpenOrders: c.words["OpenOrders"],
	}
}

// erasePage shows the form that asks for an erasure.
func (c *console) erasePage(w http.ResponseWriter, r *http.Request, s *session) error {
	subject, err := c.subject(r, s)
	if err != nil {
		return err
	}
	if subject.Erasure != nil && c.underWay(subject.Erasure.Status) {
		http.Redirect(w, r, "/erasures/"+subject.Erasure.ID, http.StatusSeeOther)
		return nil
	}
	form := eraseForm{Ground: "CONSENT_WITHDRAWN", Regulation: "GDPR", OpenOrders: "FINISH", ReceivedAt: c.now().UTC().Format(time.DateOnly)}
	c.render(w, r, s, http.StatusOK, "erase", "Erase "+subject.Name, c.eraseView(subject, form))
	return nil
}

// requestInput is the graph's RequestErasureInput.
type requestInput struct {
	CustomerID string     `json:"customerId"`
	Ground     string     `json:"ground"`
	Regulation string     `json:"regulation"`
	ReceivedAt *time.Time `json:"receivedAt,omitempty"`
	GraceDays  *int       `json:"graceDays,omitempty"`
	OpenOrders string     `json:"openOrders"`
	Reason     *string    `json:"reason,omitempty"`
}

// check turns the form into the graph's input, or says what is wrong with it.
func (c *console) check(v *eraseView) requestInput {
	f := v.Form
	in := requestInput{CustomerID: v.Customer.ID, Ground: f.Ground, Regulation: f.Regulation, OpenOrders: f.OpenOrders, Reason: optional(f.Reason)}
	wrong := func(field, message string) { v.Errors = append(v.Errors, formError{field, message}) }
	for _, choice := range []struct{ field, enum, value string }{
		{"ground", "ErasureGround", f.Ground}, {"regulation", "ErasureRegulation", f.Regulation}, {"openOrders", "OpenOrders", f.OpenOrders},
	} {
		if !c.words.has(choice.enum, choice.value) {
			wrong(choice.field, "Choose one of the list.")
		}
	}
	if f.ReceivedAt != "" && f.ReceivedAt != v.Today {
		switch t, err := time.Parse(time.DateOnly, f.ReceivedAt); {
		case err != nil:
			wrong("receivedAt", "Write the day as year-month-day: "+v.Today+".")
		case t.After(c.now()):
			wrong("receivedAt", "The request cannot have come in the future.")
		default:
			in.ReceivedAt = &t
		}
	}
	if f.GraceDays != "" {
		n, err := strconv.Atoi(f.GraceDays)
		if err != nil || n < 0 || n > 30 {
			wrong("graceDays", "Give a number of days from 0 to 30, or nothing for the usual grace.")
		}
		in.GraceDays = &n
	}
	if len([]rune(f.Reason)) > 1000 {
		wrong("reason", "Shorten this to 1,000 characters.")
	}
	if !strings.EqualFold(f.Confirmation, v.Customer.Email) {
		wrong("confirmation", "This is not the customer's e-mail address. Type it as it stands above, to be sure that it is the right person.")
	}
	return in
}

// erasePost asks for an erasure.
func (c *console) erasePost(w http.ResponseWriter, r *http.Request, s *session) error {
	subject, err := c.subject(r, s)
	if err != nil {
		return err
	}
	field := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	v := c.eraseView(subject, eraseForm{
		Ground: field("ground"), Regulation: field("regulation"), ReceivedAt: field("receivedAt"), GraceDays: field("graceDays"),
		OpenOrders: field("openOrders"), Reason: field("reason"), Confirmation: field("confirmation"),
	})
	in := c.check(&v)
	if len(v.Errors) == 0 {
		var out struct {
			RequestErasure struct {
				Erasure    *erasure
				UserErrors []userError
			}
		}
		if _, err := c.graph.do(r.Context(), s.Token, "RequestErasure", input{in}, &out); err != nil {
			return err
		}
		if e := out.RequestErasure.Erasure; e != nil && len(out.RequestErasure.UserErrors) == 0 {
			c.log.Info("asked for an erasure", "staff", s.Staff.ID, "erasure", e.ID)
			http.Redirect(w, r, "/erasures/"+e.ID, http.StatusSeeOther)
			return nil
		}
		for _, e := range out.RequestErasure.UserErrors {
			v.Errors = append(v.Errors, formError{e.Name(), e.Message})
		}
		if len(v.Errors) == 0 {
			return &fault{code: "INTERNAL", cause: fmt.Errorf("requestErasure gave neither an erasure nor a reason")}
		}
	}
	c.render(w, r, s, http.StatusUnprocessableEntity, "erase", "Erase "+subject.Name, v)
	return nil
}

// input is the one argument of every mutation.
type input struct {
	Input any `json:"input"`
}
