package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"

	"github.com/lethe/lethe/privacy/certificate"
	"github.com/lethe/lethe/schema"
)

type erasureState struct {
	ID, Status, DueAt, SealedAt string
	Subject                     string
	Reason                      *string
	Customer                    *struct{ ID string }
	Steps                       []struct {
		Service, Name, Status string
		Attempts              int
	}
	Retained []struct {
		Path, Rule, Until string
		Count             int
	}
	Certificate *struct{ Document string }
}

type erasurePayload struct {
	Erasure    *erasureState
	UserErrors []userError
}

const erasureFields = `id status dueAt sealedAt subject reason customer { id } steps { service name status attempts }
	retained { path rule until count } certificate { document }`

func (s shop) requestErasure(input vars) erasurePayload {
	s.t.Helper()
	var out struct{ RequestErasure erasurePayload }
	s.Do(s.support, `mutation($input: RequestErasureInput!) { requestErasure(input: $input) { erasure { `+erasureFields+` } userErrors { field message code } } }`, vars{"input": input}, &out)
	return out.RequestErasure
}

// erased reads an erasure until it has a certificate.
func (s shop) erased(id string) erasureState {
	s.t.Helper()
	for {
		got := s.erasure(id)
		switch got.Status {
		case "COMPLETED", "RETAINING", "CLOSED":
			return got
		case "CANCELLED", "REJECTED", "NEEDS_OPERATOR":
			s.t.Fatalf("the erasure is %s: %+v", got.Status, got.Steps)
		}
		pause(s.t)
	}
}

func (s shop) erasure(id string) erasureState {
	s.t.Helper()
	var out struct{ Erasure *erasureState }
	s.Do(s.support, `query($id: ID!) { erasure(id: $id) { `+erasureFields+` } }`, vars{"id": id}, &out)
	if out.Erasure == nil {
		s.t.Fatalf("there is no erasure %s", id)
	}
	return *out.Erasure
}

// planted are the tokens that a test wrote, by the field that it wrote them to.
type planted map[string]string

// text gives a token for a field: short, with no word in it.
func (p planted) text(field string) string {
	token := "Zq" + rand.Text()[:14]
	p[field] = token
	return token
}

// forms are the shapes in which a token could stand somewhere.
func forms(token string) map[string][]byte {
	sum := sha256.Sum256([]byte(token))
	lower := sha256.Sum256([]byte(strings.ToLower(token)))
	return map[string][]byte{
		"plain":         []byte(token),
		"lower case":    []byte(strings.ToLower(token)),
		"upper case":    []byte(strings.ToUpper(token)),
		"base64":        []byte(strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(token)), "=")),
		"base64url":     []byte(strings.TrimRight(base64.URLEncoding.EncodeToString([]byte(token)), "=")),
		"hex":           []byte(hex.EncodeToString([]byte(token))),
		"URL":           []byte(url.QueryEscape(token)),
		"SHA-256":       sum[:],
		"SHA-256 hex":   []byte(hex.EncodeToString(sum[:])),
		"SHA-256 lower": []byte(hex.EncodeToString(lower[:])),
	}
}

// search tells where in data a token stands.
func (p planted) search(where string, data []byte) []string {
	var found []string
	for field, token := range p {
		for form, b := range forms(token) {
			if bytes.Contains(data, b) {
				found = append(found, fmt.Sprintf("%s (%s) in %s", field, form, where))
			}
		}
	}
	return found
}

