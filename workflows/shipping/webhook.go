package shipping

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// SignatureHeader carries the signature of a courier's event: "t=<seconds since 1970>,v1=<hex HMAC-SHA256 of t, a dot
// and the body>".
const SignatureHeader = "Courier-Signature"

// tolerance is how old an event's signature may be, so that a recorded one cannot be sent again later.
const tolerance = 5 * time.Minute

// Event is what a courier tells about a parcel.
type Event struct {
	ID       string    `json:"id"`
	ParcelID string    `json:"reference"`
	OrderID  string    `json:"order_id"`
	Status   string    `json:"status"`
	At       time.Time `json:"at"`
}

// ErrSignature is answered to an event that the courier did not sign, or not lately.
var ErrSignature = errors.New("the event is not signed by the courier")

// ErrEvent is answered to a signed event that cannot be read.
var ErrEvent = errors.New("the event cannot be read")

// Sign gives the value of [SignatureHeader] for a body.
func Sign(secret, body []byte, at time.Time) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(signature(secret, t, body))
}

func signature(secret []byte, t string, body []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(t + "."))
	_, _ = mac.Write(body)
	return mac.Sum(nil)
}

// Open reads an event whose signature holds at a moment.
func Open(secret, body []byte, header string, now time.Time) (Event, error) {
	stamp, sum, ok := strings.Cut(header, ",")
	t, isTime := strings.CutPrefix(stamp, "t=")
	v1, isSum := strings.CutPrefix(sum, "v1=")
	if !ok || !isTime || !isSum || len(secret) == 0 {
		return Event{}, ErrSignature
	}
	given, err := hex.DecodeString(v1)
	if err != nil || !hmac.Equal(given, signature(secret, t, body)) {
		return Event{}, ErrSignature
	}
	seconds, err := strconv.ParseInt(t, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return Event{}, ErrSignature
	}
	var e Event
	if json.Unmarshal(body, &e) != nil || e.ID == "" || e.ParcelID == "" || e.OrderID == "" || e.Status == "" {
		return Event{}, ErrEvent
	}
	return e, nil
}
