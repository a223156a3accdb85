package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/lethe/lethe/e2e/harness"
)

// clients is the folder with the npm packages that front-end teams use.
const clients = "../clients"

// page bundles what a page does with Apollo Client, and gives the address of a page with it, on a port of its own. Without the
// npm packages the test is left out, but fails under CI.
func page(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(clients + "/node_modules/.bin/esbuild"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("the npm packages are missing: run npm ci in e2e/clients")
		}
		t.Skip("the npm packages are missing: run npm ci in e2e/clients")
	}
	bundle := filepath.Join(t.TempDir(), "bundle.js")
	cmd := exec.CommandContext(t.Context(), "node_modules/.bin/esbuild", "page.mjs", "--bundle", "--format=iife", "--log-level=error", "--outfile="+bundle)
	cmd.Dir = clients
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("bundle the page: %v\n%s", err, out)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bundle.js":
			http.ServeFile(w, r, bundle)
		case "/":
			w.Header().Set("Content-Type", "text/html")
			_, _ = fmt.Fprint(w, `<!doctype html><title>A page</title><link rel="icon" href="data:,"><script src="/bundle.js"></script>`)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// outcome is what the page learns of an operation.
type outcome struct {
	Data        json.RawMessage
	Error, Code string
}

// asks has the page ask operations with Apollo Client.
func (b *browser) asks(l *harness.Lethe, headers vars, operations ...vars) []outcome {
	b.t.Helper()
	text, err := json.Marshal(vars{"url": l.Router() + "/graphql", "headers": headers, "operations": operations})
	if err != nil {
		b.t.Fatal(err)
	}
	var out []outcome
	b.run(chromedp.Evaluate("lethe("+string(text)+")", &out, awaitPromise))
	if len(out) != len(operations) {
		b.t.Fatalf("%d operations have %d outcomes", len(operations), len(out))
	}
	return out
}

// TestPageOnAnotherPort is a front-end in development: a page of this machine on a port of its own asks lethe-dev with Apollo
// Client, registers a customer, orders, and follows the order over WebSocket.
func TestPageOnAnotherPort(t *testing.T) {
	address := page(t)
	b := openBrowser(t)
	lethe := running(t)
	b.run(chromedp.Navigate(address), holds("typeof lethe === 'function'"))
	sent := vars{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": "a=b", "sentry-trace": "1-2-1", "x-shop": "1"}
	id, _ := register(lethe, "Page Person")
	got := b.asks(lethe, sent, vars{"query": `query Q { products(first: 1, filter: {available: true}) { nodes { id name } } }`})
	var found struct {
		Products struct{ Nodes []struct{ ID string } }
	}
	if err := json.Unmarshal(got[0].Data, &found); err != nil || len(found.Products.Nodes) != 1 {
		t.Fatalf("a query: %+v", got)
	}
	sent["Authorization"] = "Bearer " + lethe.Token("customer", id)
	got = b.asks(lethe, sent, vars{
		"query": `mutation M($input: PlaceOrderInput!) { placeOrder(input: $input) { order { id status } userErrors { message } } }`,
		"variables": vars{"input": vars{
			"idempotencyKey": "page-" + id, "lines": []vars{{"productId": found.Products.Nodes[0].ID, "quantity": 1}}, "paymentMethod": "pm_card_visa",
			"shippingAddress": vars{"name": "Page Person", "line1": "Lindenweg 3", "city": "Berlin", "postalCode": "10115", "countryCode": "DE"},
		}},
	})
	var placed struct {
		PlaceOrder struct{ Order struct{ ID string } }
	}
	if err := json.Unmarshal(got[0].Data, &placed); err != nil || placed.PlaceOrder.Order.ID == "" {
		t.Fatalf("a mutation: %+v", got)
	}
	got = b.asks(lethe, sent, vars{"query": `subscription S { orderUpdated(id: "` + placed.PlaceOrder.Order.ID + `") { id status } }`})
	if !strings.Contains(string(got[0].Data), placed.PlaceOrder.Order.ID) {
		t.Errorf("a subscription: %+v", got)
	}
}
