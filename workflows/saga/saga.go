// Package saga is how a workflow undoes what it has done, and how it carries through what must not be undone.
package saga

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// pause is how long a step that used up its retries waits for an operator before it is tried again.
const pause = 10 * time.Minute

// Saga is the undoing of a workflow's steps. The zero value has nothing to undo.
type Saga struct {
	undos []undo
}

type undo struct {
	name string
	do   func(workflow.Context) error
}

// Add registers how a step is undone. It is called before the step, because a step that timed out may have taken effect:
// so do must succeed when the step never happened.
func (s *Saga) Add(name string, do func(workflow.Context) error) {
	s.undos = append(s.undos, undo{name, do})
}

// Undo undoes every step, the last one first, and forgets them. It goes on when ctx is cancelled, and returns only when
// everything is undone.
func (s *Saga) Undo(ctx workflow.Context) {
	for i := len(s.undos) - 1; i >= 0; i-- {
		Insist(ctx, s.undos[i].name, s.undos[i].do)
	}
	s.undos = nil
}

// Insist does something that must happen, again until it succeeds, also when ctx is cancelled. While it fails for good,
// the workflow's details say that an operator is needed. Name stands there: it holds no personal data.
func Insist(ctx workflow.Context, name string, do func(workflow.Context) error) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	for tried := false; ; tried = true {
		err := do(ctx)
		if err == nil {
			if tried {
				workflow.SetCurrentDetails(ctx, "")
			}
			return
		}
		workflow.GetLogger(ctx).Error("a step needs an operator", "step", name, "error", err)
		workflow.SetCurrentDetails(ctx, "Needs an operator: "+name+" fails.")
		if err := workflow.Sleep(ctx, pause); err != nil {
			return // the workflow itself is being taken down
		}
	}
}
