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
		for bit := range 8 {
			changed := bytes.Clone(doc)
			changed[i] ^= 1 << bit
			if _, err := certificate.Verify(changed); err == nil {
				t.Errorf("with bit %d of byte %d changed it still holds", bit, i)
			}
		}
	}
	for name, changed := range map[string][]byte{
		"written anew": bytes.Replace(doc, []byte(`,"key"`), []byte(`, "key"`), 1), "cut off": doc[:len(doc)-1], "followed by another": append(bytes.Clone(doc), doc...),
	} {
		if _, err := certificate.Verify(changed); err == nil {
			t.Errorf("%s it still holds", name)
		}
	}
	if _, err := certificate.Verify(append(bytes.Clone(doc), '\n')); err != nil {
		t.Errorf("with the line break of a file it does not hold: %v", err)
	}
}

// TestWrongCountsDoNotHold signs what no erasure may end with.
func TestWrongCountsDoNotHold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]certificate.Certificate{
		"of another version":   {Version: "lethe-erasure-certificate/0"},
		"with too few changed": {Version: certificate.Version, Receipts: []certificate.Receipt{{Service: "orders", Matched: 3, Changed: 1, Retained: 1}}},
		"with some remaining":  {Version: certificate.Version, Receipts: []certificate.Receipt{{Service: "orders", Matched: 3, Changed: 3, Remaining: 1}}},
		"with residue":         {Version: certificate.Version, Verified: []certificate.Checked{{Service: "orders", Found: 1}}},
	} {
		doc, err := certificate.Sign(c, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := certificate.Verify(doc); err == nil {
			t.Errorf("a certificate %s holds", name)
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
