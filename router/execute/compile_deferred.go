package execute

import (
	"fmt"
	"slices"

	"github.com/lethe/lethe/router/jsontext"
	"github.com/lethe/lethe/router/plan"
)

// deferredPart is a compiled deferred fragment.
type deferredPart struct {
	id         int
	parent     *deferredPart // nil within the initial answer
	label      []byte        // between its quotes; nil for none
	keys       []string      // the response keys that lead to its objects
	projection *objectProjection
	own        []bool // by fetch: those that it is the first to need
	sees       []bool // by fetch: whose answers may be read for it
	waits      int    // how many units it needs that the initial answer does not
}

// Incremental reports whether parts of the response may come after the initial one, so that the program is to be run with
// [Executor.ExecuteIncremental].
func (p *Program) Incremental() bool { return len(p.deferred) > 0 }

// deferrals compiles what is known of deferred fragments without their projections, which follow with those of the
// selection sets that they stand in.
func (c *compiler) deferrals() {
	all := c.plan.Operation.Deferred
	if len(all) == 0 {
		return
	}
	p := c.program
	p.initial = make([]bool, len(p.fetches))
	for i, f := range c.plan.Fetches {
		p.initial[i] = len(f.Deferred) == 0
	}
	for _, d := range all {
		part := &deferredPart{id: d.ID, own: make([]bool, len(p.fetches)), sees: slices.Clone(p.initial)}
		if d.Label != "" {
			part.label = jsontext.Quote(d.Label)
		}
		for _, e := range d.Path {
			part.keys = append(part.keys, e.Key)
		}
		if d.Parent >= 0 {
			part.parent = p.deferred[d.Parent]
			copy(part.sees, part.parent.sees)
		}
		for i, f := range c.plan.Fetches {
			if slices.Contains(f.Deferred, d.ID) {
				part.own[i], part.sees[i] = true, true
			}
		}
		p.deferred = append(p.deferred, part)
	}
	for _, u := range p.units {
		if slices.ContainsFunc(u.fetches, func(f *fetch) bool { return p.initial[f.id] }) {
			p.first++
			continue
		}
		for _, part := range p.deferred {
			if slices.ContainsFunc(u.fetches, func(f *fetch) bool { return part.own[f.id] }) {
				part.waits++
				u.deferred = append(u.deferred, part.id)
			}
		}
	}
}

// deferredAt compiles how the objects at n are written for a deferred fragment that stands there.
func (c *compiler) deferredAt(n *node, d *plan.Deferred) (*deferredPart, error) {
	part := c.program.deferred[d.ID]
	if part.projection != nil {
		return part, nil
	}
	var err error
	if part.projection, err = c.project(n, d.Type, []guarded{{set: d.Selections}}); err != nil {
		return nil, fmt.Errorf("deferred fragment %d: %w", d.ID, err)
	}
	return part, nil
}

// covers reports whether a projection writes the field at a path below its objects.
func (p *objectProjection) covers(path []pathElement) bool {
	for len(path) > 0 && path[0].list {
		path = path[1:]
	}
	if len(path) == 0 {
		return true
	}
	below := func(fields []projected) bool {
		for i := range fields {
			f := &fields[i]
			if f.deferred == nil && f.name == path[0].name && (f.child == nil || f.child.covers(path[1:])) {
				return true
			}
		}
		return false
	}
	if below(p.static) {
		return true
	}
	for _, fields := range p.byType {
		if below(fields) {
			return true
		}
	}
	return false
}

// below gives the rest of a path that leads through the objects of a part; ok is false where it does not.
func (d *deferredPart) below(path []pathElement) (rest []pathElement, ok bool) {
	for _, key := range d.keys {
		for len(path) > 0 && path[0].list {
			path = path[1:]
		}
		if len(path) == 0 || path[0].name != key {
			return nil, false
		}
		path = path[1:]
	}
	return path, true
}

// after reports whether a part comes after another, in which it stands at some depth.
func (d *deferredPart) after(o *deferredPart) bool {
	for up := d.parent; up != nil; up = up.parent {
		if up == o {
			return true
		}
	}
	return false
}
