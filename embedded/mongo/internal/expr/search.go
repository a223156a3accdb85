package expr

import (
	"regexp"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

func (c compiler) regexMatch(v any) (Expr, error) {
	args, err := c.named("$regexMatch", v, 2, "input", "regex", "options")
	if err != nil {
		return nil, err
	}
	return func(s *Scope) (any, error) {
		in, err := args["input"](s)
		if err != nil {
			return nil, err
		}
		re, err := args["regex"](s)
		if err != nil {
			return nil, err
		}
		var pattern, options string
		switch x := re.(type) {
		case string:
			pattern = x
		case bson.Regex:
			pattern, options = x.Pattern, x.Options
		default:
			if nullish(re) {
				return false, nil
			}
			return nil, fault.New(fault.Code(51105), "$regexMatch needs 'regex' to be of type string or regex")
		}
		if o := args["options"]; o != nil {
			v, err := o(s)
			if err != nil {
				return nil, err
			}
			extra, _ := v.(string)
			options += extra
		}
		if nullish(in) {
			return false, nil
		}
		text, ok := in.(string)
		if !ok {
			return nil, fault.New(fault.Code(51104), "$regexMatch needs 'input' to be of type string")
		}
		if strings.Trim(options, "ims") != "" {
			return nil, fault.Unsupported("the regular expression options " + options)
		}
		if options != "" {
			pattern = "(?" + options + ")" + pattern
		}
		compiled, err := regexp.Compile(pattern)
		if err != nil {
			return nil, fault.New(fault.Code(51111), "Invalid Regex in $regexMatch")
		}
		return compiled.MatchString(text), nil
	}, nil
}

func (c compiler) trim(name string, v any) (Expr, error) {
	args, err := c.named(name, v, 1, "input", "chars")
	if err != nil {
		return nil, err
	}
	return func(s *Scope) (any, error) {
		in, err := args["input"](s)
		if err != nil || nullish(in) {
			return nil, err
		}
		text, ok := in.(string)
		if !ok {
			return nil, fault.New(fault.Code(50699), "%s requires its input to be a string, got %s", name, value.TypeName(in))
		}
		chars := " \t\n\r\x00\v\f\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
		if args["chars"] != nil {
			cv, err := args["chars"](s)
			if err != nil || nullish(cv) {
				return nil, err
			}
			if chars, ok = cv.(string); !ok {
				return nil, fault.New(fault.Code(50700), "%s requires 'chars' to be a string", name)
			}
		}
		switch name {
		case "$ltrim":
			return strings.TrimLeft(text, chars), nil
		case "$rtrim":
			return strings.TrimRight(text, chars), nil
		}
		return strings.Trim(text, chars), nil
	}, nil
}

func (c compiler) replace(name string, v any) (Expr, error) {
	args, err := c.named(name, v, 3, "input", "find", "replacement")
	if err != nil {
		return nil, err
	}
	return func(s *Scope) (any, error) {
		var t [3]string
		for i, n := range []string{"input", "find", "replacement"} {
			v, err := args[n](s)
			if err != nil || nullish(v) {
				return nil, err
			}
			var ok bool
			if t[i], ok = v.(string); !ok {
				return nil, fault.New(fault.Code(51746), "%s requires that '%s' be a string, found: %s", name, n, value.TypeName(v))
			}
		}
		n := -1
		if name == "$replaceOne" {
			n = 1
		}
		return strings.Replace(t[0], t[1], t[2], n), nil
	}, nil
}
