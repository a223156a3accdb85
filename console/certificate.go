package console

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"

	certificates "github.com/lethe/lethe/privacy/certificate"
)

// certified asks for the erasure in the path with its certificate.
func (c *console) certified(r *http.Request, s *session) (*erasure, error) {
	var out struct{ Erasure *erasure }
	gaps, err := c.graph.do(r.Context(), s.Token, "Certificate", byID{r.PathValue("id")}, &out)
	switch {
	case err != nil:
		return nil, err
	case out.Erasure != nil && out.Erasure.Certificate != nil:
		return out.Erasure, nil
	case len(gaps) > 0:
		return nil, &fault{code: gaps[0].Code, requestID: gaps[0].RequestID}
	}
	return nil, fmt.Errorf("certificate: %w", errNotFound)
}

// certificateFile gives the certificate as it was signed, to the byte.
func (c *console) certificateFile(w http.ResponseWriter, r *http.Request, s *session) error {
	e, err := c.certified(r, s)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", fileName(e.ID)))
	_, _ = io.WriteString(w, e.Certificate.Document)
	return nil
}

// fileName is what a certificate is called when it is kept.
func fileName(id string) string { return "erasure-certificate-" + id + ".json" }

// certificateView is the page of a certificate.
type certificateView struct {
	ID, File string
	Broken   string // why the document does not hold, or ""
	certificates.Certificate
	KeyHash   string
	InTime    bool
	Changed   int
	Documents int
}

// certificatePage reads a certificate out in words, after checking it.
func (c *console) certificatePage(w http.ResponseWriter, r *http.Request, s *session) error {
	e, err := c.certified(r, s)
	if err != nil {
		return err
	}
	v := certificateView{ID: e.ID, File: fileName(e.ID)}
	verified, err := certificates.Verify([]byte(e.Certificate.Document))
	if err != nil {
		c.log.Error("a certificate does not hold", "erasure", e.ID, "error", err)
		v.Broken = capital(err.Error())
	} else {
		v.Certificate = verified.Certificate
		sum := sha256.Sum256(verified.Key)
		v.KeyHash = hex.EncodeToString(sum[:8])
		v.InTime = !v.ErasedAt.After(v.DueAt)
		for _, receipt := range v.Receipts {
			v.Changed += receipt.Changed
		}
		for _, checked := range v.Verified {
			v.Documents += checked.Documents
		}
	}
	c.render(w, r, s, http.StatusOK, "certificate", "Certificate of erasure "+e.ID, v)
	return nil
}
