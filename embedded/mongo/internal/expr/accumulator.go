package expr

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// MaxCollected bounds the elements that $push and $addToSet gather for one group.
const MaxCollected = 1_000_000

// Accumulator gathers the values of a group.
type Accumulator interface {
	// Add takes one value, value.Missing included.
	Add(v any) error
	// Result gives what was gathered.
	Result() any
}

// NewAccumulator makes an accumulator by its operator's name.
func NewAccumulator(name string) (Accumulator, error) {
	switch name {
	case "$sum", "$count":
		return &sum{total: int32(0)}, nil
	case "$avg":
		return &avg{sum: sum{total: int32(0)}}, nil
	case "$min":
		return &extreme{sign: -1}, nil
	case "$max":
		return &extreme{sign: 1}, nil
	case "$first":
		return &edge{}, nil
	case "$last":
		return &edge{last: true}, nil
	case "$push":
		return &collected{list: bson.A{}}, nil
	case "$addToSet":
		return &collected{list: bson.A{}, seen: map[string]struct{}{}}, nil
	case "$mergeObjects":
		return &merged{}, nil
	case "$stdDevPop", "$stdDevSamp", "$top", "$topN", "$bottom", "$bottomN", "$firstN", "$lastN", "$maxN", "$minN", "$accumulator", "$median", "$percentile":
		return nil, fault.Unsupported("the accumulator " + name)
	}
	return nil, fault.New(fault.Code(15952), "unknown group operator '%s'", name)
}

type sum struct{ total any }

func (s *sum) Add(v any) error {
	if !value.IsNumber(v) {
		return nil
	}
	var err error
	s.total, _, err = value.Add.Do(s.total, v)
	return err
}
func (s *sum) Result() any { return s.total }

type avg struct {
	sum
	n int
}

func (a *avg) Add(v any) error {
	if value.IsNumber(v) {
		a.n++
	}
	return a.sum.Add(v)
}

func (a *avg) Result() any {
	if a.n == 0 {
		return nil
	}
	f, _ := value.Number(a.total)
	return f / float64(a.n)
}

type extreme struct {
	sign int
	best any
	any  bool
}

func (e *extreme) Add(v any) error {
	if nullish(v) {
		return nil
	}
	if !e.any || value.Compare(v, e.best)*e.sign > 0 {
		e.best, e.any = v, true
	}
	return nil
}
func (e *extreme) Result() any { return e.best }

type edge struct {
	last, any bool
	v         any
}

func (e *edge) Add(v any) error {
	if !e.any || e.last {
		e.v, e.any = present(v), true
	}
	return nil
}
func (e *edge) Result() any { return e.v }

type collected struct {
	list bson.A
	seen map[string]struct{}
}

func (c *collected) Add(v any) error {
	if _, none := v.(value.Missing); none {
		return nil
	}
	if c.seen != nil {
		k := value.Key(v)
		if _, dup := c.seen[k]; dup {
			return nil
		}
		c.seen[k] = struct{}{}
	}
	if len(c.list) >= MaxCollected {
		return fault.New(fault.ExceededMemoryLimit, "a group gathers more than %d values", MaxCollected)
	}
	c.list = append(c.list, v)
	return nil
}
func (c *collected) Result() any { return c.list }

type merged struct{ d bson.D }

func (m *merged) Add(v any) error {
	if nullish(v) {
		return nil
	}
	d, ok := v.(bson.D)
	if !ok {
		return fault.New(fault.Code(40400), "$mergeObjects requires object inputs, but input is of type %s", value.TypeName(v))
	}
	for _, e := range d {
		m.d = SetField(m.d, e.Key, e.Value)
	}
	return nil
}

func (m *merged) Result() any {
	if m.d == nil {
		return bson.D{}
	}
	return m.d
}

// SetField sets a field of a document that the caller owns.
func SetField(d bson.D, name string, v any) bson.D {
	for i := range d {
		if d[i].Key == name {
			d[i].Value = v
			return d
		}
	}
	return append(d, bson.E{Key: name, Value: v})
}
