package command

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// demoPatience bounds how long the demonstration waits for anything.
const demoPatience = 2 * time.Minute

// demo shows on a running lethe-dev what Lethe is about: an order, its delivery, the customer's erasure, the proof.
func demo(ctx context.Context, sys System, args []string) error {
	fs := flags(sys, "demo")
	base := fs.Int("port-base", 4000, "the first port of the running lethe-dev")
	if err := parse(fs, args, 0, ""); err != nil {
		return err
	}
	if *base < 1 || *base > 65535-9 {
		return usage("--port-base must be from 1 to 65526")
	}
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	d := &demonstration{sys: sys, base: *base}
	return d.run(ctx)
}

// demonstration is one run of the demo against a router.
type demonstration struct {
	sys  System
	base int
}

func (d *demonstration) say(format string, a ...any) {
	_, _ = fmt.Fprintf(d.sys.Stdout, format+"\n", a...)
}

type demoUserError struct{ Message, Code string }

func (d *demonstration) run(ctx context.Context) error {
	support, err := devToken(ctx, d.base, "support", "")
	if err != nil {
		return err
	}
	product, name, err := d.findProduct(ctx)
	if err != nil {
		return err
	}
	customer, email, err := d.register(ctx)
	if err != nil {
		return err
	}
	d.say("A customer registers: %s (%s)", email, customer)
	token, err := devToken(ctx, d.base, "customer", customer)
	if err != nil {
		return err
	}
	order, err := d.order(ctx, token, product)
	if err != nil {
		return err
	}
	d.say("It orders: %s, order %s", name, order)
	if err := d.delivered(ctx, token, order); err != nil {
		return err
	}
	document, err := d.erase(ctx, support, customer)
	if err != nil {
		return err
	}
	var gone struct{ Customer *struct{ ID string } }
	if err := d.ask(ctx, support, `query($id: ID!) { customer(id: $id) { id } }`, vars{"id": customer}, &gone); err != nil {
		return err
	}
	if gone.Customer != nil {
		return errors.New("the customer is still there after its erasure")
	}
	d.say("The graph no longer knows the customer; its order still answers, without a name.")
	summary, err := checkCertificate([]byte(document))
	if err != nil {
		return fmt.Errorf("the certificate does not hold: %w", err)
	}
	d.say("The certificate holds:\n%s", summary)
	return nil
}

type vars map[string]any

