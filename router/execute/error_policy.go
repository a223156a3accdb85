package execute

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/lethe/lethe/router/jsontext"
)

// admit gives of a subgraph's error what clients may have of it: the message, unless it is masked, and of the extensions
// those that are let through. Where there is no code it gets one.
func (o *Options) admit(e subgraphError, subgraph string) responseError {
	if e.unreadable {
		return responseError{message: "Service " + subgraph + " answered with errors that cannot be read.", extensions: extensionsOf(CodeInvalidResponse, subgraph)}
	}
	out := responseError{message: e.message}
	if out.message == "" || o.MaskErrors {
		out.message = "Service " + subgraph + " could not answer."
	}
	var coded struct {
		Code json.RawMessage `json:"code"`
	}
	extensions := bytes.TrimSpace(e.extensions)
	if len(extensions) == 0 || extensions[0] != '{' || json.Unmarshal(extensions, &coded) != nil {
		extensions = []byte("{}")
	}
	if o.MaskErrors {
		var code string
		if json.Unmarshal(coded.Code, &code) != nil || code == "" {
			code = CodeSubgraphError
		}
		out.extensions = extensionsOf(code, subgraph)
		return out
	}
	named := o.NameSubgraphs
	b := []byte{'{'}
	add := func(key, value []byte) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(append(append(b, '"'), key...), '"'), ':'), value...)
	}
	if len(coded.Code) == 0 {
		add([]byte("code"), jsontext.Quote(CodeSubgraphError))
		named = named || len(extensions) <= len("{}")
	}
	each(extensions, func(key, value []byte) {
		known := string(key) == "service" && named
		if !known && (o.ErrorExtensions == nil || string(key) == "code" || slices.Contains(o.ErrorExtensions, string(key))) {
			add(key, value)
		}
	})
	if named {
		add([]byte("service"), jsontext.Quote(subgraph))
	}
	out.extensions = append(b, '}')
	return out
}

// each calls do for the members of a well-formed JSON object, with the key between its quotes as it is written.
func each(object []byte, do func(key, value []byte)) {
	var s jsontext.Scanner
	s.Reset(object)
	if s.Enter('{') != nil {
		return
	}
	for first := true; ; first = false {
		if more, err := s.More('}', first); err != nil || !more {
			return
		}
		from, to, err := s.Key()
		if err != nil {
			return
		}
		value, err := s.Value()
		if err != nil {
			return
		}
		do(object[from:to], value)
	}
}
