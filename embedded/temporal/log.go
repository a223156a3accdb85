package temporal

import (
	"context"
	"log/slog"

	"go.temporal.io/server/common/log/tag"
)

// slogLogger carries Temporal's log into slog. The server is talkative at start and stop, so that its information is
// debugging to us, and its errors, most of which it mends itself, are warnings.
type slogLogger struct{ log *slog.Logger }

func (l slogLogger) write(level slog.Level, msg string, tags []tag.Tag) {
	if !l.log.Enabled(context.Background(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, len(tags))
	for _, t := range tags {
		attrs = append(attrs, slog.Any(t.Key(), t.Value()))
	}
	l.log.LogAttrs(context.Background(), level, msg, attrs...)
}

func (l slogLogger) Debug(msg string, tags ...tag.Tag)  { l.write(slog.LevelDebug-4, msg, tags) }
func (l slogLogger) Info(msg string, tags ...tag.Tag)   { l.write(slog.LevelDebug, msg, tags) }
func (l slogLogger) Warn(msg string, tags ...tag.Tag)   { l.write(slog.LevelDebug, msg, tags) }
func (l slogLogger) Error(msg string, tags ...tag.Tag)  { l.write(slog.LevelInfo, msg, tags) }
func (l slogLogger) DPanic(msg string, tags ...tag.Tag) { l.write(slog.LevelError, msg, tags) }

func (l slogLogger) Panic(msg string, tags ...tag.Tag) {
	l.write(slog.LevelError, msg, tags)
	panic(msg)
}

func (l slogLogger) Fatal(msg string, tags ...tag.Tag) {
	l.write(slog.LevelError, msg, tags)
	panic(msg)
}

// discard is the log of the client that only waits for the frontend.
type discard struct{}

func (discard) Debug(string, ...any) {}
func (discard) Info(string, ...any)  {}
func (discard) Warn(string, ...any)  {}
func (discard) Error(string, ...any) {}
