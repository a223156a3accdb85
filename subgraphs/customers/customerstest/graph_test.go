package customerstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

type person struct {
	ID, Email, Name, Status string
	Phone                   *string
	Version                 int
	Addresses               []struct{ ID, Line1 string }
	MarketingConsent        struct {
		Granted bool
		At      *string
	}
	Erasure *struct{ ID string }
}

const personFields = `id email name status phone version addresses { id line1 } marketingConsent { granted at } erasure { id }`

type personPayload struct {
	Customer   *person
	UserErrors []userError
}

func (h *house) update(t *testing.T, w who, input map[string]any) personPayload {
	t.Helper()
	var out struct{ UpdateCustomer personPayload }
	h.must(t, w, `mutation($i: UpdateCustomerInput!) { updateCustomer(input: $i) { customer { `+personFields+` } userErrors { field message code } } }`, map[string]any{"i": input}, &out)
	return out.UpdateCustomer
}

func (h *house) tryRegister(t *testing.T, input map[string]any) personPayload {
	t.Helper()
	var out struct{ RegisterCustomer personPayload }
	h.must(t, h.anonymous(), `mutation($i: RegisterCustomerInput!) { registerCustomer(input: $i) { customer { `+personFields+` } userErrors { field message code } } }`, map[string]any{"i": input}, &out)
	return out.RegisterCustomer
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	h := theHouse
	long := func(n int) string { return strings.Repeat("x", n) }
	address := func(field string, value any) map[string]any {
		a := map[string]any{"name": "N", "line1": "L", "city": "C", "postalCode": "P", "countryCode": "DE"}
		a[field] = value
		return map[string]any{"email": "refused@example.com", "name": "N", "addresses": []any{a}}
	}
	var many []any
	for range 21 {
		many = append(many, address("name", "N")["addresses"].([]any)[0])
	}
	for want, in := range map[string]map[string]any{
		"input.email REQUIRED":                     {"email": " ", "name": "N"},
		"input.email INVALID":                      {"email": "Anna <anna@example.com>", "name": "N"},
		"input.email INVALID ":                     {"email": "anna@localhost", "name": "N"},
		"input.email TOO_LONG":                     {"email": long(250) + "@example.com", "name": "N"},
		"input.name REQUIRED":                      {"email": "refused@example.com", "name": ""},
		"input.name TOO_LONG":                      {"email": "refused@example.com", "name": long(201)},
		"input.name INVALID":                       {"email": "refused@example.com", "name": "a\x00b"},
		"input.phone TOO_LONG":                     {"email": "refused@example.com", "name": "N", "phone": long(41)},
		"input.addresses TOO_LONG":                 {"email": "refused@example.com", "name": "N", "addresses": many},
		"input.addresses.0.countryCode INVALID":    address("countryCode", "XX"),
		"input.addresses.0.city REQUIRED":          address("city", ""),
		"input.addresses.0.label TOO_LONG":         address("label", long(61)),
		"input.email INVALID, input.name REQUIRED": {"email": "x", "name": ""},
	} {
		if got := h.tryRegister(t, in); got.Customer != nil || codes(got.UserErrors) != strings.TrimSpace(want) {
			t.Errorf("answered %q, want %q", codes(got.UserErrors), want)
		}
	}
}

