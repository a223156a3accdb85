package value

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
)

// Number gives a number of any type as a double; false if v is no number.
func Number(v any) (float64, bool) {
	switch x := v.(type) {
	case int32:
		return float64(x), true
	case int64:
		return float64(x), true
	case float64:
		return x, true
	case bson.Decimal128:
		r, special := exact(x)
		switch special {
		case -2:
			return math.NaN(), true
		case -1, 1:
			return math.Inf(special), true
		}
		f, _ := r.Float64()
		return f, true
	}
	return 0, false
}

// IsNumber tells whether v is a number.
func IsNumber(v any) bool { return Rank(v) == rankNumber }

// Whole gives a number that has no fraction as an int64.
func Whole(v any) (int64, bool) {
	if i, ok := Int(v); ok {
		return i, true
	}
	f, ok := Number(v)
	if !ok || f != math.Trunc(f) || f < -1<<63 || f >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}

// Truth tells whether a value counts as true: all but false, null, zero and Missing do.
func Truth(v any) bool {
	switch x := v.(type) {
	case nil, Missing:
		return false
	case bool:
		return x
	}
	if f, ok := Number(v); ok {
		return f != 0
	}
	return true
}

// Arithmetic is a calculation on two numbers.
type Arithmetic struct {
	Name   string
	Ints   func(a, b int64) (int64, bool) // false on overflow
	Floats func(a, b float64) float64
}

// Add and Multiply are the calculations that updates and expressions share.
var (
	Add = Arithmetic{"add", func(a, b int64) (int64, bool) {
		c := a + b
		return c, (c > a) == (b > 0) || b == 0
	}, func(a, b float64) float64 { return a + b }}
	Subtract = Arithmetic{"subtract", func(a, b int64) (int64, bool) {
		c := a - b
		return c, (c < a) == (b > 0) || b == 0
	}, func(a, b float64) float64 { return a - b }}
	Multiply = Arithmetic{"multiply", func(a, b int64) (int64, bool) {
		if a == 0 || b == 0 {
			return 0, true
		}
		c := a * b
		return c, c/b == a && !(a == -1 && b == math.MinInt64) && !(b == -1 && a == math.MinInt64)
	}, func(a, b float64) float64 { return a * b }}
)

// Do calculates with MongoDB's widening: int32 stays int32 while it fits, then int64, then double; a double makes
// a double. whole is false if an int64 overflowed into a double. Decimal128 is refused.
func (o Arithmetic) Do(a, b any) (result any, whole bool, err error) {
	_, da := a.(bson.Decimal128)
	_, db := b.(bson.Decimal128)
	if da || db {
		return nil, false, fault.Unsupported("arithmetic on Decimal128 ($" + o.Name + ")")
	}
	x, xi := Int(a)
	y, yi := Int(b)
	if !xi || !yi {
		f, _ := Number(a)
		g, _ := Number(b)
		return o.Floats(f, g), true, nil
	}
	r, fits := o.Ints(x, y)
	if !fits {
		return o.Floats(float64(x), float64(y)), false, nil
	}
	_, narrowA := a.(int32)
	_, narrowB := b.(int32)
	if narrowA && narrowB && r >= math.MinInt32 && r <= math.MaxInt32 {
		return int32(r), true, nil
	}
	return r, true, nil
}
