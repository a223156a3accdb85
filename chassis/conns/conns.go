// Package conns bounds how many connections a server holds, in all and from one address, so that no client can take what
// all need: file descriptors.
//
// Where there is no room, the connection that has waited longest for its client gives way, of the address that holds most:
// an idle one, one whose request does not come, one that drips. Those that are served never do.
package conns

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options bound the connections. Zero values take the defaults.
type Options struct {
	// All is how many there are at once: half of the file descriptors that the process may have, less 32, and at most
	// 25,000 by default.
	All int
	// PerAddress is how many of one address there are, or of one /64 network of IPv6: half of All by default.
	PerAddress int
}

const (
	mostByDefault  = 25_000
	leastByDefault = 16
	reserved       = 32 // descriptors for what else a process opens
)

// Complete returns the options with their defaults.
func (o Options) Complete() Options {
	if o.All <= 0 {
		o.All = min(mostByDefault, max(leastByDefault, descriptors()/2-reserved))
	}
	if o.PerAddress <= 0 {
		o.PerAddress = max(1, o.All/2)
	}
	return o
}

// Listener is a listener whose connections are bounded.
type Listener struct {
	net.Listener
	options Options

	mu     sync.Mutex
	room   sync.Cond // one has ended, or the listener is closed
	closed bool
	open   map[*entry]struct{}
	counts map[netip.Prefix]int
	held   atomic.Int64 // accepted, and waiting for room

	gaveWay, refused atomic.Int64
}

// Listen returns a listener that accepts from ln within bounds.
func Listen(ln net.Listener, o Options) *Listener {
	l := &Listener{Listener: ln, options: o.Complete(), open: map[*entry]struct{}{}, counts: map[netip.Prefix]int{}}
	l.room.L = &l.mu
	return l
}

// entry is a connection that is open.
type entry struct {
	listener *Listener
	conn     net.Conn
	address  netip.Prefix
	since    atomic.Int64 // when it began to wait for its client, in nanoseconds since 1970; 0 while it is served
	gone     bool
}

// Wait says that the connection waits for its client since t: for a request to begin, or to be all there.
func (e *entry) Wait(t time.Time) { e.since.Store(t.UnixNano()) }

// Serve says that the connection is served.
func (e *entry) Serve() { e.since.Store(0) }

// tcpConn keeps what a TCP connection can do beyond a net.Conn, such as writing several buffers with one call.
type tcpConn struct {
	*net.TCPConn
	*entry
}

// Close implements net.Conn.
func (c *tcpConn) Close() error {
	c.leave()
	return c.TCPConn.Close()
}

type otherConn struct {
	net.Conn
	*entry
}

// Close implements net.Conn.
func (c *otherConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// Accept implements net.Listener. While there is no room, and nobody who gives way, it blocks.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		e := &entry{listener: l, conn: nc, address: network(nc.RemoteAddr())}
		e.Wait(time.Now())
		if !l.admit(e) {
			_ = nc.Close()
			continue
		}
		if tcp, ok := nc.(*net.TCPConn); ok {
			return &tcpConn{tcp, e}, nil
		}
		return &otherConn{nc, e}, nil
	}
}

// admit makes room for a connection. It reports false for one that is refused.
func (l *Listener) admit(e *entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed {
		switch {
		case l.counts[e.address] >= l.options.PerAddress:
			if !l.makeRoom(func(c *entry) bool { return c.address == e.address }) {
				l.refused.Add(1) // to wait here would have all others wait
				return false
			}
		case len(l.open) >= l.options.All:
			if !l.makeRoom(func(*entry) bool { return true }) {
				l.held.Add(1)
				l.room.Wait()
				l.held.Add(-1)
			}
		default:
			l.open[e] = struct{}{}
			l.counts[e.address]++
			return true
		}
	}
	return false
}

// makeRoom closes the connection among those that qualify that has waited longest, of the address with most connections. It
// reports false where none waits.
func (l *Listener) makeRoom(qualifies func(*entry) bool) bool {
	var found *entry
	var most int
	var longest int64
	for e := range l.open {
		since := e.since.Load()
		if since == 0 || !qualifies(e) {
			continue
		}
		if n := l.counts[e.address]; found == nil || n > most || n == most && since < longest {
			found, most, longest = e, n, since
		}
	}
	if found == nil {
		return false
	}
	l.gaveWay.Add(1)
	l.drop(found)
	_ = found.conn.Close()
	return true
}

// drop takes a connection out of the count, once. The caller must hold the lock.
func (l *Listener) drop(e *entry) {
	if e.gone {
		return
	}
	e.gone = true
	delete(l.open, e)
	if l.counts[e.address]--; l.counts[e.address] == 0 {
		delete(l.counts, e.address)
	}
	l.room.Signal()
}

func (e *entry) leave() {
	e.listener.mu.Lock()
	defer e.listener.mu.Unlock()
	e.listener.drop(e)
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.mu.Lock()
	l.closed = true
	l.room.Broadcast()
	l.mu.Unlock()
	return l.Listener.Close()
}

// Open returns how many connections are open.
func (l *Listener) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// Waiting returns how many connections wait to be accepted, as far as the operating system says it.
func (l *Listener) Waiting() int { return int(l.held.Load()) + backlog(l.Listener) }

// GaveWay returns how many connections were closed to make room for others.
func (l *Listener) GaveWay() int64 { return l.gaveWay.Load() }

// Refused returns how many connections were closed at once, since all that their address may have are served.
func (l *Listener) Refused() int64 { return l.refused.Load() }

// Collectors returns the figures of listeners for Prometheus, whose names begin with a prefix such as "lethe_router".
func Collectors(prefix string, all func(yield func(*Listener) bool)) []prometheus.Collector {
	sum := func(of func(*Listener) float64) func() float64 {
		return func() float64 {
			total := 0.0
			for l := range all {
				total += of(l)
			}
			return total
		}
	}
	closed := func(reason string, of func(*Listener) float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: prefix + "_connections_closed_total", Help: "Connections of clients that were closed for the number of connections.", ConstLabels: prometheus.Labels{"reason": reason},
		}, sum(of))
	}
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: prefix + "_connections", Help: "Connections of clients that are open.",
		}, sum(func(l *Listener) float64 { return float64(l.Open()) })),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: prefix + "_connections_waiting", Help: "Connections of clients that wait to be accepted.",
		}, sum(func(l *Listener) float64 { return float64(l.Waiting()) })),
		closed("gave_way", func(l *Listener) float64 { return float64(l.GaveWay()) }),
		closed("address", func(l *Listener) float64 { return float64(l.Refused()) }),
	}
}

// Track has the connections of an http.Server be known for what they do: it is its ConnState, or part of it.
func Track(c net.Conn, state http.ConnState) {
	t := Of(c)
	if t == nil {
		return
	}
	if state == http.StateNew || state == http.StateIdle {
		t.Wait(time.Now())
	} else {
		t.Serve()
	}
}

// Tracked is a connection of a [Listener].
type Tracked interface {
	Wait(since time.Time)
	Serve()
}

// Of returns the connection of a [Listener] that is, or is below, c; nil where there is none.
func Of(c net.Conn) Tracked {
	for c != nil {
		if t, ok := c.(Tracked); ok {
			return t
		}
		below, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		c = below.NetConn()
	}
	return nil
}

// network returns what counts as one address: an address of IPv4, or a network of IPv6 as one customer has it.
func network(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	address := tcp.AddrPort().Addr().Unmap()
	bits := 32
	if address.Is6() {
		bits = 64
	}
	p, err := address.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
