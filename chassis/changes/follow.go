package changes

import (
	"context"
	"errors"
	"reflect"
	"time"
)

// ErrNone is answered where there is nothing to follow, or nothing that who asks may see.
var ErrNone = errors.New("there is nothing to follow")

// Read gives the thing as it is now; nil where there is none or it may not be seen any more. More is false when nothing
// will change it again.
type Read[T any] func(ctx context.Context) (now *T, more bool, err error)

// Follow gives the thing with this id as it is, then again each time it is found changed, until it has come to its end,
// may not be seen any more, or ctx is done; then the channel is closed. Only the first reading's error is given, or
// ErrNone: later ones are tried again. Changes that come while the last is still being taken come as one.
func Follow[T any](ctx context.Context, f *Feed, id string, read Read[T]) (<-chan *T, error) {
	// The bell is hung up before the first reading, so that no change falls between them.
	bell, leave := f.attend(id)
	first, more, err := read(ctx)
	if err == nil && first == nil {
		err = ErrNone
	}
	if err != nil {
		leave()
		return nil, err
	}
	out := make(chan *T)
	go func() {
		defer close(out)
		defer leave()
		follow(ctx, f, id, bell, out, read, first, more)
	}()
	return out, nil
}

func follow[T any](ctx context.Context, f *Feed, id string, bell <-chan struct{}, out chan<- *T, read Read[T], now *T, more bool) {
	timer := time.NewTimer(f.pause())
	defer timer.Stop()
	var last *T
	for {
		if !reflect.DeepEqual(now, last) {
			select {
			case out <- now:
			case <-ctx.Done():
				return
			}
			last = now
		}
		if !more {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-bell:
		case <-timer.C:
		}
		found, goesOn, err := read(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			f.o.Log.WarnContext(ctx, "what is followed could not be read", "id", id, "error", err)
			timer.Reset(retry)
		case found == nil:
			return
		default:
			now, more = found, goesOn
			timer.Reset(f.pause())
		}
	}
}
