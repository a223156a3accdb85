package orders

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"io"
	"strings"
)

// hasher derives ids and comparisons from what clients write, under a key: what they wrote cannot be found from it.
type hasher struct {
	key []byte
}

// of gives a keyed hash of texts for a purpose.
func (h hasher) of(purpose string, parts ...string) []byte {
	mac := hmac.New(sha256.New, h.key)
	_, _ = io.WriteString(mac, "lethe orders "+purpose)
	for _, p := range parts {
		sum := sha256.Sum256([]byte(p))
		_, _ = mac.Write(sum[:])
	}
	return mac.Sum(nil)
}

// id gives an id that the same texts always lead to.
func (h hasher) id(prefix string, parts ...string) string {
	sum := h.of(prefix, parts...)
	return prefix + "_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}

// fingerprint gives a text that is equal for equal texts.
func (h hasher) fingerprint(parts ...string) string {
	return hex.EncodeToString(h.of("input", parts...)[:16])
}
