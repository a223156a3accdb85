package execute

import "slices"

// sole gives the source of a node where one field of one fetch alone leads to it, beside what is attached.
func (n *node) sole() (source int, ok bool) {
	for i := range n.sources {
		if s := &n.sources[i]; s.attached() || s.root {
			continue
		}
		if ok {
			return 0, false
		}
		source, ok = i, true
	}
	return source, ok
}

// repeats has the scanner take objects that are alike for one, see [memory], and the projection copy what it wrote of them.
// That is right where all that is attached to an object depends on the object alone.
func (c *compiler) repeats() {
	unfit := map[*shape]bool{}
	for _, f := range c.program.fetches {
		if len(f.contexts) > 0 || f.distinct {
			return // it also depends on ancestors
		}
		if len(f.path) == 0 {
			continue
		}
		// On its way up to a decision by type, or to objects that come from several fetches in step.
		conditional := slices.ContainsFunc(f.path[:len(f.path)-1], func(s step) bool { return len(s.types) > 0 })
		if _, sole := f.at.sole(); sole && !conditional {
			continue
		}
		for _, s := range f.path {
			for i := range s.node.sources {
				unfit[s.node.sources[i].shape] = true
			}
		}
	}
	for sh, n := range c.uses() {
		if n > 1 {
			unfit[sh] = true
		}
	}
	for _, u := range c.program.units {
		number := 0
		for _, f := range u.fetches {
			f.shape.remember(&number, unfit)
		}
	}
	for _, p := range c.written {
		if !p.sole {
			continue
		}
		if sh := p.node.sources[p.source].shape; sh.memory > 0 {
			if sh.copies == 0 {
				sh.copied = sh.size
			}
			p.copies = sh.size
			sh.copies++
			sh.size++
		}
	}
}

// remember numbers the memories of the shapes below one.
func (sh *shape) remember(number *int, unfit map[*shape]bool) {
	for i := range sh.fields {
		child := sh.fields[i].child
		if child == nil {
			continue
		}
		if !unfit[child] && len(child.fields) > 0 {
			*number++
			child.memory = *number
			child.probe = len("{") + len(child.fields[0].quoted)
		}
		child.remember(number, unfit)
	}
}
