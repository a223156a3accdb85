package customers

import (
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/lethe/lethe/chassis/page"
	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/subgraphs/customers/graph"
)

// selects tells whether a request asks for a field below the present one.
func selects(ctx context.Context, field string) bool {
	for _, f := range graphql.CollectFieldsCtx(ctx, nil) {
		if f.Name == field {
			return true
		}
	}
	return false
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// present gives a customer as the graph shows it; nil for nil.
func present(c *Customer) *graph.Customer {
	if c == nil {
		return nil
	}
	out := &graph.Customer{
		ID: c.ID, Email: c.Email, Name: c.Name, Phone: optional(c.Phone), Addresses: make([]*graph.Address, len(c.Addresses)),
		MarketingConsent: &graph.MarketingConsent{Granted: c.Consent.Granted, At: optionalTime(c.Consent.At)},
		Status:           graph.CustomerStatus(c.Status), CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(), Version: c.Version,
	}
	for i, a := range c.Addresses {
		out.Addresses[i] = &graph.Address{
			ID: a.ID, Label: optional(a.Label), Name: a.Name, Line1: a.Line1, Line2: optional(a.Line2), City: a.City, PostalCode: a.PostalCode,
			CountryCode: a.CountryCode, Phone: optional(a.Phone),
		}
	}
	return out
}

// presentErasure gives an erasure as the graph shows it; nil for nil.
func presentErasure(e *Erasure, rules privacy.Rules) *graph.Erasure {
	if e == nil {
		return nil
	}
	out := &graph.Erasure{
		ID: e.ID, Status: graph.ErasureStatus(e.Status), Subject: e.Subject, Ground: graph.ErasureGround(e.Ground), Regulation: graph.ErasureRegulation(e.Regulation),
		Reason: optional(e.Reason), ReceivedAt: e.ReceivedAt.UTC(), DueAt: e.DueAt.UTC(), GraceUntil: optionalTime(e.GraceUntil), OpenOrders: graph.OpenOrders(e.OpenOrders),
		RequestedBy: e.RequestedBy, ApprovedBy: optional(e.ApprovedBy), WaitingFor: optional(e.WaitingFor), RequestedAt: e.RequestedAt.UTC(),
		SealedAt: optionalTime(e.SealedAt), CompletedAt: optionalTime(e.CompletedAt),
		Steps: make([]*graph.ErasureStep, len(e.Steps)), Retained: make([]*graph.RetainedData, len(e.Retained)),
	}
	if e.CustomerID != "" {
		out.Customer = &graph.Customer{ID: e.CustomerID}
	}
	if e.Certificate != "" {
		out.Certificate = &graph.ErasureCertificate{Document: e.Certificate, IssuedAt: e.IssuedAt.UTC()}
	}
	for i, s := range e.Steps {
		out.Steps[i] = &graph.ErasureStep{
			ID: s.ID, Service: s.Service, Name: s.Name, Status: graph.ErasureStepStatus(s.Status), Attempts: s.Attempts, LastError: optional(s.LastError),
			Matched: s.Matched, Changed: s.Changed, StartedAt: optionalTime(s.StartedAt), EndedAt: optionalTime(s.EndedAt),
		}
	}
	for i, k := range e.Retained {
		out.Retained[i] = &graph.RetainedData{Path: k.Path, Rule: k.Rule, Law: rules[k.Rule].Law, Until: k.Until.UTC(), Count: k.Count}
	}
	return out
}

func pageInfo(i page.Info) *graph.PageInfo {
	return &graph.PageInfo{HasNextPage: i.HasNextPage, HasPreviousPage: i.HasPreviousPage, StartCursor: i.StartCursor, EndCursor: i.EndCursor}
}
