package console_test

import (
	"crypto/ed25519"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lethe/lethe/console"
	"github.com/lethe/lethe/privacy/certificate"
)

func TestPages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, who, path string
		answers         map[string]string
		want            []string
	}{
		{"customers", "stf_ada", "/customers", nil, []string{"Mira Lindqvist", "3 in all", "Miro &lt;b&gt;Novák&lt;/b&gt;", "!<b>Nov", "Next page"}},
		{"customer", "stf_ada", "/customers/cus_1", nil, []string{"mira.lindqvist@example.com", "Storgatan 14", "LT-100342", "149.90 EUR", "3 × Paper filters", "/customers/cus_01J9ZQ4T7K/erase", "Older orders"}},
		{"held", "stf_ada", "/customers/cus_1/held", nil, []string{"<b>60</b>", "ShippingAddress.postalCode", "1 open order<", "rule invoices, until", "31 December 2034", "!Storgatan"}},
		{"erase", "stf_ada", "/customers/cus_1/erase", nil, []string{"Consent was withdrawn: 17(1)(b)", "It was gathered from a child", "UK GDPR", "They are cancelled and refunded"}},
		{"erasures", "stf_ada", "/erasures", nil, []string{"Mira Lindqvist", "<i>erased</i>", "Needs staff", "Waiting for staff"}},
		{"grace", "stf_ada", "/erasures/era_04", nil, []string{"Point of no return", "not reached", "until 23 Nov 2026, 14:02 UTC", "not needed", "Cancel the erasure", `hx-trigger="every 1s"`}},
		{"approval, own", "stf_ada", "/erasures/era_05", map[string]string{"Erasure": "Erasure.approval"}, []string{"somebody else must approve", "!/approve"}},
		{"approval, support", "stf_noor", "/erasures/era_05", map[string]string{"Erasure": "Erasure.approval"}, []string{"Your role does not allow it", "!/approve"}},
		{"approval, supervisor", "stf_jun", "/erasures/era_05", map[string]string{"Erasure": "Erasure.approval"}, []string{`action="/erasures/era_05/approve"`}},
		{"parked, support", "stf_ada", "/erasures/era_03", map[string]string{"Erasure": "Erasure.parked"}, []string{"Inventory needs you: erase", "The service did not answer, after 20 tries", "steps/2/retry", "!steps/2/waive", "!Cancel the erasure", ">passed<"}},
		{"parked, supervisor", "stf_jun", "/erasures/era_03", map[string]string{"Erasure": "Erasure.parked"}, []string{"steps/2/waive"}},
		{"completed", "stf_ada", "/erasures/era_02", map[string]string{"Erasure": "Erasure.completed"}, []string{"3 of 3 done", "Read the certificate", "!hx-trigger", "!Cancel the erasure"}},
		{"data map", "stf_ada", "/data-map", nil, []string{"The invoice&#39;s number, without gaps.", "8 years from the end of the year", "13 months"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, c.who)
			for operation, answer := range c.answers {
				s.set(operation, answer)
			}
			resp, page := s.get(c.path)
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("%s\n%s", resp.Status, page)
			}
			wants(t, page, c.want...)
			wants(t, page, "!"+staffToken, `<html lang="en">`, `<main id="main"`, "!A part of this page is missing")
			checkAccess(t, page)
			for name, want := range map[string]string{
				"X-Frame-Options": "DENY", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			} {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			csp := resp.Header.Get("Content-Security-Policy")
			if !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
				t.Errorf("Content-Security-Policy is %q", csp)
			}
		})
	}
}

var (
	control = regexp.MustCompile(`<(?:input|select|textarea)\b[^>]*>`)
	attr    = regexp.MustCompile(`\b(id|type|aria-labelledby)="([^"]*)"`)
	inline  = regexp.MustCompile(`(?i)<[^>]*\s(on[a-z]+|style)=`)
	ids     = regexp.MustCompile(`\sid="([^"]*)"`)
)

