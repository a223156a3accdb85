// Package shipping is how Lethe sends parcels: a client of a courier's API and its feed of events, and a sandbox courier
// whose parcels arrive within seconds. The courier is given an address to print a label from, and nothing else about a
// person.
package shipping

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options say where the courier is.
type Options struct {
	// BaseURL is the address of the courier's API.
	BaseURL string
	// Key is the secret shared with the courier, sent as a bearer token.
	Key []byte
	// Timeout bounds one request, beside what it asks the courier to wait; ten seconds when zero.
	Timeout time.Duration
}

// Client asks a courier to take parcels.
type Client struct {
	base    string
	key     string
	timeout time.Duration
	http    *http.Client
}

// New gives a client. It sends nothing yet.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.BaseURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the address of the courier is not a URL such as https://courier.example")
	}
	if len(o.Key) < 16 {
		return nil, errors.New("the key of the courier must have at least 16 bytes")
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	return &Client{strings.TrimRight(o.BaseURL, "/"), token(o.Key), o.Timeout, &http.Client{}}, nil
}

func token(key []byte) string { return base64.RawURLEncoding.EncodeToString(key) }

// Address is where a parcel goes.
type Address struct {
	Name        string `json:"name"`
	Line1       string `json:"line1"`
	Line2       string `json:"line2,omitempty"`
	City        string `json:"city"`
	PostalCode  string `json:"postal_code"`
	CountryCode string `json:"country_code"`
	Phone       string `json:"phone,omitempty"`
}

// Parcel is what the courier is asked to take. ID is ours: with it a repeated request makes no second parcel.
type Parcel struct {
	ID        string  `json:"reference"`
	OrderID   string  `json:"order_id"`
	Warehouse string  `json:"warehouse"`
	Address   Address `json:"address"`
	// HoldAt asks the courier to leave the parcel in this status until it is expedited; empty for not at all.
	HoldAt string `json:"hold_at,omitempty"`
}

// Label is the courier's answer to a parcel.
type Label struct {
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"tracking_number"`
	Status         string `json:"status"`
}

// Statuses of a parcel at the courier.
const (
	StatusPreparing      = "PREPARING"
	StatusInTransit      = "IN_TRANSIT"
	StatusOutForDelivery = "OUT_FOR_DELIVERY"
	StatusDelivered      = "DELIVERED"
	StatusUndeliverable  = "UNDELIVERABLE"
	StatusCancelled      = "CANCELLED"
)

// ErrTooLate is the courier's refusal to cancel a parcel that it has taken, or to take one that was cancelled.
var ErrTooLate = errors.New("the courier says that it is too late")

// ErrRefused is the courier's refusal of a parcel that it cannot take, such as one whose address is no address.
var ErrRefused = errors.New("the courier refuses the parcel")

// ErrUnknown is the courier's answer about a parcel that it never heard of.
var ErrUnknown = errors.New("the courier does not know the parcel")

// Create has a label made. It is idempotent by the parcel's id.
func (c *Client) Create(ctx context.Context, p Parcel) (Label, error) {
	var l Label
	return l, c.do(ctx, "make a label", http.MethodPost, "/v1/shipments", p, &l)
}

// Status gives where a parcel stands.
func (c *Client) Status(ctx context.Context, id string) (Label, error) {
	var l Label
	return l, c.do(ctx, "read a parcel", http.MethodGet, "/v1/shipments/"+url.PathEscape(id), nil, &l)
}

// Cancel calls a parcel back that the courier has not taken yet. It succeeds when the courier never heard of it, and keeps
// a late [Client.Create] from succeeding.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.do(ctx, "call a parcel back", http.MethodPost, "/v1/shipments/"+url.PathEscape(id)+"/cancel", nil, nil)
}

// Expedite asks the courier to hurry: a parcel that is held moves on.
func (c *Client) Expedite(ctx context.Context, id string) error {
	return c.do(ctx, "expedite a parcel", http.MethodPost, "/v1/shipments/"+url.PathEscape(id)+"/expedite", nil, nil)
}

// Event is what a courier tells about a parcel. Sequence numbers rise by one.
type Event struct {
	Sequence int64     `json:"sequence"`
	ParcelID string    `json:"reference"`
	OrderID  string    `json:"order_id"`
	Status   string    `json:"status"`
	At       time.Time `json:"at"`
}

// MaxEvents is how many events the feed gives at once.
const MaxEvents = 200

// Events gives the events after a sequence number, oldest first. Where there are none it waits for one for as long as told,
// at most [MaxWait], and then gives none.
func (c *Client) Events(ctx context.Context, after int64, wait time.Duration) ([]Event, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout+wait)
	defer cancel()
	var out feed
	err := c.do(ctx, "read the courier's events", http.MethodGet, fmt.Sprintf("/v1/events?after=%d&wait=%d", after, int(wait.Seconds())), nil, &out)
	if err == nil && len(out.Events) > MaxEvents {
		return nil, errors.New("read the courier's events: it gave more than it may")
	}
	return out.Events, err
}

// MaxWait is how long the feed waits for an event at most.
const MaxWait = 25 * time.Second

type feed struct {
	Events []Event `json:"events"`
}

// maxAnswer bounds what is read of the courier's answers, in bytes.
const maxAnswer = 256 << 10

func (c *Client) do(ctx context.Context, what, method, path string, in, out any) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: the courier did not answer in time: %w", what, ctx.Err())
		}
		return fmt.Errorf("%s: the courier cannot be reached", what)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("%s: read the courier's answer: %w", what, err)
	case resp.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s: %w", what, ErrUnknown)
	case resp.StatusCode == http.StatusConflict:
		return fmt.Errorf("%s: %w", what, ErrTooLate)
	case resp.StatusCode == http.StatusUnprocessableEntity:
		return fmt.Errorf("%s: %w", what, ErrRefused)
	case resp.StatusCode >= http.StatusMultipleChoices:
		return fmt.Errorf("%s: the courier answered %d", what, resp.StatusCode)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("%s: the courier's answer cannot be read", what)
	}
	return nil
}
