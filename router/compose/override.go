package compose

import (
	"regexp"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// overriding says what @override does to one field, by subgraph. A nil one does nothing.
type overriding struct {
	used   map[int]bool   // overridden, but needed by a field set or an interface of its own subgraph
	unused map[int]bool   // overridden, and gone
	labels map[int]string // of both sides of a progressive override
}

// partial tells whether what each subgraph has of the field is not simply all or nothing.
func (o *overriding) partial() bool { return o != nil && (len(o.used) > 0 || len(o.labels) > 0) }

// dropped tells whether the field is left out of the supergraph for a subgraph.
func (o *overriding) dropped(i int) bool { return o != nil && o.unused[i] && o.labels[i] == "" }

// overridden tells whether another subgraph takes the field away, always or progressively.
func (o *overriding) overridden(i int) bool { return o != nil && (o.unused[i] || o.used[i]) }

func (o *overriding) usedIn(i int) bool { return o != nil && o.used[i] }

func (o *overriding) label(i int) string {
	if o == nil {
		return ""
	}
	return o.labels[i]
}

var (
	labelRE   = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_\-:./]*$`)
	percentRE = regexp.MustCompile(`^percent\((\d{1,2}(\.\d{1,8})?|100)\)$`)
)

// validLabel tells whether a label is a name or a percentage from 0 to 100 with at most eight decimals.
func validLabel(label string) bool {
	if strings.HasPrefix(label, "percent(") {
		return percentRE.MatchString(label)
	}
	return labelRE.MatchString(label)
}

// checkOverride validates the @override applications of a field and gives what they do.
func (m *merger) checkOverride(f *fieldDef, sources []*fieldDef) *overriding {
	var overriders []int
	for i, s := range sources {
		if s != nil && fed(s.applied, "override") != nil {
			overriders = append(overriders, i)
		}
	}
	if len(overriders) == 0 {
		return nil
	}
	o := &overriding{used: map[int]bool{}, unused: map[int]bool{}, labels: map[int]string{}}
	for _, i := range overriders {
		m.checkOverrider(o, f, sources, overriders, i)
	}
	return o
}

func (m *merger) checkOverrider(o *overriding, f *fieldDef, sources []*fieldDef, overriders []int, i int) {
	s := sources[i]
	d := fed(s.applied, "override")
	name := m.schemas[i].name
	fail := func(code string, with []int, format string, args ...any) {
		m.errorf(code, with, format, args...)
		at := map[int]*ast.Position{i: d.pos}
		for _, w := range with {
			if w != i && sources[w] != nil {
				at[w] = sources[w].pos
			}
		}
		m.at(at)
	}
	if s.parent.kind == ast.Interface {
		fail(codeOverrideOnInterface, []int{i}, "@override cannot be used on field %q on subgraph %q: @override is not supported on interface type fields.", f.coordinate(), name)
		return
	}
	if s.parent.interfaceObject() && f.parent.kind == ast.Interface {
		fail(codeOverrideCollision, []int{i}, "@override is not yet supported on fields of @interfaceObject types: cannot be used on field %q on subgraph %q.", f.coordinate(), name)
		return
	}
	fromName := d.str("from")
	from := m.byName(fromName)
	switch {
	case from < 0:
		m.hintf(hintFromSubgraphDoesNotExist, []int{i}, "Source subgraph %q for field %q on subgraph %q does not exist.", fromName, f.coordinate(), name)
		return
	case from == i:
		fail(codeOverrideFromSelf, []int{i}, "Source and destination subgraphs %q are the same for overridden field %q", name, f.coordinate())
		return
	case containsInt(overriders, from):
		fail(codeOverrideSourceHasOverride, []int{i, from}, "Field %q on subgraph %q is also marked with directive @override in subgraph %q. Only one @override directive is allowed per field.", f.coordinate(), name, fromName)
		return
	}
	source := sources[from]
	if source == nil {
		if abstracted := m.abstracted(f, from); len(abstracted) > 0 {
			fail(codeOverrideCollision, []int{i, from}, "Invalid @override on field %q of subgraph %q: source subgraph %q does not have field %q but abstracts it in %q and overriding abstracted fields is not supported.", f.coordinate(), name, fromName, f.coordinate(), abstracted[0].parent.name)
			return
		}
		m.hintf(hintOverrideRemovable, []int{i}, "Field %q on subgraph %q no longer exists in the from subgraph. The @override directive can be removed.", f.coordinate(), name)
		return
	}
	if c, at := m.overrideConflict(i, s, from, source); c != "" {
		fail(codeOverrideCollision, []int{i, from}, "@override cannot be used on field %q on subgraph %q since %q on %q is marked with directive \"@%s\"", f.coordinate(), name, f.coordinate(), m.schemas[at].name, c)
		return
	}
	if m.schemas[from].external(source) {
		m.hintf(hintOverrideRemovable, []int{i}, "Field %q on subgraph %q is not resolved anymore by the from subgraph (it is marked \"@external\" in %q). The @override directive can be removed.", f.coordinate(), name, fromName)
		return
	}
	label := d.str("label")
	if v := d.arg("label"); v != nil && isString(v) {
		if !validLabel(label) {
			fail(codeOverrideLabelInvalid, []int{i}, "Invalid @override label %q on field %q on subgraph %q: labels must start with a letter and after that may contain alphanumerics, underscores, minuses, colons, periods, or slashes. Alternatively, labels may be of the form \"percent(x)\" where x is a float between 0-100 inclusive.", label, f.coordinate(), name)
			label = ""
		}
	}
	if label != "" {
		o.labels[i], o.labels[from] = label, label
		m.hintf(hintOverrideMigration, []int{i, from}, "Field %q is currently being migrated with progressive @override. Once the migration is complete, remove the field from subgraph %q.", f.coordinate(), fromName)
	}
	if m.schemas[from].used[source] {
		o.used[from] = true
		if label != "" {
			return
		}
		m.hintf(hintOverriddenRemovable, []int{i, from}, "Field %q on subgraph %q is overridden. It is still used in some federation directive(s) (@key, @requires, and/or @provides) and/or to satisfy interface constraint(s), but consider marking it @external explicitly or removing it along with its references.", f.coordinate(), fromName)
		return
	}
	o.unused[from] = true
	if label == "" {
		m.hintf(hintOverriddenRemovable, []int{i, from}, "Field %q on subgraph %q is overridden. Consider removing it.", f.coordinate(), fromName)
	}
}

// overrideConflict finds a directive that does not go together with @override.
func (m *merger) overrideConflict(i int, s *fieldDef, from int, source *fieldDef) (name string, at int) {
	if m.schemas[i].external(s) {
		return "external", i
	}
	for _, c := range []string{"requires", "provides"} {
		if d := fed(source.applied, c); d != nil {
			return d.name, from
		}
		if d := fed(s.applied, c); d != nil && c == "provides" {
			continue
		}
	}
	return "", 0
}

func containsInt(list []int, n int) bool {
	for _, l := range list {
		if l == n {
			return true
		}
	}
	return false
}
