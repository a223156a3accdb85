package inventory

import (
	"errors"
	"slices"
	"time"
)

// stock is what one warehouse has of one product. It is one document, changed by one conditional update at a time:
// onHand = avail + reserved, reserved is the sum of res, avail is never below zero.
type stock struct {
	ID        string            `bson:"_id"` // product|warehouse
	Product   string            `bson:"product"`
	Warehouse string            `bson:"warehouse"`
	OnHand    int               `bson:"onHand"`
	Reserved  int               `bson:"reserved"`
	Avail     int               `bson:"avail"`
	Res       map[string]held   `bson:"res"`  // by order
	Done      map[string]ended  `bson:"done"` // orders that ended here: a late reserve finds its mark
	NextExp   *time.Time        `bson:"nextExp,omitempty"`
	Outbox    []movement        `bson:"outbox"`
	Version   int64             `bson:"version"`
	Schema    int               `bson:"schemaVersion"`
	Requests  map[string]string `bson:"requests"` // adjustments done, by their keys' hashes, with their inputs' hashes
}

// held is a reservation of an order.
type held struct {
	Quantity int       `bson:"q"`
	Expires  time.Time `bson:"exp"`
}

// ended says how an order's reservation ended.
type ended struct {
	How string    `bson:"how"` // released, committed
	At  time.Time `bson:"at"`
}

// movement is a change of what is on hand, or (with no quantity) of what can be bought alone. It stands in the outbox of
// the document that it changed until the ledger and the stream have it.
type movement struct {
	Ref  string    `bson:"ref"`  // what caused it; with Kind it is unique
	Kind string    `bson:"kind"` // OPENING, ADJUST, COMMIT, RESTOCK, or AVAILABLE
	Q    int       `bson:"q"`
	At   time.Time `bson:"at"`
}

const (
	kindOpening   = "OPENING"
	kindAdjust    = "ADJUST"
	kindCommit    = "COMMIT"
	kindRestock   = "RESTOCK"
	kindAvailable = "AVAILABLE"
)

func stockID(product, warehouse string) string { return product + "|" + warehouse }

// warehouse is a place that the shop ships from.
type warehouse struct{ id, code, name, country string }

func warehouses() []warehouse {
	return []warehouse{
		{"wh_ber", "BER", "Berlin", "DE"},
		{"wh_liv", "LIV", "Liverpool", "GB"},
		{"wh_lyo", "LYO", "Lyon", "FR"},
	}
}

func warehouseOf(code string) (warehouse, bool) {
	for _, w := range warehouses() {
		if w.code == code {
			return w, true
		}
	}
	return warehouse{}, false
}

// nearest gives the warehouses in the order in which they serve a country: its own first.
func nearest(country string) []warehouse {
	near := map[string][]string{
		"DE": {"BER", "LYO", "LIV"}, "AT": {"BER", "LYO", "LIV"}, "PL": {"BER", "LYO", "LIV"}, "GB": {"LIV", "LYO", "BER"}, "IE": {"LIV", "LYO", "BER"},
		"FR": {"LYO", "BER", "LIV"}, "ES": {"LYO", "BER", "LIV"}, "IT": {"LYO", "BER", "LIV"}, "CH": {"LYO", "BER", "LIV"},
	}[country]
	if near == nil {
		return warehouses()
	}
	all := warehouses()
	slices.SortStableFunc(all, func(a, b warehouse) int { return slices.Index(near, a.code) - slices.Index(near, b.code) })
	return all
}

// Errors of the domain.
var (
	errShort   = errors.New("there is less stock than was asked for")
	errEnded   = errors.New("the order has ended here")
	errUnknown = errors.New("there is no such warehouse")
	errReused  = errors.New("the idempotency key was used with another input")
)
