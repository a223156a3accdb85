package customers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/lethe/lethe/chassis/graphqlserver"
	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/privacy/datamap"
	"github.com/lethe/lethe/subgraphs/customers/graph"
	"github.com/lethe/lethe/workflows"
)

// survey runs one of the short workflows that ask all services about a customer.
func (o *office) survey(ctx context.Context, workflow, customerID string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	id := newID("srv")
	run, err := o.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.SurveyID(id), TaskQueue: workflows.QueueWorkflows, WorkflowExecutionTimeout: patience,
	}, workflow, workflows.SurveyRequest{
		SubjectRef: workflows.SubjectRef{ErasureID: id, CustomerID: customerID}, Services: o.data.Services(),
	})
	if err == nil {
		err = run.Get(ctx, out)
	}
	if err == nil {
		return nil
	}
	o.log.WarnContext(ctx, "a survey failed", "survey", id, "error", err)
	var refused *temporal.ApplicationError
	var service string
	if errors.As(err, &refused) && refused.Type() == workflows.ErrTypeNoParticipant && refused.Details(&service) == nil {
		return &graphqlserver.Error{Code: "UNAVAILABLE", Message: "The service " + service + " does not answer: try again in a minute."}
	}
	return &graphqlserver.Error{Code: "UNAVAILABLE", Message: "The services cannot be asked at the moment: try again in a minute."}
}

// preview tells what an erasure would do; nil for a customer that is not there.
func (o *office) preview(ctx context.Context, customerID string) (*graph.ErasurePreview, error) {
	if _, err := o.store.customer(ctx, customerID); errors.Is(err, errNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var found workflows.Survey
	if err := o.survey(ctx, workflows.WorkflowSurvey, customerID, &found); err != nil {
		return nil, err
	}
	out := &graph.ErasurePreview{Holdings: []*graph.Holding{}, Blockers: []*graph.ErasureBlocker{}}
	for _, l := range found.Located {
		for _, p := range l.Paths {
			out.Holdings = append(out.Holdings, &graph.Holding{
				Service: l.Service, Path: p.Path, Category: o.category(l.Service, p.Path), Action: graph.ErasureAction(p.Action), Count: p.Count,
				Rule: optional(p.Rule), Until: optionalTime(p.Until),
			})
		}
		for _, b := range l.Blockers {
			if b.Count > 0 {
				out.Blockers = append(out.Blockers, &graph.ErasureBlocker{Service: l.Service, Kind: b.Kind, Count: b.Count})
			}
		}
	}
	return out, nil
}

func (o *office) category(service, path string) graph.PersonalDataCategory {
	i := slices.IndexFunc(o.data.Entries, func(e datamap.Entry) bool { return e.Service == service && e.Path == path })
	if i < 0 {
		return graph.PersonalDataCategoryIdentifier
	}
	return graph.PersonalDataCategory(o.data.Entries[i].Category)
}

// dataMap tells which service holds what, from the schema's annotations.
func (o *office) dataMap() *graph.DataMap {
	out := &graph.DataMap{Entries: make([]*graph.DataMapEntry, len(o.data.Entries)), Rules: []*graph.RetentionRule{}}
	for i, e := range o.data.Entries {
		out.Entries[i] = &graph.DataMapEntry{
			Service: e.Service, Path: e.Path, Category: graph.PersonalDataCategory(e.Category), Action: graph.ErasureAction(e.Action),
			Rule: optional(e.Rule), Description: optional(e.Description),
		}
	}
	for name, r := range o.rules {
		out.Rules = append(out.Rules, &graph.RetentionRule{Name: name, Basis: r.Basis, Law: r.Law, Duration: r.Duration, Anchor: r.Anchor, Jurisdiction: r.Jurisdiction})
	}
	slices.SortFunc(out.Rules, func(a, b *graph.RetentionRule) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}

// export gathers what all services hold of a customer into one JSON document, by service and collection.
func (o *office) export(ctx context.Context, customerID string) (string, refusals, error) {
	var refused refusals
	if refused.text(customerID, 1, maxID, "customerId"); len(refused) > 0 {
		return "", refused, nil
	}
	if _, err := o.store.customer(ctx, customerID); errors.Is(err, errNotFound) {
		refused.add(graph.UserErrorCodeNotFound, "There is no such customer: check the id.", "customerId")
		return "", refused, nil
	} else if err != nil {
		return "", nil, err
	}
	var left workflows.Exports
	if err := o.survey(ctx, workflows.WorkflowExport, customerID, &left); err != nil {
		return "", nil, err
	}
	document := make(map[string]json.RawMessage, len(left.Refs))
	for _, ref := range left.Refs {
		part, err := privacy.FetchExport(ctx, o.redis, o.keys, ref)
		if err != nil {
			return "", nil, err
		}
		document[ref.Service] = part
	}
	text, err := json.Marshal(document)
	if err != nil {
		return "", nil, fmt.Errorf("write an export: %w", err)
	}
	return string(text), nil, nil
}