// checkAccess looks for what keeps people out: controls without a label, ids given twice; and for what the policy forbids.
func checkAccess(t *testing.T, page string) {
	t.Helper()
	for _, tag := range control.FindAllString(page, -1) {
		attrs := make(map[string]string)
		for _, m := range attr.FindAllStringSubmatch(tag, -1) {
			attrs[m[1]] = m[2]
		}
		switch {
		case attrs["type"] == "hidden", attrs["type"] == "radio": // a radio button stands within its label
		case !strings.Contains(page, `<label for="`+attrs["id"]+`"`):
			t.Errorf("%s has no label", tag)
		}
	}
	seen := make(map[string]bool)
	for _, m := range ids.FindAllStringSubmatch(page, -1) {
		if seen[m[1]] {
			t.Errorf("the id %q is given twice", m[1])
		}
		seen[m[1]] = true
	}
	if m := inline.FindString(page); m != "" {
		t.Errorf("the page has an inline script or style: %s", m)
	}
	if strings.Count(page, "<h1") != 1 {
		t.Error("the page must have one h1")
	}
}

func TestSearchGoesByPost(t *testing.T) {
	t.Parallel()
	s := open(t, "stf_ada")
	resp, page := s.send("/customers", "/customers", url.Values{"search": {"  mira@example.com "}, "after": {"abc"}})
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	wants(t, s.sent("Customers"), `"search":"mira@example.com"`, `"after":"abc"`)
	wants(t, page, "3 found", `value="mira@example.com"`)
	if strings.Contains(page, "?search=") {
		t.Error("a search stands in an address")
	}
	s.set("Customers", `{"data":{"customers":{"totalCount":0,"nodes":[],"pageInfo":{"hasNextPage":false,"endCursor":null}}}}`)
	_, page = s.send("/customers", "/customers", url.Values{"search": {`"><script>`}})
	wants(t, page, "Nobody is found by “&#34;&gt;&lt;script&gt;”", "!<script>")
}

func TestEraseForm(t *testing.T) {
	t.Parallel()
	right := url.Values{
		"ground": {"OBJECTION"}, "regulation": {"UK_GDPR"}, "openOrders": {"CANCEL"}, "receivedAt": {"2026-01-31"},
		"graceDays": {"0"}, "reason": {"Asked by letter."}, "confirmation": {" Mira.Lindqvist@example.COM"},
	}
	with := func(name, value string) url.Values {
		form := url.Values{}
		for k, v := range right {
			form[k] = v
		}
		form.Set(name, value)
		return form
	}
	const path = "/customers/cus_01J9ZQ4T7K/erase"

	s := open(t, "stf_ada")
	resp, _ := s.send(path, path, with("", ""))
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/erasures/era_04" {
		t.Fatalf("%s to %s", resp.Status, resp.Header.Get("Location"))
	}
	want := `{"input":{"customerId":"cus_01J9ZQ4T7K","ground":"OBJECTION","regulation":"UK_GDPR","receivedAt":"2026-01-31T00:00:00Z","graceDays":0,"openOrders":"CANCEL","reason":"Asked by letter."}}`
	if got := s.sent("RequestErasure"); got != want {
		t.Errorf("sent %s\nwant %s", got, want)
	}

	for _, c := range []struct{ name, value, want string }{
		{"confirmation", "", "not the customer&#39;s e-mail address"},
		{"confirmation", "other@example.com", "not the customer&#39;s e-mail address"},
		{"graceDays", "31", "0 to 30"},
		{"graceDays", "-1", "0 to 30"},
		{"graceDays", "soon", "0 to 30"},
		{"receivedAt", "yesterday", "year-month-day"},
		{"receivedAt", "2999-01-01", "in the future"},
		{"ground", "BECAUSE", "one of the list"},
		{"openOrders", "", "one of the list"},
		{"reason", strings.Repeat("ä", 1001), "1,000 characters"},
	} {
		t.Run(c.name+" "+c.value[:min(8, len(c.value))], func(t *testing.T) {
			t.Parallel()
			s := open(t, "stf_ada")
			resp, page := s.send(path, path, with(c.name, c.value))
			if resp.StatusCode != http.StatusUnprocessableEntity || s.sent("RequestErasure") != "" {
				t.Errorf("%s, sent %s", resp.Status, s.sent("RequestErasure"))
			}
			wants(t, page, c.want, "Nothing was requested yet", `href="#`+c.name+`"`)
			checkAccess(t, page)
		})
	}

	refused := open(t, "stf_ada")
	refused.set("RequestErasure", "RequestErasure.refused")
	resp, page := refused.send(path, path, with("", ""))
	if resp.StatusCode != http.StatusUnprocessableEntity {
		t.Error(resp.Status)
	}
	wants(t, page, `<a href="#graceDays">Under this law the grace may be at most 10 days.</a>`, "Asked by letter.")
}

