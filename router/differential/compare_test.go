package differential_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/prepare"
)

// compare asks one operation with all the values that it has for its variables.
func (w *world) compare(c *counts, op operation, n int) error {
	doc, invalid := gqlparser.LoadQueryWithRules(w.sg.API(), op.text, referenceRules())
	if len(invalid) > 0 {
		c.invalid.Add(1)
		c.mu.Lock()
		c.codes[invalid[0].Rule+": "+invalid[0].Message]++
		c.mu.Unlock()
		return nil
	}
	if canMerge(w.sg.API(), doc) != nil {
		c.invalid.Add(1)
		return nil
	}
	c.asked.Add(1)
	prepared, err := w.preparer.Prepare(context.Background(), []byte(op.text), nil)
	if err != nil {
		return err
	}
	if len(prepared.Errors) > 0 {
		if code := prepared.Errors[0].Extensions["code"]; code == "TOO_MANY_ALIASES" {
			c.refused.Add(1)
			return nil
		}
		return fmt.Errorf("refused: %w\n%s", prepared.Errors, op.text)
	}
	for i, values := range op.variables {
		c.runs.Add(1)
		if err := w.compareRun(c, prepared, doc, values, (n+i)%2 == 0); err != nil {
			text, _ := json.Marshal(values)
			return fmt.Errorf("%w\n%s\n%s\n%s\n%s", err, op.text, text, prepared.Program.Plan(), strings.Join(w.services.calls, "\n"))
		}
	}
	return nil
}

func (w *world) compareRun(c *counts, prepared *prepare.Prepared, doc *ast.QueryDocument, values map[string]any, moved bool) error {
	labels := map[string]bool{"moved": moved, "other": !moved, "percent(100)": true, "percent(0)": false}
	percent := map[string]float64{"moved": 0, "other": 100}
	if moved {
		percent = map[string]float64{"moved": 100, "other": 0}
	}
	given, err := json.Marshal(values)
	if err != nil {
		return err
	}
	var coerced prepare.Values
	if errs := prepared.Coerce(&coerced, given); len(errs) > 0 {
		return fmt.Errorf("the variables are refused: %w", errs)
	}
	w.services.reset(labels)
	answer, err := w.execute(c, prepared.Program, execute.Request{Variables: coerced.JSON, Labels: execute.Labels{Percent: percent}})
	if w.u.broken {
		return nil
	}
	if err != nil {
		return err
	}
	if len(w.services.violations) > 0 {
		return errors.Join(w.services.violations...)
	}
	var got response
	if err := json.Unmarshal(answer, &got); err != nil {
		return fmt.Errorf("%w: %s", err, answer)
	}
	return w.judge(doc, values, got.Data, got.Errors)
}

// response is what a client gets.
type response struct {
	Data   json.RawMessage
	Errors []graphQLError
}

// judge compares a response with what a plain executor answers, in a universe where the same goes wrong.
func (w *world) judge(doc *ast.QueryDocument, values map[string]any, data json.RawMessage, got []graphQLError) error {
	whole, errs := w.answer(w.u, doc, values)
	if w.u.broken {
		return nil
	}
	want, err := json.Marshal(whole)
	if err != nil {
		return err
	}
	switch {
	case w.u.faults.lossy():
		clean, _ := w.answer(w.clean, doc, values)
		err = sound(w.u, clean, data, got)
		errs = slices.DeleteFunc(errs, func(e graphQLError) bool { return w.services.missed(e.way) })
		if err == nil && len(got) == 0 && len(errs) > 0 {
			err = fmt.Errorf("there are no errors, want %v", errs)
		}
	case !bytes.Equal(normal(data), normal(want)):
		err = errors.New("the answers differ")
	default:
		err = located(whole, got, errs, w.u.faults.stray > 0)
	}
	if err == nil {
		err = w.services.lost(got)
	}
	if err != nil {
		return fmt.Errorf("%w\ngot  %s\nwant %s\nerrors %v\nwant   %v", err, data, want, got, errs)
	}
	return nil
}

// answer has a universe answer an operation as a whole.
func (w *world) answer(u *universe, doc *ast.QueryDocument, values map[string]any) (any, []graphQLError) {
	e := &executor{schema: w.sg.API(), doc: doc, resolver: &whole{u: u, state: &state{}}}
	op := doc.Operations[0]
	e.variables(op, values)
	return e.run(op, thing{"Query", 0}), e.errors
}

// normal writes JSON with its strings escaped in one way, and keeps the order of its fields.
func normal(text []byte) []byte {
	var b bytes.Buffer
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return b.Bytes()
		}
		if s, ok := token.(string); ok {
			quoted, _ := json.Marshal(s)
			b.Write(quoted)
		} else {
			fmt.Fprint(&b, token)
		}
		b.WriteByte(' ')
	}
}
