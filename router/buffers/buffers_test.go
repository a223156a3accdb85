package buffers

import (
	"sync"
	"testing"
)

func TestClasses(t *testing.T) {
	t.Parallel()
	for c := range classes {
		if n := bytesOf(c); below(n) != c || c > 0 && below(n-1) != c-1 {
			t.Errorf("class %d has %d bytes, which are of class %d; one byte fewer is of %d", c, n, below(n), below(n-1))
		}
	}
	if bytesOf(0) != Least || bytesOf(classes-1) != largest {
		t.Errorf("classes from %d to %d bytes", bytesOf(0), bytesOf(classes-1))
	}
}

func TestTakeGives(t *testing.T) {
	t.Parallel()
	check(t, New[byte](1<<30))
	check(t, New[[3]uint32](1<<30))
	check(t, New[int32](1<<30))
	check[byte](t, nil)
}

// check takes and gives buffers of all sizes.
func check[T any](t *testing.T, l *List[T]) {
	t.Helper()
	for n := 0; n < 3*largest; n += n/3 + 1 {
		b := l.Take(n)
		if len(b) != 0 || cap(b) < n {
			t.Fatalf("%d: %d of %d", n, len(b), cap(b))
		}
		if rest := l.GiveLarge(b); rest != nil {
			if n*l.size > Least {
				t.Fatalf("%d: it is small", n)
			}
			continue
		}
		kept := l != nil && n*l.size <= largest
		if !kept {
			continue
		}
		b = append(b, make([]T, 1)...)
		if again := l.Take(n); &again[:1][0] != &b[0] {
			t.Fatalf("%d: it is not used again", n)
		} else if l.waiting != 0 {
			t.Fatalf("%d: %d bytes wait", n, l.waiting)
		}
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	l := New[byte](1 << 20)
	b := append(l.Take(Least), "0123456789"...)
	if same := l.Room(b, 100); &same[0] != &b[0] {
		t.Error("it had room")
	}
	grown := l.Room(b, 10_000)
	if string(grown) != "0123456789" || cap(grown) < 10_010 || l.waiting != cap(b) {
		t.Errorf("%q of %d, %d bytes wait", grown, cap(grown), l.waiting)
	}
}

func TestBound(t *testing.T) {
	t.Parallel()
	l := New[byte](100 << 10)
	var all [][]byte
	for range 20 {
		all = append(all, l.Take(10<<10))
	}
	for _, b := range all {
		l.Give(b)
	}
	if l.waiting != 100<<10 {
		t.Errorf("%d bytes wait", l.waiting)
	}
	// Another size, of 64 KiB, takes the place of those that wait.
	if l.Take(60 << 10); l.waiting != 30<<10 {
		t.Errorf("%d bytes wait", l.waiting)
	}
	l.Give(make([]byte, 0, 100))
	l.Give(make([]byte, 0, 2*largest))
	if l.waiting > 100<<10 {
		t.Errorf("%d bytes wait", l.waiting)
	}
}

// TestTrim holds that what nobody used between two trims is dropped, and nothing else.
func TestTrim(t *testing.T) {
	t.Parallel()
	l := New[byte](1 << 20)
	var all [][]byte
	for range 4 {
		all = append(all, l.Take(8<<10))
	}
	for _, b := range all {
		l.Give(b)
	}
	l.trim()
	if l.waiting != 32<<10 {
		t.Fatalf("%d bytes wait: they were all in use lately", l.waiting)
	}
	l.Give(l.Take(8 << 10))
	l.trim()
	if l.waiting != 8<<10 {
		t.Fatalf("%d bytes wait: one was in use lately", l.waiting)
	}
	l.trim()
	if l.waiting != 0 || l.armed {
		t.Fatalf("%d bytes wait", l.waiting)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	l := New[int32](1 << 20)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 2000 {
				b := l.Take(1 + (i*997+g)%20_000)
				b = append(b, int32(g))
				b = l.Room(b, (i*13)%3000)
				if b[0] != int32(g) {
					t.Error("another writes to it")
				}
				l.Give(b)
			}
		})
	}
	all.Wait()
	l.trim()
}