func TestMutations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path, operation, want string
		form                  url.Values
	}{
		{"/approve", "ApproveErasure", `{"input":{"id":"era_04"}}`, url.Values{}},
		{"/cancel", "CancelErasure", `{"input":{"id":"era_04","reason":"A mistake"}}`, url.Values{"reason": {"A mistake "}}},
		{"/cancel", "CancelErasure", `{"input":{"id":"era_04"}}`, url.Values{}},
		{"/steps/2/retry", "RetryErasureStep", `{"input":{"id":"era_04","stepId":"2"}}`, url.Values{}},
		{"/steps/2/waive", "WaiveErasureStep", `{"input":{"id":"era_04","stepId":"2","reason":"It was never filled."}}`, url.Values{"reason": {"It was never filled."}}},
	} {
		s := open(t, "stf_jun")
		resp, _ := s.send("/erasures/era_04", "/erasures/era_04"+c.path, c.form)
		if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/erasures/era_04" {
			t.Errorf("%s: %s to %s", c.path, resp.Status, resp.Header.Get("Location"))
		}
		if got := s.sent(c.operation); got != c.want {
			t.Errorf("%s sent %s, want %s", c.path, got, c.want)
		}
	}
	s := open(t, "stf_ada")
	s.set("CancelErasure", "CancelErasure.refused")
	resp, page := s.send("/erasures/era_04", "/erasures/era_04/cancel", url.Values{})
	if resp.StatusCode != http.StatusConflict {
		t.Error(resp.Status)
	}
	wants(t, page, "That could not be done", "It is too late to cancel: the erasure was sealed at 14:02.")
}

func TestErasureFilters(t *testing.T) {
	t.Parallel()
	for show, want := range map[string]string{
		"":              `"status":null`,
		"staff":         `"status":["AWAITING_APPROVAL","ON_HOLD","NEEDS_OPERATOR"]`,
		"under-way":     `"status":["REQUESTED","ASSESSING","AWAITING_APPROVAL","GRACE","DRAINING","SEALED","ERASING","SHREDDING","NOTIFYING","VERIFYING","ON_HOLD","NEEDS_OPERATOR"]`,
		"done":          `"status":["COMPLETED","RETAINING","CLOSED"]`,
		"stopped":       `"status":["CANCELLED","REJECTED"]`,
		"GRACE":         `"status":["GRACE"]`,
		"anything else": `"status":null`,
	} {
		s := open(t, "stf_ada")
		s.get("/erasures?" + url.Values{"show": {show}}.Encode())
		wants(t, s.sent("Erasures"), want)
	}
}

var poll = regexp.MustCompile(`hx-get="([^"]+)"`)