func TestCustomer(t *testing.T) {
	t.Parallel()
	h := theHouse
	made := h.tryRegister(t, map[string]any{"email": "Wanda.Zielinska@Example.com", "name": "Wanda  Zielinska", "phone": "1", "marketingConsent": true, "addresses": []any{
		map[string]any{"name": "W", "line1": "ul. Piękna 3", "city": "Warszawa", "postalCode": "00-539", "countryCode": "PL"},
	}})
	if made.Customer == nil || made.Customer.Version != 1 || made.Customer.Status != "ACTIVE" || !made.Customer.MarketingConsent.Granted || made.Customer.MarketingConsent.At == nil {
		t.Fatalf("made: %+v", made)
	}
	id := made.Customer.ID
	if got := h.tryRegister(t, map[string]any{"email": "wanda.zielinska@example.COM", "name": "Other"}); codes(got.UserErrors) != "input.email TAKEN" {
		t.Errorf("a second customer with the same address: %+v", got)
	}

	own := h.customer(id)
	if got := h.update(t, own, map[string]any{"name": "Wanda Nowak", "phone": nil, "marketingConsent": false}); got.Customer == nil || got.Customer.Version != 2 || got.Customer.Name != "Wanda Nowak" ||
		got.Customer.Phone != nil || got.Customer.MarketingConsent.Granted || len(got.Customer.Addresses) != 1 {
		t.Errorf("changed: %+v", got.Customer)
	}
	if got := h.update(t, own, map[string]any{"version": 1, "name": "Late"}); codes(got.UserErrors) != "input.version CONFLICT" {
		t.Errorf("an old version: %+v", got.UserErrors)
	}
	if got := h.update(t, h.support("staff_1"), map[string]any{"id": id, "version": 2, "addresses": []any{}}); got.Customer == nil || len(got.Customer.Addresses) != 0 {
		t.Errorf("by staff: %+v", got)
	}
	if got := h.update(t, own, map[string]any{"email": nil}); codes(got.UserErrors) != "input.email REQUIRED" {
		t.Errorf("without an address: %+v", got.UserErrors)
	}
	if got := h.update(t, h.support("staff_1"), map[string]any{"id": "cus_nobody", "name": "N"}); codes(got.UserErrors) != "input.id NOT_FOUND" {
		t.Errorf("nobody: %+v", got.UserErrors)
	}
	if got := h.update(t, h.support("staff_1"), map[string]any{"name": "N"}); codes(got.UserErrors) != "input.id REQUIRED" {
		t.Errorf("without an id: %+v", got.UserErrors)
	}

	for _, search := range []string{"wanda.zielinska@example.com", "WANDA.Z", "wanda n", "nowak", id} {
		var found struct {
			Customers struct {
				TotalCount int
				Nodes      []person
			}
		}
		h.must(t, h.support("staff_1"), `query($s: String) { customers(search: $s) { totalCount nodes { `+personFields+` } } }`, map[string]any{"s": search}, &found)
		if len(found.Customers.Nodes) != 1 || found.Customers.Nodes[0].ID != id || found.Customers.TotalCount != 1 {
			t.Errorf("%q finds %+v", search, found.Customers)
		}
	}
}

// TestPages reads all customers page by page.
func TestPages(t *testing.T) {
	t.Parallel()
	h := theHouse
	for i := range 7 {
		h.register(t, map[string]any{"email": fmt.Sprintf("pager%d@example.com", i), "name": fmt.Sprintf("Pagerfamily Number%d", i)})
	}
	type pageOf struct {
		Customers struct {
			Nodes    []person
			PageInfo struct {
				HasNextPage bool
				EndCursor   *string
			}
		}
	}
	const query = `query($s: String, $after: String) { customers(search: $s, first: 3, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }`
	seen := map[string]bool{}
	var after *string
	for pages := 1; ; pages++ {
		var out pageOf
		h.must(t, h.support("staff_1"), query, map[string]any{"s": "pagerfam", "after": after}, &out)
		for _, c := range out.Customers.Nodes {
			if seen[c.ID] {
				t.Errorf("%s comes twice", c.ID)
			}
			seen[c.ID] = true
		}
		if after = out.Customers.PageInfo.EndCursor; !out.Customers.PageInfo.HasNextPage {
			if pages != 3 || len(seen) != 7 {
				t.Errorf("%d customers on %d pages", len(seen), pages)
			}
			break
		}
	}
	if errs := h.ask(t, h.support("staff_1"), query, map[string]any{"s": "other", "after": *after}, nil); len(errs) != 1 || errs[0].Extensions.Code != "BAD_USER_INPUT" {
		t.Errorf("a cursor of another search: %+v", errs)
	}
}

