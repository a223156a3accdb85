package execute

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"

	"github.com/lethe/lethe/router/jsontext"
)

// Form is how the parts of a response that come one after another are written.
type Form uint8

const (
	// Form2022 is that of the GraphQL specification's draft of 24 August 2022: what comes later is in incremental, each with
	// its path and label, and has all that its fragment selects.
	Form2022 Form = iota
	// FormPending is that of the draft since 2023, as of version 17 alpha 9 of GraphQL.js: what is to come is announced in
	// pending with an id, under which it comes in incremental and is done in completed.
	FormPending
)

// Emit sends a payload of a response; last tells that no other follows. A payload that is first and last is a response
// like any other. The bytes are the executor's again when it returns. An error ends the request.
type Emit func(payload []byte, last bool) error

// errNotWanted ends fetches for parts of which there turned out to be no object.
var errNotWanted = errors.New("nobody waits for the answer any more")

// ExecuteIncremental runs a program that defers parts of its response. The initial answer is sent as soon as what it needs
// is there, and each deferred part as soon as its own is, several together where they are ready at once. It returns when
// all is sent and nothing runs any more; the error is that of emit, or the context's where the client is gone.
func (e *Executor) ExecuteIncremental(ctx context.Context, p *Program, req Request, form Form, emit Emit) (Outcome, error) {
	if !p.Incremental() {
		out, outcome := e.Execute(ctx, p, req, nil)
		return outcome, emit(out, true)
	}
	c, _ := e.takes(p)
	c.must = true
	e.gate.enter(ctx, req.Deadline, &p.queue, c)
	ctx, cancel := context.WithCancelCause(ctx)
	r := e.runOf(ctx, p, req)
	r.place = place{gate: &e.gate, queue: &p.queue, weight: c.weight}
	d := &delivery{run: r, form: form, emit: emit}
	defer func() {
		cancel(errNotWanted)
		r.left.Wait()
		r.delivery, r.sees = nil, nil
		p.weigh(r.answers[:len(p.fetches)])
		remember(&p.response, int64(cap(d.out)))
		r.end()
	}()
	d.begin()
	r.delivery = d
	r.prepare(len(p.fetches))
	r.startApart()
	err := d.deliver()
	return Outcome{Errors: d.errors}, err
}

// startApart runs the units that wait for nothing, each on a goroutine of its own.
func (r *run) startApart() {
	r.left.Add(len(r.program.units))
	for _, u := range r.program.units {
		if u.waits == 0 {
			r.executor.options.Workers.start(r, u)
		}
	}
}

// delivery is the sending of a response in parts.
type delivery struct {
	run  *run
	form Form
	emit Emit

	mu    sync.Mutex
	first int   // units that the initial answer still waits for
	waits []int // and those of each part
	wake  chan struct{}

	points []point // where parts begin in the answer or the part that is being written
	begun  []point // and in those before it in the payload
	open   []point // announced and not sent
	ids    int
	told   []responseError // errors of what is being written
	errors int             // of all that was sent
	out    []byte
}

// point is an object at which a deferred part begins.
type point struct {
	part *deferredPart
	path []pathElement
	id   int
}

func (d *delivery) begin() {
	d.first = d.run.program.first
	d.waits = make([]int, len(d.run.program.deferred))
	for i, part := range d.run.program.deferred {
		d.waits[i] = part.waits
	}
	d.wake = make(chan struct{}, 1)
}

