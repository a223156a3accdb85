package orders

import (
	"slices"
	"time"

	"github.com/lethe/lethe/chassis/money"
	"github.com/lethe/lethe/workflows"
)

// schemaVersion is that of the documents that this code writes.
const schemaVersion = 1

// Order is what a customer bought, and what became of it. Personal data of an order stands here and nowhere else.
// Amounts are in minor units of its currency.
type Order struct {
	ID            string         `bson:"_id"`
	SchemaVersion int            `bson:"schemaVersion"`
	Number        string         `bson:"number"`
	CustomerID    string         `bson:"customerId,omitempty"`
	Status        string         `bson:"status"`
	Reason        string         `bson:"reason,omitempty"`
	Fault         *Fault         `bson:"fault,omitempty"`
	Currency      money.Currency `bson:"currency"`
	Lines         []Line         `bson:"lines"`
	ShippingMinor int64          `bson:"shippingMinor"`
	Address       *Address       `bson:"address,omitempty"`
	Note          string         `bson:"note,omitempty"`
	// PaymentMethod is kept until the payment is captured or given up.
	PaymentMethod string     `bson:"paymentMethod,omitempty"`
	Payment       Payment    `bson:"payment"`
	Invoice       *Invoice   `bson:"invoice,omitempty"`
	Shipments     []Shipment `bson:"shipments"`
	Returns       []Return   `bson:"returns"`
	Timeline      []Event    `bson:"timeline"`
	// InputHash is a keyed hash of what the customer sent, to tell a repeated call from another with the same key.
	InputHash string `bson:"inputHash,omitempty"`
	// Recalled is set before parcels are called back, so that none is made after that.
	Recalled  bool      `bson:"recalled,omitempty"`
	PlacedAt  time.Time `bson:"placedAt"`
	UpdatedAt time.Time `bson:"updatedAt"`
}

// Fault is the product for which an order was refused, and how many of it there are.
type Fault struct {
	ProductID string `bson:"productId"`
	Available int    `bson:"available"`
}

// Line is one product, as sold. Name, SKU and price are empty until the catalogue has quoted them.
type Line struct {
	ID        string `bson:"id"`
	ProductID string `bson:"productId"`
	SKU       string `bson:"sku"`
	Name      string `bson:"name"`
	Quantity  int    `bson:"quantity"`
	UnitMinor int64  `bson:"unitMinor"`
}

// Address is where an order goes. After an erasure only the country and the postal code's district are left.
type Address struct {
	Name        string `bson:"name,omitempty"`
	Line1       string `bson:"line1,omitempty"`
	Line2       string `bson:"line2,omitempty"`
	City        string `bson:"city,omitempty"`
	PostalCode  string `bson:"postalCode,omitempty"`
	CountryCode string `bson:"countryCode"`
	Phone       string `bson:"phone,omitempty"`
}

// Payment is what became of an order's money. Status is one of the graph's, but what was given back follows from the
// refunds.
type Payment struct {
	Status          string   `bson:"status"`
	AuthorisedMinor int64    `bson:"authorisedMinor"`
	CapturedMinor   int64    `bson:"capturedMinor"`
	RefundedMinor   int64    `bson:"refundedMinor"`
	Refunds         []Refund `bson:"refunds"`
	Reference       string   `bson:"reference,omitempty"`
	DeclineCode     string   `bson:"declineCode,omitempty"`
	// Voided is set before a payment is let go, so that none is authorised after that.
	Voided bool `bson:"voided,omitempty"`
	// At is when the payment last changed: the term for disputes runs from it.
	At time.Time `bson:"at,omitempty"`
}

// Refund is money given back, once for each step.
type Refund struct {
	Step  string    `bson:"step"`
	Minor int64     `bson:"minor"`
	At    time.Time `bson:"at"`
}

// Invoice is an order's invoice.
type Invoice struct {
	Number      string    `bson:"number,omitempty"`
	IssuedAt    time.Time `bson:"issuedAt"`
	CountryCode string    `bson:"countryCode"`
	TotalMinor  int64     `bson:"totalMinor"`
}

// Shipment is a parcel with what is in it.
type Shipment struct {
	ID             string    `bson:"id"`
	Status         string    `bson:"status"`
	Warehouse      string    `bson:"warehouse"`
	Items          []Item    `bson:"items"`
	Carrier        string    `bson:"carrier,omitempty"`
	TrackingNumber string    `bson:"trackingNumber,omitempty"`
	ShippedAt      time.Time `bson:"shippedAt,omitempty"`
	DeliveredAt    time.Time `bson:"deliveredAt,omitempty"`
}