// TestWhoMaySeeWhat asks every query and mutation under every role.
func TestWhoMaySeeWhat(t *testing.T) {
	t.Parallel()
	h := theHouse
	id := h.register(t, map[string]any{"email": "seen@example.com", "name": "Seen"})
	other := h.register(t, map[string]any{"email": "stranger@example.com", "name": "Stranger"})
	in := map[string]any{"id": id, "v": map[string]any{"id": id, "name": "Seen"}, "e": map[string]any{"id": "era_0"}, "r": map[string]any{"customerId": "cus_0"}, "reps": []any{map[string]any{"__typename": "Customer", "id": id}}}
	const see, empty, forbidden, signIn = "data", "null", "FORBIDDEN", "UNAUTHENTICATED"
	for _, c := range []struct {
		field, query                                       string
		anonymous, own, stranger, support, supervisorSense string
	}{
		{"me", `{ me { id } }`, empty, see, see, empty, empty},
		{"customer", `query($id: ID!) { customer(id: $id) { id } }`, signIn, see, empty, see, see},
		{"customers", `{ customers { nodes { id } } }`, signIn, forbidden, forbidden, see, see},
		{"erasure", `query($id: ID!) { erasure(id: $id) { id } }`, signIn, forbidden, forbidden, empty, empty},
		{"erasures", `{ erasures { nodes { id } } }`, signIn, forbidden, forbidden, see, see},
		{"dataMap", `{ dataMap { entries { service path } rules { name } } }`, signIn, forbidden, forbidden, see, see},
		{"erasurePreview", `query($id: ID!) { erasurePreview(customerId: $id) { blockers { kind } } }`, signIn, forbidden, forbidden, see, see},
		{"_entities", `query($reps: [_Any!]!) { _entities(representations: $reps) { ... on Customer { email } } }`, "[null]", see, "[null]", see, see},
		{"updateCustomer", `mutation($v: UpdateCustomerInput!) { updateCustomer(input: $v) { customer { id } } }`, signIn, see, forbidden, see, see},
		{"requestErasure", `mutation($r: RequestErasureInput!) { requestErasure(input: $r) { userErrors { code } } }`, signIn, forbidden, forbidden, see, see},
		{"approveErasure", `mutation($e: ApproveErasureInput!) { approveErasure(input: $e) { userErrors { code } } }`, signIn, forbidden, forbidden, forbidden, see},
		{"cancelErasure", `mutation($e: CancelErasureInput!) { cancelErasure(input: $e) { userErrors { code } } }`, signIn, forbidden, forbidden, see, see},
	} {
		for role, want := range map[string]struct {
			who
			sees string
		}{
			"anonymous": {h.anonymous(), c.anonymous}, "the customer": {h.customer(id), c.own}, "another customer": {h.customer(other), c.stranger},
			"support": {h.support("staff_1"), c.support}, "a supervisor": {h.supervisor("sup_1"), c.supervisorSense},
		} {
			var data map[string]json.RawMessage
			errs := h.ask(t, want.who, c.query, in, &data)
			got := see
			switch {
			case len(errs) > 0:
				got = errs[0].Extensions.Code
			case string(data[c.field]) == empty || string(data[c.field]) == "[null]":
				got = string(data[c.field])
			}
			if got != want.sees {
				t.Errorf("%s asks for %s and gets %s, want %s", role, c.field, got, want.sees)
			}
		}
	}
}

