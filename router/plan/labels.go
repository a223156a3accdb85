package plan

import "maps"

// maxLabelPlans bounds in how many combinations of override labels one operation is planned.
const maxLabelPlans = 32

// This pass plans an operation once for each combination of the labels of progressive overrides that it meets, and guards
// the fetches of each plan with its combination:
//
//	y: a, or b where "moved" is active      ─▶      [not moved] a { y }      [moved] a { id } ─▶ b { y }
type labelled struct {
	planner *Planner
	plan    *Plan
	items   []*item
	plans   int
	work    int // of all searches
}

// under plans what is asked when labels are as given, and under more labels when others turn out to matter.
func (l *labelled) under(labels map[string]bool, guard Guard) error {
	s := l.planner.search(l.plan.Operation.Kind, labels)
	err := s.run(l.items, l.planner.graph.named[l.plan.Operation.RootType])
	var fetches []*Fetch
	b := &builder{search: s, operation: l.plan.Operation}
	for err == nil && len(s.unknown) == 0 {
		b.choose()
		if len(s.later) == 0 {
			fetches = b.fetches()
			break
		}
		err = s.resume()
	}
	l.work += s.work + s.visits
	if len(s.unknown) > 0 {
		return l.branch(labels, guard, s.unknown[0])
	}
	if err != nil {
		return err
	}
	if l.plans++; l.plans > maxLabelPlans {
		return &LimitError{What: "combinations of override labels", Limit: maxLabelPlans}
	}
	first, batches := len(l.plan.Fetches), 0
	for _, f := range l.plan.Fetches {
		batches = max(batches, f.Batch)
	}
	for _, f := range fetches {
		f.ID += first
		for i := range f.DependsOn {
			f.DependsOn[i] += first
		}
		if f.Batch > 0 {
			f.Batch += batches
		}
		f.Guard = f.Guard.and(guard)
		l.plan.Fetches = append(l.plan.Fetches, f)
	}
	return nil
}

// branch plans for a label that is not active and for one that is.
func (l *labelled) branch(labels map[string]bool, guard Guard, label string) error {
	op := l.plan.Operation
	for _, active := range []bool{false, true} {
		bit := conditionBit(op, Condition{Label: label, Equals: active})
		if bit < 0 {
			return &LimitError{What: "different conditions of @skip, @include and override labels", Limit: maxConditions}
		}
		with := maps.Clone(labels)
		if with == nil {
			with = map[string]bool{}
		}
		with[label] = active
		if err := l.under(with, guard.and(Guard{1 << bit})); err != nil {
			return err
		}
	}
	return nil
}

// conditionBit gives the bit of a condition, -1 when there is none left.
func conditionBit(op *Operation, c Condition) int {
	for i, o := range op.Conditions {
		if o == c {
			return i
		}
	}
	if len(op.Conditions) >= maxConditions {
		return -1
	}
	op.Conditions = append(op.Conditions, c)
	return len(op.Conditions) - 1
}
