package upstream

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// readAll gives the events of a stream as "name=data".
func readAll(r io.Reader, limit int) ([]string, error) {
	s := newEventStream(r, limit)
	var out []string
	for {
		name, data, err := s.next(nil)
		if err != nil {
			return out, err
		}
		out = append(out, string(name)+"="+string(data))
	}
}

func TestEventStream(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"next and complete":      {"event: next\ndata: {\"a\":1}\n\nevent: complete\ndata:\n\n", []string{`next={"a":1}`, "complete="}},
		"no space":               {"event:next\ndata:x\n\n", []string{"next=x"}},
		"one space of two":       {"event: next\ndata:  x\n\n", []string{"next= x"}},
		"carriage returns":       {"event: next\rdata: x\r\revent: next\rdata: y\r\r", []string{"next=x", "next=y"}},
		"both":                   {"event: next\r\ndata: x\r\n\r\nevent: next\r\ndata: y\r\n\r\n", []string{"next=x", "next=y"}},
		"lines of data":          {"event: next\ndata: {\ndata: }\n\n", []string{"next={\n}"}},
		"comments":               {":\n\n: alive\nevent: next\n:\ndata: x\n\n:\n\n", []string{"next=x"}},
		"byte order mark":        {"\ufeffevent: next\ndata: x\n\n", []string{"next=x"}},
		"id and retry":           {"id: 7\nretry: 100\nevent: next\ndata: x\n\n", []string{"next=x"}},
		"no name":                {"data: x\n\n", []string{"=x"}},
		"a name alone":           {"event: complete\n\n", []string{"complete="}},
		"fields without a colon": {"event\ndata\n\n", []string{"="}},
		"the last name counts":   {"event: a\nevent: next\ndata: x\n\n", []string{"next=x"}},
		"not ended":              {"event: next\ndata: x\n\nevent: next\ndata: y\n", []string{"next=x"}},
		"empty":                  {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for how, r := range map[string]io.Reader{"at once": strings.NewReader(c.text), "byte by byte": iotest.OneByteReader(strings.NewReader(c.text))} {
				got, err := readAll(r, 1000)
				if !errors.Is(err, io.EOF) || !slices.Equal(got, c.want) {
					t.Errorf("%s: got %q, %v; want %q", how, got, err, c.want)
				}
			}
		})
	}
}

func TestEventStreamIsBounded(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"data: " + strings.Repeat("x", 101) + "\n\n", strings.Repeat("data: xxxxxxxxx\n", 12), strings.Repeat(":", 5000)} {
		var large *TooLargeError
		if got, err := readAll(strings.NewReader(text), 100); !errors.As(err, &large) {
			t.Errorf("%.20q: %q, %v", text, got, err)
		}
	}
}

// FuzzEventStream holds that a stream reads alike however it is cut, within the limit.
func FuzzEventStream(f *testing.F) {
	f.Add("event: next\ndata: {\"a\":1}\n\nevent: complete\ndata:\n\n")
	f.Add("\ufeff:\r\rdata\r\n\r\n\n\revent:x\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		whole, err := readAll(strings.NewReader(text), 64)
		cut, errCut := readAll(iotest.OneByteReader(strings.NewReader(text)), 64)
		if (err == nil) != (errCut == nil) {
			t.Fatalf("%v at once, %v byte by byte", err, errCut)
		}
		if errors.Is(err, io.EOF) != errors.Is(errCut, io.EOF) || !slices.Equal(whole, cut) {
			t.Fatalf("at once %q %v, byte by byte %q %v", whole, err, cut, errCut)
		}
		for _, e := range whole {
			if _, data, _ := strings.Cut(e, "="); len(data) > 64 && !strings.Contains(e[:len(e)-64], "=") {
				t.Fatalf("an event of %d bytes", len(data))
			}
		}
	})
}
