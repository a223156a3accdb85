package customers

import (
	"time"

	"github.com/lethe/lethe/workflows"
)

// ended tells the statuses at which nothing happens any more: the record no longer keeps another from beginning.
func ended(status string) bool {
	switch status {
	case workflows.StateRejected, workflows.StateCancelled, workflows.StateCompleted, workflows.StateRetaining, workflows.StateClosed:
		return true
	}
	return false
}

// goesOn reports whether more will happen to an erasure with a status by itself: one that is proven still learns what is
// kept.
func goesOn(status string) bool { return !ended(status) || status == workflows.StateCompleted }

// Erasure is the record of one erasure: what people read of it. The workflow writes it through an activity. It belongs to
// the customer as well: who it was and what staff wrote go with the rest.
type Erasure struct {
	ID            string `bson:"_id"`
	SchemaVersion int    `bson:"schemaVersion"`
	CustomerID    string `bson:"customerId,omitempty"`
	// Subject is the tombstone of the customer's id.
	Subject string `bson:"subject"`
	// Active is the subject again while the erasure is under way: it is unique, so that there is one at a time.
	Active       string `bson:"active,omitempty"`
	Reason       string `bson:"reason,omitempty"`
	CancelReason string `bson:"cancelReason,omitempty"`

	Ground      string    `bson:"ground"`
	Regulation  string    `bson:"regulation"`
	ReceivedAt  time.Time `bson:"receivedAt"`
	DueAt       time.Time `bson:"dueAt"`
	GraceDays   int       `bson:"graceDays"`
	Approval    bool      `bson:"approval"`
	OpenOrders  string    `bson:"openOrders"`
	RequestedBy string    `bson:"requestedBy"`
	RequestedAt time.Time `bson:"requestedAt"`

	Sequence    int       `bson:"sequence"`
	Status      string    `bson:"status"`
	ApprovedBy  string    `bson:"approvedBy,omitempty"`
	GraceUntil  time.Time `bson:"graceUntil,omitempty"`
	SealedAt    time.Time `bson:"sealedAt,omitempty"`
	CompletedAt time.Time `bson:"completedAt,omitempty"`
	WaitingFor  string    `bson:"waitingFor,omitempty"`
	Steps       []Step    `bson:"steps"`
	Retained    []Kept    `bson:"retained"`
	Certificate string    `bson:"certificate,omitempty"`
	IssuedAt    time.Time `bson:"issuedAt,omitempty"`
	UpdatedAt   time.Time `bson:"updatedAt"`
}

// Step is what one service does in an erasure.
type Step struct {
	ID        string    `bson:"id"`
	Service   string    `bson:"service"`
	Name      string    `bson:"name"`
	Status    string    `bson:"status"`
	Attempts  int       `bson:"attempts"`
	LastError string    `bson:"lastError,omitempty"`
	Matched   *int      `bson:"matched,omitempty"`
	Changed   *int      `bson:"changed,omitempty"`
	StartedAt time.Time `bson:"startedAt,omitempty"`
	EndedAt   time.Time `bson:"endedAt,omitempty"`
}

// Kept is data that the erasure keeps.
type Kept struct {
	Path  string    `bson:"path"`
	Rule  string    `bson:"rule"`
	Until time.Time `bson:"until"`
	Count int       `bson:"count"`
}

// request gives the input of the erasure's workflow.
func (e *Erasure) request() workflows.EraseRequest {
	return workflows.EraseRequest{
		SubjectRef:  workflows.SubjectRef{ErasureID: e.ID, CustomerID: e.CustomerID},
		SubjectHash: e.Subject, Ground: e.Ground, Regulation: e.Regulation, ReceivedAt: e.ReceivedAt, DueAt: e.DueAt,
		RequestedBy: e.RequestedBy, Approval: e.Approval, GraceDays: e.GraceDays, CancelOpen: e.OpenOrders == openOrdersCancel,
	}
}

const openOrdersCancel = "CANCEL"

// Regulations, as the graph names them.
const regulationCCPA = "CCPA"

// due gives when the law wants an erasure done. GDPR Art. 12(3): one month of receipt, which ends on the last day of a
// month that has no such day (Regulation 1182/71 Art. 3(2)(c)). CCPA § 1798.130(a)(2): 45 days.
func due(regulation string, received time.Time) time.Time {
	if regulation == regulationCCPA {
		return received.AddDate(0, 0, 45)
	}
	next := received.AddDate(0, 1, 0)
	if next.Day() != received.Day() {
		next = next.AddDate(0, 0, -next.Day())
	}
	return next
}
