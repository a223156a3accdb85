package compose

import "github.com/vektah/gqlparser/v2/ast"

// authDirectives are those that restrict access.
var authDirectives = []string{"authenticated", "requiresScopes", "policy"}

// checkAuth refuses access rules on interfaces: they follow from those of the implementations.
func (s *schema) checkAuth() []Error {
	var errs []Error
	for _, t := range s.order {
		for _, name := range authDirectives {
			if d := fed(t.applied, name); d != nil && (t.kind == ast.Interface || t.interfaceObject()) {
				word := "interface"
				if t.kind != ast.Interface {
					word = "interface object"
				}
				errs = append(errs, s.errorf(codeAuthOnInterface, d.pos, "Invalid use of @%s on %s %q: @%s cannot be applied on interfaces, interface objects or their fields", d.name, word, t.name, d.name))
			}
			if t.kind != ast.Interface {
				continue
			}
			for _, f := range t.fields {
				if d := fed(f.applied, name); d != nil {
					errs = append(errs, s.errorf(codeAuthOnInterface, d.pos, "Invalid use of @%s on field %q: @%s cannot be applied on interfaces, interface objects or their fields", d.name, f.coordinate(), d.name))
				}
			}
		}
	}
	return errs
}

func (m *merger) propagateAuth() {}
