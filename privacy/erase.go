package privacy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.temporal.io/sdk/temporal"

	"github.com/lethe/lethe/workflows"
)

// erasedMark stands on a document that an erasure changed, in the same write: it makes the receipt countable after a crash
// between two documents. It names the erasure and holds counts alone.
const erasedMark = "erased"

type markRetained struct {
	Path  string    `bson:"path"`
	Rule  string    `bson:"rule"`
	Until time.Time `bson:"until"`
	Count int       `bson:"count"`
}

type erasedBy struct {
	Erasure  string         `bson:"erasure"`
	Matched  int            `bson:"matched"`
	Changed  int            `bson:"changed"`
	Retained []markRetained `bson:"retained,omitempty"`
}

// erase does what the fields say with everything of a customer, and gives the receipt. It is idempotent: repeated, it
// finishes what is left and gives the same receipt.
func (p *Participant) erase(ctx context.Context, in workflows.EraseStep) (workflows.Receipt, error) {
	if r, err := p.keptReceipt(ctx, in); err != nil || r != nil {
		return *orEmpty(r), err
	}
	r := workflows.Receipt{Service: p.Service, ManifestHash: p.Manifest().Hash}
	known, err := p.reach(ctx, in.SubjectRef)
	if err != nil {
		return r, err
	}
	for _, s := range p.Stores {
		for _, id := range known.of(s) {
			beat(ctx)
			mark, remaining, err := p.eraseDocument(ctx, s, id, in.SubjectRef)
			if err != nil {
				return r, err
			}
			r.Matched += mark.Matched
			r.Changed += mark.Changed
			r.Remaining += remaining
			for _, k := range mark.Retained {
				r.Retained = addHeld(r.Retained, workflows.PathHeld{Path: k.Path, Action: Retain, Rule: k.Rule, Until: k.Until.UTC(), Count: k.Count})
			}
		}
	}
	if p.OnErased != nil {
		if err := p.OnErased(ctx, in.CustomerID); err != nil {
			return r, err
		}
	}
	left, err := p.locate(ctx, in.CustomerID)
	if err != nil {
		return r, err
	}
	r.Remaining += left.Total()
	if err := agree(r, in.Located); err != nil {
		return r, err
	}
	r.Signature = Sign(p.Keys.Receipt, in.SubjectRef, r)
	if err := p.keepReceipt(ctx, in, r); err != nil {
		return r, err
	}
	return r, p.dropStubs(ctx, in.ErasureID, known)
}

func orEmpty(r *workflows.Receipt) *workflows.Receipt {
	if r == nil {
		return &workflows.Receipt{}
	}
	return r
}

// agree refuses a receipt whose counts do not add up: nothing that was located may be left out, and an eraser that finds
// nothing where something was counted has failed.
func agree(r workflows.Receipt, located workflows.Located) error {
	retained := 0
	for _, k := range r.Retained {
		retained += k.Count
	}
	switch {
	case r.Matched != r.Changed+retained:
		return mismatch("%d values were matched, %d changed and %d retained", r.Matched, r.Changed, retained)
	case r.Remaining != 0:
		// A writer may be about to take its write back: this passes.
		return temporal.NewApplicationError(fmt.Sprintf("%d values remain", r.Remaining), workflows.ErrTypeCountMismatch)
	case r.Matched < located.Total():
		return mismatch("%d values were located and %d matched", located.Total(), r.Matched)
	}
	return nil
}

func mismatch(format string, a ...any) error {
	return temporal.NewNonRetryableApplicationError("counts do not agree: "+fmt.Sprintf(format, a...), workflows.ErrTypeCountMismatch, nil)
}

