package erasure

import (
	"context"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/privacy/certificate"
	"github.com/lethe/lethe/workflows"
)

// Certificate makes the certificate of an erasure, chains it to the one before and keeps it in the ledger. Repeated, it
// gives the same to the byte. It refuses a receipt that its service did not sign.
func (a *Activities) Certificate(ctx context.Context, in workflows.CertificateRequest) (workflows.CertificateIssued, error) {
	c := certificate.Certificate{
		Version: certificate.Version, ErasureID: in.ErasureID, Subject: in.SubjectHash, Ground: in.Ground, Regulation: in.Regulation,
		ReceivedAt: in.ReceivedAt.UTC(), DueAt: in.DueAt.UTC(), SealedAt: in.SealedAt.UTC(), ErasedAt: in.ErasedAt.UTC(),
		RequestedBy: in.RequestedBy, ApprovedBy: in.ApprovedBy, PlanHash: in.PlanHash, KeysDestroyed: append([]string{}, in.KeysDestroyed...),
		Receipts: []certificate.Receipt{}, Retained: []certificate.Kept{}, Waived: []certificate.Waived{}, Recipients: []certificate.Recipient{}, Verified: []certificate.Checked{},
	}
	for _, r := range in.Receipts {
		if !privacy.Signed(a.o.Keys.Receipt, in.SubjectRef, r) {
			return workflows.CertificateIssued{}, temporal.NewNonRetryableApplicationError("a receipt is not signed by its service", workflows.ErrTypeCountMismatch, nil)
		}
		kept := 0
		for _, k := range r.Retained {
			kept += k.Count
			rule := a.rules[k.Rule]
			c.Retained = append(c.Retained, certificate.Kept{
				Service: r.Service, Path: k.Path, Rule: k.Rule, Basis: rule.Basis, Law: rule.Law, Until: k.Until.UTC(), Count: k.Count,
			})
		}
		c.Receipts = append(c.Receipts, certificate.Receipt{
			Service: r.Service, Matched: r.Matched, Changed: r.Changed, Retained: kept, Remaining: r.Remaining, ManifestHash: r.ManifestHash,
		})
	}
	for _, w := range in.Waived {
		c.Waived = append(c.Waived, certificate.Waived{Service: w.Service, Step: w.Name, By: w.WaivedBy, Reason: w.Reason})
	}
	for _, r := range in.Recipients {
		c.Recipients = append(c.Recipients, certificate.Recipient{Name: r.Name, Answer: r.Answer, Count: r.Count})
	}
	for _, f := range in.Findings {
		c.Verified = append(c.Verified, certificate.Checked{Service: f.Service, Documents: f.Documents, Tokens: f.Tokens, Found: f.Total()})
	}
	line, err := a.append(ctx, ledgerLine{
		Key: in.ErasureID + "/" + eventCertificate, Erasure: in.ErasureID, Subject: in.SubjectHash, Event: eventCertificate,
		At: time.Now().UTC().Truncate(time.Millisecond), PlanHash: in.PlanHash,
	}, func(line *ledgerLine) error {
		previous, err := a.previousCertificate(ctx)
		if err != nil {
			return err
		}
		c.Previous, c.IssuedAt = previous, line.At
		doc, err := certificate.Sign(c, a.o.Keys.Certificate)
		line.Document = string(doc)
		return err
	})
	if err != nil {
		return workflows.CertificateIssued{}, err
	}
	return workflows.CertificateIssued{IssuedAt: line.At.UTC(), Document: line.Document}, nil
}
