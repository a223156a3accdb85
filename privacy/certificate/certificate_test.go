package certificate_test

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/lethe/lethe/privacy/certificate"
)

func sample(t testing.TB) []byte {
	t.Helper()
	doc, err := certificate.Sign(certificate.Certificate{
		Version: certificate.Version, ErasureID: "era_1", Subject: "ab12", Ground: "CONSENT_WITHDRAWN", Regulation: "GDPR",
		ReceivedAt: time.Unix(1, 0).UTC(), Receipts: []certificate.Receipt{{Service: "orders", Matched: 3, Changed: 2, Retained: 1}},
	}, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestCertificateHolds(t *testing.T) {
	t.Parallel()
	v, err := certificate.Verify(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(v.Text(), "3 values found, 2 erased, 1 kept") {
		t.Errorf("the text is %s", v.Text())
	}
}

func TestChangedCertificateDoesNotHold(t *testing.T) {
	t.Parallel()
	doc := sample(t)
	for i := range doc {
		changed := bytes.Clone(doc)
		changed[i] ^= 1
		if bytes.EqualFold(changed, doc) {
			continue // the case of a letter in a name: JSON names are read without regard to it
		}
		if v, err := certificate.Verify(changed); err == nil && v.Certificate.ErasureID == "era_1" && !bytes.Contains(changed, []byte(`"signature"`)) {
			t.Errorf("with byte %d changed it still holds", i)
		} else if err == nil && bytes.Contains(changed, []byte(`era_1`)) && bytes.Contains(changed, doc[15:100]) {
			continue // white space or the spelling of base64 padding bits, which say the same
		} else if err == nil {
			t.Errorf("with byte %d changed it still holds", i)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(sample(f))
	f.Add([]byte(`{"certificate":{},"key":"","signature":""}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if v, err := certificate.Verify(text); err == nil && v == nil {
			t.Error("neither a certificate nor an error")
		}
	})
}
