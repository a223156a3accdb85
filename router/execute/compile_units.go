package execute

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lethe/lethe/router/jsontext"
	"github.com/lethe/lethe/router/plan"
)

// units groups the fetches that travel in one request, and says which unit waits for which. Fetches of one batch are
// equally far from the start, so that none of them waits for another, not even by way of a third.
func (c *compiler) units() {
	of := make([]int, len(c.program.fetches))
	batches := map[int]int{}
	for i, f := range c.program.fetches {
		if number := c.plan.Fetches[i].Batch; number > 0 && f.entity {
			if at, ok := batches[number]; ok {
				c.program.units[at].fetches = append(c.program.units[at].fetches, f)
				of[i] = at
				continue
			}
			batches[number] = len(c.program.units)
		}
		of[i] = len(c.program.units)
		u := &unit{fetches: []*fetch{f}, subgraph: f.subgraph}
		if name := c.operationName(c.plan.Fetches[i]); name != "" {
			u.name = inString(" " + name)
		}
		c.program.units = append(c.program.units, u)
	}
	for i, u := range c.program.units {
		var before []int
		for _, f := range u.fetches {
			for _, d := range f.needs {
				if at := of[d]; at != i && !slices.Contains(before, at) {
					before = append(before, at)
				}
			}
		}
		u.waits = int32(len(before))
		for _, at := range before {
			c.program.units[at].dependants = append(c.program.units[at].dependants, i)
		}
	}
	c.program.directives = inString(c.operationDirectives(plan.Query))
	for i := range c.plan.Operation.Variables {
		c.program.declarations = append(c.program.declarations, inString(c.declare(i)))
	}
}

// piece renders a fetch's part of a request that several share.
func (c *compiler) piece(out *fetch, f *plan.Fetch) error {
	var b strings.Builder
	c.rendering, c.fragments = f.ID, 0
	c.definitions.Reset()
	c.write(&b, f.Selections, false)
	text := b.String()
	for i := range f.Representations {
		// What the representations of one fetch pass is the same for all: they are alternatives by type.
		if i > 0 {
			break
		}
		for _, v := range f.Representations[i].Contexts {
			compiled, err := c.contextValue(out, f, v)
			if err != nil {
				return err
			}
			out.contexts = append(out.contexts, compiled)
		}
	}
	for _, v := range out.contexts {
		if mention(out.definitions, v.variable) >= 0 {
			return fmt.Errorf("a fragment spread with directives of its own selects a field that takes $%s from a context: put the directives on the field", v.variable)
		}
	}
	for {
		at, end := -1, 0
		for _, v := range out.contexts {
			if p := mention(text, v.variable); p >= 0 && (at < 0 || p < at) {
				at, end = p, p+1+len(v.variable)
			}
		}
		if at < 0 {
			break
		}
		out.pieces = append(out.pieces, inString(text[:end]+"_"))
		text = text[end:]
	}
	out.pieces = append(out.pieces, inString(text))
	return nil
}

// contextValue compiles where an argument's value is read, and has the objects between there and here asked for one by
// one: the same entity may have one value by way of one ancestor, and one by way of another.
func (c *compiler) contextValue(out *fetch, f *plan.Fetch, v plan.ContextValue) (contextValue, error) {
	if v.Up > len(out.path) {
		return contextValue{}, fmt.Errorf("its context stands %d above a path of %d", v.Up, len(out.path))
	}
	at := c.program.root
	if n := len(out.path) - v.Up; n > 0 {
		at = out.path[n-1].node
	}
	parent := at.static
	fields, err := c.representationFields(at, v.Fields, parent, nil)
	if err != nil {
		return contextValue{}, err
	}
	for _, step := range out.path[len(out.path)-v.Up:] {
		for i := range step.node.sources {
			if s := &step.node.sources[i]; s.attached() {
				c.program.fetches[s.fetch].distinct = true
			}
		}
	}
	return contextValue{variable: v.Variable, typ: inString(v.Type), up: v.Up, fields: fields}, nil
}

// mention finds where a query's text mentions a variable, -1 where it does not.
func mention(text, variable string) int {
	for from := 0; ; {
		at := strings.Index(text[from:], "$"+variable)
		if at < 0 {
			return -1
		}
		at += from
		if from = at + 1 + len(variable); from == len(text) || identifier(text[from:from+1]) == "_" && text[from] != '_' {
			return at
		}
	}
}

// inString gives a text as it stands inside a JSON string.
func inString(text string) []byte {
	quoted := jsontext.Quote(text)
	return quoted[1 : len(quoted)-1]
}
