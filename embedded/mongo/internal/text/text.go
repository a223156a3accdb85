// Package text takes texts apart for text indexes as MongoDB does: words in lower case without diacritics, stop
// words left out, English words reduced to their stems.
package text

import (
	"strings"
	"unicode"

	"github.com/kljensen/snowball/english"
	"golang.org/x/text/unicode/norm"
)

// Language says how words are reduced.
type Language string

// The languages that are supported: English stems and stop words, or none of either.
const (
	English Language = "english"
	None    Language = "none"
)

// ParseLanguage reads a language's name or ISO code.
func ParseLanguage(s string) (Language, bool) {
	switch strings.ToLower(s) {
	case "english", "en":
		return English, true
	case "none":
		return None, true
	}
	return "", false
}

// Terms gives the terms of a text in their order.
func (l Language) Terms(s string) []string {
	var out []string
	for _, w := range words(s) {
		if t, ok := l.term(w); ok {
			out = append(out, t)
		}
	}
	return out
}

func (l Language) term(word string) (string, bool) {
	if l == None {
		return Fold(word), true
	}
	w := strings.ToLower(word)
	if _, stop := stopWords[w]; stop {
		return "", false
	}
	return Fold(english.Stem(w, true)), true
}

// Fold puts a text into lower case and takes its diacritics away.
func Fold(s string) string {
	s = strings.ToLower(s)
	for i := range len(s) {
		if s[i] >= 0x80 {
			return strings.Map(func(r rune) rune {
				if unicode.Is(unicode.Mn, r) {
					return -1
				}
				return r
			}, norm.NFD.String(s))
		}
	}
	return s
}

// words splits at everything that is no letter, digit, mark, underscore or an apostrophe within a word.
func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && r != '_' && r != '\''
	})
}

// maxWeight bounds what one term of one field counts.
const maxWeight = 1_000_000_000

// Scores weighs the terms of one field: often, early among few words, and alone count more. It adds to scores.
func (l Language) Scores(s string, weight float64, scores map[string]float64) {
	type seen struct{ freq, count, exp float64 }
	found := map[string]*seen{}
	n := 0.0
	for _, t := range l.Terms(s) {
		x := found[t]
		if x == nil {
			x = &seen{}
			found[t] = x
		}
		if x.exp == 0 {
			x.exp = 1
		} else {
			x.exp *= 2
		}
		x.count++
		x.freq += 1 / x.exp
		n++
	}
	for t, x := range found {
		adjust := 1.0
		if len(s) == len(t) && Fold(s) == t {
			adjust = 1.1
		}
		score := weight * x.freq * (0.5*x.count/n + 0.5) * adjust
		scores[t] = min(scores[t]+score, maxWeight)
	}
}

// Search is a search string taken apart.
type Search struct {
	// Terms of which a document must hold one at least, and Negated ones of which it may hold none.
	Terms, Negated []string
	// Phrases that a document must hold, and NegatedPhrases that it may not, folded.
	Phrases, NegatedPhrases []string
}

// ParseSearch reads a search string: words, "phrases" and -negations.
func (l Language) ParseSearch(s string) Search {
	var out Search
	for s != "" {
		if s[0] == ' ' || s[0] == '\t' || s[0] == '\n' {
			s = s[1:]
			continue
		}
		negated := false
		if s[0] == '-' && len(s) > 1 && s[1] != ' ' {
			negated, s = true, s[1:]
		}
		if s[0] == '"' {
			phrase, rest, closed := strings.Cut(s[1:], `"`)
			if closed {
				s = rest
				switch {
				case negated:
					out.NegatedPhrases = append(out.NegatedPhrases, Fold(phrase))
				case strings.TrimSpace(phrase) != "":
					out.Phrases = append(out.Phrases, Fold(phrase))
					out.Terms = append(out.Terms, l.Terms(phrase)...)
				}
				continue
			}
			s = s[1:]
			continue
		}
		end := strings.IndexAny(s, " \t\n\"")
		if end < 0 {
			end = len(s)
		}
		terms := l.Terms(s[:end])
		if negated {
			out.Negated = append(out.Negated, terms...)
		} else {
			out.Terms = append(out.Terms, terms...)
		}
		s = s[end:]
	}
	return out
}