// TestErasure plants a token in every field that a client can write about a customer, erases the customer through the
// router, and then reads every store around the router and searches it.
func TestErasure(t *testing.T) {
	t.Parallel()
	s := openShop(t, shared.running(t))
	p := planted{}
	product := s.newProduct(50)

	fullAddress := func(prefix string) vars {
		return vars{
			"name": p.text(prefix + ".name"), "line1": p.text(prefix + ".line1"), "line2": p.text(prefix + ".line2"), "city": p.text(prefix + ".city"),
			"postalCode": p.text(prefix + ".postalCode"), "countryCode": "DE", "phone": p.text(prefix + ".phone"),
		}
	}
	bookAddress := func(prefix string) vars {
		a := fullAddress(prefix)
		a["label"] = p.text(prefix + ".label")
		return a
	}

	var registered struct {
		RegisterCustomer struct {
			Customer   *struct{ ID string }
			UserErrors []userError
		}
	}
	s.Do("", `mutation($input: RegisterCustomerInput!) { registerCustomer(input: $input) { customer { id } userErrors { field message code } } }`, vars{"input": vars{
		"email": p.text("RegisterCustomerInput.email") + "@example.com", "name": p.text("RegisterCustomerInput.name"), "phone": p.text("RegisterCustomerInput.phone"),
		"addresses": []vars{bookAddress("RegisterCustomerInput.addresses")}, "marketingConsent": true,
	}}, &registered)
	if registered.RegisterCustomer.Customer == nil {
		t.Fatalf("the customer is refused: %+v", registered.RegisterCustomer.UserErrors)
	}
	id := registered.RegisterCustomer.Customer.ID
	token := s.Token("customer", id)

	var updated struct {
		UpdateCustomer struct{ UserErrors []userError }
	}
	s.Do(token, `mutation($input: UpdateCustomerInput!) { updateCustomer(input: $input) { userErrors { field message code } } }`, vars{"input": vars{
		"email": p.text("UpdateCustomerInput.email") + "@example.com", "name": p.text("UpdateCustomerInput.name"), "phone": p.text("UpdateCustomerInput.phone"),
		"addresses": []vars{bookAddress("UpdateCustomerInput.addresses")},
	}}, &updated)
	if len(updated.UpdateCustomer.UserErrors) > 0 {
		t.Fatalf("the change is refused: %+v", updated.UpdateCustomer.UserErrors)
	}

	placed := func(method string) orderPayload {
		return s.place(token, vars{
			"idempotencyKey": p.text("PlaceOrderInput.idempotencyKey"), "lines": []vars{{"productId": product, "quantity": 1}},
			"shippingAddress": fullAddress("PlaceOrderInput.shippingAddress"), "paymentMethod": method, "note": p.text("PlaceOrderInput.note"),
		})
	}
	delivered := placed("pm_card_visa")
	if delivered.Order == nil {
		t.Fatalf("refused: %+v", delivered.UserErrors)
	}
	s.await(token, delivered.Order.ID, "DELIVERED")
	var returned struct{ RequestReturn orderPayload }
	s.Do(token, `mutation($input: RequestReturnInput!) { requestReturn(input: $input) { order { id } userErrors { field message code } } }`, vars{"input": vars{
		"idempotencyKey": p.text("RequestReturnInput.idempotencyKey"), "orderId": delivered.Order.ID, "reason": p.text("RequestReturnInput.reason"),
	}}, &returned)
	if len(returned.RequestReturn.UserErrors) > 0 {
		t.Errorf("the return is refused: %+v", returned.RequestReturn.UserErrors)
	}
	declined := placed("pm_card_chargeDeclined")
	if len(declined.UserErrors) == 0 {
		t.Error("the decline is no user error")
	}
	odd := placed(p.text("PlaceOrderInput.paymentMethod"))
	if len(odd.UserErrors) == 0 {
		t.Error("a means of payment that does not exist is no user error")
	}
	open := placed("pm_card_visa")
	if open.Order == nil {
		t.Fatalf("refused: %+v", open.UserErrors)
	}

	neighbour, neighbourToken := s.register()
	s.place(neighbourToken, orderOf(product, 1, "pm_card_visa"))

	// A first erasure is cancelled in its grace: its reasons are about the customer too.
	first := s.requestErasure(vars{"customerId": id, "graceDays": 7, "reason": p.text("RequestErasureInput.reason")})
	if first.Erasure == nil {
		t.Fatalf("the erasure is refused: %+v", first.UserErrors)
	}
	for s.erasure(first.Erasure.ID).Status != "GRACE" {
		pause(t)
	}
	refusedOrder := s.place(token, orderOf(product, 1, "pm_card_visa"))
	if len(refusedOrder.UserErrors) == 0 || refusedOrder.UserErrors[0].Code != "CUSTOMER_RESTRICTED" {
		t.Errorf("a restricted customer orders: %+v", refusedOrder)
	}
	var cancelled struct{ CancelErasure erasurePayload }
	s.Do(s.support, `mutation($input: CancelErasureInput!) { cancelErasure(input: $input) { erasure { status } userErrors { message code } } }`,
		vars{"input": vars{"id": first.Erasure.ID, "reason": p.text("CancelErasureInput.reason")}}, &cancelled)
	if len(cancelled.CancelErasure.UserErrors) > 0 {
		t.Fatalf("not cancelled: %+v", cancelled.CancelErasure.UserErrors)
	}
	for s.erasure(first.Erasure.ID).Status != "CANCELLED" {
		pause(t)
	}

	for _, field := range writable(t) {
		if _, ok := p[field]; !ok {
			t.Errorf("nothing was planted in %s", field)
		}
	}

	// Everything that was planted is there before, or the search would prove nothing.
	before := readAll(t, s)
	for field, token := range p {
		if field == "PlaceOrderInput.idempotencyKey" || field == "RequestReturnInput.idempotencyKey" || strings.HasPrefix(field, "RegisterCustomerInput") {
			continue // never stored, or replaced by the update
		}
		if !slices.ContainsFunc(before, func(d dump) bool { return bytes.Contains(bytes.ToLower(d.data), bytes.ToLower([]byte(token))) }) && field != "PlaceOrderInput.paymentMethod" {
			t.Errorf("%s was planted and is nowhere before the erasure", field)
		}
	}

	request := s.requestErasure(vars{"customerId": id, "graceDays": 0, "reason": p.text("RequestErasureInput.reason again")})
	if request.Erasure == nil {
		t.Fatalf("the erasure is refused: %+v", request.UserErrors)
	}
	done := s.erased(request.Erasure.ID)
	if done.Customer != nil || done.Reason != nil {
		t.Errorf("the erasure still names its customer: %+v", done)
	}
	if done.Certificate == nil {
		t.Fatal("there is no certificate")
	}
	if _, err := certificate.Verify([]byte(done.Certificate.Document)); err != nil {
		t.Errorf("the certificate does not hold: %v", err)
	}
	if len(done.Retained) == 0 {
		t.Error("nothing is kept: an invoice must be")
	}

	for _, d := range append(readAll(t, s), dump{"the log", []byte(s.Output())}, dump{"the certificate", []byte(done.Certificate.Document)}) {
		for _, found := range p.search(d.where, d.data) {
			t.Errorf("found after the erasure: %s", found)
		}
	}

	var after struct {
		Order    *order
		Customer *struct{ ID string }
	}
	s.Do(s.support, `query($o: ID!, $c: ID!) { order(id: $o) { `+orderFields+` } customer(id: $c) { id } }`, vars{"o": delivered.Order.ID, "c": id}, &after)
	if after.Customer != nil {
		t.Error("the customer is still there")
	}
	if after.Order == nil || after.Order.Customer != nil || after.Order.Total != delivered.Order.Total {
		t.Errorf("the old order answers %+v, want its total and no customer", after.Order)
	}
	late := s.place(token, orderOf(product, 1, "pm_card_visa"))
	if len(late.UserErrors) == 0 || late.UserErrors[0].Code != "SUBJECT_ERASED" {
		t.Errorf("an erased customer orders: %+v", late)
	}
	var other struct {
		Customer *struct {
			ID     string
			Orders struct{ Nodes []struct{ ID string } }
		}
	}
	s.Do(neighbourToken, `query($c: ID!) { customer(id: $c) { id orders { nodes { id } } } }`, vars{"c": neighbour}, &other)
	if other.Customer == nil || len(other.Customer.Orders.Nodes) != 1 {
		t.Errorf("the neighbour answers %+v, want it whole", other.Customer)
	}
}

