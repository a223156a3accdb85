package settings

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// aDuration is what a [Duration] is called.
const aDuration = "a duration such as 5s"

// File is what was read, with where each key stands.
type File struct {
	lines    map[string]int
	problems Problems
}

// Line returns the line of a key, or that of the nearest key around it; 0 where neither stands in the file.
func (f *File) Line(key string) int {
	for key != "" {
		if line := f.lines[key]; line > 0 {
			return line
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return 0
}

// With returns the mistakes of the file together with those that a [Check] found in its values, in the order of their
// lines. What the file has wrong already is not reported a second time.
func (f *File) With(found Problems) Problems {
	out := slices.Clone(f.problems)
	for _, p := range found {
		if slices.ContainsFunc(f.problems, func(q Problem) bool { return p.Key == q.Key }) {
			continue
		}
		if p.Line == 0 {
			p.Line = f.Line(p.Key)
		}
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b Problem) int { return a.Line - b.Line })
	return out
}

// Decode reads text into the struct that into points to. What is wrong is left out of it, and stands in the file that is
// returned. An empty text leaves all as it is.
func Decode(text []byte, into any) *File {
	d := &decoder{File: &File{lines: map[string]int{}}, root: reflect.TypeOf(into).Elem()}
	parser := yaml.NewDecoder(strings.NewReader(string(text)))
	var document, second yaml.Node
	err := parser.Decode(&document)
	if err == nil {
		if next := parser.Decode(&second); !errors.Is(next, io.EOF) {
			if err = next; err == nil {
				d.refuse("", second.Line, "there is more than one document: leave out the line ---")
			}
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		return d.File
	case err != nil:
		d.syntax(err)
		return d.File
	}
	d.value("", document.Content[0], reflect.ValueOf(into).Elem())
	return d.File
}

type decoder struct {
	*File
	root reflect.Type
}

func (d *decoder) refuse(key string, line int, format string, args ...any) {
	d.problems = append(d.problems, Problem{Key: key, Line: line, Message: fmt.Sprintf(format, args...)})
}

var atLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`) //nolint:gochecknoglobals // a constant

// syntax notes what the YAML parser stumbled over.
func (d *decoder) syntax(err error) {
	text, line := err.Error(), 0
	if m := atLine.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		line, _ = strconv.Atoi(m[1])
	}
	d.refuse("", line, "this is not YAML: %s", text)
}

// value reads one value.
func (d *decoder) value(key string, n *yaml.Node, into reflect.Value) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return // left out
	}
	for into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		into = into.Elem()
	}
	switch kind := into.Kind(); {
	case kind == reflect.Struct && n.Kind == yaml.MappingNode:
		d.fields(key, n, into)
	case kind == reflect.Map && n.Kind == yaml.MappingNode:
		d.entries(key, n, into)
	case kind == reflect.Slice && n.Kind == yaml.SequenceNode:
		d.items(key, n, into)
	case n.Kind != yaml.ScalarNode || !d.scalar(key, n, into):
		d.refuse(key, n.Line, "expected %s, found %s%s", expected(into.Type()), found(n), advice(into.Type(), n))
	}
}

// scalar reads a value that is neither a list nor keys and values, and reports whether it is of the right kind.
func (d *decoder) scalar(key string, n *yaml.Node, into reflect.Value) bool {
	tag := n.ShortTag()
	switch into.Kind() {
	case reflect.Bool:
		var v bool // YAML 1.1's yes and no are texts to others
		if tag == "!!str" && n.Style != 0 || n.Decode(&v) != nil {
			return false
		}
		into.SetBool(v)
	case reflect.Int:
		var v int
		if tag != "!!int" {
			return false
		}
		if n.Decode(&v) != nil {
			d.refuse(key, n.Line, "%s is too large a number", n.Value)
			return true
		}
		into.SetInt(int64(v))
	case reflect.Float64:
		var v float64
		if tag != "!!int" && tag != "!!float" || n.Decode(&v) != nil {
			return false
		}
		into.SetFloat(v)
	case reflect.String:
		if tag != "!!str" && tag != "!!timestamp" || tag == "!!str" && n.Value == "" && into.Type() == reflect.TypeFor[Duration]() {
			return false
		}
		into.SetString(n.Value)
	default:
		return false
	}
	return true
}

// fields reads keys and values into a struct.
func (d *decoder) fields(key string, n *yaml.Node, into reflect.Value) {
	d.pairs(key, n, func(name string, at *yaml.Node, value *yaml.Node) {
		for f, v := range into.Fields() {
			if f.IsExported() && f.Tag.Get("yaml") == name {
				d.value(join(key, name), value, v)
				return
			}
		}
		d.unknown(key, name, at, into.Type())
	})
}

// entries reads keys and values into a map.
func (d *decoder) entries(key string, n *yaml.Node, into reflect.Value) {
	if into.IsNil() {
		into.Set(reflect.MakeMap(into.Type()))
	}
	d.pairs(key, n, func(name string, _ *yaml.Node, value *yaml.Node) {
		v := reflect.New(into.Type().Elem()).Elem()
		d.value(join(key, name), value, v)
		into.SetMapIndex(reflect.ValueOf(name), v)
	})
}

// pairs calls visit for each key of a mapping, once, those that it merges from others (<<) among them.
func (d *decoder) pairs(key string, n *yaml.Node, visit func(name string, at, value *yaml.Node)) {
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		at, value := n.Content[i], n.Content[i+1]
		if at.ShortTag() == "!!merge" {
			continue
		}
		if at.Kind != yaml.ScalarNode {
			d.refuse(key, at.Line, "a key must be a word, found %s", found(at))
			continue
		}
		path := join(key, at.Value)
		if line := first[at.Value]; line > 0 {
			d.refuse(path, at.Line, "stands twice, first in line %d: leave one out", line)
			continue
		}
		first[at.Value] = at.Line
		d.lines[path] = at.Line
		visit(at.Value, at, value)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].ShortTag() == "!!merge" {
			d.merge(key, n.Content[i+1], first, visit)
		}
	}
}

// merge visits the keys of the mappings that another merges, of which its own go first.
func (d *decoder) merge(key string, n *yaml.Node, first map[string]int, visit func(name string, at, value *yaml.Node)) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	sources := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		sources = n.Content
	}
	for _, source := range sources {
		for source.Kind == yaml.AliasNode {
			source = source.Alias
		}
		if source.Kind != yaml.MappingNode {
			d.refuse(key, source.Line, "<< merges keys and values, found %s", found(source))
			continue
		}
		for i := 0; i+1 < len(source.Content); i += 2 {
			at := source.Content[i]
			if at.Kind != yaml.ScalarNode || first[at.Value] > 0 {
				continue
			}
			if at.ShortTag() == "!!merge" {
				d.refuse(key, at.Line, "what is merged by << must not merge others itself")
				continue
			}
			first[at.Value] = at.Line
			d.lines[join(key, at.Value)] = at.Line
			visit(at.Value, at, source.Content[i+1])
		}
	}
}

// items reads a list.
func (d *decoder) items(key string, n *yaml.Node, into reflect.Value) {
	out := reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		path := fmt.Sprintf("%s[%d]", key, i)
		d.lines[path] = item.Line
		if item.Kind == yaml.ScalarNode && item.ShortTag() == "!!null" {
			d.refuse(path, item.Line, "expected %s, found nothing", expected(into.Type().Elem()))
			continue
		}
		d.value(path, item, out.Index(i))
	}
	into.Set(out)
}

// unknown notes a key that there is not, and which may have been meant.
func (d *decoder) unknown(key, name string, at *yaml.Node, t reflect.Type) {
	siblings := keysOf(t)
	path := join(key, name)
	if near := nearest(name, siblings); near != "" {
		d.refuse(path, at.Line, "there is no such key: did you mean %s?", near)
		return
	}
	if elsewhere := pathsTo(name, "", d.root); len(elsewhere) > 0 {
		d.refuse(path, at.Line, "there is no such key here: did you mean %s?", strings.Join(elsewhere, " or "))
		return
	}
	d.refuse(path, at.Line, "there is no such key: there are %s", strings.Join(siblings, ", "))
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// expected returns what a value of a type is called.
func expected(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "keys and values"
	case reflect.String:
		if t == reflect.TypeFor[Duration]() {
			return aDuration
		}
	}
	return "text"
}

// found returns what a value is called.
func found(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "keys and values"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!bool":
		return n.Value
	case "!!int", "!!float":
		return "the number " + n.Value
	}
	return "the text " + quoted(n.Value)
}

// advice returns what to add where it is plain how a value is written right.
func advice(t reflect.Type, n *yaml.Node) string {
	tag := n.ShortTag()
	switch {
	case n.Kind != yaml.ScalarNode:
	case t == reflect.TypeFor[Duration]() && tag == "!!int":
		return ": write a unit, such as " + n.Value + "s"
	case t.Kind() == reflect.String && t != reflect.TypeFor[Duration]() && tag != "!!str":
		return ": put it in quotes"
	case t.Kind() == reflect.Slice && n.Value != "":
		return ": put it in brackets, [" + n.Value + "]"
	}
	return ""
}
