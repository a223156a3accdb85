package expr

import (
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

func dates(name string) (function, bool) {
	part := map[string]func(time.Time) int{
		"$year": time.Time.Year, "$month": func(t time.Time) int { return int(t.Month()) }, "$dayOfMonth": time.Time.Day,
		"$hour": time.Time.Hour, "$minute": time.Time.Minute, "$second": time.Time.Second,
		"$millisecond": func(t time.Time) int { return t.Nanosecond() / 1e6 },
		"$dayOfWeek":   func(t time.Time) int { return int(t.Weekday()) + 1 },
		"$dayOfYear":   time.Time.YearDay,
		"$isoWeek":     func(t time.Time) int { _, w := t.ISOWeek(); return w },
		"$isoWeekYear": func(t time.Time) int { y, _ := t.ISOWeek(); return y },
	}[name]
	if part == nil {
		return function{}, false
	}
	return function{1, 1, func(name string, a []any) (any, error) {
		t, ok, err := asTime(a[0])
		if err != nil || !ok {
			return nil, err
		}
		return int32(part(t)), nil
	}}, true
}

func asTime(v any) (time.Time, bool, error) {
	switch x := v.(type) {
	case bson.DateTime:
		return x.Time().UTC(), true, nil
	case bson.ObjectID:
		return x.Timestamp().UTC(), true, nil
	case bson.Timestamp:
		return time.Unix(int64(x.T), 0).UTC(), true, nil
	}
	if nullish(v) {
		return time.Time{}, false, nil
	}
	return time.Time{}, false, fault.New(fault.Code(16006), "can't convert from BSON type %s to Date", value.TypeName(v))
}

// dated compiles the date operators with named arguments.
func (c compiler) dated(name string, v any) (Expr, error) {
	var args map[string]Expr
	var err error
	if name == "$dateToString" {
		args, err = c.named(name, v, 1, "date", "format", "timezone", "onNull")
	} else if name == "$dateTrunc" {
		args, err = c.named(name, v, 2, "date", "unit", "timezone", "binSize")
	} else {
		args, err = c.named(name, v, 3, "startDate", "unit", "amount", "timezone")
	}
	if err != nil {
		return nil, err
	}
	if args["binSize"] != nil {
		return nil, fault.Unsupported("$dateTrunc's binSize")
	}
	date := args["date"]
	if date == nil {
		date = args["startDate"]
	}
	return func(s *Scope) (any, error) {
		v, err := date(s)
		if err != nil {
			return nil, err
		}
		t, ok, err := asTime(v)
		if err != nil {
			return nil, err
		}
		if !ok {
			if args["onNull"] != nil {
				return args["onNull"](s)
			}
			return nil, nil
		}
		if tz := args["timezone"]; tz != nil {
			zone, err := tz(s)
			if err != nil || nullish(zone) {
				return nil, err
			}
			if t, err = inZone(t, zone); err != nil {
				return nil, err
			}
		}
		text := func(arg, otherwise string) (string, error) {
			if args[arg] == nil {
				return otherwise, nil
			}
			v, err := args[arg](s)
			if err != nil {
				return "", err
			}
			str, ok := v.(string)
			if !ok {
				return "", fault.New(fault.Code(18533), "%s requires that '%s' be a string", name, arg)
			}
			return str, nil
		}
		if name == "$dateToString" {
			f, err := text("format", "%Y-%m-%dT%H:%M:%S.%LZ")
			if err != nil {
				return nil, err
			}
			return formatDate(t, f)
		}
		unit, err := text("unit", "")
		if err != nil {
			return nil, err
		}
		if name == "$dateTrunc" {
			return truncateDate(t, unit)
		}
		v, err = args["amount"](s)
		if err != nil || nullish(v) {
			return nil, err
		}
		n, ok := value.Whole(v)
		if !ok || n > 1<<31 || n < -1<<31 {
			return nil, fault.New(fault.Code(5166405), "%s expects integer amount of time units", name)
		}
		if name == "$dateSubtract" {
			n = -n
		}
		return shiftDate(t, unit, int(n))
	}, nil
}

func inZone(t time.Time, zone any) (time.Time, error) {
	name, ok := zone.(string)
	if !ok {
		return t, fault.New(fault.Code(40517), "timezone must evaluate to a string, found %s", value.TypeName(zone))
	}
	if len(name) > 0 && (name[0] == '+' || name[0] == '-') {
		for _, layout := range []string{"-07:00", "-0700", "-07"} {
			if p, err := time.Parse(layout, name); err == nil {
				return t.In(p.Location()), nil
			}
		}
	} else if loc, err := time.LoadLocation(name); err == nil && name != "Local" {
		return t.In(loc), nil
	}
	return t, fault.New(fault.Code(40485), "unrecognized time zone identifier: %q", name)
}

func formatDate(t time.Time, format string) (any, error) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		i++
		if i == len(format) {
			return nil, fault.New(fault.Code(18535), "Unmatched '%%' at end of format string")
		}
		isoYear, isoWeek := t.ISOWeek()
		_, offset := t.Zone()
		switch format[i] {
		case 'Y':
			fmt.Fprintf(&b, "%04d", t.Year())
		case 'm':
			fmt.Fprintf(&b, "%02d", int(t.Month()))
		case 'd':
			fmt.Fprintf(&b, "%02d", t.Day())
		case 'H':
			fmt.Fprintf(&b, "%02d", t.Hour())
		case 'M':
			fmt.Fprintf(&b, "%02d", t.Minute())
		case 'S':
			fmt.Fprintf(&b, "%02d", t.Second())
		case 'L':
			fmt.Fprintf(&b, "%03d", t.Nanosecond()/1e6)
		case 'j':
			fmt.Fprintf(&b, "%03d", t.YearDay())
		case 'w':
			fmt.Fprintf(&b, "%d", int(t.Weekday())+1)
		case 'u':
			fmt.Fprintf(&b, "%d", (int(t.Weekday())+6)%7+1)
		case 'G':
			fmt.Fprintf(&b, "%04d", isoYear)
		case 'V':
			fmt.Fprintf(&b, "%02d", isoWeek)
		case 'U':
			fmt.Fprintf(&b, "%02d", (t.YearDay()+6-int(t.Weekday()))/7)
		case 'z':
			b.WriteString(t.Format("-0700"))
		case 'Z':
			fmt.Fprintf(&b, "%d", offset/60)
		case '%':
			b.WriteByte('%')
		default:
			return nil, fault.New(fault.Code(18536), "Invalid format character '%%%c' in format string", format[i])
		}
	}
	return b.String(), nil
}

