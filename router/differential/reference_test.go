package differential_test

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// referenceRules returns the library's rules of validation. Its walker has __typename as a String that may be null; it is a
// String! (GraphQL specification, section 4.1), which decides what it can be merged with.
func referenceRules() *rules.Rules {
	out := rules.NewRules(core.Rule{Name: "TypenameIsNonNull", RuleFunc: func(observers *core.Events, _ core.AddErrFunc) {
		observers.OnField(func(_ *core.Walker, field *ast.Field) {
			if field.Name == "__typename" && field.Definition != nil {
				field.Definition.Type = ast.NonNullNamedType("String", nil)
			}
		})
	}})
	for name, rule := range rules.NewDefaultRules().GetInner() {
		out.AddRule(name, rule)
	}
	return out
}
