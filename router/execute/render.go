package execute

import (
	"strings"

	"github.com/lethe/lethe/router/plan"
)

// guardVariables gives the variables of the guards in a selection set that a subgraph's query carries.
func guardVariables(op *plan.Operation, set plan.SelectionSet, exact bool) []string {
	var out []string
	seen := map[string]bool{}
	var walk func(set plan.SelectionSet, exact bool)
	add := func(alternatives [][]plan.Condition) {
		for _, conditions := range alternatives {
			for _, cond := range conditions {
				if !seen[cond.Variable] {
					seen[cond.Variable] = true
					out = append(out, cond.Variable)
				}
			}
		}
	}
	walk = func(set plan.SelectionSet, exact bool) {
		for _, s := range set {
			if !unconditional(s) {
				for _, own := range variantsOf(s) {
					add(carried(op, own, exact))
				}
			}
			if s.Field != nil {
				walk(s.Field.Selections, false)
			} else {
				walk(s.Fragment.Selections, exact)
			}
		}
	}
	walk(set, exact)
	return out
}

// carried gives the conditions under which a subgraph is asked for a selection: alternatives, each of conditions that hold
// together. One alternative without conditions stands for always. A composite field under several alternatives is asked
// always, since it would have to be written once for each, and the projection leaves out what the client does not want;
// but where exact is set, for the fields of a mutation, what is left out must not be done.
func carried(op *plan.Operation, s plan.Selection, exact bool) [][]plan.Condition {
	always := [][]plan.Condition{nil}
	var guard plan.Guard
	if s.Field != nil {
		guard = s.Field.Guard
	} else {
		guard = s.Fragment.Guard
	}
	if len(guard) == 0 || len(guard) > 1 && !exact && (s.Field == nil || len(s.Field.Selections) > 0) {
		return always
	}
	var out [][]plan.Condition
	for _, mask := range guard {
		var conditions []plan.Condition
		for bit, cond := range op.Conditions {
			if mask&(1<<bit) == 0 {
				continue
			}
			if cond.Label != "" {
				return always
			}
			conditions = append(conditions, cond)
		}
		out = append(out, conditions)
	}
	return out
}

// write writes a selection set, in braces.
func (c *compiler) write(b *strings.Builder, set plan.SelectionSet, exact bool) {
	b.WriteByte('{')
	first := true
	for _, written := range set {
		if unconditional(written) {
			if !first {
				b.WriteByte(' ')
			}
			first = false
			c.selection(b, written, func(int) {}, exact)
			continue
		}
		for _, s := range variantsOf(written) {
			for _, conditions := range carried(c.plan.Operation, s, exact) {
				if b.Len()+c.definitions.Len() > maxVariantsText && s.Field != nil && len(s.Field.Variants) > 0 {
					c.tangled = true
					continue
				}
				if !first {
					b.WriteByte(' ')
				}
				first = false
				c.around(b, s, func(b *strings.Builder) { c.conditional(b, s, conditions, exact) })
			}
		}
	}
	b.WriteByte('}')
}

// conditional writes a selection under conditions. A selection takes one @include and one @skip: further ones stand at
// fragments around it.
func (c *compiler) conditional(b *strings.Builder, s plan.Selection, conditions []plan.Condition, exact bool) {
	var include, skip []string
	for _, cond := range conditions {
		if cond.Equals {
			include = append(include, cond.Variable)
		} else {
			skip = append(skip, cond.Variable)
		}
	}
	levels := max(len(include), len(skip), 1)
	directives := func(level int) {
		if level < len(include) {
			b.WriteString("@include(if:$" + include[level] + ")")
		}
		if level < len(skip) {
			b.WriteString("@skip(if:$" + skip[level] + ")")
		}
	}
	for level := 1; level < levels; level++ {
		b.WriteString("...")
		directives(level)
		b.WriteByte('{')
	}
	c.selection(b, s, directives, exact)
	b.WriteString(strings.Repeat("}", levels-1))
}

// unconditional reports whether a selection is written as it is: once, without directives of any kind.
func unconditional(s plan.Selection) bool {
	if s.Field != nil {
		return len(s.Field.Guard) == 0 && len(s.Field.Variants) == 0
	}
	return len(s.Fragment.Guard) == 0
}

// selection writes a field or a fragment; directives writes those of a level, of which this is 0.
func (c *compiler) selection(b *strings.Builder, s plan.Selection, directives func(level int), exact bool) {
	if s.Field != nil {
		c.writeField(b, s.Field, directives)
		return
	}
	b.WriteString("...")
	if s.Fragment.TypeCondition != "" {
		b.WriteString("on ")
		b.WriteString(s.Fragment.TypeCondition)
	}
	directives(0)
	c.write(b, s.Fragment.Selections, exact)
}

func (c *compiler) writeField(b *strings.Builder, f *plan.Field, directives func(level int)) {
	if f.Alias != f.Name {
		b.WriteString(f.Alias)
		b.WriteByte(':')
	}
	b.WriteString(f.Name)
	for i, a := range f.Arguments {
		if i == 0 {
			b.WriteByte('(')
		} else {
			b.WriteByte(',')
		}
		b.WriteString(a.Name)
		b.WriteByte(':')
		b.WriteString(a.Value)
	}
	if len(f.Arguments) > 0 {
		b.WriteByte(')')
	}
	directives(0)
	if len(f.Variants) > 0 {
		b.WriteString(f.Variants[0].Directives)
	}
	if len(f.Selections) > 0 {
		c.write(b, f.Selections, false)
	}
}
