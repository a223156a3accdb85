package workflows

import "time"

// Workflows of fulfilment.
const (
	// WorkflowFulfil takes an order from placed to delivered, or undoes it. Input [FulfilRequest], result [FulfilResult].
	WorkflowFulfil = "fulfilment.Fulfil"
	// WorkflowReturn refunds goods that come back and puts them on the shelf. Input [ReturnRequest], no result.
	WorkflowReturn = "fulfilment.Return"
)

// FulfilID gives the id of the workflow that fulfils an order.
func FulfilID(orderID string) string { return "fulfil/" + orderID }

// ReturnID gives the id of the workflow that carries out a return.
func ReturnID(returnID string) string { return "return/" + returnID }

// Updates of [WorkflowFulfil].
const (
	// UpdatePlace waits until the order is accepted or refused. No argument, answers [PlaceAnswer].
	UpdatePlace = "place"
	// UpdateCancel takes a [CancelRequest] and answers once everything is undone. It is refused with [ErrTypeTooLate]
	// from the moment a parcel is handed over.
	UpdateCancel = "cancel"
	// UpdateShipment takes a [ShipmentEvent] and answers once it is recorded. It is refused with
	// [ErrTypeUnknownShipment] or, when the parcel has already gone further, [ErrTypeTooLate].
	UpdateShipment = "shipment"
	// UpdateExpedite ends every wait that the shop itself can end: an order placed for later starts, a payment that the
	// customer never confirmed lapses, the courier is asked to hurry. No argument, no answer.
	UpdateExpedite = "expedite"
)

// Activities that the orders service does, on its own queue.
const (
	ActivityPrice      = "orders.Price"      // PriceRequest
	ActivityAdvance    = "orders.Advance"    // Transition
	ActivityAuthorise  = "orders.Authorise"  // OrderRef -> Authorisation
	ActivityAuthorised = "orders.Authorised" // OrderRef -> Authorisation, for a payment that the customer must confirm
	ActivityVoid       = "orders.Void"       // OrderRef
	ActivityDispatch   = "orders.Dispatch"   // DispatchRequest -> Tracking
	ActivityRecall     = "orders.Recall"     // OrderRef -> Tracking
	ActivityShipment   = "orders.Shipment"   // ShipmentEvent
	ActivityTrack      = "orders.Track"      // OrderRef -> Tracking
	ActivityExpedite   = "orders.Expedite"   // OrderRef
	ActivityCapture    = "orders.Capture"    // OrderRef
	ActivityInvoice    = "orders.Invoice"    // OrderRef
	ActivityRefund     = "orders.Refund"     // RefundRequest
	ActivitySettle     = "orders.Settle"     // ReturnRequest
)

// Types of application errors of orders and its workflows.
const (
	// ErrTypePaymentDeclined has a [Decline] as its details.
	ErrTypePaymentDeclined = "PaymentDeclined"
	// ErrTypeTooLate is answered to an update for which the order has gone too far.
	ErrTypeTooLate = "TooLate"
	// ErrTypeUnknownShipment is answered to an event about a parcel that the order does not have.
	ErrTypeUnknownShipment = "UnknownShipment"
	// ErrTypeWrongState is answered by an activity to a step that the order's state does not allow.
	ErrTypeWrongState = "WrongState"
)

// Statuses of an order, as the graph names them.
const (
	StatusPending   = "PENDING"
	StatusReserved  = "RESERVED"
	StatusConfirmed = "CONFIRMED"
	StatusShipped   = "SHIPPED"
	StatusDelivered = "DELIVERED"
	StatusCancelled = "CANCELLED"
	StatusFailed    = "FAILED"
	StatusReturned  = "RETURNED"
	// StatusRejected is an order that was never taken, because a product in it does not exist. The graph never shows it:
	// it is kept so that a repeated call learns the same.
	StatusRejected = "REJECTED"
)

// Reasons why an order ended without delivery, as the graph names them.
const (
	ReasonCustomer           = "CUSTOMER"
	ReasonStaff              = "STAFF"
	ReasonErasure            = "ERASURE"
	ReasonOutOfStock         = "OUT_OF_STOCK"
	ReasonPaymentDeclined    = "PAYMENT_DECLINED"
	ReasonPaymentUnavailable = "PAYMENT_UNAVAILABLE"
	ReasonReservationExpired = "RESERVATION_EXPIRED"
	ReasonUndeliverable      = "UNDELIVERABLE"
	// ReasonUnknownProduct goes with [StatusRejected] alone.
	ReasonUnknownProduct = "UNKNOWN_PRODUCT"
)

// Who caused something, as the graph names them.
const (
	ActorCustomer = "CUSTOMER"
	ActorStaff    = "STAFF"
	ActorSystem   = "SYSTEM"
	ActorCourier  = "COURIER"
)

// Statuses of a parcel, as the graph names them.
const (
	ShipmentPreparing      = "PREPARING"
	ShipmentInTransit      = "IN_TRANSIT"
	ShipmentOutForDelivery = "OUT_FOR_DELIVERY"
	ShipmentDelivered      = "DELIVERED"
	ShipmentUndeliverable  = "UNDELIVERABLE"
)