func TestProgress(t *testing.T) {
	t.Parallel()
	s := open(t, "stf_ada")
	_, page := s.get("/erasures/era_04")
	wants(t, page, "htmx-2.0.8.min.js", `<noscript><meta http-equiv="refresh"`)
	address := func(page string) string {
		t.Helper()
		m := poll.FindStringSubmatch(page)
		if m == nil {
			t.Fatalf("the page does not follow:\n%s", page)
		}
		return strings.ReplaceAll(m[1], "&amp;", "&")
	}
	first := address(page)
	resp, body := s.get(first, "HX-Request")
	if resp.StatusCode != http.StatusNoContent || body != "" {
		t.Errorf("nothing has changed, but: %s %s", resp.Status, body)
	}

	s.set("ErasureUpdated", "ErasureUpdated.parked")
	resp, body = s.get(first, "HX-Request")
	if resp.StatusCode != http.StatusOK || s.sent("ErasureUpdated") != `{"id":"era_04"}` {
		t.Errorf("it changes while the page waits: %s, asked with %s", resp.Status, s.sent("ErasureUpdated"))
	}
	wants(t, body, "Inventory needs you", `id="progress"`, "!<html")
	s.set("ErasureUpdated", `{"data":null,"errors":[{"message":"no","extensions":{"code":"SUBGRAPH_UNAVAILABLE"}}]}`)
	if resp, body = s.get(first, "HX-Request"); resp.StatusCode != http.StatusNoContent {
		t.Errorf("it cannot be followed, but: %s %s", resp.Status, body)
	}

	s.set("Erasure", `{"data":null,"errors":[{"message":"no","path":["erasure"],"extensions":{"code":"SUBGRAPH_UNAVAILABLE","service":"customers"}}]}`)
	resp, body = s.get(first, "HX-Request")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("HX-Reswap") != "none" {
		t.Errorf("%s, HX-Reswap %q", resp.Status, resp.Header.Get("HX-Reswap"))
	}
	wants(t, body, "does not answer just now", `hx-swap-oob`, `name="lost"`)
	s.set("Erasure", "Erasure")
	resp, body = s.get(first+"&lost=1", "HX-Request")
	wants(t, body, "The grace period, until 23 November 2026.", `!id="actions"`)
	if resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}

	s.set("Erasure", "Erasure.parked")
	_, body = s.get(first, "HX-Request")
	wants(t, body, "1 of 4", `id="progress"`, `id="actions" hx-swap-oob`, "Inventory needs you", "!<html")
	if address(body) == first {
		t.Error("the address does not say what was seen")
	}
	s.set("Erasure", "Erasure.completed")
	_, body = s.get(address(body), "HX-Request")
	wants(t, body, "Read the certificate", "!hx-get", "!hx-trigger")
}

