package privacy

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// Undeclared gives the paths that documents of a model (a struct with bson tags) can hold and that are neither among a
// store's fields nor said not to be personal, sorted. A service's test wants none: what is stored and not declared would
// outlive its person.
func Undeclared(model any, fields []Field, notPersonal ...string) []string {
	var out []string
	for _, path := range storedPaths(reflect.TypeOf(model), "") {
		declared := slices.ContainsFunc(fields, func(f Field) bool { return f.BSON == path })
		if !declared && !slices.Contains(notPersonal, path) {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// storedPaths gives the dotted paths of a type's plain values.
func storedPaths(t reflect.Type, at string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 || t.Kind() == reflect.Array {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
		return []string{at}
	}
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("bson"), ",")
		switch {
		case !f.IsExported() || name == "-":
			continue
		case name == "":
			name = strings.ToLower(f.Name) // as the driver does
		}
		out = append(out, storedPaths(f.Type, join(at, name))...)
	}
	return out
}
