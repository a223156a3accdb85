package settings

import (
	"reflect"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// nearest returns the one of several words that may have been meant by another, "" where none is near.
func nearest(word string, of []string) string {
	best, distance := "", max(1, len(word)/3)+1
	for _, one := range of {
		if n := levenshtein.ComputeDistance(plain(word), plain(one)); n < distance {
			best, distance = one, n
		}
	}
	return best
}

// plain returns a word without what is written in many ways.
func plain(word string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(word))
}

// keysOf returns the keys of a struct, sorted.
func keysOf(t reflect.Type) []string {
	var out []string
	for f := range t.Fields() {
		if f.IsExported() {
			out = append(out, f.Tag.Get("yaml"))
		}
	}
	slices.Sort(out)
	return out
}

// pathsTo returns the keys of a struct and of those within it that end in a name. The keys of maps are the user's own.
func pathsTo(name, under string, t reflect.Type) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var out []string
	for f := range t.Fields() {
		if !f.IsExported() {
			continue
		}
		key := join(under, f.Tag.Get("yaml"))
		if plain(f.Tag.Get("yaml")) == plain(name) {
			out = append(out, key)
		}
		out = append(out, pathsTo(name, key, f.Type)...)
	}
	return out
}
