package workflows

import "time"

// WorkflowErase erases one customer everywhere. Input [EraseRequest], no result: the erasure's record is what is read.
const WorkflowErase = "erasure.Erase"

// Updates of [WorkflowErase]. Each is refused with [ErrTypeTooLate] or [ErrTypeWrongState] where the state does not allow
// it, and with [ErrTypeSecondPerson] where the same person did the first half.
const (
	UpdateApproveErasure = "approve" // StaffAction
	UpdateCancelErasure  = "cancel"  // StaffAction; answers once all is undone, or after a while
	UpdateRetryStep      = "retry"   // StepAction
	UpdateWaiveStep      = "waive"   // StepAction
)

// ErrTypeSecondPerson is answered to a person who may not do both halves of what takes two.
const ErrTypeSecondPerson = "SecondPersonNeeded"

// What a service promises to an erasure: activities on its own queue [PrivacyQueue].
const (
	PrivacyDescribe   = "privacy.Describe"   // SubjectRef -> Manifest
	PrivacyLocate     = "privacy.Locate"     // SubjectRef -> Located; reads only
	PrivacyRestrict   = "privacy.Restrict"   // SubjectRef
	PrivacyUnrestrict = "privacy.Unrestrict" // SubjectRef
	PrivacyDrain      = "privacy.Drain"      // DrainRequest -> Located; starts what ends the blockers
	PrivacyRemember   = "privacy.Remember"   // SubjectRef; keeps the subject's own values, encrypted, for Verify
	PrivacySeal       = "privacy.Seal"       // SubjectRef; writes the tombstones; irreversible
	PrivacyErase      = "privacy.Erase"      // EraseStep -> Receipt
	PrivacyVerify     = "privacy.Verify"     // SubjectRef -> Findings
	PrivacyHistories  = "privacy.Histories"  // SubjectRef -> Histories; whose workflows ran for the subject
	PrivacyNotify     = "privacy.Notify"     // SubjectRef -> Notified; tells those outside whom the service gave data to
	PrivacyForget     = "privacy.Forget"     // SubjectRef; destroys what Remember kept
	PrivacyExport     = "privacy.Export"     // SubjectRef -> ExportRef
)

// Activities of the erasure itself, done by the worker or by the service that keeps the records.
const (
	ErasurePlan        = "erasure.Plan"        // EraseRequest -> ErasurePlanned
	ErasureRecord      = "erasure.Record"      // ErasureProgress
	ErasureLedger      = "erasure.Ledger"      // LedgerEntry
	ErasurePurge       = "erasure.Purge"       // SubjectRef -> Receipt; caches
	ErasureHistories   = "erasure.Histories"   // Histories -> Receipt; deletes those of workflows that have ended
	ErasureCertificate = "erasure.Certificate" // CertificateRequest -> CertificateIssued
)

// QueueErasure is where the records of erasures are kept: the customers service.
const QueueErasure = "erasure"

// States of an erasure, as the graph names them. They come in this order; the last five stand beside it.
const (
	StateRequested        = "REQUESTED"
	StateAssessing        = "ASSESSING"
	StateAwaitingApproval = "AWAITING_APPROVAL"
	StateGrace            = "GRACE"
	StateDraining         = "DRAINING"
	StateSealed           = "SEALED" // the point of no return
	StateErasing          = "ERASING"
	StateShredding        = "SHREDDING"
	StateNotifying        = "NOTIFYING"
	StateVerifying        = "VERIFYING"
	StateCompleted        = "COMPLETED"
	StateRetaining        = "RETAINING"
	StateClosed           = "CLOSED"
	StateRejected         = "REJECTED"
	StateCancelled        = "CANCELLED"
	StateNeedsOperator    = "NEEDS_OPERATOR"
)

// Statuses of a step, as the graph names them.
const (
	StepRunning = "RUNNING"
	StepDone    = "DONE"
	StepParked  = "PARKED"
	StepWaived  = "WAIVED"
)

// EraseID gives the id of the workflow that erases a subject: its keyed hash, so that there is one at a time.
func EraseID(subjectHash string) string { return "erase/" + subjectHash }

// SubjectRef names the subject of an erasure.
type SubjectRef struct {
	ErasureID  string `json:"erasureId"`
	CustomerID string `json:"customerId"` // opaque; holds nothing of the person
}

