package plan

import "slices"

// optimise runs the passes that make a plan smaller, and those that settle when its steps go out.
func (b *builder) optimise() {
	b.settleDeferred()
	b.link()
	b.settleGuards()
	b.mergeSame()
	b.mergeTypes()
	b.settleGuards()
	if b.search.kind == Mutation {
		b.chainMutations() // after the guards: what only waits for its turn does not have others done
	}
	b.align()
	b.batch()
}

// link lets each step know those that wait for it.
func (b *builder) link() {
	for _, st := range b.steps {
		st.dependants = map[*step]bool{}
	}
	for _, st := range b.steps {
		for d := range st.deps {
			d.dependants[st] = true
		}
	}
}

// sweep drops the steps that others absorbed.
func (b *builder) sweep() {
	b.steps = slices.DeleteFunc(b.steps, func(st *step) bool { return st.gone })
}

// settleGuards gives each step a guard that holds whenever its own leaves or a step after it take part.
func (b *builder) settleGuards() {
	for changed := true; changed; {
		changed = false
		for _, st := range b.steps {
			if !st.guarded {
				continue
			}
			for d := range st.deps {
				before, was := d.guard, d.guarded
				d.admit(st.guard)
				if !was || !before.equal(d.guard) {
					changed = true
				}
			}
		}
	}
}
