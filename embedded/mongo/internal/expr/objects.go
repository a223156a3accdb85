package expr

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

func objects(name string) (function, bool) {
	switch name {
	case "$mergeObjects":
		return function{0, -1, func(_ string, a []any) (any, error) {
			m := &merged{}
			for _, v := range a {
				if err := m.Add(v); err != nil {
					return nil, err
				}
			}
			return m.Result(), nil
		}}, true
	case "$objectToArray":
		return function{1, 1, func(_ string, a []any) (any, error) {
			if nullish(a[0]) {
				return nil, nil
			}
			d, ok := a[0].(bson.D)
			if !ok {
				return nil, fault.New(fault.Code(40390), "$objectToArray requires a document input, found: %s", value.TypeName(a[0]))
			}
			out := make(bson.A, len(d))
			for i, e := range d {
				out[i] = bson.D{{Key: "k", Value: e.Key}, {Key: "v", Value: e.Value}}
			}
			return out, nil
		}}, true
	case "$arrayToObject":
		return function{1, 1, arrayToObject}, true
	}
	return function{}, false
}

func arrayToObject(_ string, a []any) (any, error) {
	if nullish(a[0]) {
		return nil, nil
	}
	list, ok := a[0].(bson.A)
	if !ok {
		return nil, fault.New(fault.Code(40386), "$arrayToObject requires an array input, found: %s", value.TypeName(a[0]))
	}
	out := bson.D{}
	for _, x := range list {
		var k, v any
		switch e := x.(type) {
		case bson.D:
			var hasK, hasV bool
			k, hasK = value.Get(e, "k")
			v, hasV = value.Get(e, "v")
			if !hasK || !hasV || len(e) != 2 {
				return nil, fault.New(fault.Code(40392), "$arrayToObject requires an object keys of 'k' and 'v'")
			}
		case bson.A:
			if len(e) != 2 {
				return nil, fault.New(fault.Code(40397), "$arrayToObject requires an array of size 2 arrays, found array of size: %d", len(e))
			}
			k, v = e[0], e[1]
		default:
			return nil, fault.New(fault.Code(40398), "Unrecognised input type format for $arrayToObject: %s", value.TypeName(x))
		}
		name, ok := k.(string)
		if !ok || strings.ContainsRune(name, 0) {
			return nil, fault.New(fault.Code(40394), "$arrayToObject requires keys that are strings without null bytes")
		}
		out = SetField(out, name, v)
	}
	return out, nil
}

func conversions(name string) (function, bool) {
	convert := map[string]func(any) (any, error){
		"$toString": func(v any) (any, error) { return toString(v) },
		"$toInt": func(v any) (any, error) {
			i, err := toLong(v)
			if err == nil && (i < math.MinInt32 || i > math.MaxInt32) {
				err = conversionFailed("the value is out of the range of an int")
			}
			return int32(i), err
		},
		"$toLong":     func(v any) (any, error) { return toLong(v) },
		"$toDouble":   toDouble,
		"$toBool":     func(v any) (any, error) { return value.Truth(v), nil },
		"$toDate":     toDate,
		"$toObjectId": toObjectID,
	}[name]
	if convert != nil {
		return function{1, 1, func(_ string, a []any) (any, error) {
			if nullish(a[0]) {
				return nil, nil
			}
			return convert(a[0])
		}}, true
	}
	switch name {
	case "$type":
		return function{1, 1, func(_ string, a []any) (any, error) { return value.TypeName(a[0]), nil }}, true
	case "$isNumber":
		return function{1, 1, func(_ string, a []any) (any, error) { return value.IsNumber(a[0]), nil }}, true
	}
	return function{}, false
}

func conversionFailed(why string) error {
	return fault.New(fault.Code(241), "Failed to convert: %s", why)
}

func toString(v any) (string, error) {
	switch x := v.(type) {
	case string:
		return x, nil
	case bson.Symbol:
		return string(x), nil
	case int32:
		return strconv.Itoa(int(x)), nil
	case int64:
		return strconv.FormatInt(x, 10), nil
	case float64:
		switch {
		case math.IsNaN(x):
			return "NaN", nil
		case math.IsInf(x, 1):
			return "Infinity", nil
		case math.IsInf(x, -1):
			return "-Infinity", nil
		}
		return strconv.FormatFloat(x, 'g', -1, 64), nil
	case bson.Decimal128:
		return x.String(), nil
	case bool:
		return strconv.FormatBool(x), nil
	case bson.ObjectID:
		return x.Hex(), nil
	case bson.DateTime:
		return x.Time().UTC().Format("2006-01-02T15:04:05.000Z"), nil
	case bson.Binary:
		return base64.StdEncoding.EncodeToString(x.Data), nil
	}
	return "", conversionFailed("unsupported conversion from " + value.TypeName(v) + " to string")
}

func toLong(v any) (int64, error) {
	switch x := v.(type) {
	case bool:
		if x {
			return 1, nil
		}
		return 0, nil
	case bson.DateTime:
		return int64(x), nil
	case string:
		i, err := strconv.ParseInt(x, 10, 64)
		if err != nil {
			return 0, conversionFailed("the string is not a whole number")
		}
		return i, nil
	}
	if i, ok := value.Int(v); ok {
		return i, nil
	}
	f, ok := value.Number(v)
	if !ok {
		return 0, conversionFailed("unsupported conversion from " + value.TypeName(v) + " to a whole number")
	}
	if math.IsNaN(f) || f >= 1<<63 || f < -1<<63 {
		return 0, conversionFailed("the value is out of range")
	}
	return int64(f), nil
}

func toDouble(v any) (any, error) {
	if s, ok := v.(string); ok {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, conversionFailed("the string is not a number")
		}
		return f, nil
	}
	if f, ok := value.Number(v); ok {
		return f, nil
	}
	i, err := toLong(v)
	return float64(i), err
}

func toDate(v any) (any, error) {
	switch x := v.(type) {
	case bson.DateTime:
		return x, nil
	case bson.ObjectID:
		return bson.NewDateTimeFromTime(x.Timestamp()), nil
	case bson.Timestamp:
		return bson.DateTime(int64(x.T) * 1000), nil
	case string:
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02"} {
			if t, err := time.Parse(layout, x); err == nil {
				return bson.NewDateTimeFromTime(t), nil
			}
		}
		return nil, conversionFailed("the string is not a date in ISO 8601")
	case int32:
		return nil, conversionFailed("unsupported conversion from int to date")
	}
	i, err := toLong(v)
	return bson.DateTime(i), err
}

func toObjectID(v any) (any, error) {
	switch x := v.(type) {
	case bson.ObjectID:
		return x, nil
	case string:
		id, err := bson.ObjectIDFromHex(x)
		if err != nil {
			return nil, conversionFailed("the string is not an object id")
		}
		return id, nil
	}
	return nil, conversionFailed("unsupported conversion from " + value.TypeName(v) + " to objectId")
}
