package execute

import "sync"

// Workers are goroutines that run fetches beside the first of a request. They are kept, since a new one begins with a
// small stack that a fetch has to grow.
type Workers struct {
	mu     sync.Mutex
	idle   []chan task
	closed bool
}

// task is a unit of a request that is to be run.
type task struct {
	run  *run
	unit *unit
}

// maxIdleWorkers bounds the goroutines that wait for work.
const maxIdleWorkers = 256

// NewWorkers gives workers, none of which runs yet.
func NewWorkers() *Workers { return &Workers{} }

// start runs a unit on a worker that waits, or else on a new one.
func (w *Workers) start(r *run, u *unit) {
	if w == nil {
		go r.unit(u)
		return
	}
	w.mu.Lock()
	if n := len(w.idle); n > 0 {
		one := w.idle[n-1]
		w.idle[n-1] = nil
		w.idle = w.idle[:n-1]
		w.mu.Unlock()
		one <- task{r, u}
		return
	}
	w.mu.Unlock()
	go w.work(task{r, u})
}

// work runs tasks until there are workers enough without it.
func (w *Workers) work(t task) {
	mine := make(chan task, 1)
	for {
		t.run.unit(t.unit)
		w.mu.Lock()
		enough := w.closed || len(w.idle) >= maxIdleWorkers
		if !enough {
			w.idle = append(w.idle, mine)
		}
		w.mu.Unlock()
		if enough {
			return
		}
		var more bool
		if t, more = <-mine; !more {
			return
		}
	}
}

// Close ends the workers that wait. Those at work end after it.
func (w *Workers) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, one := range w.idle {
		close(one)
	}
	w.idle = nil
}
