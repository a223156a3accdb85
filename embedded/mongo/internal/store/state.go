// Package store keeps collections of documents with their indexes. Published states are immutable: readers hold one and
// never wait; writers work on a draft and publish it as a whole; a journal makes what is published durable.
package store

import (
	"github.com/tidwall/btree"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/query"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// Document is one version of a stored document; it never changes.
type Document struct {
	// Record tells the document apart for as long as it exists; later documents have greater ones.
	Record uint64
	D      bson.D
	Raw    value.Encoded
}

// Options are what a collection was created with.
type Options struct {
	UUID bson.Binary
	// Validator is the filter that documents must match, nil for none.
	Validator bson.D
	// Level is "strict" or "moderate", Action "error" or "warn".
	Level, Action string
}

// Collection is one state of a collection.
type Collection struct {
	Name string
	Options
	Indexes []*Index

	validator *query.Filter
	records   *btree.Map[uint64, *Document]
	bytes     int64
}

// Len is the number of documents.
func (c *Collection) Len() int { return c.records.Len() }

// Bytes is the size of all documents as BSON.
func (c *Collection) Bytes() int64 { return c.bytes }

// Index finds an index by name, nil if there is none.
func (c *Collection) Index(name string) *Index {
	for _, ix := range c.Indexes {
		if ix.Name == name {
			return ix
		}
	}
	return nil
}

// State is everything that is stored, at one moment.
type State struct {
	collections *btree.Map[string, *Collection]
	// lsn is the number of the last journal record that the state holds.
	lsn uint64
}

// Collection finds a collection by its namespace, nil if there is none.
func (s *State) Collection(ns string) *Collection {
	c, _ := s.collections.Get(ns)
	return c
}

// Each calls f for every collection in the order of names until it answers false.
func (s *State) Each(f func(*Collection) bool) {
	s.collections.Scan(func(_ string, c *Collection) bool { return f(c) })
}

// View is what can be read from: a state, or a transaction's draft.
type View interface {
	Collection(ns string) *Collection
	Each(f func(*Collection) bool)
}

func (o Options) document() bson.D {
	d := bson.D{{Key: "uuid", Value: o.UUID}}
	if o.Validator != nil {
		d = append(d, bson.E{Key: "validator", Value: o.Validator}, bson.E{Key: "validationLevel", Value: o.Level}, bson.E{Key: "validationAction", Value: o.Action})
	}
	return d
}

func optionsFrom(d bson.D) Options {
	var o Options
	for _, e := range d {
		switch e.Key {
		case "uuid":
			o.UUID, _ = e.Value.(bson.Binary)
		case "validator":
			o.Validator, _ = e.Value.(bson.D)
		case "validationLevel":
			o.Level, _ = e.Value.(string)
		case "validationAction":
			o.Action, _ = e.Value.(string)
		}
	}
	return o
}

// validate checks a document that is about to replace old (nil for a new one).
func (c *Collection) validate(d bson.D, old *Document) error {
	if c.validator == nil || c.Level == "off" || c.Action == "warn" {
		return nil
	}
	ok, err := c.validator.Match(d)
	if err != nil || ok {
		return err
	}
	if c.Level == "moderate" && old != nil {
		if was, err := c.validator.Match(old.D); err != nil || !was {
			return err
		}
	}
	id, _ := value.Get(d, "_id")
	e := fault.New(fault.DocumentValidationFailure, "Document failed validation")
	e.Details = bson.D{{Key: "errInfo", Value: bson.D{
		{Key: "failingDocumentId", Value: id},
		{Key: "details", Value: bson.D{{Key: "operatorName", Value: c.Validator[0].Key}, {Key: "reason", Value: c.validator.Broken(d)}}},
	}}}
	return e
}

func (s *State) bytes() int64 {
	n := int64(0)
	s.Each(func(c *Collection) bool { n += c.bytes; return true })
	return n
}
