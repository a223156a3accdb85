package e2e

import (
	"crypto/rand"
	"strconv"
	"sync"
	"testing"

	"github.com/lethe/lethe/e2e/harness"
)

// The typed answers that these tests read.
type (
	userError struct {
		Field   []string
		Message string
		Code    string
	}
	money struct{ Amount, CurrencyCode string }
	order struct {
		ID, Status, StatusReason string
		Total                    money
		Customer                 *struct{ ID string }
		Payment                  struct {
			Status                         string
			Authorised, Captured, Refunded money
		}
		Shipments []struct{ ID, Status string }
	}
	orderPayload struct {
		Order      *order
		UserErrors []userError
	}
)

const orderFields = `id status statusReason total { amount currencyCode } customer { id }
	payment { status authorised { amount currencyCode } captured { amount currencyCode } refunded { amount currencyCode } }
	shipments { id status }`

// shop drives one Lethe as its clients do.
type shop struct {
	*harness.Lethe
	t       *testing.T
	support string
}

func openShop(t *testing.T, l *harness.Lethe) shop {
	return shop{l, t, l.Token("support", "")}
}

// register makes a customer and gives its id and a token for it.
func (s shop) register() (id, token string) {
	s.t.Helper()
	var out struct {
		RegisterCustomer struct {
			Customer   *struct{ ID string }
			UserErrors []userError
		}
	}
	s.Do("", `mutation($input: RegisterCustomerInput!) { registerCustomer(input: $input) { customer { id } userErrors { field message code } } }`,
		vars{"input": vars{"email": rand.Text() + "@example.com", "name": "Test Person"}}, &out)
	if out.RegisterCustomer.Customer == nil {
		s.t.Fatalf("the customer is refused: %+v", out.RegisterCustomer.UserErrors)
	}
	id = out.RegisterCustomer.Customer.ID
	return id, s.Token("customer", id)
}

// vars are the variables of an operation.
type vars map[string]any

func address() vars {
	return vars{"name": "Test Person", "line1": "Lindenweg 3", "city": "Berlin", "postalCode": "10115", "countryCode": "DE"}
}

// newProduct makes a product with this much stock.
func (s shop) newProduct(stock int) string {
	s.t.Helper()
	admin := s.Token("admin", "")
	var made struct {
		CreateProduct struct {
			Product    *struct{ ID string }
			UserErrors []userError
		}
	}
	s.Do(admin, `mutation($input: CreateProductInput!) { createProduct(input: $input) { product { id } userErrors { field message code } } }`, vars{"input": vars{
		"idempotencyKey": rand.Text(), "sku": "TST-" + rand.Text()[:12], "name": "Test lamp", "description": "A lamp made for a test.", "brand": "Testa",
		"category": s.firstCategory(), "weightGrams": 900,
		"prices": []vars{{"amount": "19.90", "currencyCode": "EUR"}, {"amount": "17.50", "currencyCode": "GBP"}},
	}}, &made)
	if made.CreateProduct.Product == nil {
		s.t.Fatalf("the product is refused: %+v", made.CreateProduct.UserErrors)
	}
	id := made.CreateProduct.Product.ID
	if stock > 0 {
		var adjusted struct {
			AdjustStock struct{ UserErrors []userError }
		}
		s.Do(admin, `mutation($input: AdjustStockInput!) { adjustStock(input: $input) { userErrors { field message code } } }`, vars{"input": vars{
			"idempotencyKey": rand.Text(), "productId": id, "warehouse": s.firstWarehouse(), "delta": stock, "reason": "RECEIVED",
		}}, &adjusted)
		if len(adjusted.AdjustStock.UserErrors) > 0 {
			s.t.Fatalf("the stock is refused: %+v", adjusted.AdjustStock.UserErrors)
		}
	}
	return id
}

func (s shop) firstCategory() string {
	s.t.Helper()
	var out struct{ Categories []struct{ Slug string } }
	s.Do("", `{ categories { slug } }`, nil, &out)
	return out.Categories[0].Slug
}

func (s shop) firstWarehouse() string {
	s.t.Helper()
	var out struct{ Warehouses []struct{ Code string } }
	s.Do("", `{ warehouses { code } }`, nil, &out)
	return out.Warehouses[0].Code
}

func (s shop) quantity(product string) int {
	s.t.Helper()
	var out struct {
		Product struct{ Availability struct{ Quantity int } }
	}
	s.Do("", `query($id: ID!) { product(id: $id) { availability { quantity } } }`, vars{"id": product}, &out)
	return out.Product.Availability.Quantity
}

func (s shop) place(token string, input vars) orderPayload {
	s.t.Helper()
	var out struct{ PlaceOrder orderPayload }
	s.Do(token, `mutation($input: PlaceOrderInput!) { placeOrder(input: $input) { order { `+orderFields+` } userErrors { field message code } } }`, vars{"input": input}, &out)
	return out.PlaceOrder
}

