package plan

import "slices"

// How far steps are from the start, and how long they may wait so that the whole plan takes no longer.

// levels computes for each step how many others come before it one after another, and the last level at which it could stand
// without the part of the answer that it is for taking longer.
func (b *builder) levels() {
	b.walks++
	var visit func(st *step) int
	visit = func(st *step) int {
		if st.walked == b.walks {
			return st.level
		}
		st.walked = b.walks
		st.level = 0
		for d := range st.deps {
			st.level = max(st.level, visit(d)+1)
		}
		return st.level
	}
	last := map[deferredGroup]int{}
	for _, st := range b.steps {
		last[st.deferred] = max(last[st.deferred], visit(st))
	}
	b.byLevel = append(b.byLevel[:0], b.steps...)
	slices.SortFunc(b.byLevel, func(x, y *step) int { return y.level - x.level })
	for _, st := range b.steps {
		st.latest = last[st.deferred]
	}
	for _, st := range b.byLevel {
		for d := range st.deps {
			d.latest = min(d.latest, st.latest-1)
		}
	}
}

// delay moves a step to a level at least, and those that wait for it behind it.
func (st *step) delay(level int) {
	if st.level >= level {
		return
	}
	st.level = level
	for o := range st.dependants {
		o.delay(level + 1)
	}
}

// hurry has a step stand at a level at most, and those that it waits for before it.
func (st *step) hurry(latest int) {
	if st.latest <= latest {
		return
	}
	st.latest = latest
	for d := range st.deps {
		d.hurry(latest - 1)
	}
}

// mayAwait reports whether a step can wait for all that another waits for without having any of it asked in vain: in no request
// does it take part where the other does not.
func (st *step) mayAwait(o *step) bool {
	if st.guard.implies(o.guard) {
		return true
	}
	for d := range o.deps {
		if !st.deps[d] {
			return false
		}
	}
	return true
}

// inTime reports whether two steps can wait for what both of them wait for without the whole plan taking longer. Neither may
// wait for the other.
func (b *builder) inTime(x, y *step) bool {
	if x.level > y.level {
		x, y = y, x
	}
	return y.level <= x.latest && x.level <= y.latest && !b.reaches(y, x)
}

// reaches reports whether st waits for other, over any number of steps. Levels are known.
func (b *builder) reaches(st, other *step) bool {
	b.walks++
	var visit func(st *step) bool
	visit = func(st *step) bool {
		if st.level <= other.level || st.walked == b.walks {
			return st == other
		}
		st.walked = b.walks
		for d := range st.deps {
			if visit(d) {
				return true
			}
		}
		return false
	}
	return visit(st)
}
