package privacy

import (
	"context"
	"errors"
	"fmt"
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
func (p *Participant) erase(ctx context.Context, in workflows.EraseStep, beat func(any)) (workflows.Receipt, error) {
	receipts := p.DB.Collection("erasureReceipts")
	id := in.ErasureID + "/" + in.StepID
	if r, err := p.keptReceipt(ctx, receipts, id); err != nil || r != nil {
		return *orEmpty(r), err
	}
	r := workflows.Receipt{Service: p.Service, ManifestHash: p.Manifest().Hash}
	for _, s := range p.Stores {
		if err := p.eraseStore(ctx, s, in.SubjectRef, beat); err != nil {
			return r, err
		}
		err := each(ctx, s.Collection, bson.D{{Key: erasedMark + ".erasure", Value: in.ErasureID}}, func(doc bson.Raw) error {
			var marked struct {
				Erased erasedBy `bson:"erased"`
			}
			if err := bson.Unmarshal(doc, &marked); err != nil {
				return fmt.Errorf("read the mark of an erased document: %w", err)
			}
			r.Matched += marked.Erased.Matched
			r.Changed += marked.Erased.Changed
			for _, k := range marked.Erased.Retained {
				r.Retained = addHeld(r.Retained, workflows.PathHeld{Path: k.Path, Action: Retain, Rule: k.Rule, Until: k.Until, Count: k.Count})
			}
			return nil
		})
		if err != nil {
			return r, err
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
	r.Remaining = left.Total()
	if err := agree(r, in.Located); err != nil {
		return r, err
	}
	r.Signature = Sign(p.Keys.Receipt, in.SubjectRef, r)
	if err := p.keepReceipt(ctx, receipts, id, r); err != nil {
		return r, err
	}
	return r, p.dropStubs(ctx, in.ErasureID)
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
		return mismatch("%d values remain", r.Remaining)
	case r.Matched < located.Total():
		return mismatch("%d values were located and %d matched", located.Total(), r.Matched)
	}
	return nil
}

func mismatch(format string, a ...any) error {
	return temporal.NewNonRetryableApplicationError("counts do not agree: "+fmt.Sprintf(format, a...), workflows.ErrTypeCountMismatch, nil)
}

// eraseStore erases one collection, a document at a time, each in one write.
func (p *Participant) eraseStore(ctx context.Context, s Store, ref workflows.SubjectRef, beat func(any)) error {
	n := 0
	return each(ctx, s.Collection, s.Subject(ref.CustomerID), func(doc bson.Raw) error {
		if n++; n%100 == 0 {
			beat(n)
		}
		id, err := doc.LookupErr("_id")
		if err != nil {
			return fmt.Errorf("read the id of a document of %s: %w", s.Collection.Name(), err)
		}
		mark, set, unset := p.plan(s, doc)
		mark.Erasure = ref.ErasureID
		filter := bson.D{{Key: "_id", Value: id}}
		if s.Whole {
			_, err = s.Collection.ReplaceOne(ctx, filter, bson.D{{Key: "_id", Value: id}, {Key: erasedMark, Value: mark}})
		} else {
			update := bson.D{{Key: "$set", Value: append(set, bson.E{Key: erasedMark, Value: mark})}}
			if len(unset) > 0 {
				update = append(update, bson.E{Key: "$unset", Value: unset})
			}
			_, err = s.Collection.UpdateOne(ctx, filter, update)
		}
		if err != nil {
			return fmt.Errorf("erase in %s: %w", s.Collection.Name(), err)
		}
		return nil
	})
}

// plan tells what is written to one document.
func (p *Participant) plan(s Store, doc bson.Raw) (mark erasedBy, set, unset bson.D) {
	for _, f := range s.Fields {
		kept := markRetained{Path: f.Path, Rule: f.Rule}
		walk(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}, splitPath(f.BSON), "", func(at string, v bson.RawValue) {
			mark.Matched++
			switch {
			case f.Action == Retain:
				kept.Count++
			case f.Action == Generalise && f.With != nil:
				mark.Changed++
				text, _ := v.StringValueOK()
				set = append(set, bson.E{Key: at, Value: f.With(text)})
			default:
				mark.Changed++
				unset = append(unset, bson.E{Key: at, Value: ""})
			}
		})
		if kept.Count > 0 {
			kept.Until = p.Rules.Until(f.Rule, anchor(doc, f.Anchor))
			mark.Retained = append(mark.Retained, kept)
		}
	}
	return mark, set, unset
}

// dropStubs deletes what is left of documents that were erased whole, once they are counted.
func (p *Participant) dropStubs(ctx context.Context, erasureID string) error {
	for _, s := range p.Stores {
		if !s.Whole {
			continue
		}
		if _, err := s.Collection.DeleteMany(ctx, bson.D{{Key: erasedMark + ".erasure", Value: erasureID}}); err != nil {
			return fmt.Errorf("delete in %s: %w", s.Collection.Name(), err)
		}
	}
	return nil
}

type receiptDoc struct {
	ID      string            `bson:"_id"`
	Receipt workflows.Receipt `bson:"receipt"`
}

func (p *Participant) keptReceipt(ctx context.Context, c *mongo.Collection, id string) (*workflows.Receipt, error) {
	var doc receiptDoc
	err := c.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&doc)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read a receipt: %w", err)
	}
	erasure, _, _ := strings.Cut(id, "/")
	return &doc.Receipt, p.dropStubs(ctx, erasure)
}

func (p *Participant) keepReceipt(ctx context.Context, c *mongo.Collection, id string, r workflows.Receipt) error {
	_, err := c.ReplaceOne(ctx, bson.D{{Key: "_id", Value: id}}, receiptDoc{id, r}, options.Replace().SetUpsert(true))
	if err != nil {
		return fmt.Errorf("write a receipt: %w", err)
	}
	return nil
}

func splitPath(path string) []string { return strings.Split(path, ".") }
