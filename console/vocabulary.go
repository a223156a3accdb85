package console

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/lethe/lethe/schema"
)

// term is a value of an enum of the graph, in words.
type term struct {
	Value   string // "NO_LONGER_NECESSARY"
	Label   string // "No longer necessary"
	Meaning string // the schema's description
}

// vocabulary holds the enums of the schema in their order. What staff choose from and read is what the schema says.
type vocabulary map[string][]term

// newVocabulary reads the enums of the subgraphs' schemas.
func newVocabulary() (vocabulary, error) {
	v := make(vocabulary)
	for _, s := range schema.Subgraphs() {
		doc, err := parser.ParseSchema(&ast.Source{Name: s.Name, Input: s.SDL})
		if err != nil {
			return nil, fmt.Errorf("read the schema of %s: %w", s.Name, err)
		}
		for _, d := range doc.Definitions {
			if d.Kind != ast.Enum || v[d.Name] != nil {
				continue
			}
			for _, value := range d.EnumValues {
				v[d.Name] = append(v[d.Name], term{value.Name, label(value.Name), value.Description})
			}
		}
	}
	for _, name := range []string{"ErasureStatus", "ErasureGround", "ErasureRegulation", "OpenOrders", "ErasureAction", "ErasureStepStatus", "PersonalDataCategory"} {
		if len(v[name]) == 0 {
			return nil, fmt.Errorf("the schema has no enum %s", name)
		}
	}
	for _, status := range []string{statusSealed, statusCompleted, statusClosed} {
		if _, ok := v.find("ErasureStatus", status); !ok {
			return nil, fmt.Errorf("the schema has no erasure status %s", status)
		}
	}
	return v, nil
}

// find gives the term of a value.
func (v vocabulary) find(enum, value string) (term, bool) {
	i := slices.IndexFunc(v[enum], func(t term) bool { return t.Value == value })
	if i < 0 {
		return term{}, false
	}
	return v[enum][i], true
}

// Word gives a value in words; a value that this schema does not know yet is made readable.
func (v vocabulary) Word(enum, value string) string {
	if t, ok := v.find(enum, value); ok {
		return t.Label
	}
	return label(value)
}

// Meaning gives what the schema says of a value, or "".
func (v vocabulary) Meaning(enum, value string) string {
	t, _ := v.find(enum, value)
	return t.Meaning
}

// has says whether value belongs to the enum.
func (v vocabulary) has(enum, value string) bool {
	_, ok := v.find(enum, value)
	return ok
}

// plain are the labels of values whose names are terms of the trade. Every other label is the name made readable.
func plain(value string) string {
	switch value {
	case "UNSET":
		return "Removed"
	case "DELETE":
		return "Deleted"
	case "GENERALISE":
		return "Made coarser"
	case "RETAIN":
		return "Kept"
	case "GDPR", "CCPA":
		return value
	case "UK_GDPR":
		return "UK GDPR"
	case "ON_HOLD":
		return "On hold"
	case "NEEDS_OPERATOR":
		return "Needs staff"
	case "GRACE":
		return "Grace period"
	case "DRAINING":
		return "Finishing orders"
	}
	return ""
}

// label makes an enum value readable: "AWAITING_APPROVAL" is "Awaiting approval".
func label(value string) string {
	if l := plain(value); l != "" {
		return l
	}
	return capital(strings.ToLower(strings.ReplaceAll(value, "_", " ")))
}

// humanise makes a name readable: "erasurePreview" is "erasure preview", and so is "ERASURE_PREVIEW".
func humanise(name string) string {
	if name == strings.ToUpper(name) {
		return strings.ToLower(strings.ReplaceAll(name, "_", " "))
	}
	var b strings.Builder
	for i, r := range name {
		if (unicode.IsUpper(r) || r == '_') && i > 0 {
			b.WriteByte(' ')
		}
		if r != '_' {
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// capital makes the first letter a capital one.
func capital(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[size:]
}
