package execute_test

import (
	"bytes"
	"testing"

	"github.com/lethe/lethe/router/execute"
)

// TestCutAnswers holds that an answer that ends anywhere is refused: the field is null, with an error that says so, and nothing
// of it goes wrong in the router.
func TestCutAnswers(t *testing.T) {
	t.Parallel()
	w := factsWorld(t)
	for _, s := range settings() {
		a := w.asking(t, s)
		answer := s.answer(goodFacts)
		for n := range len(answer) {
			got := a.answered(t, answer[:n])
			raw := []byte(text(got.errors))
			if len(got.errors) == 0 || bytes.Contains(raw, []byte(execute.CodeInternal)) {
				t.Fatalf("%s: of %q: %s", s.name, answer[:n], raw)
			}
		}
	}
}
