package catalogue

import (
	"errors"
	"time"

	"github.com/lethe/lethe/chassis/money"
)

// product is a product as it is stored.
type product struct {
	ID          string           `bson:"_id"`
	SKU         string           `bson:"sku"`
	Name        string           `bson:"name"`
	Description string           `bson:"description"`
	Brand       string           `bson:"brand"`
	Category    string           `bson:"category"` // slug
	Label       string           `bson:"label"`    // the category's name, for search
	Prices      map[string]int64 `bson:"prices"`   // minor units by currency
	WeightGrams int              `bson:"weightGrams"`
	InStock     bool             `bson:"inStock"`
	StockSeq    int64            `bson:"stockSeq"` // of the fact that InStock came from
	CreatedAt   time.Time        `bson:"createdAt"`
	UpdatedAt   time.Time        `bson:"updatedAt"`
	Version     int              `bson:"version"`
	Schema      int              `bson:"schemaVersion"`
	// Request and Input tell a repeated createProduct from another with the same key.
	Request string `bson:"request,omitempty"`
	Input   string `bson:"input,omitempty"`
}

// price gives the price in a currency.
func (p *product) price(c money.Currency) money.Money { return money.New(p.Prices[string(c)], c) }

// category is a category of products, kept in code: it is the shop's menu.
type category struct{ id, name, slug string }

func categories() []category {
	return []category{
		{"cat_kitchen", "Kitchen", "kitchen"},
		{"cat_coffee", "Coffee & Tea", "coffee-tea"},
		{"cat_lighting", "Lighting", "lighting"},
		{"cat_furniture", "Furniture", "furniture"},
		{"cat_textiles", "Textiles", "textiles"},
		{"cat_stationery", "Stationery", "stationery"},
		{"cat_garden", "Garden", "garden"},
		{"cat_travel", "Travel", "travel"},
	}
}

func categoryOf(slug string) (category, bool) {
	for _, c := range categories() {
		if c.slug == slug {
			return c, true
		}
	}
	return category{}, false
}

// Errors of the domain.
var (
	errNotFound = errors.New("there is no such product")
	errTaken    = errors.New("the SKU is taken")
	errConflict = errors.New("the product was changed meanwhile")
	errReused   = errors.New("the idempotency key was used with another input")
)
