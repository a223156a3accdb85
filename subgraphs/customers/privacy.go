package customers

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/privacy/datamap"
)

// newParticipant gives the service's part in erasures: where each personal field of the schema is stored. What happens to
// it the schema says.
func newParticipant(s *store, data *datamap.Map, rules privacy.Rules, o Options) (*privacy.Participant, error) {
	customer, err := data.Bind(name, []privacy.Field{
		{Path: "Customer.id", BSON: "_id"},
		{Path: "Customer.email", BSON: "email"},
		{Path: "Customer.email", BSON: "emailKey"},
		{Path: "Customer.name", BSON: "name"},
		{Path: "Customer.name", BSON: "nameKeys"},
		{Path: "Customer.phone", BSON: "phone"},
		{Path: "Customer.status", BSON: "status"},
		{Path: "Customer.createdAt", BSON: "createdAt"},
		{Path: "Customer.updatedAt", BSON: "updatedAt"},
		{Path: "MarketingConsent.granted", BSON: "consent.granted"},
		{Path: "MarketingConsent.at", BSON: "consent.at"},
		{Path: "Address.id", BSON: "addresses.id"},
		{Path: "Address.label", BSON: "addresses.label"},
		{Path: "Address.name", BSON: "addresses.name"},
		{Path: "Address.line1", BSON: "addresses.line1"},
		{Path: "Address.line2", BSON: "addresses.line2"},
		{Path: "Address.city", BSON: "addresses.city"},
		{Path: "Address.postalCode", BSON: "addresses.postalCode"},
		{Path: "Address.countryCode", BSON: "addresses.countryCode"},
		{Path: "Address.phone", BSON: "addresses.phone"},
	})
	if err != nil {
		return nil, fmt.Errorf("declare the customers: %w", err)
	}
	record, err := data.Bind(name, []privacy.Field{
		{Path: "Customer.id", BSON: "customerId", Link: true},
		{Path: "Erasure.reason", BSON: "reason"},
		{Path: "Erasure.reason", BSON: "cancelReason"},
	})
	if err != nil {
		return nil, fmt.Errorf("declare the records of erasures: %w", err)
	}
	return &privacy.Participant{
		Service: name, DB: o.DB, Rules: rules, Keys: o.Keys, Redis: o.Redis, Barrier: privacy.NewBarrier(o.DB, o.Keys), OnRestrict: s.restrict,
		Stores: []privacy.Store{
			{Collection: s.customers, Whole: true, Subject: func(id string) bson.D { return append(byID(id), whole) }, Fields: customer},
			{Collection: s.erasures, Subject: func(id string) bson.D { return bson.D{{Key: "customerId", Value: id}} }, Fields: record},
		},
	}, nil
}