// Item is how many of a product are in a parcel.
type Item struct {
	ProductID string `bson:"productId"`
	Quantity  int    `bson:"quantity"`
}

// Return is goods that come back.
type Return struct {
	ID          string       `bson:"id"`
	Lines       []ReturnLine `bson:"lines"`
	Reason      string       `bson:"reason,omitempty"`
	RefundMinor int64        `bson:"refundMinor"`
	// Shelves say which warehouses the goods go back to.
	Shelves     []Shelf   `bson:"shelves"`
	InputHash   string    `bson:"inputHash,omitempty"`
	RequestedAt time.Time `bson:"requestedAt"`
	// Settled is set once the money is given back and the goods are on the shelf.
	Settled bool `bson:"settled"`
}

// ReturnLine is one product that comes back.
type ReturnLine struct {
	LineID   string `bson:"lineId"`
	Quantity int    `bson:"quantity"`
}

// Shelf is how many of a product go back to a warehouse.
type Shelf struct {
	ProductID string `bson:"productId"`
	Warehouse string `bson:"warehouse"`
	Quantity  int    `bson:"quantity"`
}

// Event is something that happened to an order.
type Event struct {
	At     time.Time `bson:"at"`
	Status string    `bson:"status"`
	Actor  string    `bson:"actor"`
}

// Statuses of a payment that are stored.
const (
	paymentNone       = "NONE"
	paymentAuthorised = "AUTHORISED"
	paymentDeclined   = "DECLINED"
	paymentCaptured   = "CAPTURED"
	paymentVoided     = "VOIDED"
)

// before gives the statuses from which an order may go to one: the state machine.
func before(to string) []string {
	switch to {
	case workflows.StatusReserved, workflows.StatusRejected:
		return []string{workflows.StatusPending}
	case workflows.StatusConfirmed:
		return []string{workflows.StatusReserved}
	case workflows.StatusShipped:
		return []string{workflows.StatusConfirmed}
	case workflows.StatusDelivered:
		return []string{workflows.StatusShipped}
	case workflows.StatusCancelled:
		return open()[:3]
	case workflows.StatusFailed:
		return open()
	case workflows.StatusReturned:
		return []string{workflows.StatusDelivered}
	}
	return nil
}

// open gives the statuses of orders that are not at their end.
func open() []string {
	return []string{workflows.StatusPending, workflows.StatusReserved, workflows.StatusConfirmed, workflows.StatusShipped}
}

// ended reports whether nothing of the order changes by itself any more: a return that was asked for goes on by itself.
func (o *Order) ended() bool {
	unsettled := slices.ContainsFunc(o.Returns, func(r Return) bool { return !r.Settled })
	return !slices.Contains(open(), o.Status) && !unsettled
}

// cancellable reports whether an order can still be cancelled, as far as is known here: its workflow has the last word.
func (o *Order) cancellable() bool {
	return slices.Contains(before(workflows.StatusCancelled), o.Status) && !o.Recalled
}

// answered reports whether placing the order has come to an answer.
func (o *Order) answered() bool {
	return o.Status != workflows.StatusPending && o.Status != workflows.StatusReserved
}

func (o *Order) subtotal() int64 {
	var sum int64
	for _, l := range o.Lines {
		sum += l.UnitMinor * int64(l.Quantity)
	}
	return sum
}

func (o *Order) total() int64 { return o.subtotal() + o.ShippingMinor }

func (o *Order) line(id string) *Line {
	for i := range o.Lines {
		if o.Lines[i].ID == id {
			return &o.Lines[i]
		}
	}
	return nil
}

// delivered gives how many of each product have arrived and not come back.
func (o *Order) delivered() map[string]int {
	left := map[string]int{}
	for _, s := range o.Shipments {
		if s.Status != workflows.ShipmentDelivered {
			continue
		}
		for _, i := range s.Items {
			left[i.ProductID] += i.Quantity
		}
	}
	for _, r := range o.Returns {
		for _, l := range r.Lines {
			if line := o.line(l.LineID); line != nil {
				left[line.ProductID] -= l.Quantity
			}
		}
	}
	return left
}

// now is the present as documents keep it: in UTC, in milliseconds.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func (o *Order) unitPrice(productID string) int64 {
	for _, l := range o.Lines {
		if l.ProductID == productID {
			return l.UnitMinor
		}
	}
	return 0
}
