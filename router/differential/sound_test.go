package differential_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// sound checks an answer where things went wrong against what the answer were if nothing had: what is there must be true,
// what is null must be so by the type and for a reason, and each error must stand where something is missing.
func sound(u *universe, clean any, data json.RawMessage, errs []graphQLError) error {
	var got any
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&got); err != nil {
		return err
	}
	// The clean answer with its numbers as JSON has them.
	c := &checking{u: u, errors: errs, faults: u.faults}
	if err := c.value(clean, got, nil, nil); err != nil {
		return err
	}
	for _, e := range errs {
		if e.leftOut() {
			continue
		}
		if err := placed(clean, got, e.Path, u.faults.stray > 0); err != nil {
			return fmt.Errorf("the error %q at %v: %w", e.Message, e.Path, err)
		}
	}
	if got == nil && len(errs) == 0 {
		return errors.New("there are neither data nor errors")
	}
	return nil
}

type checking struct {
	u      *universe
	errors []graphQLError
	faults faults
}

// value compares a value of the answer with the clean one.
func (c *checking) value(clean, got any, t *ast.Type, path []any) error {
	if got == nil {
		if clean == nil {
			return nil
		}
		if t != nil && t.NonNull {
			return fmt.Errorf("null at %v, which is never null", path)
		}
		return c.missing(path)
	}
	switch clean := clean.(type) {
	case *object:
		o, ok := got.(map[string]any)
		if !ok || len(o) != len(clean.names) {
			return fmt.Errorf("at %v is not the object that was asked for", path)
		}
		for i, name := range clean.names {
			v, ok := o[name]
			if !ok {
				return fmt.Errorf("at %v there is no %s", path, name)
			}
			if err := c.value(clean.values[i], v, clean.types[i], append(path[:len(path):len(path)], name)); err != nil {
				return err
			}
		}
		return nil
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(clean) {
			return fmt.Errorf("at %v is not the list that was asked for", path)
		}
		for i := range clean {
			var element *ast.Type
			if t != nil {
				element = t.Elem
			}
			if err := c.value(clean[i], list[i], element, append(path[:len(path):len(path)], i)); err != nil {
				return err
			}
		}
		return nil
	}
	want, _ := json.Marshal(clean)
	have, _ := json.Marshal(got)
	if !bytes.Equal(want, have) {
		return fmt.Errorf("at %v is %s and not %s", path, have, want)
	}
	return nil
}

// missing reports what is wrong with a null that were not there if nothing had failed. An object that a subgraph does not know is
// null without an error; what a request that failed would have answered may be missing at many places, and an error that had no
// place stands elsewhere.
func (c *checking) missing(path []any) error {
	if c.faults.entities > 0 {
		return nil
	}
	if slices.ContainsFunc(c.errors, func(e graphQLError) bool {
		return c.faults.calls > 0 || c.faults.stray > 0 || c.required(e.Message) || related(e.Path[:max(0, len(e.Path)-1)], path)
	}) {
		return nil
	}
	return fmt.Errorf("null at %v, for which no error tells why", path)
}

// required tells whether an error is of a field that a requirement reads: who requires it may stand elsewhere.
func (c *checking) required(message string) bool {
	var field, object string
	if _, err := fmt.Sscanf(message, "no %s of %s", &field, &object); err != nil {
		return false
	}
	typ, _, _ := strings.Cut(object, "-")
	return c.u.asked[typ+"."+field]
}

// related reports whether one of two paths leads to the other.
func related(a, b []any) bool {
	for i := range min(len(a), len(b)) {
		if fmt.Sprint(a[i]) != fmt.Sprint(b[i]) {
			return false
		}
	}
	return true
}

// located checks that errors are where values are null for them, each once: those of a plain executor, of which a value that may
// not be null and is hides others. Others may be there where some have no place: they lead to what was asked for.
func located(whole any, got, want []graphQLError, more bool) error {
	text, err := json.Marshal(whole)
	if err != nil {
		return err
	}
	var data any
	if err := json.Unmarshal(text, &data); err != nil {
		return err
	}
	if slices.ContainsFunc(got, graphQLError.leftOut) {
		return nil
	}
	at := map[string]int{}
	for _, e := range got {
		at[fmt.Sprint(e.Path)]++
		if !slices.ContainsFunc(want, func(w graphQLError) bool { return fmt.Sprint(w.Path) == fmt.Sprint(e.Path) }) {
			if !more {
				return fmt.Errorf("nothing is wrong at %v", e.Path)
			}
			if err := placed(whole, data, e.Path, more); err != nil {
				return fmt.Errorf("the error %q at %v: %w", e.Message, e.Path, err)
			}
		}
	}
	for _, e := range want {
		n := at[fmt.Sprint(e.Path)]
		cut := gone(data, e.Path)
		switch {
		case n > 1 && !more:
			return fmt.Errorf("%d errors at %v", n, e.Path)
		case n == 0 && cut == len(e.Path):
			return fmt.Errorf("there is no error at %v: %s", e.Path, e.Message)
		case n == 0 && !slices.ContainsFunc(got, func(g graphQLError) bool { return related(g.Path, e.Path[:cut]) }):
			return fmt.Errorf("there is no error below %v: %s", e.Path[:cut], e.Message)
		}
	}
	return nil
}

// gone gives how many elements of a path lead to null.
func gone(data any, path []any) int {
	for i, step := range path {
		switch at := data.(type) {
		case map[string]any:
			data = at[fmt.Sprint(step)]
		case []any:
			data = at[step.(int)]
		default:
			return i
		}
	}
	return len(path)
}

// leftOut reports whether an error only says that there were more than a response holds: it has no place.
func (e graphQLError) leftOut() bool {
	return strings.HasSuffix(e.Message, "more errors are left out.")
}

// lost reports errors of subgraphs that a response does not have, unless it says that it has not all.
func (s *services) lost(got []graphQLError) error {
	if slices.ContainsFunc(got, graphQLError.leftOut) {
		return nil
	}
	for _, message := range s.told {
		if !slices.ContainsFunc(got, func(e graphQLError) bool { return e.Message == message }) {
			return fmt.Errorf("the error %q is lost", message)
		}
	}
	return nil
}

// placed reports whether a path leads through the response to something that is missing, or, where errors stray, to something
// that was asked for.
func placed(clean, got any, path []any, stray bool) error {
	if len(path) == 0 && got != nil {
		return errors.New("it has no path, and there are data")
	}
	for i, step := range path {
		if got == nil {
			return nil // an object above is missing
		}
		switch at := clean.(type) {
		case *object:
			n := slices.Index(at.names, fmt.Sprint(step))
			if n < 0 {
				return fmt.Errorf("nothing was asked for at %v", path[:i+1])
			}
			clean = at.values[n]
			if o, ok := got.(map[string]any); ok {
				got = o[at.names[n]]
			}
		case []any:
			n, ok := step.(float64)
			if !ok || int(n) >= len(at) {
				return fmt.Errorf("there is no element %v", path[:i+1])
			}
			clean = at[int(n)]
			if list, ok := got.([]any); ok {
				got = list[int(n)]
			}
		default:
			return fmt.Errorf("nothing is below %v", path[:i])
		}
	}
	if stray {
		return nil
	}
	switch got.(type) {
	case nil, map[string]any, []any:
		return nil // missing, or what is below is
	}
	return fmt.Errorf("something is there: %v", got)
}
