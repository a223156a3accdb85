// Package settings reads a configuration file in YAML into a struct, and reports every mistake in it by its key and its
// line, in words for whoever wrote the file: no type of Go appears in them.
//
// Fields are bool, int, float64, string, [Duration], slices, maps with string keys, structs, and pointers to these. The key
// of a field is its yaml tag; fields that are not exported are left alone.
package settings

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Duration is a length of time as it stands in the file, such as "5s"; "" where it is left out.
type Duration string

// Problem is a mistake in a configuration.
type Problem struct {
	// Key is the way to the value, such as "limits.queueTime" or "cors.origins[1]"; "" for the file as a whole.
	Key string
	// Line is where it stands in the file, from 1; 0 where that is not known.
	Line int
	// Message says what is wrong and what would be right.
	Message string
}

// Error returns the problem in one line: "limits.queueTime: expected a duration such as 5s, found a list (line 7)".
func (p Problem) Error() string {
	text := p.Message
	if p.Key != "" {
		text = p.Key + ": " + text
	}
	if p.Line > 0 {
		text += fmt.Sprintf(" (line %d)", p.Line)
	}
	return strings.ReplaceAll(text, "\n", " ")
}

// Problems are all the mistakes in a configuration.
type Problems []Problem

// Error returns the problems, one line each.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each problem as an error, for [errors.As] and for whoever adds to each line.
func (p Problems) Unwrap() []error {
	out := make([]error, len(p))
	for i, one := range p {
		out[i] = one
	}
	return out
}

// Err returns the problems as an error, nil where there are none.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// Check collects what is wrong with the values of a configuration.
type Check struct{ Problems Problems }

// Refuse notes what is wrong with the value of a key.
func (c *Check) Refuse(key, format string, args ...any) {
	c.Problems = append(c.Problems, Problem{Key: key, Message: fmt.Sprintf(format, args...)})
}

// Duration returns a length of time that must be above zero, or otherwise where it is left out or not right.
func (c *Check) Duration(key string, text Duration, otherwise time.Duration) time.Duration {
	d, ok := c.duration(key, text, otherwise)
	if ok && d == 0 {
		c.Refuse(key, "must be above zero, or left out for the default; it is %q", text)
		return otherwise
	}
	return d
}

// DurationOrZero is Duration for a length of time that may be zero.
func (c *Check) DurationOrZero(key string, text Duration, otherwise time.Duration) time.Duration {
	d, _ := c.duration(key, text, otherwise)
	return d
}

// duration reports false where text is left out, or not right.
func (c *Check) duration(key string, text Duration, otherwise time.Duration) (time.Duration, bool) {
	if text == "" {
		return otherwise, false
	}
	d, err := time.ParseDuration(string(text))
	switch {
	case err != nil:
		c.Refuse(key, "expected %s, found %s", aDuration, quoted(string(text)))
	case d < 0:
		c.Refuse(key, "must not be below zero; it is %q", text)
	default:
		return d, true
	}
	return otherwise, false
}

// Default has a number that must not be below zero take its default where it is zero, as it is when left out.
func (c *Check) Default(key string, v *int, otherwise int) {
	if *v < 0 {
		c.Refuse(key, "must be above zero, or left out for the default; it is %d", *v)
		*v = 0
	}
	if *v == 0 {
		*v = otherwise
	}
}

// OneOf has a text that must be one of several take the first where it is left out.
func (c *Check) OneOf(key string, v *string, of ...string) {
	if *v == "" {
		*v = of[0]
		return
	}
	if slices.Contains(of, *v) {
		return
	}
	message := "must be " + alternatives(of) + "; it is " + quoted(*v)
	if near := nearest(*v, of); near != "" {
		message += ": did you mean " + quoted(near) + "?"
	}
	c.Refuse(key, "%s", message)
	*v = of[0]
}

// alternatives returns `"a", "b" or "c"`.
func alternatives(of []string) string {
	var b strings.Builder
	for i, one := range of {
		switch {
		case i > 0 && i == len(of)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(quoted(one))
	}
	return b.String()
}

// quoted returns a text in quotes, cut where it is long.
func quoted(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