// EraseRequest is the input of [WorkflowErase].
type EraseRequest struct {
	SubjectRef
	SubjectHash string    `json:"subjectHash"`
	Ground      string    `json:"ground"`
	Regulation  string    `json:"regulation"`
	ReceivedAt  time.Time `json:"receivedAt"`
	DueAt       time.Time `json:"dueAt"`
	RequestedBy string    `json:"requestedBy"` // staff id
	Approval    bool      `json:"approval"`    // whether a second person must approve
	GraceDays   int       `json:"graceDays"`
	CancelOpen  bool      `json:"cancelOpen"` // cancel open orders rather than finish them
}

// StaffAction is a command by a member of staff.
type StaffAction struct {
	By string `json:"by"` // staff id
}

// StepAction is a command about one step.
type StepAction struct {
	By     string `json:"by"`
	StepID string `json:"stepId"`
	// Reason stands in the certificate. It is checked to be free of the subject's own values before it gets here.
	Reason string `json:"reason,omitempty"`
}

// ManifestEntry says what a service holds under one field of the schema and what an erasure does to it.
type ManifestEntry struct {
	Path     string `json:"path"` // "Order.note"
	Category string `json:"category"`
	Action   string `json:"action"` // DELETE, UNSET, GENERALISE, RETAIN
	Rule     string `json:"rule,omitempty"`
}

// Manifest is what a service says of itself. Hash covers the entries; it must equal the hash of what the composed schema
// says of the service.
type Manifest struct {
	Service string          `json:"service"`
	Entries []ManifestEntry `json:"entries"`
	Hash    string          `json:"hash"`
}

// Located is how much a service holds of a subject. It holds no values.
type Located struct {
	Service  string     `json:"service"`
	Paths    []PathHeld `json:"paths"`
	Blockers []Blocker  `json:"blockers,omitempty"`
}

// PathHeld is how many values a service holds under one path.
type PathHeld struct {
	Path   string    `json:"path"`
	Action string    `json:"action"`
	Count  int       `json:"count"`
	Rule   string    `json:"rule,omitempty"`
	Until  time.Time `json:"until,omitzero"` // when the last of it may go
}

// Total gives how many values are held under paths with one of the actions; with none given, under all.
func (l Located) Total(actions ...string) int {
	n := 0
	for _, p := range l.Paths {
		if len(actions) == 0 {
			n += p.Count
		}
		for _, a := range actions {
			if p.Action == a {
				n += p.Count
			}
		}
	}
	return n
}

// Blocker is something that must end before the seal.
type Blocker struct {
	Kind  string `json:"kind"` // OPEN_ORDER, OPEN_REFUND
	Count int    `json:"count"`
}

// DrainRequest asks a service to end what is open.
type DrainRequest struct {
	SubjectRef
	Cancel bool `json:"cancel"`
}

// EraseStep asks a service to erase. Located is what it said it holds just before.
type EraseStep struct {
	SubjectRef
	StepID  string  `json:"stepId"`
	Located Located `json:"located"`
}

// Receipt says what a step did. Matched is Changed plus what is retained, or the step has failed.
type Receipt struct {
	Service      string     `json:"service"`
	Matched      int        `json:"matched"`
	Changed      int        `json:"changed"`
	Retained     []PathHeld `json:"retained,omitempty"`
	Remaining    int        `json:"remaining"`
	ManifestHash string     `json:"manifestHash,omitempty"`
	Signature    string     `json:"signature,omitempty"` // HMAC of all before it, hex
}

// Findings are what a verification found of the subject. All of it empty is a clean store.
type Findings struct {
	Service   string    `json:"service"`
	Documents int       `json:"documents"` // read
	Tokens    int       `json:"tokens"`    // searched for
	Found     []Finding `json:"found,omitempty"`
}

// Finding is a place that still holds something of the subject.
type Finding struct {
	Store string `json:"store"`
	Count int    `json:"count"`
}

// ExportRef leads to an encrypted export in the service's own database.
type ExportRef struct {
	Service string `json:"service"`
	Ref     string `json:"ref"`
}

// Histories are the ids of workflows that ran for a subject; they are opaque.
type Histories struct {
	WorkflowIDs []string `json:"workflowIds"`
}

// Notified is whom a service told of an erasure.
type Notified struct {
	Recipients []Recipient `json:"recipients"`
}

