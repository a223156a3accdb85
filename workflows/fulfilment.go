package workflows

import "time"

// Activities of fulfilment, by the service that does them.
const (
	ActivityQuote   = "catalogue.Quote"
	ActivityReserve = "inventory.Reserve"
	ActivityExtend  = "inventory.Extend"
	ActivityRelease = "inventory.Release"
	ActivityCommit  = "inventory.Commit"
	ActivityRestock = "inventory.Restock"
)

// Types of non-retryable application errors that the activities of fulfilment answer with.
const (
	// ErrTypeInsufficientStock has a [Shortage] as its details.
	ErrTypeInsufficientStock = "InsufficientStock"
	// ErrTypeUnknownProduct has the product's id as its details.
	ErrTypeUnknownProduct = "UnknownProduct"
)

// Line is how many of a product are meant.
type Line struct {
	ProductID string `json:"productId"`
	Quantity  int    `json:"quantity"`
}

// QuoteRequest asks the catalogue for the present price of products in one currency.
type QuoteRequest struct {
	Lines    []Line `json:"lines"`
	Currency string `json:"currency"`
}

// Quote answers a [QuoteRequest], a line for each line asked, in the same order. A product that the catalogue does not
// have is an error of type [ErrTypeUnknownProduct].
type Quote struct {
	Lines []QuotedLine `json:"lines"`
}

// QuotedLine is one product as it is sold now.
type QuotedLine struct {
	ProductID   string `json:"productId"`
	SKU         string `json:"sku"`
	Name        string `json:"name"`
	Quantity    int    `json:"quantity"`
	UnitMinor   int64  `json:"unitMinor"` // price of one in minor units (cents) of the currency asked
	WeightGrams int    `json:"weightGrams"`
}

// ReserveRequest sets stock aside for an order until Expires. It is idempotent by OrderID: a second call answers as the
// first did. All lines are reserved, or none and an error of type [ErrTypeInsufficientStock].
type ReserveRequest struct {
	OrderID     string    `json:"orderId"`
	Lines       []Line    `json:"lines"`
	CountryCode string    `json:"countryCode"` // where it goes: nearer warehouses first
	Expires     time.Time `json:"expires"`
}

// Reservation says from which warehouses an order's stock comes.
type Reservation struct {
	Allocations []Allocation `json:"allocations"`
}

// Allocation is how many of a product come from one warehouse.
type Allocation struct {
	ProductID string `json:"productId"`
	Warehouse string `json:"warehouse"` // its code
	Quantity  int    `json:"quantity"`
}

// Shortage says of which product there is too little.
type Shortage struct {
	ProductID string `json:"productId"`
	Available int    `json:"available"`
}

// StockRequest names an order whose reservation is extended until Expires, released, or committed: taken from what is
// on hand because the goods leave. Release succeeds when nothing was ever reserved, and keeps a later Reserve of the
// same order from succeeding. All are idempotent by OrderID; after a commit a release changes nothing.
type StockRequest struct {
	OrderID string    `json:"orderId"`
	Expires time.Time `json:"expires,omitzero"`
}

// RestockRequest puts goods that came back on a warehouse's shelf, once for each ReturnID.
type RestockRequest struct {
	OrderID     string       `json:"orderId"`
	ReturnID    string       `json:"returnId"`
	Allocations []Allocation `json:"allocations"`
}