// ShipmentRank orders the statuses of a parcel: it only ever goes to a higher rank. The last two have the same. Unknown
// statuses have rank 0.
func ShipmentRank(status string) int {
	switch status {
	case ShipmentPreparing:
		return 1
	case ShipmentInTransit:
		return 2
	case ShipmentOutForDelivery:
		return 3
	case ShipmentDelivered, ShipmentUndeliverable:
		return 4
	}
	return 0
}

// Terms are how long fulfilment waits for others. They travel in the workflow's input, so that an order keeps the terms
// it was placed under.
type Terms struct {
	// StartAfter holds an order back before anything is reserved: an order placed for later.
	StartAfter time.Duration `json:"startAfter,omitempty"`
	// ReserveFor is how long stock waits for the customer's payment.
	ReserveFor time.Duration `json:"reserveFor"`
	// AuthoriseWithin is how long a payment provider that fails is asked again.
	AuthoriseWithin time.Duration `json:"authoriseWithin"`
	// HandOverWithin is how long parcels may wait for the courier before the order is given up.
	HandOverWithin time.Duration `json:"handOverWithin"`
	// DeliverWithin is how long the courier may be silent about a parcel on its way before it counts as lost.
	DeliverWithin time.Duration `json:"deliverWithin"`
	// TrackEvery is how often the courier is asked for events that did not reach us.
	TrackEvery time.Duration `json:"trackEvery"`
	// HoldAt asks the courier to leave the parcels in this status until they are moved by hand or expedited; empty for
	// not at all.
	HoldAt string `json:"holdAt,omitempty"`
}

// DefaultTerms are those of an order that a customer places.
func DefaultTerms() Terms {
	return Terms{
		ReserveFor:      15 * time.Minute,
		AuthoriseWithin: time.Minute,
		HandOverWithin:  7 * 24 * time.Hour,
		DeliverWithin:   14 * 24 * time.Hour,
		TrackEvery:      time.Hour,
	}
}

// FulfilRequest starts [WorkflowFulfil].
type FulfilRequest struct {
	OrderID     string `json:"orderId"`
	Lines       []Line `json:"lines"`
	Currency    string `json:"currency"`
	CountryCode string `json:"countryCode"`
	Terms       Terms  `json:"terms"`
}

// FulfilResult is how an order ended.
type FulfilResult struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// PlaceAnswer is the status of an order once it is accepted (confirmed, or reserved while the customer confirms the
// payment) or refused (with the reason).
type PlaceAnswer struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// CancelRequest says who cancels an order and why: one of the reasons.
type CancelRequest struct {
	Actor  string `json:"actor"`
	Reason string `json:"reason"`
}

// ShipmentEvent is what happened to a parcel. An empty ShipmentID means every parcel of the order, an empty Status the
// next one of each.
type ShipmentEvent struct {
	OrderID    string `json:"orderId"`
	ShipmentID string `json:"shipmentId,omitempty"`
	Status     string `json:"status,omitempty"`
	Actor      string `json:"actor"`
}

// OrderRef names an order.
type OrderRef struct {
	OrderID string `json:"orderId"`
}

// PriceRequest writes an order's prices down as they were quoted.
type PriceRequest struct {
	OrderID string `json:"orderId"`
	Quote   Quote  `json:"quote"`
}

// Transition moves an order to a status. It is idempotent: an order that already has the status stays as it is. A
// transition that the state machine does not have is an error of type [ErrTypeWrongState].
type Transition struct {
	OrderID string `json:"orderId"`
	To      string `json:"to"`
	Reason  string `json:"reason,omitempty"`
	Actor   string `json:"actor"`
	// ProductID is the product at fault, for the reasons OUT_OF_STOCK and UNKNOWN_PRODUCT, and Available how many there are.
	ProductID string `json:"productId,omitempty"`
	Available int    `json:"available,omitempty"`
}

// Authorisation says whether the money is set aside, or waits for the customer to confirm it with its bank.
type Authorisation struct {
	Pending bool `json:"pending,omitempty"`
}

// Decline is why a payment provider refused, in its own code.
type Decline struct {
	Code string `json:"code"`
}

// DispatchRequest has the parcels of an order made ready, one for each warehouse.
type DispatchRequest struct {
	OrderID     string       `json:"orderId"`
	Allocations []Allocation `json:"allocations"`
	HoldAt      string       `json:"holdAt,omitempty"`
}

// Parcel is one shipment of an order and where it stands.
type Parcel struct {
	ID        string `json:"id"`
	Warehouse string `json:"warehouse"`
	Status    string `json:"status"`
}

// Tracking is where the parcels of an order stand.
type Tracking struct {
	Parcels []Parcel `json:"parcels"`
}

// RefundRequest gives money of an order back, once for each Step. What remains of the order is given back at most.
type RefundRequest struct {
	OrderID string `json:"orderId"`
	Step    string `json:"step"`
	// Parcels are those whose lines are refunded; with all parcels of the order, the shipping cost too.
	Parcels []string `json:"parcels,omitempty"`
	// ReturnID is the return that is refunded, in place of parcels.
	ReturnID string `json:"returnId,omitempty"`
}

// ReturnRequest starts [WorkflowReturn]. Allocations say which warehouses the goods go back to.
type ReturnRequest struct {
	OrderID     string       `json:"orderId"`
	ReturnID    string       `json:"returnId"`
	Allocations []Allocation `json:"allocations"`
}
