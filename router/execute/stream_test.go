package execute_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/lethe/lethe/router/execute"
)

// stream collects what comes in pieces.
type stream struct {
	length, begun, pieces, longest int
	text                           []byte
	piece                          func(n int) error // called for each; nil for nothing
}

func (s *stream) Begin(length int) {
	s.length = length
	s.begun++
}

func (s *stream) Write(b []byte) (int, error) {
	s.pieces++
	s.longest = max(s.longest, len(b))
	s.text = append(s.text, b...)
	if s.piece != nil {
		return len(b), s.piece(s.pieces)
	}
	return len(b), nil
}

func streaming(a answers, o execute.Options) *execute.Executor {
	o.Log = slog.New(slog.DiscardHandler)
	return execute.New(a, o)
}

// TestStream holds that a long response comes in pieces as it would come whole, and what is short does not.
func TestStream(t *testing.T) {
	t.Parallel()
	broken := shop(5000)
	broken["stock"] = bytes.Replace(broken["stock"], []byte(`{"stock":4000`), []byte(`{"stock":null`), 1)
	failing := shop(5000)
	failing["reviews"] = []byte(`{"errors":[{"message":"not today"}]}`)
	for name, c := range map[string]struct {
		answers answers
		pieces  bool
	}{
		"long":          {shop(5000), true},
		"short":         {shop(5), false},
		"all is null":   {broken, false}, // a product that may not be null lacks what may not
		"with an error": {failing, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, e := compile(t, pageQuery), streaming(c.answers, execute.Options{})
			for range 3 { // with buffers that were used before
				want, whole := e.Execute(context.Background(), program, execute.Request{}, nil)
				var s stream
				rest, outcome := e.Execute(context.Background(), program, execute.Request{Stream: &s}, nil)
				if outcome.Streamed != c.pieces || outcome.Err != nil || outcome.Errors != whole.Errors {
					t.Fatalf("%+v, whole %+v", outcome, whole)
				}
				if !c.pieces {
					if !bytes.Equal(rest, want) || s.begun > 0 || s.pieces > 0 {
						t.Fatalf("%s, %d pieces", rest, s.pieces)
					}
					continue
				}
				if !bytes.Equal(s.text, want) || s.length != len(want) || s.begun != 1 || len(rest) > 0 {
					t.Fatalf("%d bytes in %d pieces, said %d, want %d", len(s.text), s.pieces, s.length, len(want))
				}
				if s.pieces < 3 || s.longest > 300<<10 {
					t.Errorf("%d pieces, of up to %d bytes", s.pieces, s.longest)
				}
			}
		})
	}
}

// TestStreamEnds holds that nothing is written after the client has gone, and that the executor is as good as before.
func TestStreamEnds(t *testing.T) {
	t.Parallel()
	program := compile(t, pageQuery)
	e := streaming(shop(5000), execute.Options{})
	want, _ := e.Execute(context.Background(), program, execute.Request{}, nil)
	gone := errors.New("gone")
	for last := range 4 {
		s := stream{piece: func(n int) error {
			if n > last {
				return gone
			}
			return nil
		}}
		rest, outcome := e.Execute(context.Background(), program, execute.Request{Stream: &s}, nil)
		if !outcome.Streamed || !errors.Is(outcome.Err, gone) || s.pieces != last+1 || len(rest) > 0 || !bytes.HasPrefix(want, s.text) {
			t.Fatalf("%+v after %d pieces", outcome, s.pieces)
		}
		if again, _ := e.Execute(context.Background(), program, execute.Request{}, nil); !bytes.Equal(again, want) {
			t.Fatal("the next answer is another")
		}
	}
}

// TestSlowReaderLeavesTheGate holds that a client which does not read what it asked for keeps nobody else waiting.
func TestSlowReaderLeavesTheGate(t *testing.T) {
	t.Parallel()
	program := compile(t, pageQuery)
	e := streaming(shop(5000), execute.Options{MemoryBudget: 1})
	e.Execute(context.Background(), program, execute.Request{}, nil) // what the program weighs is known from now on
	stuck, read := make(chan struct{}), make(chan struct{})
	var left bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s := stream{piece: func(n int) error {
			if n == 1 {
				close(stuck)
				<-read
			}
			return nil
		}}
		_, outcome := e.Execute(context.Background(), program, execute.Request{Stream: &s}, nil)
		left = outcome.Streamed
	}()
	<-stuck
	if _, outcome := e.Execute(context.Background(), program, execute.Request{}, nil); outcome.Errors > 0 || outcome.Refused {
		t.Errorf("%+v", outcome)
	}
	close(read)
	<-ended
	if !left {
		t.Error("the response did not come in pieces")
	}
	// Whoever left early leaves once: there is room for one alone, and for another after it.
	for range 2 {
		if _, outcome := e.Execute(context.Background(), program, execute.Request{}, nil); outcome.Refused {
			t.Error("refused")
		}
	}
}
