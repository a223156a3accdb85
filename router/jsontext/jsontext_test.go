package jsontext_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lethe/lethe/router/jsontext"
)

func valid(data []byte) bool {
	s := jsontext.Scanner{Data: data}
	return s.Skip() == nil && s.End() == nil
}

func TestSkip(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{}`: true, `[]`: true, ` [ 1 , -0.5e+3 , "a" , {"b" : [ ] } , true , false , null ] `: true,
		`"\u00e9\n\"\\"`: true, `"é𝄞 long enough for the fast way"`: true, `0`: true, `-0`: true, `1e9`: true,
		``: false, `{`: false, `[1,]`: false, `{"a":1,}`: false, `{"a" 1}`: false, `{a:1}`: false, `01`: false, `-`: false,
		`1.`: false, `.5`: false, `1e`: false, `"a`: false, "\"a\nb\"": false, `"\x"`: false, `"\u12g4"`: false, "\"\xff\"": false,
		`nul`: false, `true false`: false, `[1 2]`: false, "\x00": false, "1\x00": false, `"abcdefg\`: false,
	} {
		if got := valid([]byte(text)); got != want {
			t.Errorf("%q: read %v, want %v", text, got, want)
		}
	}
	if valid([]byte(strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000))) {
		t.Error("100,000 levels were taken")
	}
}

func TestAppendText(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`plain`: "plain", `a\n\t\"\\\/\b\f\r`: "a\n\t\"\\/\b\f\r", `\u00e9`: "é", `\ud834\udd1e`: "𝄞", `\ud834x`: "\uFFFDx", `\udd1e\ud834`: "\uFFFD\uFFFD",
	} {
		if got := string(jsontext.AppendText(nil, []byte(content))); got != want {
			t.Errorf("%s: %q, want %q", content, got, want)
		}
	}
}

func TestInt32(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{"0": true, "-1": true, "2147483647": true, "2147483648": false, "1.0": true, "1e3": true, "1.5": false, "1e300": false} {
		if _, got := jsontext.Int32([]byte(raw)); got != want {
			t.Errorf("%s: %v, want %v", raw, got, want)
		}
	}
}

// FuzzSkip holds the scanner against encoding/json, which alone takes invalid UTF-8 and deeper nesting.
func FuzzSkip(f *testing.F) {
	for _, s := range []string{`{"data":{"a":[1,2.5e-3,"x\u0041"]},"errors":null}`, `"é"`, `[[[[]]]]`, `{"a":tru}`, "\"\x1f\"", `"12345678\"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !utf8.Valid(data) || strings.Count(string(data), "[")+strings.Count(string(data), "{") > jsontext.MaxDepth {
			valid(data)
			return
		}
		if got, want := valid(data), json.Valid(data); got != want {
			t.Fatalf("%q: read %v, encoding/json %v", data, got, want)
		}
	})
}

// FuzzString holds what a string stands for against encoding/json.
func FuzzString(f *testing.F) {
	f.Add([]byte(`"a\ud834\udd1eb"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := jsontext.Scanner{Data: data}
		from, to, err := s.String()
		if err != nil {
			return
		}
		var want string
		if err := json.Unmarshal(data[:s.Pos], &want); err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		got := string(jsontext.AppendText(nil, data[from:to]))
		if got != want {
			t.Fatalf("%q: %q, want %q", data, got, want)
		}
		var again string
		if err := json.Unmarshal(jsontext.Quote(got), &again); err != nil || again != got {
			t.Fatalf("%q: quoted and read again: %q, %v", got, again, err)
		}
	})
}