// writable gives the free text fields that a client can write about a customer, from the schema: "Input.field".
func writable(t *testing.T) []string {
	t.Helper()
	var fields []string
	for _, sub := range schema.Subgraphs() {
		doc, err := parser.ParseSchema(&ast.Source{Name: sub.Name, Input: sub.SDL})
		if err != nil {
			t.Fatal(err)
		}
		for _, root := range []string{"RegisterCustomerInput", "UpdateCustomerInput", "PlaceOrderInput", "RequestReturnInput", "RequestErasureInput", "CancelErasureInput"} {
			if def := doc.Definitions.ForName(root); def != nil {
				fields = append(fields, textFields(doc, def, root)...)
			}
		}
	}
	if len(fields) == 0 {
		t.Fatal("the schema gives no writable field")
	}
	return fields
}

func textFields(doc *ast.SchemaDocument, def *ast.Definition, prefix string) []string {
	var out []string
	for _, f := range def.Fields {
		inner := doc.Definitions.ForName(f.Type.Name())
		switch {
		case inner != nil && inner.Kind == ast.InputObject:
			out = append(out, textFields(doc, inner, prefix+"."+f.Name)...)
		case f.Type.Name() == "String" && f.Name != "countryCode":
			out = append(out, prefix+"."+f.Name)
		}
	}
	return out
}