// ask sends an operation to the router and decodes its data into out.
func (d *demonstration) ask(ctx context.Context, token, query string, variables vars, out any) error {
	body, err := json.Marshal(struct {
		Query     string `json:"query"`
		Variables vars   `json:"variables,omitempty"`
	}{query, variables})
	if err != nil {
		return fmt.Errorf("write the operation: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1:"+strconv.Itoa(d.base)+"/graphql", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the router: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the router: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Data   json.RawMessage
		Errors []struct{ Message string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("read the router's answer: %w", err)
	}
	if len(answer.Errors) > 0 {
		return fmt.Errorf("the graph answers: %s", answer.Errors[0].Message)
	}
	return json.Unmarshal(answer.Data, out)
}

func (d *demonstration) findProduct(ctx context.Context) (id, name string, err error) {
	var out struct {
		Products struct {
			Nodes []struct{ ID, Name string }
		}
	}
	if err := d.ask(ctx, "", `{ products(first: 1, filter: {available: true}) { nodes { id name } } }`, nil, &out); err != nil {
		return "", "", err
	}
	if len(out.Products.Nodes) == 0 {
		return "", "", errors.New("the catalogue has nothing that can be bought")
	}
	return out.Products.Nodes[0].ID, out.Products.Nodes[0].Name, nil
}

func (d *demonstration) register(ctx context.Context) (id, email string, err error) {
	email = "visitor-" + rand.Text()[:8] + "@example.com"
	var out struct {
		RegisterCustomer struct {
			Customer   *struct{ ID string }
			UserErrors []demoUserError
		}
	}
	err = d.ask(ctx, "", `mutation($input: RegisterCustomerInput!) { registerCustomer(input: $input) { customer { id } userErrors { message code } } }`,
		vars{"input": vars{"email": email, "name": "Vera Visitor", "phone": "+49 30 901820"}}, &out)
	if err != nil {
		return "", "", err
	}
	if out.RegisterCustomer.Customer == nil {
		return "", "", refusal("the customer", out.RegisterCustomer.UserErrors)
	}
	return out.RegisterCustomer.Customer.ID, email, nil
}

func refusal(what string, errs []demoUserError) error {
	if len(errs) == 0 {
		return fmt.Errorf("%s is refused without a reason", what)
	}
	return fmt.Errorf("%s is refused: %s (%s)", what, errs[0].Message, errs[0].Code)
}

func (d *demonstration) order(ctx context.Context, token, product string) (string, error) {
	var out struct {
		PlaceOrder struct {
			Order      *struct{ ID string }
			UserErrors []demoUserError
		}
	}
	err := d.ask(ctx, token, `mutation($input: PlaceOrderInput!) { placeOrder(input: $input) { order { id } userErrors { message code } } }`, vars{"input": vars{
		"idempotencyKey": rand.Text(), "lines": []vars{{"productId": product, "quantity": 1}}, "paymentMethod": "pm_card_visa", "note": "Please ring twice.",
		"shippingAddress": vars{"name": "Vera Visitor", "line1": "Lindenweg 3", "city": "Berlin", "postalCode": "10115", "countryCode": "DE"},
	}}, &out)
	if err != nil {
		return "", err
	}
	if len(out.PlaceOrder.UserErrors) > 0 || out.PlaceOrder.Order == nil {
		return "", refusal("the order", out.PlaceOrder.UserErrors)
	}
	return out.PlaceOrder.Order.ID, nil
}

// delivered follows an order until it has arrived.
func (d *demonstration) delivered(ctx context.Context, token, id string) error {
	began, last := time.Now(), ""
	for {
		var out struct{ Order *struct{ Status string } }
		if err := d.ask(ctx, token, `query($id: ID!) { order(id: $id) { status } }`, vars{"id": id}, &out); err != nil {
			return err
		}
		if out.Order == nil {
			return errors.New("the order is gone")
		}
		if out.Order.Status != last {
			last = out.Order.Status
			d.say("  %5.1f s  %s", time.Since(began).Seconds(), last)
		}
		switch last {
		case "DELIVERED":
			return nil
		case "FAILED", "CANCELLED", "RETURNED":
			return fmt.Errorf("the order ended %s", last)
		}
		if err := moment(ctx); err != nil {
			return fmt.Errorf("the order is still %s: %w", last, err)
		}
	}
}

// erase asks for the customer's erasure and follows it to its certificate.
func (d *demonstration) erase(ctx context.Context, token, customer string) (string, error) {
	var out struct {
		RequestErasure struct {
			Erasure    *struct{ ID string }
			UserErrors []demoUserError
		}
	}
	err := d.ask(ctx, token, `mutation($input: RequestErasureInput!) { requestErasure(input: $input) { erasure { id } userErrors { message code } } }`,
		vars{"input": vars{"customerId": customer, "ground": "CONSENT_WITHDRAWN", "regulation": "GDPR", "graceDays": 0, "openOrders": "FINISH"}}, &out)
	if err != nil {
		return "", err
	}
	if out.RequestErasure.Erasure == nil {
		return "", refusal("the erasure", out.RequestErasure.UserErrors)
	}
	id := out.RequestErasure.Erasure.ID
	d.say("Support asks for its erasure: %s", id)
	began, last := time.Now(), ""
	for {
		var got struct {
			Erasure *struct {
				Status      string
				Certificate *struct{ Document string }
			}
		}
		if err := d.ask(ctx, token, `query($id: ID!) { erasure(id: $id) { status certificate { document } } }`, vars{"id": id}, &got); err != nil {
			return "", err
		}
		if got.Erasure == nil {
			return "", errors.New("the erasure is gone")
		}
		if got.Erasure.Status != last {
			last = got.Erasure.Status
			d.say("  %5.1f s  %s", time.Since(began).Seconds(), last)
		}
		if got.Erasure.Certificate != nil && last != "COMPLETED" { // what follows says whether anything is kept
			return got.Erasure.Certificate.Document, nil
		}
		if err := moment(ctx); err != nil {
			return "", fmt.Errorf("the erasure is still %s: %w", last, err)
		}
	}
}

// moment waits between two reads of something that goes on by itself.
func moment(ctx context.Context) error {
	t := time.NewTimer(50 * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
