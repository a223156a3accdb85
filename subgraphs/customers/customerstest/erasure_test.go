package customerstest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"google.golang.org/protobuf/proto"

	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/privacy/certificate"
	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/erasure"
)

// plants are unique values, by the field that they were written to.
type plants map[string]string

func (p plants) plant(field string) string {
	p[field] = "Zq7 " + rand.Text()[:12]
	return p[field]
}

// review gives the id of the customer's review.
func (p plants) review() string {
	sum := sha256.Sum256([]byte(p["id"]))
	return fmt.Sprintf("rev_%x", sum[:6])
}

// found gives the fields whose value stands in data.
func (p plants) found(data []byte) []string {
	var out []string
	lower := bytes.ToLower(data)
	for field, value := range p {
		if bytes.Contains(lower, []byte(strings.ToLower(value))) {
			out = append(out, field)
		}
	}
	slices.Sort(out)
	return out
}

func (p plants) address(prefix string) map[string]any {
	a := map[string]any{"countryCode": "DE"}
	for _, f := range []string{"label", "name", "line1", "line2", "city", "postalCode", "phone"} {
		a[f] = p.plant(prefix + "." + f)
	}
	return a
}

// customer makes a customer with a value planted in every field, and a review of it.
func (p plants) customer(t *testing.T, h *house) string {
	t.Helper()
	p["email"] = "zq7" + strings.ToLower(rand.Text()[:12]) + "@example.com"
	id := h.register(t, map[string]any{
		"email": p["email"], "name": p.plant("name"), "phone": p.plant("phone"), "marketingConsent": true, "addresses": []any{p.address("a"), p.address("b")},
	})
	p["id"] = id
	_, err := h.desk.reviews.InsertOne(t.Context(), review{
		ID: p.review(), CustomerID: id, Stars: 5, Text: p.plant("text"), Nickname: p.plant("nickname"), Invoice: "INV-2026-17", Town: p.plant("town"), At: time.Now().UTC(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// dump gives every document of the databases by collection, every key of Redis, and every workflow's history.
func (h *house) dump(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, db := range []*driver.Database{h.db, h.ledger, h.reviews} {
		names, err := db.ListCollectionNames(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			cursor, err := db.Collection(name).Find(t.Context(), bson.D{})
			if err != nil {
				t.Fatal(err)
			}
			at := db.Name() + "." + name
			for cursor.Next(t.Context()) {
				out[at] = append(out[at], cursor.Current...)
			}
			if cursor.Err() != nil {
				t.Fatal(cursor.Err())
			}
		}
	}
	for _, key := range h.redis.Keys(t.Context(), "*").Val() {
		out["redis"] = append(out["redis"], key+" "+h.redis.Get(t.Context(), key).Val()...)
	}
	return out
}

func (h *house) history(t *testing.T, workflowID string) []byte {
	t.Helper()
	var out []byte
	events := h.temporal.GetWorkflowHistory(t.Context(), workflowID, "", false, 0)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		b, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b...)
	}
	return out
}

func TestErasure(t *testing.T) {
	t.Parallel()
	h, p, other := theHouse, plants{}, plants{}
	id := p.customer(t, h)
	neighbour := other.customer(t, h)
	// The neighbour lives at the same address.
	var before driver.SingleResult
	if _, err := h.db.Collection("customers").UpdateOne(t.Context(), bson.D{{Key: "_id", Value: neighbour}}, bson.D{{Key: "$set", Value: bson.D{{Key: "addresses.0.line1", Value: p["a.line1"]}}}}); err != nil {
		t.Fatal(err)
	}
	before = *h.db.Collection("customers").FindOne(t.Context(), bson.D{{Key: "_id", Value: neighbour}})
	whole, err := before.Raw()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.redis.Set(t.Context(), "session:"+id, "x", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}

	first := h.command(t, h.support("staff_1"), "requestErasure", map[string]any{"customerId": id, "graceDays": 3, "reason": p.plant("reason")})
	if first.Erasure == nil {
		t.Fatalf("refused: %s", codes(first.UserErrors))
	}
	h.await(t, first.Erasure.ID, "GRACE")
	if again := h.command(t, h.support("staff_2"), "requestErasure", map[string]any{"customerId": id}); again.Erasure == nil || again.Erasure.ID != first.Erasure.ID {
		t.Errorf("a second request gives %+v, want it to join", again)
	}
	refused := h.command(t, h.support("staff_1"), "cancelErasure", map[string]any{"id": first.Erasure.ID, "reason": p.plant("cancelReason")})
	if len(refused.UserErrors) > 0 || refused.Erasure.Status != "CANCELLED" {
		t.Fatalf("cancelled: %+v", refused)
	}
	for _, field := range []string{"reason", "cancelReason", "email", "text"} {
		if got := (plants{field: p[field]}).found(bytes.Join(values(h.dump(t)), nil)); len(got) == 0 {
			t.Errorf("%s is nowhere before the erasure", field)
		}
	}

	began := time.Now()
	request := h.command(t, h.support("staff_1"), "requestErasure", map[string]any{"customerId": id, "graceDays": 0, "reason": p.plant("reason again")})
	if request.Erasure == nil {
		t.Fatalf("refused: %s", codes(request.UserErrors))
	}
	done := h.await(t, request.Erasure.ID, "RETAINING")
	reviewID := p.review()
	t.Logf("from the request to the certificate: %s", time.Since(began))
	if done.Status != "RETAINING" || done.Customer != nil || done.Reason != nil || done.Certificate == nil {
		t.Fatalf("the erasure ends as %+v", done)
	}
	v, err := certificate.Verify([]byte(done.Certificate.Document))
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Certificate.Retained) != 1 || v.Certificate.Retained[0].Path != "Review.invoice" || v.Certificate.Retained[0].Count != 1 || len(v.Certificate.Recipients) != 1 {
		t.Errorf("the certificate is %s", done.Certificate.Document)
	}
	if len(done.Retained) != 1 || done.Retained[0].Law == "" {
		t.Errorf("retained are %+v", done.Retained)
	}

	delete(p, "a.line1") // the neighbour's too
	delete(p, "id")      // it is opaque and stands in the workflow's history
	for where, data := range h.dump(t) {
		if got := p.found(data); len(got) > 0 {
			t.Errorf("%v are still in %s", got, where)
		}
		if bytes.Contains(data, []byte(id)) {
			t.Errorf("the customer's id is still in %s", where)
		}
	}
	for where, data := range map[string][]byte{
		"the history": h.history(t, workflows.EraseID(done.Subject)), "the certificate": []byte(done.Certificate.Document), "the log": h.log.bytes(),
	} {
		if got := p.found(data); len(got) > 0 {
			t.Errorf("%v are in %s", got, where)
		}
	}
	left := h.db.Collection("customers").FindOne(t.Context(), bson.D{{Key: "_id", Value: neighbour}})
	if raw, err := left.Raw(); err != nil || !bytes.Equal(raw, whole) {
		t.Errorf("the neighbour changed: %v, %v", raw, err)
	}
	var kept review
	if err := h.desk.reviews.FindOne(t.Context(), bson.D{{Key: "_id", Value: reviewID}}).Decode(&kept); err != nil || kept.CustomerID != "" || kept.Invoice == "" || kept.Town != "Z" || kept.Stars != 5 {
		t.Errorf("the review is %+v, %v", kept, err)
	}

	// Nothing comes back, but the person may.
	var updated struct {
		UpdateCustomer struct{ UserErrors []userError }
	}
	h.must(t, h.customer(id), `mutation($input: UpdateCustomerInput!) { updateCustomer(input: $input) { userErrors { field message code } } }`,
		map[string]any{"input": map[string]any{"name": "Again"}}, &updated)
	if got := codes(updated.UpdateCustomer.UserErrors); got != " SUBJECT_ERASED" {
		t.Errorf("an erased customer is changed: %s", got)
	}
	if err := h.desk.participant.Barrier.Check(t.Context(), id); err != privacy.ErrErased {
		t.Errorf("the barrier says %v", err)
	}
	if late := h.command(t, h.support("staff_1"), "requestErasure", map[string]any{"customerId": id}); codes(late.UserErrors) != " SUBJECT_ERASED" {
		t.Errorf("an erased customer is erased again: %+v", late)
	}
	if anew := h.register(t, map[string]any{"email": p["email"], "name": "Anew"}); anew == id {
		t.Error("the new customer is the old one")
	}
	if n, err := erasure.VerifyLedger(t.Context(), h.ledger); err != nil || n < 5 {
		t.Errorf("the ledger has %d lines: %v", n, err)
	}
}

func values(m map[string][]byte) [][]byte {
	var out [][]byte
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

func TestSecondPerson(t *testing.T) {
	t.Parallel()
	h, p := theHouse, plants{}
	id := p.customer(t, h)
	strict := func(w who) who { w.url = h.strict; return w }
	asked := h.command(t, strict(h.supervisor("sup_1")), "requestErasure", map[string]any{"customerId": id, "graceDays": 0})
	if asked.Erasure == nil {
		t.Fatalf("refused: %s", codes(asked.UserErrors))
	}
	h.await(t, asked.Erasure.ID, "AWAITING_APPROVAL")
	in := map[string]any{"id": asked.Erasure.ID}
	if got := h.command(t, h.supervisor("sup_1"), "approveErasure", in); codes(got.UserErrors) != "input.id SECOND_PERSON_NEEDED" {
		t.Errorf("who asked approves: %+v", got.UserErrors)
	}
	if errs := h.ask(t, h.support("staff_1"), `mutation($i: ApproveErasureInput!) { approveErasure(input: $i) { erasure { id } } }`, map[string]any{"i": in}, nil); len(errs) != 1 || errs[0].Extensions.Code != "FORBIDDEN" {
		t.Errorf("support approves: %+v", errs)
	}
	if got := h.command(t, h.supervisor("sup_2"), "approveErasure", in); len(got.UserErrors) > 0 {
		t.Fatalf("not approved: %+v", got.UserErrors)
	}
	done := h.await(t, asked.Erasure.ID, "RETAINING")
	v, err := certificate.Verify([]byte(done.Certificate.Document))
	if err != nil || v.Certificate.ApprovedBy != "sup_2" || v.Certificate.RequestedBy != "sup_1" {
		t.Errorf("the certificate says %+v, %v", v, err)
	}
	if late := h.command(t, h.support("staff_1"), "cancelErasure", in); codes(late.UserErrors) != "input.id TOO_LATE" {
		t.Errorf("a finished erasure is cancelled: %+v", late.UserErrors)
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	h, p := theHouse, plants{}
	id := p.customer(t, h)
	h.desk.mu.Lock()
	h.desk.blockers[id] = 3
	h.desk.mu.Unlock()
	var preview struct {
		ErasurePreview struct {
			Holdings []struct {
				Service, Path, Category, Action string
				Count                           int
			}
			Blockers []struct {
				Service, Kind string
				Count         int
			}
		}
	}
	h.must(t, h.support("staff_1"), `query($id: ID!) { erasurePreview(customerId: $id) { holdings { service path category action count } blockers { service kind count } } }`, map[string]any{"id": id}, &preview)
	if b := preview.ErasurePreview.Blockers; len(b) != 1 || b[0].Count != 3 || b[0].Service != "reviews" {
		t.Errorf("the preview has blockers %+v", b)
	}
	if text := fmt.Sprint(preview.ErasurePreview.Holdings); !strings.Contains(text, "{customers Address.line1 LOCATION DELETE 2}") || !strings.Contains(text, "{reviews Review.invoice TRANSACTION RETAIN 1}") {
		t.Errorf("the preview holds %s", text)
	}
	asked := h.command(t, h.support("staff_1"), "requestErasure", map[string]any{"customerId": id, "graceDays": 0, "openOrders": "CANCEL"})
	done := h.await(t, asked.Erasure.ID, "RETAINING", "NEEDS_OPERATOR")
	for _, s := range done.Steps {
		if s.ID == "reviews-drain" && s.Attempts != 3 {
			t.Errorf("drained in %d tries", s.Attempts)
		}
	}
}

func TestResidueIsErasedAgain(t *testing.T) {
	t.Parallel()
	h, p := theHouse, plants{}
	id := p.customer(t, h)
	// A copy that nobody declared: no round of erasing reaches it, so the verification parks.
	copies := h.reviews.Collection("copies_" + id)
	if _, err := copies.InsertOne(t.Context(), bson.D{{Key: "of", Value: p["nickname"]}}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = copies.Drop(context.WithoutCancel(t.Context())) }()
	asked := h.command(t, h.support("staff_1"), "requestErasure", map[string]any{"customerId": id, "graceDays": 0})
	stuck := h.await(t, asked.Erasure.ID, "NEEDS_OPERATOR")
	step := stuck.Steps[len(stuck.Steps)-1]
	if step.ID != "reviews-verify-3" || step.LastError == nil || *step.LastError != workflows.ErrTypeResidue {
		t.Fatalf("the last step is %+v", step)
	}
	waive := map[string]any{"id": asked.Erasure.ID, "stepId": step.ID, "reason": "The copy of " + p["name"] + " stays."}
	if got := h.command(t, h.supervisor("sup_1"), "waiveErasureStep", waive); codes(got.UserErrors) != "input.reason INVALID" {
		t.Errorf("a reason with personal data is taken: %+v", got.UserErrors)
	}
	waive["reason"] = "It goes with the nightly clean-up."
	if got := h.command(t, h.supervisor("staff_1"), "waiveErasureStep", waive); codes(got.UserErrors) != "input.id SECOND_PERSON_NEEDED" {
		t.Errorf("who asked waives: %+v", got.UserErrors)
	}
	if _, err := copies.DeleteMany(t.Context(), bson.D{}); err != nil {
		t.Fatal(err)
	}
	if got := h.command(t, h.support("staff_1"), "retryErasureStep", map[string]any{"id": asked.Erasure.ID, "stepId": step.ID}); len(got.UserErrors) > 0 {
		t.Fatalf("not tried again: %+v", got.UserErrors)
	}
	h.await(t, asked.Erasure.ID, "RETAINING")
}

func TestExport(t *testing.T) {
	t.Parallel()
	h, p := theHouse, plants{}
	id := p.customer(t, h)
	var out struct {
		ExportCustomerData struct {
			Document   string
			UserErrors []userError
		}
	}
	const mutation = `mutation($i: ExportCustomerDataInput!) { exportCustomerData(input: $i) { document userErrors { field code } } }`
	h.must(t, h.customer(id), mutation, map[string]any{"i": map[string]any{}}, &out)
	for field, value := range p {
		if !strings.Contains(out.ExportCustomerData.Document, value) {
			t.Errorf("%s is not in the export", field)
		}
	}
	if errs := h.ask(t, h.customer("cus_other"), mutation, map[string]any{"i": map[string]any{"customerId": id}}, nil); len(errs) != 1 || errs[0].Extensions.Code != "FORBIDDEN" {
		t.Errorf("another's data is exported: %+v", errs)
	}
	if n := len(h.redis.Keys(t.Context(), "export:*").Val()); n != 0 {
		t.Errorf("%d exports are left", n)
	}
}
