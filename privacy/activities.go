package privacy

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/lethe/lethe/workflows"
)

// Register adds the participant's activities to a worker of its queue, workflows.PrivacyQueue.
func (p *Participant) Register(r worker.Registry) {
	for name, f := range map[string]any{
		workflows.PrivacyDescribe:   p.Describe,
		workflows.PrivacyLocate:     p.Locate,
		workflows.PrivacyRestrict:   p.Restrict,
		workflows.PrivacyUnrestrict: p.Unrestrict,
		workflows.PrivacyDrain:      p.DrainActivity,
		workflows.PrivacyRemember:   p.Remember,
		workflows.PrivacySeal:       p.Seal,
		workflows.PrivacyErase:      p.Erase,
		workflows.PrivacyVerify:     p.Verify,
		workflows.PrivacyForget:     p.Forget,
		workflows.PrivacyExport:     p.Export,
	} {
		r.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
}

// Describe gives the manifest.
func (p *Participant) Describe(context.Context, workflows.SubjectRef) (workflows.Manifest, error) {
	return p.Manifest(), nil
}

// Locate counts what is held of the subject, and tells what is still under way. It reads only.
func (p *Participant) Locate(ctx context.Context, ref workflows.SubjectRef) (workflows.Located, error) {
	return p.locate(ctx, ref.CustomerID)
}

// Restrict keeps new things from being written for the subject. It can be undone.
func (p *Participant) Restrict(ctx context.Context, ref workflows.SubjectRef) error {
	return p.Barrier.restrict(ctx, ref.CustomerID, ref.ErasureID)
}

// Unrestrict undoes Restrict, and forgets what was remembered.
func (p *Participant) Unrestrict(ctx context.Context, ref workflows.SubjectRef) error {
	if err := p.forget(ctx, ref); err != nil {
		return err
	}
	return p.Barrier.unrestrict(ctx, ref.CustomerID)
}

// DrainActivity starts what ends the blockers and gives what is left.
func (p *Participant) DrainActivity(ctx context.Context, in workflows.DrainRequest) (workflows.Located, error) {
	if p.Drain != nil {
		if err := p.Drain(ctx, in.CustomerID, in.Cancel); err != nil {
			return workflows.Located{}, err
		}
	}
	return p.locate(ctx, in.CustomerID)
}

// Remember keeps the subject's own values for the verification.
func (p *Participant) Remember(ctx context.Context, ref workflows.SubjectRef) error {
	_, err := p.remember(ctx, ref)
	return err
}

// Seal writes the tombstones: of the id, and of each e-mail address and phone number. It cannot be undone.
func (p *Participant) Seal(ctx context.Context, ref workflows.SubjectRef) error {
	var contacts []string
	for _, s := range p.Stores {
		for _, f := range s.Fields {
			if f.Category != "CONTACT" {
				continue
			}
			err := each(ctx, s.Collection, s.Subject(ref.CustomerID), func(doc bson.Raw) error {
				for _, v := range values(doc, f.BSON) {
					text, _ := v.StringValueOK()
					contacts = append(contacts, p.Keys.ContactHash(contactKind(text), text))
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return p.Barrier.seal(ctx, ref.CustomerID, ref.ErasureID, contacts)
}

func contactKind(text string) string {
	for _, r := range text {
		if r == '@' {
			return "email"
		}
	}
	return "phone"
}

// Erase erases, and gives a receipt whose counts agree with what was located.
func (p *Participant) Erase(ctx context.Context, in workflows.EraseStep) (workflows.Receipt, error) {
	return p.erase(ctx, in, func(v any) { activity.RecordHeartbeat(ctx, v) })
}

// Verify reads every document of the service and searches it for the subject's own values.
func (p *Participant) Verify(ctx context.Context, ref workflows.SubjectRef) (workflows.Findings, error) {
	return p.verify(ctx, ref, func(v any) { activity.RecordHeartbeat(ctx, v) })
}

// Forget destroys what Remember kept.
func (p *Participant) Forget(ctx context.Context, ref workflows.SubjectRef) error {
	return p.forget(ctx, ref)
}

// exportLife is how long an export can be fetched.
const exportLife = time.Hour

// Export gathers what is held of the subject, encrypts it and gives where it is. The values stay in the service.
func (p *Participant) Export(ctx context.Context, ref workflows.SubjectRef) (workflows.ExportRef, error) {
	document := map[string][]json.RawMessage{}
	for _, s := range p.Stores {
		err := each(ctx, s.Collection, s.Subject(ref.CustomerID), func(doc bson.Raw) error {
			out := map[string][]json.RawMessage{}
			for _, f := range s.Fields {
				for _, v := range values(doc, f.BSON) {
					out[f.Path] = append(out[f.Path], plain(v))
				}
			}
			text, err := json.Marshal(out)
			if err != nil {
				return fmt.Errorf("write an export: %w", err)
			}
			document[s.Collection.Name()] = append(document[s.Collection.Name()], text)
			return nil
		})
		if err != nil {
			return workflows.ExportRef{}, err
		}
	}
	text, err := json.Marshal(document)
	if err != nil {
		return workflows.ExportRef{}, fmt.Errorf("write an export: %w", err)
	}
	sealed, err := seal(p.Keys.Dossier[:32], text, "export "+ref.ErasureID)
	if err != nil {
		return workflows.ExportRef{}, err
	}
	_, err = p.DB.Collection("exports").ReplaceOne(ctx, bson.D{{Key: "_id", Value: ref.ErasureID}},
		bson.D{{Key: "_id", Value: ref.ErasureID}, {Key: "sealed", Value: sealed}, {Key: "expires", Value: time.Now().Add(exportLife).UTC()}},
		options.Replace().SetUpsert(true))
	if err != nil {
		return workflows.ExportRef{}, fmt.Errorf("write an export: %w", err)
	}
	return workflows.ExportRef{Service: p.Service, Ref: ref.ErasureID}, nil
}

// plain writes a stored value as plain JSON.
func plain(v bson.RawValue) json.RawMessage {
	var out any
	switch v.Type {
	case bson.TypeString:
		out = v.StringValue()
	case bson.TypeBoolean:
		out = v.Boolean()
	case bson.TypeInt32:
		out = v.Int32()
	case bson.TypeInt64:
		out = v.Int64()
	case bson.TypeDouble:
		out = v.Double()
	case bson.TypeDateTime:
		out = v.Time().UTC().Format(time.RFC3339)
	default:
		out = v.String()
	}
	b, err := json.Marshal(out)
	if err != nil {
		return json.RawMessage("null")
	}
	return b
}
