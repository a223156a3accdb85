package erasure

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/workflows"
)

// Purge removes what caches hold of the subject, and proves that nothing is left. Keys of a subject carry its id: sessions,
// carts, cached answers.
func (a *Activities) Purge(ctx context.Context, ref workflows.SubjectRef) (workflows.Receipt, error) {
	r := workflows.Receipt{Service: "caches"}
	for _, router := range a.o.Routers {
		if err := a.purgeRouter(ctx, router, ref); err != nil {
			return r, err
		}
	}
	pattern := "*" + globEscape.Replace(ref.CustomerID) + "*"
	keys := a.o.Redis.Scan(ctx, 0, pattern, 1000).Iterator()
	for keys.Next(ctx) {
		activity.RecordHeartbeat(ctx)
		r.Matched++
		n, err := a.o.Redis.Unlink(ctx, keys.Val()).Result()
		if err != nil {
			return r, fmt.Errorf("remove a cached key: %w", err)
		}
		r.Changed += int(n)
	}
	if err := keys.Err(); err != nil {
		return r, fmt.Errorf("search the cache: %w", err)
	}
	left := a.o.Redis.Scan(ctx, 0, pattern, 1000).Iterator()
	for left.Next(ctx) {
		r.Remaining++
	}
	if err := left.Err(); err != nil {
		return r, fmt.Errorf("search the cache: %w", err)
	}
	if r.Remaining > 0 {
		return r, errors.New("the cache was filled again meanwhile")
	}
	return r, nil
}

// globEscape escapes what has a meaning in Redis's patterns.
var globEscape = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

// purgeRouter has a router drop what it cached for the subject.
func (a *Activities) purgeRouter(ctx context.Context, router string, ref workflows.SubjectRef) error {
	body, err := json.Marshal(struct {
		Subject string `json:"subject"`
	}{ref.CustomerID})
	if err != nil {
		return fmt.Errorf("write a purge: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(router, "/")+"/internal/purge", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("purge a router: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	a.o.Signer.Outgoing(identity.NewContext(ctx, identity.Principal{Role: identity.Service, Subject: "erasure"}), req.Header, "router", body)
	resp, err := a.o.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("purge a router: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("purge a router: it answers %s", resp.Status)
	}
	return nil
}

// Histories deletes the histories of workflows that have ended. One that still runs is left: it holds ids alone, and its
// history goes when the namespace's retention ends.
func (a *Activities) Histories(ctx context.Context, in workflows.Histories) (workflows.Receipt, error) {
	r := workflows.Receipt{Service: "temporal"}
	for _, id := range in.WorkflowIDs {
		activity.RecordHeartbeat(ctx)
		d, err := a.o.Temporal.DescribeWorkflowExecution(ctx, id, "")
		var gone *serviceerror.NotFound
		if errors.As(err, &gone) {
			continue
		}
		if err != nil {
			return r, fmt.Errorf("describe a workflow: %w", err)
		}
		r.Matched++
		info := d.GetWorkflowExecutionInfo()
		if info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
			continue
		}
		_, err = a.o.Temporal.WorkflowService().DeleteWorkflowExecution(ctx, &workflowservice.DeleteWorkflowExecutionRequest{
			Namespace: a.o.Namespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: id, RunId: info.GetExecution().GetRunId()},
		})
		if err != nil && !errors.As(err, &gone) {
			return r, fmt.Errorf("delete a history: %w", err)
		}
		r.Changed++
	}
	return r, nil
}
