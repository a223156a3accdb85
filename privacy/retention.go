package privacy

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"
)

// Rule is a retention rule: why and for how long something outlives an erasure.
type Rule struct {
	Basis        string `yaml:"basis"`
	Law          string `yaml:"law"`
	Duration     string `yaml:"duration"`
	Anchor       string `yaml:"anchor"`
	Jurisdiction string `yaml:"jurisdiction"`
	Then         string `yaml:"then"`
}

// Rules are retention rules by their names.
type Rules map[string]Rule

var duration = regexp.MustCompile(`^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?$`)

// ReadRules reads schema/retention.yaml and refuses what is not whole.
func ReadRules(text []byte) (Rules, error) {
	var rules Rules
	if err := yaml.Unmarshal(text, &rules); err != nil {
		return nil, fmt.Errorf("read the retention rules: %w", err)
	}
	for name, r := range rules {
		switch {
		case r.Basis == "" || r.Law == "" || r.Jurisdiction == "":
			return nil, fmt.Errorf("retention rule %s needs basis, law and jurisdiction", name)
		case r.Duration == "P" || !duration.MatchString(r.Duration):
			return nil, fmt.Errorf("retention rule %s: duration %q is not an ISO 8601 duration such as P8Y", name, r.Duration)
		case r.Anchor != "EVENT" && r.Anchor != "END_OF_YEAR":
			return nil, fmt.Errorf("retention rule %s: anchor %q must be EVENT or END_OF_YEAR", name, r.Anchor)
		case r.Then != Unset && r.Then != Delete:
			return nil, fmt.Errorf("retention rule %s: then %q must be UNSET or DELETE", name, r.Then)
		}
	}
	return rules, nil
}

// Until gives when what happened at t may go under a rule; t itself for a rule that is not there.
func (r Rules) Until(name string, t time.Time) time.Time {
	rule, ok := r[name]
	if !ok {
		return t
	}
	if rule.Anchor == "END_OF_YEAR" {
		t = time.Date(t.Year()+1, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	m := duration.FindStringSubmatch(rule.Duration)
	part := func(i int) int {
		n, _ := strconv.Atoi(m[i]) // empty is none
		return n
	}
	return t.AddDate(part(1), part(2), part(3)).UTC().Truncate(time.Millisecond)
}
