package prepare_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/lethe/lethe/router/prepare"
)

// stopping is a context that is done after it was asked a number of times whether it is.
type stopping struct {
	context.Context
	left int
}

func (s *stopping) Err() error {
	if s.left--; s.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestWarmTakesTheMostUsedFirst checks that where a new schema may warm only some operations they are those in most use,
// through more than one reload.
func TestWarmTakesTheMostUsedFirst(t *testing.T) {
	t.Parallel()
	const kept = 5
	ctx := context.Background()
	query := func(i int) []byte {
		return fmt.Appendf(nil, `query Q%d { products(first: %d) { totalCount } }`, i, i+1)
	}
	first := newPreparer(t, prepare.Limits{})
	for i := range 50 {
		for range 1 + i*10 {
			if _, err := first.Prepare(ctx, query(i), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	second, third := newPreparer(t, prepare.Limits{}), newPreparer(t, prepare.Limits{})
	second.Warm(ctx, first)
	if second.Len() != 50 {
		t.Errorf("%d operations are warm, want all 50", second.Len())
	}
	third.Warm(&stopping{ctx, kept}, second)
	if third.Len() != kept {
		t.Fatalf("%d operations are warm, want %d", third.Len(), kept)
	}
	for i := 50 - kept; i < 50; i++ {
		if _, err := third.Prepare(ctx, query(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if third.Len() != kept {
		t.Errorf("the most used were not the warm ones: %d operations now, want %d", third.Len(), kept)
	}
}

// TestWarmForgetsWhatNobodyAsks checks that an operation that is asked for no more leaves after some reloads.
func TestWarmForgetsWhatNobodyAsks(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := newPreparer(t, prepare.Limits{})
	for range 8 {
		if _, err := p.Prepare(ctx, []byte(`{ __typename }`), nil); err != nil {
			t.Fatal(err)
		}
	}
	for reload := range 6 {
		next := newPreparer(t, prepare.Limits{})
		next.Warm(ctx, p)
		if left := reload < 4; (next.Len() == 1) != left {
			t.Errorf("after reload %d there are %d operations", reload+1, next.Len())
		}
		p = next
	}
}
