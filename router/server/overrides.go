package server

import "github.com/lethe/lethe/router/supergraph"

// checkOverrides logs labels that the configuration decides and the schema does not have: nothing comes of them.
func (s *Server) checkOverrides(graph *supergraph.Supergraph, config *Config) {
	if len(config.Overrides) == 0 {
		return
	}
	known := map[string]bool{}
	for _, t := range graph.Types() {
		for _, f := range t.Fields {
			for _, source := range f.Sources {
				known[source.Label] = true
			}
		}
	}
	for label := range config.Overrides {
		if !known[label] {
			s.log.Warn("the configuration decides an override label that the schema does not have", "label", label)
		}
	}
}
