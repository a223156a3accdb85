package execute

import (
	"math"
	"strconv"

	"github.com/lethe/lethe/router/plan"
)

// part is one list of entities of a request that holds several: those of one fetch, or those of it that share the values
// of their contexts. In the request it has a number:
//
//	query ($representations0: [_Any!]!, $representations1: [_Any!]!) {
//	  _e0: _entities(representations: $representations0) {...}
//	  _e1: _entities(representations: $representations1) {...}
//	}
type part struct {
	fetch  *fetch
	s      *scratch
	reps   *representations
	values []byte // of contexts: the variables' JSON values, each ended by a comma
	index  int32  // among the fetch's parts
}

// together is what a request for several parts needs while it runs.
type together struct {
	parts     []part
	members   []*scratch
	variables []int
}

// performTogether runs the fetches of a unit as one request. Those that have nothing to ask are left out of it.
func (r *run) performTogether(u *unit) {
	var t together
	defer func() {
		for _, s := range t.members {
			s.release()
		}
	}()
	for _, f := range u.fetches {
		if f.guard.Holds(r.mask) {
			r.gather(&t, f)
		}
	}
	if len(t.parts) == 0 {
		return
	}
	first := &t.parts[0]
	if len(t.parts) == 1 && len(first.fetch.contexts) == 0 {
		f, s := first.fetch, first.s
		s.body = r.message(f, s, s.body[:0])
		if err := r.ask(f, s, &r.answers[f.id]); err != nil {
			r.answers[f.id].fail()
			r.failed(f, s, err)
		}
		s.settle(f)
		return
	}
	first.s.body = r.messageTogether(u, &t, first.s.body[:0])
	if err := r.askTogether(u, &t); err != nil {
		for i := range t.parts {
			if p := &t.parts[i]; p.index == 0 {
				r.answers[p.fetch.id].fail()
				r.failed(p.fetch, p.s, err)
			}
		}
	}
	for i := range t.parts {
		if p := &t.parts[i]; p.index == 0 {
			p.s.settle(p.fetch)
		}
	}
}

// gather collects what a fetch asks for, as parts.
func (r *run) gather(t *together, f *fetch) {
	s, _ := scratches.Get().(*scratch)
	s.program, s.answers, s.mask, s.sees = r.program, r.answers, r.mask, f.sees
	t.members = append(t.members, s)
	r.inherit(f)
	s.collect(f)
	switch {
	case len(s.instances) == 0:
	case len(f.contexts) == 0:
		t.parts = append(t.parts, part{fetch: f, s: s, reps: &s.reps})
	default:
		for i, g := range s.groups {
			t.parts = append(t.parts, part{fetch: f, s: s, reps: &g.reps, values: g.values, index: int32(i)})
		}
	}
}

// messageTogether writes the request's body.
func (r *run) messageTogether(u *unit, t *together, b []byte) []byte {
	b = append(append(b, `{"query":"query`...), u.name...)
	b = append(b, '(')
	for i := range t.parts {
		p := &t.parts[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(append(b, '$'), r.program.representations...), int64(i), 10)
		b = append(b, ":[_Any!]!"...)
		for j := range p.fetch.contexts {
			c := &p.fetch.contexts[j]
			b = append(append(append(b, ",$"...), c.variable...), '_')
			b = append(append(strconv.AppendInt(b, int64(i), 10), ':'), c.typ...)
		}
		t.declare(p.fetch)
	}
	for _, i := range t.variables {
		b = append(append(b, ','), r.program.declarations[i]...)
	}
	b = append(append(append(b, ')'), r.program.directives...), '{')
	for i := range t.parts {
		b = strconv.AppendInt(append(b, "_e"...), int64(i), 10)
		b = append(append(b, ":_entities(representations:$"...), r.program.representations...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, ')')
		for j, piece := range t.parts[i].fetch.pieces {
			if j > 0 {
				b = strconv.AppendInt(b, int64(i), 10)
			}
			b = append(b, piece...)
		}
	}
	b = append(b, '}')
	for i := range t.parts {
		// One fetch may stand for several parts, next to each other.
		if f := t.parts[i].fetch; f.definitions != "" && (i == 0 || t.parts[i-1].fetch != f) {
			b = append(b, inString(f.definitions)...)
		}
	}
	b = append(b, `","variables":{`...)
	none := true
	for _, i := range t.variables {
		b, none = r.variable(b, i, none)
	}
	for i := range t.parts {
		p := &t.parts[i]
		if !none {
			b = append(b, ',')
		}
		none = false
		b = strconv.AppendInt(append(append(b, '"'), r.program.representations...), int64(i), 10)
		b = append(b, `":[`...)
		b = append(p.reps.append(b), ']')
		rest := p.values
		for j := range p.fetch.contexts {
			b = append(append(append(b, `,"`...), p.fetch.contexts[j].variable...), '_')
			b = append(strconv.AppendInt(b, int64(i), 10), `":`...)
			b = append(b, nextValue(&rest)...)
		}
	}
	return append(b, "}}"...)
}

