// Package page is paging by keyset with opaque cursors, forwards and backwards, as the Relay cursor connections
// specification has it.
package page

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lethe/lethe/chassis/graphqlserver"
)

// Limits of a page.
const (
	Default = 20
	Max     = 100
)

// MaxCount is as far as totals are counted.
const MaxCount = 10_000

// Args are the paging arguments of a connection field.
type Args struct {
	First, Last   *int
	After, Before *string
}

// Window is what a store is asked for: Limit items (one more tells whether there are others) strictly between From and
// To in the list's order, read from the end when Backward. A nil key is the list's own end.
type Window struct {
	Limit    int
	Backward bool
	From, To *Key
	// after tells whether the client came from somewhere: then there is a page on the other side.
	bounded bool
}

// Key is an item's place in its list: the sort keys and, last, the id that breaks ties. Numbers come back as int64 or
// float64, texts as strings.
type Key []any

// List identifies the list that cursors belong to: a cursor of another order or filter is refused.
type List struct {
	Name   string // "products/NAME"
	Filter any    // what was filtered by; hashed
}

type cursor struct {
	Version int    `json:"v"`
	List    string `json:"l"`
	Key     Key    `json:"k"`
}

const version = 1

func (l List) tag() string {
	b, err := json.Marshal(l.Filter)
	if err != nil {
		b = nil
	}
	sum := sha256.Sum256(append([]byte(l.Name+"\x00"), b...))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

// Cursor gives the opaque cursor of an item.
func (l List) Cursor(k Key) string {
	b, err := json.Marshal(cursor{version, l.tag(), k})
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// Open reads a cursor of this list. The error is a BAD_USER_INPUT that names the argument.
func (l List) Open(argument, text string) (Key, error) {
	bad := graphqlserver.BadInput("`%s` is not a cursor of this list: take one from its pageInfo or edges, with the same filter and sort.", argument)
	if len(text) > 2048 {
		return nil, bad
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, bad
	}
	var c struct {
		Version int               `json:"v"`
		List    string            `json:"l"`
		Key     []json.RawMessage `json:"k"`
	}
	if json.Unmarshal(b, &c) != nil || c.Version != version || c.List != l.tag() || len(c.Key) == 0 || len(c.Key) > 8 {
		return nil, bad
	}
	key := make(Key, len(c.Key))
	for i, raw := range c.Key {
		var n int64
		var s string
		var f float64
		switch {
		case json.Unmarshal(raw, &n) == nil:
			key[i] = n
		case json.Unmarshal(raw, &s) == nil:
			key[i] = s
		case json.Unmarshal(raw, &f) == nil:
			key[i] = f
		default:
			return nil, bad
		}
	}
	return key, nil
}

// Window checks the arguments and gives what to read. Errors are BAD_USER_INPUT.
func (l List) Window(a Args) (Window, error) {
	if a.First != nil && a.Last != nil {
		return Window{}, graphqlserver.BadInput("`first` and `last` cannot be given together: choose one.")
	}
	w := Window{Limit: Default}
	for _, n := range []struct {
		name     string
		value    *int
		backward bool
	}{{"first", a.First, false}, {"last", a.Last, true}} {
		if n.value == nil {
			continue
		}
		if *n.value < 0 || *n.value > Max {
			return Window{}, graphqlserver.BadInput("`%s` is %d: it must be from 0 to %d.", n.name, *n.value, Max)
		}
		w.Limit, w.Backward = *n.value, n.backward
	}
	if a.After != nil {
		k, err := l.Open("after", *a.After)
		if err != nil {
			return Window{}, err
		}
		w.From = &k
	}
	if a.Before != nil {
		k, err := l.Open("before", *a.Before)
		if err != nil {
			return Window{}, err
		}
		w.To = &k
	}
	w.bounded = w.From != nil && !w.Backward || w.To != nil && w.Backward
	return w, nil
}

// Info is PageInfo.
type Info struct {
	HasNextPage, HasPreviousPage bool
	StartCursor, EndCursor       *string
}

// Page is what a connection needs: the items in the list's order, their cursors and the page's place.
type Page[T any] struct {
	Items   []T
	Cursors []string
	Info    Info
}

// Cut makes a page of what a store read for w: at most w.Limit+1 items, in reading order (from the end when
// w.Backward). Key gives an item's place.
func Cut[T any](l List, w Window, read []T, key func(T) Key) Page[T] {
	more := len(read) > w.Limit
	if more {
		read = read[:w.Limit]
	}
	if w.Backward {
		slices.Reverse(read)
	}
	p := Page[T]{Items: read, Cursors: make([]string, len(read))}
	for i, item := range read {
		p.Cursors[i] = l.Cursor(key(item))
	}
	if w.Backward {
		p.Info.HasPreviousPage, p.Info.HasNextPage = more, w.bounded
	} else {
		p.Info.HasNextPage, p.Info.HasPreviousPage = more, w.bounded
	}
	if n := len(read); n > 0 {
		p.Info.StartCursor, p.Info.EndCursor = &p.Cursors[0], &p.Cursors[n-1]
	}
	return p
}

// String says what a window reads, for logs and tests.
func (w Window) String() string {
	return fmt.Sprintf("limit %d backward %t", w.Limit, w.Backward)
}