// reach gives the subject's documents: those that the dossier knows, and those that lead to the subject now. The dossier
// learns of the latter before any of them is changed, so that they can be reached again once the link is cut.
func (p *Participant) reach(ctx context.Context, ref workflows.SubjectRef) (*dossier, error) {
	known, err := p.recall(ctx, ref)
	if err != nil {
		return nil, err
	}
	if known == nil {
		known = &dossier{}
	}
	grown := false
	for _, s := range p.Stores {
		err := each(ctx, s.Collection, s.Subject(ref.CustomerID), func(doc bson.Raw) error {
			added, err := known.add(s, doc)
			grown = grown || added
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if grown {
		err = p.keepDossier(ctx, ref, known)
	}
	return known, err
}

// eraseDocument erases one document, in one write that only takes effect on what was read; where somebody wrote meanwhile
// it reads again. It gives the document's mark, and how many values are left that should not be.
func (p *Participant) eraseDocument(ctx context.Context, s Store, id bson.RawValue, ref workflows.SubjectRef) (mark erasedBy, remaining int, err error) {
	for {
		doc, err := s.Collection.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Raw()
		if errors.Is(err, mongo.ErrNoDocuments) {
			return mark, 0, nil // deleted by its own service meanwhile
		}
		if err != nil {
			return mark, 0, fmt.Errorf("read a document of %s: %w", s.Collection.Name(), err)
		}
		before := markOf(doc, ref.ErasureID)
		if s.Whole && before != nil {
			return *before, 0, nil
		}
		change := p.plan(s, doc, before, ref.ErasureID)
		if before != nil && change.none() {
			return *before, p.left(s, doc), nil
		}
		var done bool
		if s.Whole {
			done, err = replaced(s.Collection.ReplaceOne(ctx, bson.D{{Key: "_id", Value: id}}, bson.D{{Key: "_id", Value: id}, {Key: erasedMark, Value: change.mark}}))
		} else {
			done, err = replaced(s.Collection.UpdateOne(ctx, change.unchanged(doc, id), change.update()))
		}
		if err != nil {
			return mark, 0, fmt.Errorf("erase in %s: %w", s.Collection.Name(), err)
		}
		if done && s.Whole {
			return change.mark, 0, nil
		}
	}
}

func replaced(r *mongo.UpdateResult, err error) (bool, error) {
	return err == nil && r.MatchedCount > 0, err
}

// markOf gives the mark that an erasure left on a document; nil where there is none of it.
func markOf(doc bson.Raw, erasureID string) *erasedBy {
	var marked struct {
		Erased *erasedBy `bson:"erased"`
	}
	if bson.Unmarshal(doc, &marked) != nil || marked.Erased == nil || marked.Erased.Erasure != erasureID {
		return nil
	}
	return marked.Erased
}

// change is what is written to one document.
type change struct {
	mark       erasedBy
	set, unset bson.D
}

func (c *change) none() bool { return len(c.set)+len(c.unset) == 0 }

func (c *change) update() bson.D {
	u := bson.D{{Key: "$set", Value: append(c.set, bson.E{Key: erasedMark, Value: c.mark})}}
	if len(c.unset) > 0 {
		u = append(u, bson.E{Key: "$unset", Value: c.unset})
	}
	return u
}

// unchanged is the filter for the document as long as what is about to be changed in it is as it was read.
func (c *change) unchanged(doc bson.Raw, id bson.RawValue) bson.D {
	filter := bson.D{{Key: "_id", Value: id}}
	for _, e := range slices.Concat(c.set, c.unset) {
		top, _, _ := strings.Cut(e.Key, ".")
		if !slices.ContainsFunc(filter, func(f bson.E) bool { return f.Key == top }) {
			filter = append(filter, bson.E{Key: top, Value: doc.Lookup(top)})
		}
	}
	return filter
}

// plan tells what is written to a document. Before is the mark of the same erasure from an earlier pass: what that counted
// is not counted again.
func (p *Participant) plan(s Store, doc bson.Raw, before *erasedBy, erasureID string) *change {
	c := &change{mark: erasedBy{Erasure: erasureID}}
	if before != nil {
		c.mark.Changed = before.Changed
	}
	for _, f := range s.Fields {
		kept := markRetained{Path: f.Path, Rule: f.Rule}
		retains, until := p.retains(f, doc)
		walk(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}, splitPath(f.BSON), "", func(at string, v bson.RawValue) {
			coarse, generalises := f.generalised(v)
			switch {
			case retains:
				kept.Count++
				kept.Until = until
			case generalises && coarse == v.StringValue():
				if before == nil {
					c.mark.Changed++ // it is as coarse as it will be
				}
			case generalises:
				c.mark.Changed++
				c.set = append(c.set, bson.E{Key: at, Value: coarse})
			default:
				c.mark.Changed++
				c.drop(at)
			}
		})
		if kept.Count > 0 {
			c.mark.Retained = append(c.mark.Retained, kept)
		}
	}
	c.mark.Matched = c.mark.Changed
	for _, k := range c.mark.Retained {
		c.mark.Matched += k.Count
	}
	return c
}

// drop removes a field, or the list that a value stands in: removing an element would leave null in its place.
func (c *change) drop(at string) {
	for {
		i := strings.LastIndexByte(at, '.')
		if i < 0 {
			break
		}
		if _, err := strconv.Atoi(at[i+1:]); err != nil {
			break
		}
		at = at[:i]
	}
	if !slices.ContainsFunc(c.unset, func(e bson.E) bool { return e.Key == at }) {
		c.unset = append(c.unset, bson.E{Key: at, Value: ""})
	}
}

// retains tells whether a field of a document is kept, and until when: a term that has ended keeps nothing.
func (p *Participant) retains(f Field, doc bson.Raw) (bool, time.Time) {
	if f.Action != Retain {
		return false, time.Time{}
	}
	until := p.Rules.Until(f.Rule, anchor(doc, f.Anchor))
	return until.After(time.Now()), until
}

// generalised gives the coarser form of a value, where the field has one.
func (f Field) generalised(v bson.RawValue) (string, bool) {
	text, isText := v.StringValueOK()
	if f.Action != Generalise || f.With == nil || !isText {
		return "", false
	}
	return f.With(text), true
}

// left counts the values in a document that an erasure does not leave there.
func (p *Participant) left(s Store, doc bson.Raw) int {
	n := 0
	for _, f := range s.Fields {
		if retains, _ := p.retains(f, doc); retains {
			continue
		}
		for _, v := range values(doc, f.BSON) {
			if coarse, ok := f.generalised(v); !ok || coarse != v.StringValue() {
				n++
			}
		}
	}
	return n
}

// dropStubs deletes what is left of documents that were erased whole, once they are counted.
func (p *Participant) dropStubs(ctx context.Context, erasureID string, known *dossier) error {
	for _, s := range p.Stores {
		if !s.Whole {
			continue
		}
		for _, id := range known.of(s) {
			if _, err := s.Collection.DeleteOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: erasedMark + ".erasure", Value: erasureID}}); err != nil {
				return fmt.Errorf("delete in %s: %w", s.Collection.Name(), err)
			}
		}
	}
	return nil
}

