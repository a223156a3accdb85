package compose

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// fieldArgs gives the arguments of a field in each subgraph, nil where the field is not.
func fieldArgs(sources []*fieldDef) [][]*argDef {
	out := make([][]*argDef, len(sources))
	for i, s := range sources {
		if s != nil {
			out[i] = s.args
			if out[i] == nil {
				out[i] = []*argDef{}
			}
		}
	}
	return out
}

func argNamed(list []*argDef, name string) *argDef {
	for _, a := range list {
		if a.name == name {
			return a
		}
	}
	return nil
}

// mergeArgs merges the arguments of a field or directive: those that all subgraphs have.
func (m *merger) mergeArgs(coordinate string, sources [][]*argDef, out *[]*argDef) {
	var names []string
	seen := map[string]bool{}
	for _, list := range sources {
		for _, a := range list {
			if !seen[a.name] {
				seen[a.name] = true
				names = append(names, a.name)
			}
		}
	}
	for _, name := range names {
		var missing, having, required_, contextual_, plain []int
		args := make([]*argDef, len(sources))
		for i, list := range sources {
			if list == nil {
				continue
			}
			a := argNamed(list, name)
			if a == nil {
				missing = append(missing, i)
				continue
			}
			args[i] = a
			having = append(having, i)
			if _, ok := contextual(a); ok {
				contextual_ = append(contextual_, i)
			} else {
				plain = append(plain, i)
			}
			if required(a.typ, a.value) {
				required_ = append(required_, i)
			}
		}
		where := coordinate + "(" + name + ":)"
		if len(contextual_) > 0 {
			// What is taken from a context is not an argument of the supergraph.
			for _, i := range plain {
				if required(args[i].typ, args[i].value) {
					m.errorf(codeContextualNotInAll, having, "Argument %q is contextual in at least one subgraph but in %s it does not have @fromContext, is not nullable and has no default value.", where, m.subgraphList([]int{i}))
				} else {
					m.hintf(codeContextualNotInAll, having, "Contextual argument %q will not be included in the supergraph since it is contextual in at least one subgraph", where)
				}
			}
			continue
		}
		if len(missing) > 0 {
			if len(required_) > 0 {
				m.errorf(codeRequiredArgMissing, required_, "Argument %q is required in some subgraphs but does not appear in all subgraphs: it is required in %s but does not appear in %s", where, m.subgraphList(required_), m.subgraphList(missing))
				m.atArgs(args)
			} else {
				m.hintf(hintInconsistentArgument, having, "Optional argument %q will not be included in the supergraph as it does not appear in all subgraphs: it is defined in %s but not in %s", where, m.subgraphList(having), m.subgraphList(missing))
			}
			continue
		}
		*out = append(*out, m.mergeArg(where, name, args))
	}
}

func (m *merger) atArgs(args []*argDef) {
	at := map[int]*ast.Position{}
	for i, a := range args {
		if a != nil {
			at[i] = a.pos
		}
	}
	m.at(at)
}

func (m *merger) mergeArg(where, name string, sources []*argDef) *argDef {
	out := &argDef{name: name}
	types := make([]*ast.Type, len(sources))
	values := make([]*ast.Value, len(sources))
	has := make([]bool, len(sources))
	at := map[int]*ast.Position{}
	var texts []string
	var applied []appliedAt
	for i, a := range sources {
		if a == nil {
			continue
		}
		types[i], values[i], has[i], at[i] = a.typ, a.value, true, a.pos
		texts = append(texts, a.description)
		applied = append(applied, appliedAt{i, a.applied})
	}
	out.description = m.description(where, texts)
	out.typ, _ = m.mergeTypes(where, types, at, codeFieldArgTypeMismatch, "argument", true)
	m.noteUsage(out.typ, true)
	out.value = m.mergeDefault(where, "Argument", codeFieldArgDefaultMismatch, has, values, at)
	m.mergeApplied(&out.applied, applied, where)
	return out
}

// mergeDefault merges default values: they must be equal, and where only some subgraphs have one, there is none.
func (m *merger) mergeDefault(where, what, code string, has []bool, values []*ast.Value, at map[int]*ast.Position) *ast.Value {
	var merged *ast.Value
	missing, incompatible := false, false
	var with []int
	for i := range has {
		switch {
		case !has[i]:
			continue
		case values[i] == nil:
			missing = true
		case merged == nil:
			merged = values[i]
		case !sameValue(merged, values[i]):
			incompatible = true
		}
		with = append(with, i)
	}
	if incompatible {
		text := ""
		for n, i := range with {
			if n > 0 {
				text += ", "
			}
			text += sprintf("%s in %s", printDefault(values[i]), m.subgraphList([]int{i}))
		}
		m.errorf(code, with, "%s %q has incompatible default values across subgraphs: it has default value %s", what, where, text)
		m.at(at)
		return merged
	}
	if missing {
		if merged != nil {
			m.hintf(hintInconsistentDefault, with, "%s %q has a default value in only some subgraphs: it will not have a default in the supergraph.", what, where)
		}
		return nil
	}
	return merged
}
