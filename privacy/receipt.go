package privacy

import (
	"crypto/hmac"
	"encoding/json"

	"github.com/lethe/lethe/workflows"
)

// Sign gives the signature of a receipt under a key: it covers the erasure and all of the receipt.
func Sign(key []byte, ref workflows.SubjectRef, r workflows.Receipt) string {
	r.Signature = ""
	b, err := json.Marshal(struct {
		Erasure string            `json:"erasure"`
		Receipt workflows.Receipt `json:"receipt"`
	}{ref.ErasureID, r})
	if err != nil {
		return ""
	}
	return Hash(key, "receipt", string(b))
}

// Signed reports whether a receipt carries the signature that it should.
func Signed(key []byte, ref workflows.SubjectRef, r workflows.Receipt) bool {
	return r.Signature != "" && hmac.Equal([]byte(Sign(key, ref, r)), []byte(r.Signature))
}
