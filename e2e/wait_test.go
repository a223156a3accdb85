package e2e

import (
	"testing"
	"time"

	"github.com/lethe/lethe/e2e/harness"
)

// pause waits a moment between two reads of something that goes on by itself. It ends the test when its time is up.
func pause(t *testing.T) {
	t.Helper()
	timer := time.NewTimer(50 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-t.Context().Done():
		t.Fatal("the test's time is up")
	case <-timer.C:
	}
}

// running gives the Lethe that the tests of this package share; the first that asks starts it.
func (s *suite) running(t *testing.T) *harness.Lethe {
	t.Helper()
	s.once.Do(func() { s.lethe = s.build.StartShared(t, harness.Options{}) })
	if s.lethe == nil {
		t.Fatal("the shared Lethe did not start")
	}
	return s.lethe.With(t)
}
