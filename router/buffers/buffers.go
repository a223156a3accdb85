// Package buffers keeps large buffers between requests.
//
// A sync.Pool loses what is in it to each second cycle of the garbage collector, so that large buffers become garbage as
// fast as they are made, and bounds neither how many there are nor how large they get. A [List] holds them within a bound,
// for as long as they are of use.
package buffers

import (
	"math/bits"
	"reflect"
	"sync"
	"time"
)

const (
	// Least is the bytes of the smallest buffer that is kept: those below are better kept by whoever uses them.
	Least = 4 << 10
	// largest is the bytes of the largest that is kept.
	largest = 4 << 20
	// steps is how many sizes there are between one power of two and the next: at most a fifth of a buffer is unused.
	steps   = 4
	classes = 10*steps + 1 // 4 KiB times 2 to the 10th are 4 MiB
	// trimAfter is how long a buffer may wait for a use.
	trimAfter = 10 * time.Second
)

// List keeps buffers of elements that hold no pointers. It is safe for concurrent use; nil keeps nothing.
type List[T any] struct {
	size int // bytes of an element
	most int // bytes that may wait for use

	mu      sync.Mutex
	classes [classes]class[T]
	waiting int // bytes
	armed   bool
}

// class is the buffers of one size that wait, the last used at the end.
type class[T any] struct {
	free [][]T
	low  int // the fewest that waited since they were last looked through
}

// New gives a list that holds at most a number of bytes.
func New[T any](most int) *List[T] {
	return &List[T]{size: int(reflect.TypeFor[T]().Size()), most: most}
}

// bytesOf gives the size of a class.
func bytesOf(class int) int { return (Least / steps * (steps + class%steps)) << (class / steps) }

// below gives the largest class of at most so many bytes, which are Least at least.
func below(n int) int {
	power := bits.Len(uint(n)) - 1 // n is from 2 to this power to twice that
	step := n>>(power-2) - steps
	return (power-bits.Len(Least)+1)*steps + step
}

// Take gives an empty buffer that has room for n elements. One that is too small to be kept here has a little more, since
// whoever keeps it seldom needs the same again.
func (l *List[T]) Take(n int) []T {
	if l == nil || n*l.size > largest {
		return make([]T, 0, n)
	}
	if more := n + n/4 + 8; more*l.size < Least-l.size {
		return make([]T, 0, more)
	}
	c := 0
	if need := n * l.size; need > Least {
		c = below(need-1) + 1
	}
	l.mu.Lock()
	// One that is a little larger than is needed is better than another one.
	for at := c; at < min(c+steps/2, classes); at++ {
		if own := &l.classes[at]; len(own.free) > 0 {
			b := own.pop()
			own.low = min(own.low, len(own.free))
			l.waiting -= cap(b) * l.size
			l.mu.Unlock()
			return b
		}
	}
	l.makeRoom(bytesOf(c))
	l.mu.Unlock()
	return make([]T, 0, bytesOf(c)/l.size)
}

func (c *class[T]) pop() []T {
	last := len(c.free) - 1
	b := c.free[last]
	c.free[last] = nil
	c.free = c.free[:last]
	return b
}

// makeRoom drops as much as is about to be made, so that what is in use and what waits stay as large together when other
// sizes are asked for than before.
func (l *List[T]) makeRoom(n int) {
	for at := classes - 1; at >= 0 && n > 0; at-- {
		for c := &l.classes[at]; len(c.free) > 0 && n > 0; {
			b := c.pop()
			c.low = min(c.low, len(c.free))
			n -= cap(b) * l.size
			l.waiting -= cap(b) * l.size
		}
	}
}

// Give takes a buffer that nobody uses any more. Those that are too small or too large to be kept are dropped.
func (l *List[T]) Give(b []T) {
	if l == nil {
		return
	}
	n, fits := cap(b)*l.size, l.fits(b)
	if fits < Least || fits >= largest+l.size {
		return
	}
	c := &l.classes[below(fits)]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting+n > l.most {
		return
	}
	l.waiting += n
	c.free = append(c.free, b[:0])
	if !l.armed {
		l.armed = true
		time.AfterFunc(trimAfter, l.trim)
	}
}

// Room gives a buffer with the elements of b and room for n more. It takes b, where it is another.
func (l *List[T]) Room(b []T, n int) []T {
	if cap(b)-len(b) >= n {
		return b
	}
	grown := append(l.Take(len(b)+n), b...)
	l.Give(b)
	return grown
}

// fits gives the bytes of the largest class that a buffer can be of. Of elements whose size is no power of two, a few bytes
// less than the class has fit.
func (l *List[T]) fits(b []T) int { return cap(b)*l.size + l.size - 1 }

// GiveLarge takes a buffer that nobody uses any more where it is large, and leaves nil of it. A small one it leaves to the
// caller, to be used again: it is given back.
func (l *List[T]) GiveLarge(b []T) []T {
	if l != nil && l.fits(b) < Least {
		return b
	}
	l.Give(b)
	return nil
}

// trim drops the buffers that waited all the time since the last trim, and comes again while any are left.
func (l *List[T]) trim() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.classes {
		c := &l.classes[i]
		unused := c.low
		for _, b := range c.free[:unused] {
			l.waiting -= cap(b) * l.size
		}
		rest := copy(c.free, c.free[unused:])
		clear(c.free[rest:])
		c.free, c.low = c.free[:rest], rest
	}
	if l.armed = l.waiting > 0; l.armed {
		time.AfterFunc(trimAfter, l.trim)
	}
}