func orderOf(product string, quantity int, method string) vars {
	return vars{
		"idempotencyKey": rand.Text(), "lines": []vars{{"productId": product, "quantity": quantity}},
		"shippingAddress": address(), "paymentMethod": method,
	}
}

// await reads an order until it has one of the statuses.
func (s shop) await(token, id string, statuses ...string) order {
	s.t.Helper()
	for {
		var out struct{ Order *order }
		s.Do(token, `query($id: ID!) { order(id: $id) { `+orderFields+` } }`, vars{"id": id}, &out)
		if out.Order == nil {
			s.t.Fatalf("order %s is gone", id)
		}
		for _, want := range statuses {
			if out.Order.Status == want {
				return *out.Order
			}
		}
		switch out.Order.Status {
		case "DELIVERED", "CANCELLED", "FAILED", "RETURNED":
			s.t.Fatalf("order %s ended %s (%s), want %v", id, out.Order.Status, out.Order.StatusReason, statuses)
		}
		pause(s.t)
	}
}

func TestShop(t *testing.T) {
	t.Parallel()
	s := openShop(t, shared.running(t))

	t.Run("browse", func(t *testing.T) {
		t.Parallel()
		var out struct {
			Categories []struct {
				Name         string
				ProductCount int
			}
			Products struct {
				TotalCount int
				Nodes      []struct {
					Name         string
					Price        money
					Prices       []money
					Availability struct {
						InStock    bool
						Quantity   int
						Warehouses []struct {
							Warehouse struct{ Code string }
							Available int
						}
					}
					ShippingEstimate struct {
						Cost             money
						MinDays, MaxDays int
					}
				}
				PageInfo struct {
					HasNextPage bool
					EndCursor   string
				}
			}
		}
		s := shop{s.With(t), t, s.support}
		s.Do("", `{ categories { name productCount } products(first: 20, filter: {available: true}) { totalCount pageInfo { hasNextPage endCursor }
			nodes { name price { amount currencyCode } prices { amount currencyCode } availability { inStock quantity warehouses { warehouse { code } available } }
				shippingEstimate { cost { amount currencyCode } minDays maxDays } } } }`, nil, &out)
		if len(out.Categories) != 8 {
			t.Errorf("%d categories, want 8", len(out.Categories))
		}
		all := 0
		for _, c := range out.Categories {
			all += c.ProductCount
		}
		if all < 200 {
			t.Errorf("%d products, want at least 200", all)
		}
		if len(out.Products.Nodes) != 20 || !out.Products.PageInfo.HasNextPage {
			t.Fatalf("%d products on the page (next: %v), want 20 and more", len(out.Products.Nodes), out.Products.PageInfo.HasNextPage)
		}
		for _, p := range out.Products.Nodes {
			if p.Name == "" || len(p.Prices) != 2 || len(p.Availability.Warehouses) == 0 || p.ShippingEstimate.MaxDays == 0 {
				t.Errorf("half a product: %+v", p)
			}
		}
	})

	t.Run("an order is delivered", func(t *testing.T) {
		t.Parallel()
		s := shop{s.With(t), t, s.support}
		product := s.newProduct(5)
		_, token := s.register()
		input := orderOf(product, 2, "pm_card_visa")
		placed := s.place(token, input)
		if placed.Order == nil || len(placed.UserErrors) > 0 {
			t.Fatalf("refused: %+v", placed.UserErrors)
		}
		again := s.place(token, input)
		if again.Order == nil || again.Order.ID != placed.Order.ID {
			t.Errorf("the same key made another order: %+v", again)
		}
		got := s.await(token, placed.Order.ID, "DELIVERED")
		if got.Payment.Status != "CAPTURED" || got.Payment.Captured != got.Total {
			t.Errorf("payment %+v of total %+v, want all captured", got.Payment, got.Total)
		}
		if left := s.quantity(product); left != 3 {
			t.Errorf("%d left, want 3", left)
		}
	})

	t.Run("a decline is compensated", func(t *testing.T) {
		t.Parallel()
		s := shop{s.With(t), t, s.support}
		product := s.newProduct(4)
		_, token := s.register()
		got := s.place(token, orderOf(product, 4, "pm_card_chargeDeclined"))
		if len(got.UserErrors) != 1 || got.UserErrors[0].Code != "PAYMENT_DECLINED" {
			t.Fatalf("user errors %+v, want PAYMENT_DECLINED", got.UserErrors)
		}
		if got.Order != nil {
			s.await(token, got.Order.ID, "FAILED")
		}
		for s.quantity(product) != 4 {
			pause(t)
		}
	})

	t.Run("a cancelled order gives everything back", func(t *testing.T) {
		t.Parallel()
		s := shop{s.With(t), t, s.support}
		product := s.newProduct(3)
		_, token := s.register()
		placed := s.place(token, orderOf(product, 3, "pm_card_authenticationRequired"))
		if placed.Order == nil {
			t.Fatalf("refused: %+v", placed.UserErrors)
		}
		var out struct{ CancelOrder orderPayload }
		s.Do(token, `mutation($id: ID!) { cancelOrder(input: {orderId: $id}) { order { `+orderFields+` } userErrors { field message code } } }`, vars{"id": placed.Order.ID}, &out)
		if len(out.CancelOrder.UserErrors) > 0 {
			t.Fatalf("not cancelled: %+v", out.CancelOrder.UserErrors)
		}
		s.await(token, placed.Order.ID, "CANCELLED")
		for s.quantity(product) != 3 {
			pause(t)
		}
	})

	t.Run("the last ten are sold once", func(t *testing.T) {
		t.Parallel()
		s := shop{s.With(t), t, s.support}
		product := s.newProduct(10)
		_, token := s.register()
		var mu sync.Mutex
		sold := 0
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				var out struct{ PlaceOrder orderPayload }
				errs, err := s.Try(t.Context(), token, `mutation($input: PlaceOrderInput!) { placeOrder(input: $input) { order { `+orderFields+` } userErrors { code } } }`,
					vars{"input": orderOf(product, 1, "pm_card_visa")}, &out)
				if err != nil || len(errs) > 0 {
					t.Errorf("place: %v %+v", err, errs)
					return
				}
				switch {
				case len(out.PlaceOrder.UserErrors) == 0:
					mu.Lock()
					defer mu.Unlock()
					sold++
				case out.PlaceOrder.UserErrors[0].Code != "OUT_OF_STOCK":
					t.Errorf("refused with %+v, want OUT_OF_STOCK", out.PlaceOrder.UserErrors)
				}
			})
		}
		wg.Wait()
		if sold != 10 {
			t.Errorf("%d of the last 10 were sold", sold)
		}
		if left := s.quantity(product); left != 0 {
			t.Errorf("%d are left, want 0", left)
		}
	})

	t.Run("strangers see nothing", func(t *testing.T) {
		t.Parallel()
		s := shop{s.With(t), t, s.support}
		product := s.newProduct(1)
		owner, ownerToken := s.register()
		_, other := s.register()
		placed := s.place(ownerToken, orderOf(product, 1, "pm_card_visa"))
		if placed.Order == nil {
			t.Fatalf("refused: %+v", placed.UserErrors)
		}
		for name, token := range map[string]string{"another customer": other, "the anonymous": ""} {
			var out struct {
				Order    *order
				Customer *struct{ Email string }
			}
			_, err := s.Try(t.Context(), token, `query($o: ID!, $c: ID!) { order(id: $o) { id } customer(id: $c) { email } }`, vars{"o": placed.Order.ID, "c": owner}, &out)
			if err != nil {
				t.Fatal(err)
			}
			if out.Order != nil || out.Customer != nil {
				t.Errorf("%s sees %+v", name, out)
			}
		}
	})

	t.Run("one query crosses all four", func(t *testing.T) {
		t.Parallel()
		s := shop{s.With(t), t, s.support}
		var out struct {
			Customers struct {
				TotalCount int
				Nodes      []struct {
					Name   string
					Orders struct {
						Nodes []struct {
							Status string
							Lines  []struct {
								Name    string
								Product *struct {
									Name         string
									Availability *struct{ Quantity int }
								}
							}
						}
					}
				}
			}
		}
		s.Do(s.support, `{ customers(first: 50) { totalCount nodes { name orders(first: 10) { nodes { status lines { name product { name availability { quantity } } } } } } } }`, nil, &out)
		if out.Customers.TotalCount < 50 {
			t.Errorf("%d customers, want at least 50", out.Customers.TotalCount)
		}
		statuses := map[string]int{}
		for _, c := range out.Customers.Nodes {
			for _, o := range c.Orders.Nodes {
				statuses[o.Status]++
				for _, l := range o.Lines {
					if l.Product == nil || l.Product.Name == "" || l.Product.Availability == nil {
						t.Errorf("line %q has no whole product: %+v", l.Name, l.Product)
					}
				}
			}
		}
		t.Logf("orders by status: %v", statuses)
	})
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	s := openShop(t, shared.running(t))
	_, customer := s.register()
	for i, c := range []struct{ token, query, code string }{
		{"", `{ products(first: 101) { nodes { id } } }`, "BAD_USER_INPUT"},
		{"", `{ products(first: 1, last: 1) { nodes { id } } }`, "BAD_USER_INPUT"},
		{"", `{ products(after: "nonsense") { nodes { id } } }`, "BAD_USER_INPUT"},
		{"", `{ customers { nodes { id } } }`, "UNAUTHENTICATED"},
		{customer, `{ customers { nodes { id } } }`, "FORBIDDEN"},
		{customer, `{ dataMap { entries { path } } }`, "FORBIDDEN"},
		{"nonsense", `{ me { id } }`, "UNAUTHENTICATED"},
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			errs, err := s.Try(t.Context(), c.token, c.query, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(errs) == 0 || errs[0].Extensions.Code != c.code {
				t.Errorf("%s answers %+v, want code %s", c.query, errs, c.code)
			}
		})
	}
}