// dump is what one place holds.
type dump struct {
	where string
	data  []byte
}

// readAll reads every database, Redis and every workflow history, around the services.
func readAll(t *testing.T, s shop) []dump {
	t.Helper()
	return slices.Concat(readMongo(t, s.Mongo()), readRedis(t, s.Redis()), readTemporal(t, s.Temporal()))
}

func readMongo(t *testing.T, uri string) []dump {
	t.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Disconnect(context.WithoutCancel(t.Context())) }()
	names, err := c.ListDatabaseNames(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	var out []dump
	for _, db := range names {
		collections, err := c.Database(db).ListCollectionNames(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range collections {
			cursor, err := c.Database(db).Collection(name).Find(t.Context(), bson.D{})
			if err != nil {
				t.Fatal(err)
			}
			d := dump{where: "mongo " + db + "." + name}
			for cursor.Next(t.Context()) {
				d.data = append(append(d.data, cursor.Current...), 0)
			}
			if err := cursor.Err(); err != nil {
				t.Fatal(err)
			}
			out = append(out, d)
		}
	}
	if len(out) == 0 {
		t.Fatal("MongoDB holds nothing")
	}
	return out
}

func readRedis(t *testing.T, address string) []dump {
	t.Helper()
	o, err := redis.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	defer func() { _ = c.Close() }()
	ctx := t.Context()
	var out []dump
	keys := c.Scan(ctx, 0, "*", 1000).Iterator()
	for keys.Next(ctx) {
		key := keys.Val()
		var value any
		switch kind := c.Type(ctx, key).Val(); kind {
		case "string":
			value = c.Get(ctx, key).Val()
		case "hash":
			value = c.HGetAll(ctx, key).Val()
		case "list":
			value = c.LRange(ctx, key, 0, -1).Val()
		case "set":
			value = c.SMembers(ctx, key).Val()
		case "zset":
			value = c.ZRangeWithScores(ctx, key, 0, -1).Val()
		case "stream":
			value = c.XRange(ctx, key, "-", "+").Val()
		case "none":
			continue
		default:
			t.Fatalf("Redis key %s is a %s, which this test cannot read", key, kind)
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, dump{"redis " + key, append([]byte(key+" "), text...)})
	}
	if err := keys.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func readTemporal(t *testing.T, address string) []dump {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: address})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var out []dump
	var page []byte
	for {
		list, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default", PageSize: 500, NextPageToken: page})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list.Executions {
			d := dump{where: "history of " + e.Execution.WorkflowId}
			info, err := proto.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			d.data = info
			events := c.GetWorkflowHistory(t.Context(), e.Execution.WorkflowId, e.Execution.RunId, false, 0)
			for events.HasNext() {
				event, err := events.Next()
				if err != nil {
					break // deleted in the meantime
				}
				b, err := proto.Marshal(event)
				if err != nil {
					t.Fatal(err)
				}
				d.data = append(d.data, b...)
			}
			out = append(out, d)
		}
		if page = list.NextPageToken; len(page) == 0 {
			return out
		}
	}
}