func TestOnlyTheRouterIsAnswered(t *testing.T) {
	t.Parallel()
	resp, err := http.Post(theHouse.url, "application/json", bytes.NewReader([]byte(`{"query":"{ me { id } }"}`)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// TestRestricted looks at a customer in the grace of its erasure.
func TestRestricted(t *testing.T) {
	t.Parallel()
	h := theHouse
	id := h.register(t, map[string]any{"email": "restricted@example.com", "name": "R"})
	asked := h.command(t, h.support("staff_1"), "requestErasure", map[string]any{"customerId": id, "graceDays": 2, "receivedAt": "2026-01-31T09:00:00Z"})
	if asked.Erasure == nil || asked.Erasure.DueAt != "2026-02-28T09:00:00Z" {
		t.Fatalf("asked for: %+v", asked)
	}
	h.await(t, asked.Erasure.ID, "GRACE")
	if got := h.update(t, h.customer(id), map[string]any{"name": "S"}); codes(got.UserErrors) != " CUSTOMER_RESTRICTED" {
		t.Errorf("a restricted customer is changed: %+v", got)
	}
	var out struct{ Customer person }
	for out.Customer.Status != "RESTRICTED" {
		h.must(t, h.support("staff_1"), `query($id: ID!) { customer(id: $id) { `+personFields+` } }`, map[string]any{"id": id}, &out)
	}
	if out.Customer.Erasure == nil || out.Customer.Erasure.ID != asked.Erasure.ID {
		t.Errorf("the erasure that is under way is %+v", out.Customer.Erasure)
	}
	if got := h.command(t, h.support("staff_1"), "cancelErasure", map[string]any{"id": asked.Erasure.ID}); len(got.UserErrors) > 0 {
		t.Fatalf("not cancelled: %+v", got.UserErrors)
	}
	out = struct{ Customer person }{}
	h.must(t, h.support("staff_1"), `query($id: ID!) { customer(id: $id) { `+personFields+` } }`, map[string]any{"id": id}, &out)
	if out.Customer.Status != "ACTIVE" || out.Customer.Erasure != nil {
		t.Errorf("after the cancellation it is %+v", out.Customer)
	}
	for want, in := range map[string]map[string]any{
		"input.graceDays INVALID":    {"customerId": id, "graceDays": 31},
		"input.receivedAt INVALID":   {"customerId": id, "receivedAt": "2999-01-01T00:00:00Z"},
		"input.reason TOO_LONG":      {"customerId": id, "reason": strings.Repeat("x", 1001)},
		"input.customerId NOT_FOUND": {"customerId": "cus_nobody"},
		"input.customerId REQUIRED":  {"customerId": ""},
	} {
		if got := h.command(t, h.support("staff_1"), "requestErasure", in); codes(got.UserErrors) != want {
			t.Errorf("answered %q, want %q", codes(got.UserErrors), want)
		}
	}
}

// TestEntitiesThatAreNot asks for entities of which some are not there: they cost the others nothing.
func TestEntitiesThatAreNot(t *testing.T) {
	t.Parallel()
	h := theHouse
	id := h.register(t, map[string]any{"email": "entity@example.com", "name": "Entity"})
	asked := h.command(t, h.support("staff_1"), "requestErasure", map[string]any{"customerId": id, "graceDays": 2})
	h.await(t, asked.Erasure.ID, "GRACE")
	var out struct {
		Entities []*struct {
			Email    string
			Erasure  *struct{ ID string }
			Customer *struct{ ID string }
		} `json:"_entities"`
	}
	reps := func(kind, id string) map[string]any {
		return map[string]any{"r": []any{map[string]any{"__typename": kind, "id": kind + "_none"}, map[string]any{"__typename": kind, "id": id}}}
	}
	h.must(t, h.support("staff_1"), `query($r: [_Any!]!) { _entities(representations: $r) { ... on Customer { email erasure { id } } } }`, reps("Customer", id), &out)
	if e := out.Entities; len(e) != 2 || e[0] != nil || e[1] == nil || e[1].Email != "entity@example.com" || e[1].Erasure == nil || e[1].Erasure.ID != asked.Erasure.ID {
		t.Errorf("the customers are %+v", e)
	}
	out.Entities = nil
	h.must(t, h.support("staff_1"), `query($r: [_Any!]!) { _entities(representations: $r) { ... on Erasure { customer { id } } } }`, reps("Erasure", asked.Erasure.ID), &out)
	if e := out.Entities; len(e) != 2 || e[0] != nil || e[1] == nil || e[1].Customer == nil || e[1].Customer.ID != id {
		t.Errorf("the erasures are %+v", e)
	}
}