func badUnit(unit string) error {
	return fault.New(fault.FailedToParse, "unknown time unit value: %s", unit)
}

func shiftDate(t time.Time, unit string, n int) (any, error) {
	months := map[string]int{"year": 12, "quarter": 3, "month": 1}[unit]
	days := map[string]int{"week": 7, "day": 1}[unit]
	span := map[string]time.Duration{"hour": time.Hour, "minute": time.Minute, "second": time.Second, "millisecond": time.Millisecond}[unit]
	switch {
	case months > 0:
		first := time.Date(t.Year(), t.Month()+time.Month(n*months), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
		last := first.AddDate(0, 1, -1).Day() // a day that the month has not becomes its last
		return bson.NewDateTimeFromTime(first.AddDate(0, 0, min(t.Day(), last)-1)), nil
	case days > 0:
		return bson.NewDateTimeFromTime(t.AddDate(0, 0, n*days)), nil
	case span > 0:
		return bson.DateTime(t.UnixMilli() + int64(n)*span.Milliseconds()), nil
	}
	return nil, badUnit(unit)
}

func truncateDate(t time.Time, unit string) (any, error) {
	y, m, d := t.Date()
	at := func(m time.Month, d, h, min, s, ms int) (any, error) {
		return bson.NewDateTimeFromTime(time.Date(y, m, d, h, min, s, ms*1e6, t.Location())), nil
	}
	switch unit {
	case "year":
		return at(1, 1, 0, 0, 0, 0)
	case "quarter":
		return at((m-1)/3*3+1, 1, 0, 0, 0, 0)
	case "month":
		return at(m, 1, 0, 0, 0, 0)
	case "week":
		return at(m, d-int(t.Weekday()), 0, 0, 0, 0)
	case "day":
		return at(m, d, 0, 0, 0, 0)
	case "hour":
		return at(m, d, t.Hour(), 0, 0, 0)
	case "minute":
		return at(m, d, t.Hour(), t.Minute(), 0, 0)
	case "second":
		return at(m, d, t.Hour(), t.Minute(), t.Second(), 0)
	case "millisecond":
		return at(m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond()/1e6)
	}
	return nil, badUnit(unit)
}