func (p *Participant) receipts() *mongo.Collection { return p.DB.Collection("erasureReceipts") }

func receiptID(in workflows.EraseStep) string { return in.ErasureID + "/" + in.StepID }

type receiptDoc struct {
	ID      string            `bson:"_id"`
	Receipt workflows.Receipt `bson:"receipt"`
}

func (p *Participant) keptReceipt(ctx context.Context, in workflows.EraseStep) (*workflows.Receipt, error) {
	var doc receiptDoc
	err := p.receipts().FindOne(ctx, bson.D{{Key: "_id", Value: receiptID(in)}}).Decode(&doc)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read a receipt: %w", err)
	}
	known, err := p.recall(ctx, in.SubjectRef)
	if err != nil || known == nil {
		return &doc.Receipt, err
	}
	return &doc.Receipt, p.dropStubs(ctx, in.ErasureID, known)
}

func (p *Participant) keepReceipt(ctx context.Context, in workflows.EraseStep, r workflows.Receipt) error {
	id := receiptID(in)
	_, err := p.receipts().ReplaceOne(ctx, bson.D{{Key: "_id", Value: id}}, receiptDoc{id, r}, options.Replace().SetUpsert(true))
	if err != nil {
		return fmt.Errorf("write a receipt: %w", err)
	}
	return nil
}

func splitPath(path string) []string { return strings.Split(path, ".") }
