package differential_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// faultsOf gives what goes wrong in a seed's universe: nothing in most.
func faultsOf(seed uint64) faults {
	return map[uint64]faults{
		0: {fields: 9},
		1: {fields: 60},
		2: {entities: 5},
		3: {calls: 5},
		4: {values: 7},
		5: {values: 30, stray: 3},
		6: {types: 6},
		7: {stray: 2},
		8: {fields: 9, stray: 2},
		9: {fields: 20, entities: 20, calls: 12, values: 12, types: 12, stray: 5},
	}[seed%20]
}

// strayPaths are paths of errors that lead to no field, as JSON; "" for none at all.
var strayPaths = []string{
	``, `null`, `[]`, `["nowhere"]`, `["input","acceptorId"]`, `["_entities"]`, `["_entities",999]`, `["_entities",-1,"x"]`, `["_entities",0,"nowhere"]`,
	`["_entities","0"]`, `[3,4]`, `["_entities",0,0]`, `[1.5]`, `[null,{}]`, `"text"`, `7`, `{}`, `[["_entities"],0]`,
}

// stray gives the errors of an answer with some moved to where nothing is, and with one more that never had a place. Each says
// so, and is told.
func (u *universe) stray(name string, request []byte, errs []graphQLError, told *[]string) (out []any) {
	n := u.faults.stray
	for i, e := range errs {
		if n == 0 || u.hash("moved", name, string(request), i)%n > 0 {
			out = append(out, e)
			continue
		}
		out = append(out, strayError(e.Message, u.hash("path", name, string(request), i)))
	}
	if n == 0 || u.hash("stray", name, string(request))%n > 0 {
		return out
	}
	h := u.hash("more", name, string(request))
	message := fmt.Sprintf("stray %d of %s", h, name)
	*told = append(*told, message)
	return append(out, strayError(message, h))
}

func strayError(message string, h uint32) any {
	e := map[string]any{"message": message}
	if path := strayPaths[h%uint32(len(strayPaths))]; path != "" {
		e["path"] = json.RawMessage(path)
	}
	return e
}

// fail has a request fail now and then: it is not answered, or with something that is no answer to it.
func (u *universe) fail(request, response []byte, told []string) ([]byte, []string, error) {
	n := u.faults.calls
	if n == 0 {
		return response, told, nil
	}
	h := u.hash("call", string(request))
	if h%n > 0 {
		return response, told, nil
	}
	h /= n
	one := []string{"nothing works"}
	broken := []struct {
		text string
		told []string
	}{
		{`{"errors":[{"message":"nothing works","path":null}],"data":null}`, one},
		{`{"errors":[{"message":"nothing works"}]}`, one},
		{`{"errors":[{"message":"nothing works","path":["nowhere"]}]}`, one},
		{`{"data":{"_entities":[{"id`, nil},
		{`{"data":{"_entities":{}}}`, nil}, {`{"data":{"_entities":null}}`, nil}, {`{"data":{"_entities":[]}}`, nil}, {`{"data":{"_entities":"text"}}`, nil},
		{`{"data":[]}`, nil}, {`{"data":"text"}`, nil}, {`{"data":null}`, nil}, {`{"data":{}}`, nil}, {`{}`, nil}, {`[]`, nil}, {`null`, nil}, {``, nil}, {`"text"`, nil},
		{`{"data":null,"errors":[]}`, nil}, {`{"data":null,"errors":null}`, nil}, {`{"errors":[null]}`, nil}, {`{"errors":"text"}`, nil}, {`{"errors":{}}`, nil},
		{`{"errors":[{"message":7}]}`, nil}, {`{"errors":[{}],"data":null}`, nil}, {`{"data":{},"data":null}`, nil},
	}
	switch k := h % uint32(len(broken)+4); {
	case int(k) < len(broken):
		return []byte(broken[k].text), broken[k].told, nil
	case int(k) == len(broken):
		return nil, nil, errors.New("the subgraph cannot be reached")
	case int(k) == len(broken)+1:
		return response[:len(response)*int(h%97)/97], nil, nil // cut off
	case int(k) == len(broken)+2:
		return append(bytes.Clone(response), "surplus"...), nil, nil
	default:
		return another(response), told, nil
	}
}

// another gives a response about one entity more than was asked for.
func another(response []byte) []byte {
	return bytes.Replace(response, []byte(`"_entities":[`), []byte(`"_entities":[null,`), 1)
}
