package conns

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// from is a listener whose connections come from addresses of its choice.
type from struct{ conns chan net.Conn }

func (f from) Accept() (net.Conn, error) {
	c, ok := <-f.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (f from) Close() error   { return nil }
func (f from) Addr() net.Addr { return &net.TCPAddr{} }

// at is a connection from an address.
type at struct {
	net.Conn
	address string
}

func (a at) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(a.address), 1))
}

// come has a connection come, and returns the client's end of it.
func (f from) come(address string) net.Conn {
	client, server := net.Pipe()
	f.conns <- at{server, address}
	return client
}

func ended(t *testing.T, c net.Conn) bool {
	t.Helper()
	if c.SetReadDeadline(time.Now().Add(10*time.Millisecond)) != nil {
		return true // the other end of the pipe is closed
	}
	_, err := c.Read(make([]byte, 1))
	return err == io.EOF //nolint:errorlint // of a pipe
}

func TestBounds(t *testing.T) {
	t.Parallel()
	f := from{make(chan net.Conn)}
	l := Listen(f, Options{All: 4, PerAddress: 3})
	accepted := make(chan net.Conn)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	var clients []net.Conn
	var servers []Tracked
	open := func(address string) net.Conn {
		client := f.come(address)
		clients = append(clients, client)
		c := <-accepted
		servers = append(servers, Of(c))
		return c
	}
	began := time.Now()
	for i := range 3 {
		open("192.0.2.1")
		servers[i].Wait(began.Add(time.Duration(i-10) * time.Second))
	}
	// A fourth of the address has the one give way that has waited longest.
	open("192.0.2.1")
	if !ended(t, clients[0]) || ended(t, clients[1]) || l.Open() != 3 || l.GaveWay() != 1 {
		t.Fatalf("%d are open, %d gave way", l.Open(), l.GaveWay())
	}
	other := open("2001:db8::1")
	servers[4].Wait(began.Add(-time.Hour))
	// There is no room for another: the address that has most gives way, though the other has waited for longer.
	open("2001:db8:1::1")
	if !ended(t, clients[1]) || ended(t, clients[4]) || l.Open() != 4 {
		t.Fatal("the wrong one gave way")
	}
	// Those that are served do not, and more of their address are refused.
	for _, s := range servers {
		s.Serve()
	}
	open2 := f.come("192.0.2.7")
	if ended(t, open2) || l.Open() != 4 {
		t.Fatal("one that is served gave way")
	}
	_ = other.Close() // it was waited for
	third := <-accepted
	if l.Open() != 4 || Of(third) == nil {
		t.Fatalf("%d are open", l.Open())
	}
	_ = third.Close()
	_ = third.Close()
	if l.Open() != 3 {
		t.Fatalf("%d are open after one was closed twice", l.Open())
	}
	close(f.conns)
	<-accepted
}

func TestRefusesAnAddress(t *testing.T) {
	t.Parallel()
	f := from{make(chan net.Conn)}
	l := Listen(f, Options{All: 4, PerAddress: 1})
	accepted := make(chan net.Conn)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	f.come("2001:db8::1")
	Of(<-accepted).Serve()
	second := f.come("2001:db8::2") // of the same network
	f.come("2001:db8:0:1::2")
	<-accepted
	if !ended(t, second) || l.Refused() != 1 || l.Open() != 2 {
		t.Errorf("%d are open, %d were refused", l.Open(), l.Refused())
	}
	close(f.conns)
	<-accepted
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	o := Options{}.Complete()
	if o.All < leastByDefault || o.All > mostByDefault || o.PerAddress != o.All/2 {
		t.Error(fmt.Sprint(o))
	}
}
