package execute

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lethe/lethe/router/plan"
)

// A field with directives is written once for each set of them that the client selects it with, inside fragments that have
// the directives of the client's. Subgraphs merge these selections as the client's own would be.

// maxVariantsText bounds the text of a subgraph's operation in which selections are repeated for directives, in bytes.
const maxVariantsText = 1 << 20

// typenameOnly selects what every object has: of a field's selections that merge into one, a single one need be whole.
var typenameOnly = plan.SelectionSet{{Field: &plan.Field{Name: "__typename", Alias: "__typename"}}} //nolint:gochecknoglobals // a constant

// variantsOf returns the selections that stand for one in a subgraph's operation: a field has one for each of its variants.
func variantsOf(s plan.Selection) []plan.Selection {
	if s.Field == nil || len(s.Field.Variants) == 0 {
		return []plan.Selection{s}
	}
	f := s.Field
	// Where one variant is asked whenever any is, the others need not repeat what is selected below.
	whole := slices.IndexFunc(f.Variants, func(v plan.Variant) bool { return len(v.Guard) == 0 || guardsEqual(v.Guard, f.Guard) })
	out := make([]plan.Selection, len(f.Variants))
	for i, v := range f.Variants {
		own := *f
		own.Variants, own.Guard = []plan.Variant{v}, v.Guard
		if len(f.Selections) > 0 && whole >= 0 && i != whole {
			own.Selections = typenameOnly
		}
		out[i] = plan.Selection{Field: &own}
	}
	return out
}

func guardsEqual(a, b plan.Guard) bool { return slices.Equal(a, b) }

// around writes a selection inside the fragments with directives that the client has around it.
func (c *compiler) around(b *strings.Builder, s plan.Selection, write func(b *strings.Builder)) {
	if s.Field == nil || len(s.Field.Variants) == 0 || len(s.Field.Variants[0].Around) == 0 {
		write(b)
		return
	}
	inner := write
	fragments := s.Field.Variants[0].Around
	for _, a := range slices.Backward(fragments) {
		content := inner
		inner = func(b *strings.Builder) {
			if a.Inline != "" {
				b.WriteString("..." + a.Inline + "{")
				content(b)
				b.WriteByte('}')
				return
			}
			var definition strings.Builder
			content(&definition)
			name := fmt.Sprintf("_d%d_%d", c.rendering, c.fragments)
			c.fragments++
			b.WriteString("..." + name + a.Spread)
			c.definitions.WriteString(" fragment " + name + " on " + s.Field.Parent + a.Definition + "{" + definition.String() + "}")
		}
	}
	inner(b)
}

// operationDirectives returns the directives of the client's operation as they stand on a subgraph's.
func (c *compiler) operationDirectives(kind plan.OperationKind) string {
	var b strings.Builder
	for _, d := range c.plan.Operation.DirectivesOf(kind) {
		b.WriteString(d.Text)
	}
	return b.String()
}