// Recipient is one outside the shop to whom data was disclosed: GDPR Art. 19 wants it told.
type Recipient struct {
	Name string `json:"name"`
	// Answer is ERASED or ACCEPTED. Accepted is not yet done.
	Answer string `json:"answer"`
	Count  int    `json:"count"` // of what was disclosed
}

// Errors of the privacy contract, as types of application errors.
const (
	// ErrTypeManifestMismatch: a service declares other data than the schema.
	ErrTypeManifestMismatch = "MANIFEST_MISMATCH"
	// ErrTypeCountMismatch: the counts of a receipt do not agree.
	ErrTypeCountMismatch = "COUNT_MISMATCH"
	// ErrTypeNoParticipant: nobody works off the service's queue.
	ErrTypeNoParticipant = "NO_PARTICIPANT"
	// ErrTypeResidue: a verification found something.
	ErrTypeResidue = "RESIDUE"
)

// ErasurePlanned is which services take part, in waves: those of one wave erase at once, the wave of the data subject's
// own service comes last.
type ErasurePlanned struct {
	Waves [][]string          `json:"waves"`
	Want  map[string]Manifest `json:"want"` // what the schema says of each
	Hash  string              `json:"hash"`
}

// StepState is one step of an erasure.
type StepState struct {
	ID        string    `json:"id"`
	Service   string    `json:"service"`
	Name      string    `json:"name"`
	Status    string    `json:"status"` // as the graph names them
	Attempts  int       `json:"attempts"`
	LastError string    `json:"lastError,omitempty"` // a type of error, never a text
	Matched   *int      `json:"matched,omitempty"`
	Changed   *int      `json:"changed,omitempty"`
	StartedAt time.Time `json:"startedAt,omitzero"`
	EndedAt   time.Time `json:"endedAt,omitzero"`
	WaivedBy  string    `json:"waivedBy,omitempty"`
	Reason    string    `json:"reason,omitempty"`
}

// ErasureProgress is where an erasure stands. Sequence grows with every write: an older one never replaces a newer.
type ErasureProgress struct {
	SubjectRef
	Sequence    int         `json:"sequence"`
	Status      string      `json:"status"`
	ApprovedBy  string      `json:"approvedBy,omitempty"`
	GraceUntil  time.Time   `json:"graceUntil,omitzero"`
	SealedAt    time.Time   `json:"sealedAt,omitzero"`
	CompletedAt time.Time   `json:"completedAt,omitzero"`
	WaitingFor  string      `json:"waitingFor,omitempty"`
	Steps       []StepState `json:"steps"`
	Retained    []PathHeld  `json:"retained,omitempty"`
	// Certificate is the signed document, to the byte; it holds no personal data.
	Certificate string    `json:"certificate,omitempty"`
	IssuedAt    time.Time `json:"issuedAt,omitzero"`
}

// LedgerEntry is a line of the append-only ledger of erasures.
type LedgerEntry struct {
	SubjectRef
	SubjectHash string    `json:"subjectHash"`
	Event       string    `json:"event"` // REQUESTED, SEALED, COMPLETED, CANCELLED, REJECTED
	At          time.Time `json:"at"`
	PlanHash    string    `json:"planHash,omitempty"`
}

// CertificateRequest is what a certificate is made of. It holds counts, dates, hashes and staff ids.
type CertificateRequest struct {
	EraseRequest
	ApprovedBy string      `json:"approvedBy,omitempty"`
	SealedAt   time.Time   `json:"sealedAt"`
	ErasedAt   time.Time   `json:"erasedAt"`
	PlanHash   string      `json:"planHash"`
	Receipts   []Receipt   `json:"receipts"`
	Findings   []Findings  `json:"findings"`
	Recipients []Recipient `json:"recipients,omitempty"`
	// KeysDestroyed are the services whose dossier was destroyed with its key.
	KeysDestroyed []string    `json:"keysDestroyed,omitempty"`
	Waived        []StepState `json:"waived,omitempty"`
}

// CertificateIssued is a certificate that was made.
type CertificateIssued struct {
	IssuedAt time.Time `json:"issuedAt"`
	Document string    `json:"document"`
}

// Total gives how many documents hold something.
func (f Findings) Total() int {
	n := 0
	for _, x := range f.Found {
		n += x.Count
	}
	return n
}
