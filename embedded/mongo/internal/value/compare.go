package value

import (
	"bytes"
	"cmp"
	"math"
	"math/big"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The ranks of types in MongoDB's comparison order
// (https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/).
const (
	rankMissing = 3 // also an empty array as an index sees it
	rankNull    = 5
	rankNumber  = 10
	rankString  = 15
	rankObject  = 20
	rankArray   = 25
	rankBinary  = 30
	rankID      = 35
	rankBool    = 40
	rankDate    = 45
	rankTime    = 47
	rankRegex   = 50
	rankScript  = 60
	rankMax     = 127
)

// Rank gives the place of a value's type in the comparison order; types of equal rank compare by value.
func Rank(v any) int {
	switch v.(type) {
	case nil:
		return rankNull
	case int32, int64, float64, bson.Decimal128:
		return rankNumber
	case string, bson.Symbol:
		return rankString
	case bson.D:
		return rankObject
	case bson.A:
		return rankArray
	case bson.ObjectID:
		return rankID
	case bool:
		return rankBool
	case bson.DateTime:
		return rankDate
	case bson.Timestamp:
		return rankTime
	case bson.Binary:
		return rankBinary
	case bson.Regex:
		return rankRegex
	case bson.JavaScript:
		return rankScript
	case Missing:
		return rankMissing
	case bson.MinKey:
		return 1
	}
	return rankMax
}

// Compare orders two values as MongoDB does: by type, then by value, numbers of all types together.
func Compare(a, b any) int {
	ra, rb := Rank(a), Rank(b)
	if ra != rb {
		return cmp.Compare(ra, rb)
	}
	switch ra {
	case rankNumber:
		return compareNumbers(a, b)
	case rankString:
		return strings.Compare(stringOf(a), stringOf(b))
	case rankObject:
		return compareDocuments(a.(bson.D), b.(bson.D))
	case rankArray:
		x, y := a.(bson.A), b.(bson.A)
		for i := range min(len(x), len(y)) {
			if c := Compare(x[i], y[i]); c != 0 {
				return c
			}
		}
		return cmp.Compare(len(x), len(y))
	case rankBinary:
		x, y := a.(bson.Binary), b.(bson.Binary)
		return cmp.Or(cmp.Compare(len(x.Data), len(y.Data)), cmp.Compare(x.Subtype, y.Subtype), bytes.Compare(x.Data, y.Data))
	case rankID:
		x, y := a.(bson.ObjectID), b.(bson.ObjectID)
		return bytes.Compare(x[:], y[:])
	case rankBool:
		x, y := a.(bool), b.(bool)
		switch {
		case x == y:
			return 0
		case y:
			return -1
		}
		return 1
	case rankDate:
		return cmp.Compare(a.(bson.DateTime), b.(bson.DateTime))
	case rankTime:
		x, y := a.(bson.Timestamp), b.(bson.Timestamp)
		return cmp.Or(cmp.Compare(x.T, y.T), cmp.Compare(x.I, y.I))
	case rankRegex:
		x, y := a.(bson.Regex), b.(bson.Regex)
		return cmp.Or(strings.Compare(x.Pattern, y.Pattern), strings.Compare(x.Options, y.Options))
	case rankScript:
		return strings.Compare(string(a.(bson.JavaScript)), string(b.(bson.JavaScript)))
	}
	return 0
}

// Equal tells whether two values are the same in the comparison order: 1 equals 1.0.
func Equal(a, b any) bool { return Compare(a, b) == 0 }

// Identical tells whether two values are equal and of the same types throughout: 1 is not 1.0.
func Identical(a, b any) bool {
	switch x := a.(type) {
	case bson.D:
		y, ok := b.(bson.D)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if x[i].Key != y[i].Key || !Identical(x[i].Value, y[i].Value) {
				return false
			}
		}
		return true
	case bson.A:
		y, ok := b.(bson.A)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !Identical(x[i], y[i]) {
				return false
			}
		}
		return true
	case bson.Decimal128:
		return a == b
	case float64:
		y, ok := b.(float64)
		return ok && math.Float64bits(x) == math.Float64bits(y)
	}
	return TypeOf(a) == TypeOf(b) && Compare(a, b) == 0
}

func compareDocuments(x, y bson.D) int {
	for i := range min(len(x), len(y)) {
		c := cmp.Compare(Rank(x[i].Value), Rank(y[i].Value))
		if c == 0 {
			c = strings.Compare(x[i].Key, y[i].Key)
		}
		if c == 0 {
			c = Compare(x[i].Value, y[i].Value)
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}

func stringOf(v any) string {
	if s, ok := v.(bson.Symbol); ok {
		return string(s)
	}
	return v.(string)
}

func compareNumbers(a, b any) int {
	_, da := a.(bson.Decimal128)
	_, db := b.(bson.Decimal128)
	if da || db {
		return compareExact(a, b)
	}
	x, xi := Int(a)
	y, yi := Int(b)
	switch {
	case xi && yi:
		return cmp.Compare(x, y)
	case xi:
		return -compareDoubleInt(b.(float64), x)
	case yi:
		return compareDoubleInt(a.(float64), y)
	}
	return cmp.Compare(a.(float64), b.(float64)) // cmp places NaN below all, as MongoDB does
}

// Int gives the value of an int32 or int64.
func Int(v any) (int64, bool) {
	switch x := v.(type) {
	case int32:
		return int64(x), true
	case int64:
		return x, true
	}
	return 0, false
}

func compareDoubleInt(f float64, i int64) int {
	switch {
	case math.IsNaN(f):
		return -1
	case f >= 1<<63:
		return 1
	case f < -1<<63:
		return -1
	}
	t := math.Trunc(f)
	if c := cmp.Compare(int64(t), i); c != 0 {
		return c
	}
	return cmp.Compare(f, t)
}

// compareExact compares numbers of which one at least is a Decimal128, without rounding.
func compareExact(a, b any) int {
	x, sx := exact(a)
	y, sy := exact(b)
	if sx != 0 || sy != 0 {
		return cmp.Compare(sx, sy)
	}
	return x.Cmp(y)
}

// exact gives a number as a fraction, or its place among the special ones: -2 NaN, -1 and 1 the infinities.
func exact(v any) (*big.Rat, int) {
	switch x := v.(type) {
	case bson.Decimal128:
		if x.IsNaN() {
			return nil, -2
		}
		if s := x.IsInf(); s != 0 {
			return nil, s
		}
		n, e, err := x.BigInt()
		if err != nil {
			return nil, -2
		}
		r := new(big.Rat).SetInt(n)
		p := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(e, -e))), nil))
		if e < 0 {
			return r.Quo(r, p), 0
		}
		return r.Mul(r, p), 0
	case float64:
		switch {
		case math.IsNaN(x):
			return nil, -2
		case math.IsInf(x, 1):
			return nil, 1
		case math.IsInf(x, -1):
			return nil, -1
		}
		return new(big.Rat).SetFloat64(x), 0
	}
	i, _ := Int(v)
	return new(big.Rat).SetInt64(i), 0
}
