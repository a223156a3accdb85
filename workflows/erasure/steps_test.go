package erasure

import (
	"errors"
	"testing"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/lethe/lethe/workflows"
)

// TestKindOf looks that of a failure nothing is told but one of a few fixed words.
func TestKindOf(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		workflows.ErrTypeNoParticipant:    temporal.NewTimeoutError(enums.TIMEOUT_TYPE_SCHEDULE_TO_START, nil),
		"TIMEOUT":                         temporal.NewTimeoutError(enums.TIMEOUT_TYPE_START_TO_CLOSE, nil),
		workflows.ErrTypeManifestMismatch: temporal.NewNonRetryableApplicationError("for ada@example.com", workflows.ErrTypeManifestMismatch, nil),
		"FAILED":                          temporal.NewApplicationError("no server at ada@example.com", "wrapError", errors.New("ada@example.com")),
	} {
		if got := kindOf(err); got != want {
			t.Errorf("%v is a %s, want %s", err, got, want)
		}
	}
}