// issued gives the graph's answer with a signed certificate, and the document.
func issued(t *testing.T, c certificate.Certificate) (answer, document string) {
	t.Helper()
	text, err := certificate.Sign(c, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	quoted, err := json.Marshal(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return `{"data":{"erasure":{"id":"era_02","certificate":{"document":` + string(quoted) + `,"issuedAt":"2026-10-04T11:00:00Z"}}}}`, string(text)
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	day := func(d int) time.Time { return time.Date(2026, 10, d, 11, 0, 0, 0, time.UTC) }
	proof := certificate.Certificate{
		Version: certificate.Version, ErasureID: "era_02", Subject: "<sub>22b0f1", Ground: "CONSENT_WITHDRAWN", Regulation: "CCPA",
		ReceivedAt: day(1), DueAt: day(31), SealedAt: day(4), ErasedAt: day(4), IssuedAt: day(4), RequestedBy: "stf_ada", ApprovedBy: "stf_jun",
		Receipts: []certificate.Receipt{{Service: "orders", Matched: 43, Changed: 31, Retained: 12}, {Service: "customers", Matched: 9, Changed: 9}},
		Retained: []certificate.Kept{{Service: "orders", Path: "Invoice.number", Rule: "invoices", Law: "§ 147 AO", Until: day(5).AddDate(8, 0, 0), Count: 12}},
		Verified: []certificate.Checked{{Service: "orders", Documents: 1200, Tokens: 31}},
	}
	answer, document := issued(t, proof)
	s := open(t, "stf_ada")
	s.set("Certificate", answer)
	_, page := s.get("/erasures/era_02/certificate")
	wants(t, page, "40 values were deleted", "before the law's deadline of", "1,200 documents were read again", "5 October 2034", "&lt;sub&gt;22b0f1",
		"approved by stf_jun", "The signature holds", "no one else had the data", "!left out")
	checkAccess(t, page)

	resp, body := s.get("/erasures/era_02/certificate.json")
	if body != document {
		t.Errorf("got %q\nwant %q", body, document)
	}
	if got := resp.Header.Get("Content-Disposition"); got != `attachment; filename="erasure-certificate-era_02.json"` {
		t.Error(got)
	}

	proof.ErasedAt = day(31).AddDate(0, 0, 1)
	proof.Waived = []certificate.Waived{{Service: "inventory", Step: "ERASE", By: "stf_jun", Reason: "It never held anything."}}
	answer, _ = issued(t, proof)
	s.set("Certificate", answer)
	_, page = s.get("/erasures/era_02/certificate")
	wants(t, page, "after the law's deadline", "but for what staff left out", "Inventory, erase, by stf_jun: It never held anything.")

	s.set("Certificate", strings.Replace(answer, "CCPA", "GDPR", 1))
	_, page = s.get("/erasures/era_02/certificate")
	wants(t, page, "This certificate does not hold", "changed after it was signed", "!The signature holds")

	s.set("Certificate", "")
	if _, body := s.get("/erasures/era_02/certificate.json"); body != "{\"certificate\":{},\n  \"key\":\"b64:<AbCd>\"}\n" {
		t.Errorf("the bytes were touched: %q", body)
	}
	s.set("Certificate", `{"data":{"erasure":{"id":"era_02","certificate":null}}}`)
	for _, path := range []string{"/erasures/era_02/certificate", "/erasures/era_02/certificate.json"} {
		if resp, _ := s.get(path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

func TestPartsThatAreDown(t *testing.T) {
	t.Parallel()
	s := open(t, "stf_ada")
	s.set("CustomerOrders", `{"data":{"customer":null},"errors":[{"message":"x","path":["customer","orders"],"extensions":{"code":"SUBGRAPH_UNAVAILABLE","service":"orders"}}]}`)
	resp, page := s.get("/customers/cus_1")
	if resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
	wants(t, page, "Storgatan 14", "A part of this page is missing", "<b>Orders</b>: the orders service does not answer", "Request req-42", "The orders cannot be shown just now")

	s.set("CustomerOrders", `{"errors":[{"message":"x","extensions":{"code":"TIMEOUT"}}]}`)
	_, page = s.get("/customers/cus_1")
	wants(t, page, "Storgatan 14", "took too long")

	s.set("DataMap", `{"errors":[{"message":"x","extensions":{"code":"INTERNAL"}}]}`)
	_, page = s.get("/customers/cus_1/held")
	wants(t, page, "ShippingAddress.postalCode", "<b>Retention rules</b>: the service that holds it reported a fault")

	s.set("Held", `{"data":{"erasurePreview":null},"errors":[{"message":"secret detail","path":["erasurePreview"],"extensions":{"code":"SUBGRAPH_UNAVAILABLE","service":"customers"}}]}`)
	resp, page = s.get("/customers/cus_1/held")
	if resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
	wants(t, page, "the customers service does not answer", "!secret detail", "!No service holds anything")

	s.set("Customer", `{"data":{"customer":null},"errors":[{"message":"x","path":["customer"],"extensions":{"code":"SUBGRAPH_UNAVAILABLE","service":"customers"}}]}`)
	if resp, page := s.get("/customers/cus_1"); resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(page, "does not answer just now") {
		t.Errorf("%s", resp.Status)
	}
	s.set("Customer", `{"data":{"customer":null}}`)
	if resp, _ := s.get("/customers/cus_1"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("%s", resp.Status)
	}
	s.set("DataMap", `{"errors":[{"message":"x","extensions":{"code":"FORBIDDEN"}}]}`)
	if resp, _ := s.get("/data-map"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("%s", resp.Status)
	}
	s.set("DataMap", `{"data": 7`)
	if resp, page := s.get("/data-map"); resp.StatusCode != http.StatusBadGateway || !strings.Contains(page, "It is in the log") {
		t.Errorf("%s", resp.Status)
	}
}

func TestRouterDown(t *testing.T) {
	t.Parallel()
	h, err := console.New(console.Options{RouterURL: "http://127.0.0.1:1", SessionKey: make([]byte, 32), SignIn: staff{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, "")
	s.console.Config.Handler = h
	_, page := s.get("/sign-in")
	s.post("/sign-in", url.Values{"staff": {"stf_ada"}, "csrf": {csrf(page)}})
	resp, page := s.get("/customers")
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Error(resp.Status)
	}
	wants(t, page, "The shop does not answer just now", "Sign out")
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := func() console.Options {
		return console.Options{RouterURL: "http://router:8080", SessionKey: make([]byte, 32), SignIn: staff{}, Log: slog.New(slog.DiscardHandler)}
	}
	for name, spoil := range map[string]func(*console.Options){
		"address": func(o *console.Options) { o.RouterURL = "router:8080" },
		"key":     func(o *console.Options) { o.SessionKey = make([]byte, 31) },
		"sign-in": func(o *console.Options) { o.SignIn = nil },
		"log":     func(o *console.Options) { o.Log = nil },
	} {
		o := good()
		spoil(&o)
		if _, err := console.New(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := console.New(good()); err != nil {
		t.Error(err)
	}
}
