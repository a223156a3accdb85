// Package certificate is the proof of an erasure: signed JSON without personal data, which anyone can check offline.
package certificate

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Version of the format.
const Version = "lethe-erasure-certificate/1"

// Certificate says what an erasure did. All of it is counts, dates, hashes, names of the schema and staff ids.
type Certificate struct {
	Version     string    `json:"version"`
	ErasureID   string    `json:"erasureId"`
	Subject     string    `json:"subject"` // keyed hash
	Ground      string    `json:"ground"`
	Regulation  string    `json:"regulation"`
	ReceivedAt  time.Time `json:"receivedAt"`
	DueAt       time.Time `json:"dueAt"`
	SealedAt    time.Time `json:"sealedAt"`
	ErasedAt    time.Time `json:"erasedAt"`
	IssuedAt    time.Time `json:"issuedAt"`
	RequestedBy string    `json:"requestedBy"` // staff id
	ApprovedBy  string    `json:"approvedBy,omitempty"`
	PlanHash    string    `json:"planHash"`
	Receipts    []Receipt `json:"receipts"`
	Retained    []Kept    `json:"retained"`
	Waived      []Waived  `json:"waived"`
	// Recipients are those outside to whom data was disclosed and who were told: GDPR Art. 19.
	Recipients []Recipient `json:"recipients"`
	// KeysDestroyed are the services that destroyed what they remembered for the verification, with its key.
	KeysDestroyed []string  `json:"keysDestroyed"`
	Verified      []Checked `json:"verified"`
	// Previous is the SHA-256 of the certificate issued before this one; empty for the first.
	Previous string `json:"previous"`
}

// Receipt is what one service did.
type Receipt struct {
	Service      string `json:"service"`
	Matched      int    `json:"matched"`
	Changed      int    `json:"changed"`
	Retained     int    `json:"retained"`
	Remaining    int    `json:"remaining"`
	ManifestHash string `json:"manifestHash,omitempty"`
}

// Kept is data that outlives the erasure, and why.
type Kept struct {
	Service string    `json:"service"`
	Path    string    `json:"path"`
	Rule    string    `json:"rule"`
	Basis   string    `json:"basis"` // the exemption of the erasing law
	Law     string    `json:"law"`
	Until   time.Time `json:"until"`
	Count   int       `json:"count"`
}

// Recipient is one outside the shop, and what it answered: ERASED, or ACCEPTED, which is not yet done.
type Recipient struct {
	Name   string `json:"name"`
	Answer string `json:"answer"`
	Count  int    `json:"count"`
}

// Waived is a step that staff let the erasure go on without.
type Waived struct {
	Service string `json:"service"`
	Step    string `json:"step"`
	By      string `json:"by"`
	Reason  string `json:"reason"`
}

// Checked is the verification of one service.
type Checked struct {
	Service   string `json:"service"`
	Documents int    `json:"documents"`
	Tokens    int    `json:"tokens"`
	Found     int    `json:"found"`
}

// document is a certificate with its signature. The signature covers the bytes of Certificate as they stand.
type document struct {
	Certificate json.RawMessage `json:"certificate"`
	Key         string          `json:"key"`       // Ed25519 public key, base64
	Signature   string          `json:"signature"` // base64
}

const domain = "lethe erasure certificate\x00"

// Sign gives the document of a certificate: JSON to be kept to the byte.
func Sign(c Certificate, key ed25519.PrivateKey) ([]byte, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("write the certificate: %w", err)
	}
	return json.Marshal(document{
		Certificate: body,
		Key:         base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey)),
		Signature:   base64.StdEncoding.EncodeToString(ed25519.Sign(key, append([]byte(domain), body...))),
	})
}

// Verified is a certificate whose signature holds, and the key that signed it.
type Verified struct {
	Certificate Certificate
	Key         ed25519.PublicKey
}

// Verify checks a document: that it is whole, that its signature holds, that its counts agree and that nothing was found
// afterwards. Whether the key is the shop's the caller knows: compare Key.
func Verify(text []byte) (*Verified, error) {
	if len(text) > 4<<20 {
		return nil, errors.New("this is no certificate: it is larger than 4 MiB")
	}
	var d document
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return nil, fmt.Errorf("this is no certificate: %w", err)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(d.Key)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("the certificate's key is malformed")
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(d.Signature)
	if err != nil || !ed25519.Verify(key, append([]byte(domain), d.Certificate...), signature) {
		return nil, errors.New("the signature does not hold: the certificate was changed after it was signed")
	}
	v := &Verified{Key: key}
	if err := json.Unmarshal(d.Certificate, &v.Certificate); err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	if canonical, err := json.Marshal(document{d.Certificate, d.Key, d.Signature}); err != nil || !bytes.Equal(canonical, bytes.TrimSpace(text)) {
		return nil, errors.New("the certificate was written anew: keep the document as it was issued, to the byte")
	}
	if err := v.Certificate.check(); err != nil {
		return nil, err
	}
	return v, nil
}

func (c *Certificate) check() error {
	if c.Version != Version {
		return fmt.Errorf("the certificate has version %q: this program reads %q", c.Version, Version)
	}
	for _, r := range c.Receipts {
		if r.Matched != r.Changed+r.Retained || r.Remaining != 0 {
			return fmt.Errorf("the counts of %s do not agree", r.Service)
		}
	}
	for _, v := range c.Verified {
		if v.Found != 0 {
			return fmt.Errorf("%d documents of %s still held something", v.Found, v.Service)
		}
	}
	return nil
}

// Digest gives the hash by which the next certificate names this one.
func Digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Text writes a verified certificate for people.
func (v *Verified) Text() string {
	c := v.Certificate
	var b strings.Builder
	line := func(name, format string, a ...any) { fmt.Fprintf(&b, "  %-12s %s\n", name, fmt.Sprintf(format, a...)) }
	line("erasure", "%s", c.ErasureID)
	line("subject", "%s", c.Subject)
	line("ground", "%s under %s", c.Ground, c.Regulation)
	line("received", "%s, due %s", c.ReceivedAt.Format(time.DateOnly), c.DueAt.Format(time.DateOnly))
	line("sealed", "%s", c.SealedAt.Format(time.RFC3339))
	line("issued", "%s", c.IssuedAt.Format(time.RFC3339))
	for _, r := range c.Receipts {
		line(r.Service, "%d values found, %d erased, %d kept", r.Matched, r.Changed, r.Retained)
	}
	for _, k := range c.Retained {
		line("kept", "%d × %s until %s: %s", k.Count, k.Path, k.Until.Format(time.DateOnly), k.Law)
	}
	for _, w := range c.Waived {
		line("waived", "%s of %s by %s: %s", w.Step, w.Service, w.By, w.Reason)
	}
	for _, r := range c.Recipients {
		line("told", "%s about %d: %s", r.Name, r.Count, strings.ToLower(r.Answer))
	}
	for _, d := range c.Verified {
		line("verified", "%s: %d documents read, %d values searched for, %d found", d.Service, d.Documents, d.Tokens, d.Found)
	}
	line("signed by", "%s", base64.StdEncoding.EncodeToString(v.Key))
	return b.String()
}

// String says who was told, for people.
func (r Recipient) String() string { return fmt.Sprintf("%s (%s)", r.Name, strings.ToLower(r.Answer)) }
