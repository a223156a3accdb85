package console

import (
	"net/http"
	"slices"
	"strings"
)

// dataMap is which service holds which personal data.
type dataMap struct {
	Entries []mapEntry
	Rules   []rule
}

type mapEntry struct {
	Service, Path, Category, Action, Rule, Description string
}

// rule is a reason for which data outlives an erasure.
type rule struct {
	Name, Basis, Law, Duration, Anchor, Jurisdiction string
}

// Term says how long the rule keeps data, in words.
func (r rule) Term() string {
	term := term8601(r.Duration)
	if r.Anchor == "END_OF_YEAR" {
		return term + " from the end of the year"
	}
	return term
}

// rules gives the rules by their names.
func (m dataMap) rules() map[string]rule {
	all := make(map[string]rule, len(m.Rules))
	for _, r := range m.Rules {
		all[r.Name] = r
	}
	return all
}

// serviceMap is what one service holds.
type serviceMap struct {
	Service string
	Entries []mapEntry
}

// dataMapView is the page of the data map.
type dataMapView struct {
	Services []serviceMap
	Rules    map[string]rule
	Terms    []term
	Fields   int
	Missing  []missing
}

// dataMapPage shows which service holds which personal data, as the schema says.
func (c *console) dataMapPage(w http.ResponseWriter, r *http.Request, s *session) error {
	var out struct{ DataMap *dataMap }
	gaps, err := c.graph.do(r.Context(), s.Token, "DataMap", nil, &out)
	if err != nil {
		return err
	}
	v := dataMapView{Terms: c.words["ErasureAction"], Missing: gaps}
	if out.DataMap != nil {
		v.Rules, v.Fields = out.DataMap.rules(), len(out.DataMap.Entries)
		for _, e := range out.DataMap.Entries {
			i := slices.IndexFunc(v.Services, func(s serviceMap) bool { return s.Service == e.Service })
			if i < 0 {
				v.Services = append(v.Services, serviceMap{Service: e.Service})
				i = len(v.Services) - 1
			}
			v.Services[i].Entries = append(v.Services[i].Entries, e)
		}
		slices.SortFunc(v.Services, func(a, b serviceMap) int { return strings.Compare(a.Service, b.Service) })
	}
	c.render(w, r, s, http.StatusOK, "data-map", "Data map", v)
	return nil
}
