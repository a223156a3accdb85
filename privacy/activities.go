package privacy

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
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
		workflows.PrivacyHistories:  p.Histories,
		workflows.PrivacyNotify:     p.NotifyActivity,
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
	if err := p.Barrier.restrict(ctx, ref.CustomerID, ref.ErasureID); err != nil {
		return err
	}
	return p.restricted(ctx, ref.CustomerID, true)
}

func (p *Participant) restricted(ctx context.Context, customerID string, restricted bool) error {
	if p.OnRestrict == nil {
		return nil
	}
	return p.OnRestrict(ctx, customerID, restricted)
}

// Unrestrict undoes Restrict, and forgets what was remembered.
func (p *Participant) Unrestrict(ctx context.Context, ref workflows.SubjectRef) error {
	if err := p.forget(ctx, ref); err != nil {
		return err
	}
	if err := p.Barrier.unrestrict(ctx, ref.CustomerID); err != nil {
		return err
	}
	return p.restricted(ctx, ref.CustomerID, false)
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
	return p.remember(ctx, ref)
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
	return p.erase(ctx, in)
}

// Verify reads every document of the service and searches it for the subject's own values.
func (p *Participant) Verify(ctx context.Context, ref workflows.SubjectRef) (workflows.Findings, error) {
	return p.verify(ctx, ref)
}

// Histories gives the ids of the workflows that ran for the subject, as they were remembered before the link was cut.
func (p *Participant) Histories(ctx context.Context, ref workflows.SubjectRef) (workflows.Histories, error) {
	d, err := p.recall(ctx, ref)
	if err != nil || d == nil {
		return workflows.Histories{}, err
	}
	return workflows.Histories{WorkflowIDs: d.Workflows}, nil
}

// NotifyActivity tells those outside to whom the service disclosed something of the subject.
func (p *Participant) NotifyActivity(ctx context.Context, ref workflows.SubjectRef) (workflows.Notified, error) {
	d, err := p.recall(ctx, ref)
	if err != nil || d == nil || p.Notify == nil {
		return workflows.Notified{}, err
	}
	documents := map[string][]string{}
	for _, of := range d.Documents {
		for _, id := range of.IDs {
			if text, ok := id.StringValueOK(); ok {
				documents[of.Collection] = append(documents[of.Collection], text)
			}
		}
	}
	recipients, err := p.Notify(ctx, documents)
	return workflows.Notified{Recipients: recipients}, err
}

// Forget destroys what Remember kept.
func (p *Participant) Forget(ctx context.Context, ref workflows.SubjectRef) error {
	return p.forget(ctx, ref)
}

// beat tells Temporal that an activity is alive; outside an activity it does nothing.
func beat(ctx context.Context) {
	if activity.IsActivity(ctx) {
		activity.RecordHeartbeat(ctx)
	}
}