// declare notes the operation's variables that a fetch uses.
func (t *together) declare(f *fetch) {
next:
	for _, v := range f.variables {
		for _, known := range t.variables {
			if known == v {
				continue next
			}
		}
		t.variables = append(t.variables, v)
	}
}

// askTogether sends the request and reads the answer into the parts' own. An error says that there is none.
func (r *run) askTogether(u *unit, t *together) error {
	first := &t.parts[0]
	carrier := &r.answers[first.fetch.id]
	var err error
	call := Call{Subgraph: u.subgraph, Kind: plan.Query, Body: first.s.body, Trail: r.request.Trail, Deadline: r.request.Deadline, Files: r.request.Files, Buffers: r.executor.options.Buffers, Expected: int(first.fetch.bytes.Load())}
	if carrier.body, err = r.executor.caller.Call(r.ctx, call, carrier.body[:0]); err != nil {
		return err
	}
	remember(&first.fetch.bytes, int64(len(carrier.body)))
	sc := &first.s.scanner
	answered := false
	for i := range t.parts {
		p := &t.parts[i]
		ans := &r.answers[p.fetch.id]
		if p.index == 0 {
			ans.clear()
			r.executor.room(p.fetch, ans)
			if ans != carrier {
				ans.body, ans.shared = carrier.body, true
			}
		}
		ans.slots = append(ans.slots, slot{}) // for the list
	}
	errs, err := sc.response(carrier.body, func() error {
		if sc.Next() == 'n' {
			return sc.Word("null")
		}
		answered = true
		return r.scanParts(sc, t)
	})
	if err != nil {
		return &Failure{Code: CodeInvalidResponse, Message: "answered with something that is not the JSON asked for", Cause: err}
	}
	if errs == nil && !answered {
		return &Failure{Code: CodeInvalidResponse, Message: "answered with neither data nor errors"}
	}
	for i := range t.parts {
		if ans := &r.answers[t.parts[i].fetch.id]; answered {
			ans.root = slot{kind: object}
		} else {
			ans.failed = true
		}
	}
	for i := range t.parts {
		if p := &t.parts[i]; p.index == 0 {
			remember(&p.fetch.slots, int64(len(r.answers[p.fetch.id].slots)))
		}
	}
	r.unfitting(first.fetch, sc)
	var byPart [][]subgraphError // nil where there are none
	if errs != nil {
		byPart = make([][]subgraphError, len(t.parts))
		list, over := readErrors(errs)
		r.drop(over)
		for _, e := range list {
			at := 0 // one without a path is told once
			if len(e.path) > 0 {
				n, ok := partOf([]byte(e.path[0].name), len(t.parts))
				if at = n; !ok {
					at, e.path = 0, nil
				}
			}
			byPart[at] = append(byPart[at], e)
		}
	}
	for i, list := range byPart {
		if p := &t.parts[i]; len(list) > 0 {
			r.subgraphErrors(p.fetch, p.s, list, p.index)
		}
	}
	if answered {
		r.checkCounts(t, byPart)
	}
	return nil
}

// checkCounts fails the fetches that got another number of entities than they asked for, or none at all without an error that
// says why; errs are by part, nil where there are none.
func (r *run) checkCounts(t *together, errs [][]subgraphError) {
	for i := range t.parts {
		p := &t.parts[i]
		ans := &r.answers[p.fetch.id]
		if ans.root.kind != object {
			continue // it failed by another part
		}
		if err := ans.counted(p.index, p.reps, errs != nil && len(errs[i]) > 0); err != nil {
			ans.fail()
			r.failed(p.fetch, p.s, err)
		}
	}
}

// scanParts reads the lists of entities, each by the shape of its fetch and into the slots of its answer.
func (r *run) scanParts(sc *scanner, t *together) error {
	if err := sc.Enter('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := sc.More('}', first)
		if err != nil || !more {
			return err
		}
		from, to, err := sc.Key()
		if err != nil {
			return err
		}
		i, ok := partOf(sc.Data[from:to], len(t.parts))
		if !ok {
			if err := sc.Skip(); err != nil {
				return err
			}
			continue
		}
		p := &t.parts[i]
		ans := &r.answers[p.fetch.id]
		sc.slots, sc.lists = ans.slots, ans.lists
		v, err := sc.value(p.fetch.entities)
		if err != nil {
			return err
		}
		ans.slots, ans.lists = sc.slots, sc.lists
		ans.slots[p.index] = v
	}
}

// partOf reads the number of a part from its key.
func partOf(key []byte, parts int) (int, bool) {
	if len(key) < 3 || key[0] != '_' || key[1] != 'e' {
		return 0, false
	}
	n := 0
	for _, c := range key[2:] {
		if c < '0' || c > '9' || n > parts {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, n < parts
}

// isPart reports whether a key is that of some part.
func isPart(key string) bool {
	_, ok := partOf([]byte(key), math.MaxInt32)
	return ok
}
