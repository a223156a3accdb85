package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/subgraphs/catalogue"
	"github.com/lethe/lethe/subgraphs/customers"
	"github.com/lethe/lethe/subgraphs/inventory"
	"github.com/lethe/lethe/subgraphs/orders"
	"github.com/lethe/lethe/workflows/payment"
)

// Seed is the configuration of the job that fills empty databases for a demonstration.
type Seed struct {
	stores    Stores
	databases map[string]string
	payments  payment.Options
}

// ReadSeed reads the configuration of the seed.
func ReadSeed(env *chassis.Env) *Seed {
	s := &Seed{databases: map[string]string{}}
	for _, name := range SubgraphNames() {
		s.stores = readStores(env, name)
		s.databases[name] = s.stores.Database
	}
	s.payments = readPayments(env)
	return s
}

// Seeded says what the databases were filled with.
type Seeded struct {
	Products, Customers int
	// FirstCustomer is the id of one of the customers, for demonstrations.
	FirstCustomer string
}

// String says it for people.
func (s Seeded) String() string {
	return fmt.Sprintf("%d products, %d customers with orders", s.Products, s.Customers)
}

// Run fills the databases. What is there already stays as it is.
func (s *Seed) Run(ctx context.Context, log *slog.Logger) (_ Seeded, err error) {
	c, err := s.stores.open(ctx, "seed", log)
	if err != nil {
		return Seeded{}, err
	}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	products, err := catalogue.Seed(ctx, c.mongo.Database(s.databases["catalogue"]))
	if err != nil {
		return Seeded{}, fmt.Errorf("seed the catalogue: %w", err)
	}
	ids := make([]string, len(products))
	sold := make([]orders.SeedProduct, len(products))
	for i, p := range products {
		ids[i] = p.ID
		sold[i] = orders.SeedProduct{ID: p.ID, SKU: p.SKU, Name: p.Name, PriceMinor: p.PriceMinor}
	}
	if err := inventory.Seed(ctx, c.mongo.Database(s.databases["inventory"]), ids); err != nil {
		return Seeded{}, fmt.Errorf("seed the stock: %w", err)
	}
	people, err := customers.Seed(ctx, c.mongo.Database(s.databases["customers"]))
	if err != nil {
		return Seeded{}, fmt.Errorf("seed the customers: %w", err)
	}
	buyers := make([]orders.SeedCustomer, len(people))
	for i, p := range people {
		buyers[i] = orders.SeedCustomer{ID: p.ID, Name: p.Name, Line1: p.Line1, City: p.City, PostalCode: p.PostalCode, CountryCode: p.CountryCode, Phone: p.Phone}
	}
	err = orders.Seed(ctx, orders.SeedOptions{
		DB: c.mongo.Database(s.databases["orders"]), Temporal: c.temporal, Customers: buyers, Products: sold, Payments: s.payments,
	})
	if err != nil {
		return Seeded{}, fmt.Errorf("seed the orders: %w", err)
	}
	return Seeded{Products: len(products), Customers: len(people), FirstCustomer: buyers[0].ID}, nil
}
