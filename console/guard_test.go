package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestSignInIsNeeded(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	for _, path := range []string{"/", "/customers", "/customers/c", "/customers/c/held", "/customers/c/erase", "/erasures", "/erasures/e", "/erasures/e/certificate", "/erasures/e/certificate.json", "/data-map"} {
		resp, _ := s.get(path)
		if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/sign-in" {
			t.Errorf("%s: %s to %q", path, resp.Status, resp.Header.Get("Location"))
		}
	}
	resp, _ := s.get("/erasures/e/progress", "HX-Request")
	if resp.Header.Get("HX-Redirect") != "/sign-in" {
		t.Errorf("a part of a page does not lead to the sign-in page: %s %v", resp.Status, resp.Header)
	}
	for _, path := range []string{"/customers/c/erase", "/erasures/e/cancel", "/sign-out"} {
		if resp, _ := s.post(path, url.Values{}); resp.Header.Get("Location") != "/sign-in" {
			t.Errorf("POST %s: %s", path, resp.Status)
		}
	}
	if len(s.asked) > 0 {
		t.Errorf("the router was asked for nobody: %v", s.asked)
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	s := open(t, "")
	resp, page := s.get("/sign-in")
	wants(t, page, "Ada Brandt", "supervisor")
	c := resp.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Secure {
		t.Errorf("the cookie is %v", c)
	}
	if resp, _ := s.post("/sign-in", url.Values{"staff": {"stf_ada"}}); resp.StatusCode != http.StatusForbidden {
		t.Errorf("without a CSRF token: %s", resp.Status)
	}
	for who, want := range map[string]int{"nobody": http.StatusForbidden, "stf_gone": http.StatusBadGateway} {
		if resp, page := s.post("/sign-in", url.Values{"staff": {who}, "csrf": {csrf(page)}}); resp.StatusCode != want || strings.Contains(page, "issuer") {
			t.Errorf("%s: %s", who, resp.Status)
		}
	}
	before := csrf(page)
	resp, _ = s.post("/sign-in", url.Values{"staff": {"stf_ada"}, "csrf": {before}})
	if resp.StatusCode != http.StatusSeeOther || strings.Contains(resp.Header.Get("Set-Cookie"), staffToken) {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	_, page = s.get("/customers")
	if csrf(page) == before || csrf(page) == "" {
		t.Error("the CSRF token outlives the sign-in")
	}
	wants(t, page, "Ada Brandt", "support")
	if resp, _ := s.post("/sign-out", url.Values{"csrf": {csrf(page)}}); resp.StatusCode != http.StatusSeeOther {
		t.Error(resp.Status)
	}
	if resp, _ := s.get("/customers"); resp.Header.Get("Location") != "/sign-in" {
		t.Error("signed out, yet inside")
	}
}

func TestForgedFormsAreRefused(t *testing.T) {
	t.Parallel()
	s := open(t, "stf_jun")
	_, page := s.get("/customers")
	token := csrf(page)
	for _, path := range []string{"/customers", "/customers/c/erase", "/erasures/e/approve", "/erasures/e/cancel", "/erasures/e/steps/1/retry", "/erasures/e/steps/1/waive", "/sign-out"} {
		s.asked = nil
		for name, form := range map[string]url.Values{"no": {}, "a wrong": {"csrf": {token[:len(token)-1] + "!"}}, "an empty": {"csrf": {""}}} {
			if resp, page := s.post(path, form); resp.StatusCode != http.StatusForbidden || !strings.Contains(page, "Nothing was changed") {
				t.Errorf("%s with %s token: %s", path, name, resp.Status)
			}
		}
		// In the address the token would end up in logs: it does not count there.
		if resp, _ := s.post(path+"?csrf="+token, url.Values{}); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s with the token in the address: %s", path, resp.Status)
		}
		for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://elsewhere.example"}} {
			if resp, _ := s.post(path, url.Values{"csrf": {token}}, header[0], header[1]); resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s from another site: %s", path, resp.Status)
			}
		}
		if len(s.asked) > 0 {
			t.Errorf("%s: the router was asked: %v", path, s.asked)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	s := open(t, "stf_ada")
	_, page := s.get("/customers")
	if resp, _ := s.post("/customers", url.Values{"csrf": {csrf(page)}, "search": {strings.Repeat("x", 70<<10)}}); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a large form: %s", resp.Status)
	}
	for _, id := range []string{strings.Repeat("a", 129), "a%20b", "a%2Fb", "%00", "a%22"} {
		if resp, _ := s.get("/customers/" + id); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", id, resp.Status)
		}
	}
	for _, path := range []string{"/nowhere", "/static/none.css", "/static/"} {
		if resp, _ := s.get(path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	if s.sent("Customer") != "" {
		t.Error("the router was asked for an impossible id")
	}
}

func TestExpiredTokenLeadsToSignIn(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		`{"errors":[{"message":"x","extensions":{"code":"UNAUTHENTICATED"}}]}`,
		`{"data":{"customers":null},"errors":[{"message":"x","path":["customers"],"extensions":{"code":"UNAUTHENTICATED"}}]}`,
	} {
		s := open(t, "stf_ada")
		s.set("Customers", answer)
		resp, _ := s.get("/customers")
		if resp.Header.Get("Location") != "/sign-in" || !strings.Contains(resp.Header.Get("Set-Cookie"), "Max-Age=0") {
			t.Errorf("%s %v", resp.Status, resp.Header)
		}
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	s := open(t, "stf_ada")
	_, page := s.get("/erasures/era_04")
	refs := regexpRefs.FindAllStringSubmatch(page, -1)
	if len(refs) != 3 {
		t.Fatalf("the page loads %v", refs)
	}
	for _, ref := range refs {
		resp, body := s.get(ref[1])
		if resp.StatusCode != http.StatusOK || body == "" || resp.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %s %v", ref[1], resp.Status, resp.Header)
		}
		if strings.Contains(body, "://") && strings.Contains(ref[1], ".css") {
			t.Errorf("%s names another host", ref[1])
		}
	}
	if _, text := s.get("/static/htmx-2.0.8.LICENSE"); !strings.Contains(text, "Zero-Clause BSD") {
		t.Error("htmx's licence is not there")
	}
}

var regexpRefs = regexp.MustCompile(`(?:src|href)="(/static/[^"]+)"`)
