package chassis

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// NewLogger gives a logger that writes lines to w: JSON, or text for people where format is "text". Level is debug,
// info, warn or error. Nothing that a person wrote, and no secret, may be given to it: identifiers, counts and codes only.
func NewLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.ToUpper(level))); err != nil {
		return nil, fmt.Errorf("LOG_LEVEL is %q: it must be debug, info, warn or error", level)
	}
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l})), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l})), nil
	}
	return nil, fmt.Errorf("LOG_FORMAT is %q: it must be json or text", format)
}