// done notes that a unit is through.
func (d *delivery) done(u *unit) {
	d.mu.Lock()
	if len(u.deferred) == 0 {
		d.first--
	}
	for _, id := range u.deferred {
		d.waits[id]--
	}
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// await waits until ready holds. Every fetch ends when the context does, so that nothing else has to be waited for.
func (d *delivery) await(ready func() bool) {
	for {
		d.mu.Lock()
		ok := ready()
		d.mu.Unlock()
		if ok {
			return
		}
		<-d.wake
	}
}

// deliver sends all payloads.
func (d *delivery) deliver() error {
	d.await(func() bool { return d.first == 0 })
	d.initial()
	for {
		if err := d.gone(); err != nil {
			return err
		}
		last := len(d.open) == 0
		if err := d.emit(d.out, last); err != nil || last {
			return err
		}
		var ready []point
		d.await(func() bool {
			ready = d.ready()
			return len(ready) > 0
		})
		d.subsequent(ready)
	}
}

// gone gives the context's error where the client went away. Where time ran out the client is told so.
func (d *delivery) gone() error {
	if err := d.run.ctx.Err(); errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// ready takes from what is open what can be sent.
func (d *delivery) ready() []point {
	var out []point
	d.open = slices.DeleteFunc(d.open, func(p point) bool {
		if d.waits[p.part.id] > 0 {
			return false
		}
		out = append(out, p)
		return true
	})
	return out
}

// initial writes the initial answer.
func (d *delivery) initial() {
	r := d.run
	r.sees = r.program.initial
	d.told = d.errorsOf(nil)
	d.out = append(d.out[:0], `{"data":`...)
	from := len(d.out)
	base := r.rootRefs()
	var ok bool
	if d.out, ok = r.object(d.out, r.program.projection, base); !ok {
		d.out = append(d.out[:from], "null"...)
		d.points = d.points[:0]
	}
	r.refs = r.refs[:base]
	d.orphans(nil, nil)
	d.appendErrors()
	failed := len(d.told) > 0
	d.announce()
	if len(d.open) > 0 {
		d.out = append(d.out, `,"hasNext":true`...)
	}
	d.end(failed, r.request.Extensions)
}

// announce opens what begins in the payload that is being written.
func (d *delivery) announce() {
	slices.SortStableFunc(d.points, func(a, b point) int { return a.part.id - b.part.id })
	for i := range d.points {
		d.points[i].id = d.ids
		d.ids++
	}
	if d.form == FormPending && len(d.points) > 0 {
		d.out = append(d.out, `,"pending":[`...)
		for i := range d.points {
			if i > 0 {
				d.out = append(d.out, ',')
			}
			d.out = appendPath(append(appendID(append(d.out, '{'), d.points[i].id), `,"path":`...), d.points[i].path)
			d.appendLabel(d.points[i].part)
			d.out = append(d.out, '}')
		}
		d.out = append(d.out, ']')
	}
	d.open = append(d.open, d.points...)
	d.points = d.points[:0]
}

func appendID(dst []byte, id int) []byte {
	return append(strconv.AppendInt(append(dst, `"id":"`...), int64(id), 10), '"')
}

func (d *delivery) appendLabel(part *deferredPart) {
	if part.label != nil {
		d.out = append(append(d.out, `,"label":`...), part.label...)
	}
}

// appendErrors writes the errors of what was written last, and counts them.
func (d *delivery) appendErrors() {
	if e, ok := d.run.leftOut(); ok {
		d.told = append(d.told, e)
	}
	if len(d.told) == 0 {
		return
	}
	d.errors += len(d.told)
	d.out = append(d.out, `,"errors":[`...)
	for i := range d.told {
		if i > 0 {
			d.out = append(d.out, ',')
		}
		d.out = d.told[i].append(d.out)
	}
	d.out = append(d.out, ']')
}

// end writes a payload's extensions, where there are any, and its last bracket.
func (d *delivery) end(failed bool, extensions []byte) {
	id := ""
	if failed {
		id = d.run.request.Trail.RequestID
	}
	if id != "" || len(extensions) > 0 {
		d.out = append(d.out, `,"extensions":{`...)
		if id != "" {
			d.out = jsontext.AppendString(append(d.out, `"requestId":`...), id)
			if len(extensions) > 0 {
				d.out = append(d.out, ',')
			}
		}
		d.out = append(append(d.out, extensions...), '}')
	}
	d.out = append(d.out, '}')
}

// subsequent writes a payload of parts that are ready, and of those within them that are.
func (d *delivery) subsequent(ready []point) {
	d.out = append(d.out[:0], `{"incremental":[`...)
	empty := len(d.out)
	var completed []byte
	failed := false
	for len(ready) > 0 {
		slices.SortStableFunc(ready, func(a, b point) int { return a.part.id - b.part.id })
		for i := range ready {
			completed = d.part(&ready[i], ready[i+1:], empty, completed)
			failed = failed || len(d.told) > 0
			d.begun = append(d.begun, d.points...)
			d.points = d.points[:0]
		}
		if d.form == FormPending {
			// They are announced in this payload, and sent in the next.
			d.points = append(d.points, d.begun...)
			d.begun = d.begun[:0]
			break
		}
		d.open = append(d.open, d.begun...)
		d.begun = d.begun[:0]
		d.mu.Lock()
		ready = d.ready()
		d.mu.Unlock()
	}
	if len(d.out) == empty {
		d.out = append(d.out[:0], '{')
	} else {
		d.out = append(d.out, ']', ',')
	}
	if d.form == FormPending {
		d.out = append(append(append(d.out, `"completed":[`...), completed...), ']')
		d.announce()
		d.out = append(d.out, ',')
	}
	d.out = strconv.AppendBool(append(d.out, `"hasNext":`...), len(d.open) > 0)
	d.end(failed, nil)
}

// part writes one part at one object, and in the newer form that it is completed. Waiting are those that follow in the
// payload.
func (d *delivery) part(p *point, waiting []point, empty int, completed []byte) []byte {
	r := d.run
	d.told = d.errorsOf(p)
	from := len(d.out)
	if from > empty {
		d.out = append(d.out, ',')
	}
	d.out = append(d.out, `{"data":`...)
	value := len(d.out)
	r.sees = p.part.sees
	base, ok := r.enter(p.path)
	if ok {
		r.path = append(r.path[:0], p.path...)
		d.out, ok = r.object(d.out, p.part.projection, base)
		r.path = r.path[:0]
	}
	r.refs, r.vals = r.refs[:0], r.vals[:0]
	if !ok {
		d.out, d.points = append(d.out[:value], "null"...), d.points[:0]
	}
	d.orphans(p, waiting)
	if d.form == Form2022 {
		d.out = appendPath(append(d.out, `,"path":`...), p.path)
		d.appendLabel(p.part)
		d.appendErrors()
		d.out = append(d.out, '}')
		return completed
	}
	if len(completed) > 0 {
		completed = append(completed, ',')
	}
	completed = appendID(append(completed, '{'), p.id)
	if ok {
		d.out = appendID(append(d.out, ','), p.id)
		d.appendErrors()
		d.out = append(d.out, '}')
	} else {
		// The errors say why there is nothing.
		d.out = d.out[:from]
		d.appendErrors()
		completed = append(completed, d.out[from:]...)
		d.out = d.out[:from]
	}
	return append(completed, '}')
}

// enter pushes the references of the objects at a path of the response and gives where they begin.
func (r *run) enter(path []pathElement) (base int, ok bool) {
	n := r.program.root
	base, ok = r.rootRefs(), true
	for len(path) > 0 && ok {
		child := n.children[path[0].name]
		if child == nil {
			return base, false
		}
		vals := r.childVals(n, child, base)
		count := len(r.vals) - vals
		for path = path[1:]; len(path) > 0 && path[0].list; path = path[1:] {
			from := len(r.vals)
			r.elements(child, vals, count, path[0].index)
			vals = from
		}
		base, ok = r.objects(child, vals)
		n = child
	}
	return base, ok
}

// begins notes that a deferred part begins at the object that is being written.
func (r *run) begins(part *deferredPart) {
	if r.delivery != nil {
		r.delivery.points = append(r.delivery.points, point{part: part, path: slices.Clone(r.path)})
	}
}

// begun tells how many parts begin in what was written so far, for [run.forget].
func (r *run) begun() int {
	if r.delivery == nil {
		return 0
	}
	return len(r.delivery.points)
}

// forget drops the parts that begin in what turned out to be null.
func (r *run) forget(begun int) {
	if r.delivery != nil {
		r.delivery.points = r.delivery.points[:begun]
	}
}
