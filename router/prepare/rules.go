package prepare

import (
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// specifiedRules returns the rules of validation (GraphQL specification, September 2025, section 5), but for the merging of
// fields, which [checkOverlaps] checks, fragment cycles, which [Preparer.measure] refuses before, and @defer, which
// [findDeferral] checks. Without suggestions no message names what the schema has in place of what was asked for.
//
// The rules on subscriptions, values, variables' positions and possible spreads are Lethe's own: those of the library
// accept operations that the specification refuses, and refuse some that it accepts.
func specifiedRules(suggestions bool) *rules.Rules {
	out := rules.NewRules(
		rules.FragmentsOnCompositeTypesRule,
		rules.KnownDirectivesRule,
		rules.KnownFragmentNamesRule,
		rules.KnownRootTypeRule,
		rules.LoneAnonymousOperationRule,
		rules.MaxIntrospectionDepth,
		rules.NoUndefinedVariablesRule,
		rules.NoUnusedFragmentsRule,
		rules.NoUnusedVariablesRule,
		rules.ProvidedRequiredArgumentsRule,
		rules.UniqueArgumentNamesRule,
		rules.UniqueDirectivesPerLocationRule,
		rules.UniqueFragmentNamesRule,
		rules.UniqueInputFieldNamesRule,
		rules.UniqueOperationNamesRule,
		rules.UniqueVariableNamesRule,
		rules.VariablesAreInputTypesRule,
		possibleSpreads(),
		singleRootField(),
		valuesOfCorrectType(suggestions),
		variablePositions(),
	)
	others := []core.Rule{
		rules.FieldsOnCorrectTypeRuleWithoutSuggestions, rules.KnownArgumentNamesRuleWithoutSuggestions,
		rules.KnownTypeNamesRuleWithoutSuggestions, rules.ScalarLeafsRuleWithoutSuggestions,
	}
	if suggestions {
		others = []core.Rule{rules.FieldsOnCorrectTypeRule, rules.KnownArgumentNamesRule, rules.KnownTypeNamesRule, rules.ScalarLeafsRule}
	}
	for _, r := range others {
		out.AddRule(r.Name, r.RuleFunc)
	}
	return out
}

// singleRootField is section 5.2.4.1: a subscription selects one field at its root, under one response key, which is none
// of introspection; and none of its root selections, nor those of the fragments there, is under @skip or @include, whatever
// their arguments.
func singleRootField() core.Rule {
	return core.Rule{Name: "SingleRootField", RuleFunc: func(observers *core.Events, addError core.AddErrFunc) {
		observers.OnOperation(func(walker *core.Walker, op *ast.OperationDefinition) {
			if op.Operation != ast.Subscription || walker.Schema.Subscription == nil {
				return
			}
			c := rootCollector{schema: walker.Schema, root: walker.Schema.Subscription, visited: map[string]bool{}}
			c.collect(op.SelectionSet)
			switch {
			case c.condition != nil:
				addError(core.Message("The root field of a subscription cannot be under @%s: leave the subscription out, or put the condition below the field.", c.condition.Name), core.At(c.condition.Position))
			case len(c.fields) == 0:
				addError(core.Message("A subscription must select one root field, and this one selects none."), core.At(op.Position))
			case slices.ContainsFunc(c.fields, func(f *ast.Field) bool { return f.Alias != c.fields[0].Alias }):
				other := slices.IndexFunc(c.fields, func(f *ast.Field) bool { return f.Alias != c.fields[0].Alias })
				addError(core.Message("A subscription must select only one root field: ask for %q in a subscription of its own.", c.fields[other].Alias), core.At(c.fields[other].Position))
			case len(c.fields[0].Name) > 2 && c.fields[0].Name[:2] == "__":
				addError(core.Message("A subscription must not select the introspection field %q at its root.", c.fields[0].Name), core.At(c.fields[0].Position))
			}
		})
	}}
}

// rootCollector gathers what the specification's CollectSubscriptionFields does.
type rootCollector struct {
	schema    *ast.Schema
	root      *ast.Definition
	visited   map[string]bool
	fields    []*ast.Field
	condition *ast.Directive // the first @skip or @include, nil for none
}

func (c *rootCollector) collect(set ast.SelectionSet) {
	for _, s := range set {
		var directives ast.DirectiveList
		var condition string
		var below ast.SelectionSet
		switch s := s.(type) {
		case *ast.Field:
			directives = s.Directives
			c.fields = append(c.fields, s)
		case *ast.InlineFragment:
			directives, condition, below = s.Directives, s.TypeCondition, s.SelectionSet
		case *ast.FragmentSpread:
			directives = s.Directives
			if s.Definition != nil && !c.visited[s.Name] {
				c.visited[s.Name] = true
				condition, below = s.Definition.TypeCondition, s.Definition.SelectionSet
			}
		}
		for _, d := range directives {
			if c.condition == nil && (d.Name == "skip" || d.Name == "include") {
				c.condition = d
			}
		}
		if condition == "" || condition == c.root.Name || slices.Contains(possibleNames(c.schema, c.schema.Types[condition]), c.root.Name) {
			c.collect(below)
		}
	}
}

// possibleNames returns the names of the object types that a value of a composite type may have. The library lists the
// interfaces that implement an interface among them.
func possibleNames(schema *ast.Schema, def *ast.Definition) []string {
	if def == nil {
		return nil
	}
	if def.Kind == ast.Object {
		return []string{def.Name}
	}
	var out []string
	for _, p := range schema.GetPossibleTypes(def) {
		if p != nil && p.Kind == ast.Object {
			out = append(out, p.Name)
		}
	}
	return out
}

// possibleSpreads is section 5.5.2.3: a fragment stands only where an object can be of its type.
func possibleSpreads() core.Rule {
	return core.Rule{Name: "FragmentSpreadIsPossible", RuleFunc: func(observers *core.Events, addError core.AddErrFunc) {
		check := func(walker *core.Walker, parent *ast.Definition, condition string, at *ast.Position) {
			fragment := walker.Schema.Types[condition]
			if parent == nil || fragment == nil || !parent.IsCompositeType() || !fragment.IsCompositeType() || parent == fragment {
				return
			}
			here := possibleNames(walker.Schema, parent)
			if !slices.ContainsFunc(possibleNames(walker.Schema, fragment), func(name string) bool { return slices.Contains(here, name) }) {
				addError(core.Message("A fragment on %q cannot stand here: no object of type %q can be one.", condition, parent.Name), core.At(at))
			}
		}
		observers.OnInlineFragment(func(walker *core.Walker, f *ast.InlineFragment) {
			check(walker, f.ObjectDefinition, f.TypeCondition, f.Position)
		})
		observers.OnFragmentSpread(func(walker *core.Walker, f *ast.FragmentSpread) {
			if f.Definition != nil {
				check(walker, f.ObjectDefinition, f.Definition.TypeCondition, f.Position)
			}
		})
	}}
}

// variablePositions is section 5.8.5, and for fields of @oneOf input objects section 3.10: a variable stands where its
// type fits, and where null does not only when it cannot be null or something else has a default.
func variablePositions() core.Rule {
	return core.Rule{Name: "VariablesInAllowedPosition", RuleFunc: func(observers *core.Events, addError core.AddErrFunc) {
		check := func(walker *core.Walker, value *ast.Value, oneOf *ast.Definition) {
			v := value.VariableDefinition
			if value.Kind != ast.Variable || v == nil || value.ExpectedType == nil || walker.CurrentOperation == nil {
				return
			}
			location := *value.ExpectedType
			ownDefault := v.DefaultValue != nil && v.DefaultValue.Kind != ast.NullValue
			if (location.NonNull || oneOf != nil) && !v.Type.NonNull {
				if !ownDefault && !value.ExpectedTypeHasDefault {
					if oneOf != nil {
						addError(core.Message("Variable \"$%s\" of type %q must not be null, since it stands for a field of the @oneOf input object %q: declare it as %q.", v.Variable, v.Type, oneOf.Name, v.Type.String()+"!"), core.At(value.Position))
						return
					}
					addError(core.Message("Variable \"$%s\" of type %q used in position expecting type %q.", v.Variable, v.Type, value.ExpectedType), core.At(value.Position))
					return
				}
				location.NonNull = false
			}
			if !v.Type.IsCompatible(&location) {
				addError(core.Message("Variable \"$%s\" of type %q used in position expecting type %q.", v.Variable, v.Type, value.ExpectedType), core.At(value.Position))
			}
		}
		observers.OnValue(func(walker *core.Walker, value *ast.Value) {
			// The fields of a @oneOf object are checked with it, which is visited after them.
			if value.Kind != ast.ObjectValue || value.Definition == nil || value.Definition.Directives.ForName(oneOfDirective) == nil {
				return
			}
			for _, child := range value.Children {
				if child.Value.ExpectedType != nil && !child.Value.ExpectedType.NonNull && child.Value.VariableDefinition != nil && !child.Value.VariableDefinition.Type.NonNull {
					check(walker, child.Value, value.Definition)
				}
			}
		})
		observers.OnValue(func(walker *core.Walker, value *ast.Value) { check(walker, value, nil) })
	}}
}
