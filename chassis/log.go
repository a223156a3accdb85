package chassis

import (
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
)

// NewLogger gives a logger that writes lines to w: JSON, or text for people where format is "text". Level is debug,
// info, warn or error. Nothing that a person wrote, and no secret, may be given to it: identifiers, counts and codes only.
// Behind that rule it takes out what looks like a secret or an e-mail address, which errors of libraries may hold.
func NewLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.ToUpper(level))); err != nil {
		return nil, fmt.Errorf("LOG_LEVEL is %q: it must be debug, info, warn or error", level)
	}
	o := &slog.HandlerOptions{Level: l, ReplaceAttr: newRedactor().attribute}
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	}
	return nil, fmt.Errorf("LOG_FORMAT is %q: it must be json or text", format)
}

// redacted stands in the log for what was taken out.
const redacted = "[redacted]"

// redactor takes secrets and e-mail addresses out of what is logged.
type redactor struct {
	userinfo *regexp.Regexp // of a URL
	email    *regexp.Regexp
	token    *regexp.Regexp // a JSON web token, or what follows Bearer
}

func newRedactor() *redactor {
	return &redactor{
		userinfo: regexp.MustCompile(`(://)[^\s/@"']*(?:@[^\s/@"']*)*@`),
		email:    regexp.MustCompile(`[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+`),
		token:    regexp.MustCompile(`eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*|\b([Bb]earer) +[^\s"']+`),
	}
}

// attribute is a slog ReplaceAttr.
func (r *redactor) attribute(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(r.text(a.Value.String()))
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok && err != nil {
			a.Value = slog.StringValue(r.text(err.Error()))
		}
	}
	return a
}

// text gives a text without what may not be logged.
func (r *redactor) text(s string) string {
	if strings.Contains(s, "://") && strings.Contains(s, "@") {
		s = r.userinfo.ReplaceAllString(s, "$1"+redacted+"@")
	}
	if strings.Contains(s, "@") {
		s = r.email.ReplaceAllString(s, redacted)
	}
	if strings.Contains(s, "earer ") || strings.Contains(s, "eyJ") {
		s = r.token.ReplaceAllString(s, redacted)
	}
	return s
}
