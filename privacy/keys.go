package privacy

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"

	"github.com/lethe/lethe/chassis"
)

// Keys are the secrets of erasures. None of them may be in a backup of a database.
type Keys struct {
	// Tombstone keys the hashes by which erased subjects are recognised.
	Tombstone []byte
	// Receipt signs what services say they did.
	Receipt []byte
	// Dossier wraps the keys under which a subject's values are kept between the seal and the verification.
	Dossier []byte
	// Certificate signs certificates.
	Certificate ed25519.PrivateKey
	// Idempotency keys the hashes of clients' idempotency keys.
	Idempotency []byte
}

// keyVariables are the environment variables of the keys.
const (
	variableTombstone   = "TOMBSTONE_KEY"
	variableReceipt     = "RECEIPT_KEY"
	variableDossier     = "DOSSIER_KEY"
	variableCertificate = "CERTIFICATE_KEY"
	variableIdempotency = "IDEMPOTENCY_KEY"
)

// LoadKeys reads the keys from the environment. What is wrong with them stands in env.Err.
func LoadKeys(env *chassis.Env) Keys {
	k := Keys{
		Tombstone:   env.Key(variableTombstone, 32, "the key that hashes erased subjects"),
		Receipt:     env.Key(variableReceipt, 32, "the key that signs receipts"),
		Dossier:     env.Key(variableDossier, 32, "the key that wraps the keys of dossiers"),
		Idempotency: env.Key(variableIdempotency, 32, "the key that hashes idempotency keys"),
	}
	if seed := env.Key(variableCertificate, ed25519.SeedSize, "the key that signs certificates"); seed != nil {
		k.Certificate = ed25519.NewKeyFromSeed(seed[:ed25519.SeedSize])
	}
	return k
}

// NewKeys makes fresh keys, by their environment variables.
func NewKeys() map[string]string {
	out := map[string]string{}
	for _, name := range []string{variableTombstone, variableReceipt, variableDossier, variableCertificate, variableIdempotency} {
		b := make([]byte, 32)
		_, _ = rand.Read(b) // never fails: it ends the process instead
		out[name] = base64.StdEncoding.EncodeToString(b)
	}
	return out
}

// Hash gives the keyed hash of a value in a domain, so that equal values of different kinds do not meet.
func Hash(key []byte, domain, value string) string {
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, domain)
	_, _ = mac.Write([]byte{0})
	_, _ = io.WriteString(mac, value)
	return hex.EncodeToString(mac.Sum(nil))
}

// SubjectHash gives the tombstone of a customer's id.
func (k Keys) SubjectHash(customerID string) string { return Hash(k.Tombstone, "customer", customerID) }

// ContactHash gives the tombstone of an e-mail address or a phone number, which is normalised first.
func (k Keys) ContactHash(kind, value string) string {
	return Hash(k.Tombstone, kind, NormaliseContact(kind, value))
}

// NormaliseContact gives the form in which e-mail addresses ("email") and phone numbers ("phone") are compared.
func NormaliseContact(kind, value string) string {
	value = strings.ToLower(strings.TrimSpace(value))
	if kind != "phone" {
		return value
	}
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, value)
}
