package plan

import "strconv"

// What can be answered of an object follows from where one can come with it, and not from where one came from: the
// subgraphs of a type are mostly reached from any of them. So the fields of a type are walked once for all positions from
// which the same is in reach, and not for each combination of subgraphs in which one can arrive.

// reachKey is what has to be equal for two positions to be compared.
type reachKey struct {
	static, typ typeID
	root        bool
}

// reach is all that objects of a type can be moved to from a position.
type reach struct {
	key      reachKey
	marks    map[string]bool
	labels   map[string]bool
	contexts map[string]bool
}

// reachFrom describes what is in reach of a position.
func (w *walk) reachFrom(st *standing, c *closure, t *typeNode, labels map[string]bool) reach {
	out := reach{key: reachKey{st.static.id, t.id, st.root}, marks: make(map[string]bool, len(c.vertices)), labels: labels, contexts: st.contexts}
	for _, v := range c.vertices {
		b := strconv.AppendInt(nil, int64(v.subgraph), 10)
		if v.object {
			b = strconv.AppendInt(append(b, " object "...), int64(v.static.id), 10)
		}
		for _, it := range v.view {
			b = strconv.AppendInt(append(b, ' '), int64(it.id), 10)
		}
		for _, g := range v.through {
			b = strconv.AppendInt(append(b, " through "...), int64(g), 10)
		}
		out.marks[string(b)] = true
	}
	return out
}

// covered tells that all fields were found to be answered from a position of which no more is in reach.
func (w *walk) covered(here reach) bool {
	for _, o := range w.sound[here.key] {
		if includes(here.marks, o.marks) && sameLabels(here.labels, o.labels) && includes(here.contexts, o.contexts) {
			return true
		}
	}
	return false
}
