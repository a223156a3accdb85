package server

import (
	"fmt"
	"hash/maphash"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lethe/lethe/router/settings"
)

// Clients says how clients are told apart, and how much one of them may have at a time.
type Clients struct {
	TrustedProxies []string `yaml:"trustedProxies" doc:"Addresses and networks, such as \"10.0.0.0/8\", of the proxies that the router stands behind: of a request from one of them the client's address is read from the header. None by default."`
	Header         string   `yaml:"header" doc:"The header to which the trusted proxies append the address of who asked them: \"X-Forwarded-For\" by default."`
	Shares         Shares   `yaml:"shares" doc:"What one client may have at a time: the subject of its token, else its address (of IPv6 the first 64 bits). Staff and services may have all there is, and of what there is 100 or more of, a tenth is kept for them."`

	trusted []netip.Prefix
}

// Shares bound what one client may have at a time.
type Shares struct {
	Requests      int `yaml:"requests" doc:"Requests under way, the operations of a batch each: half of limits.concurrentRequests by default, or 16 where that is more."`
	Waiting       int `yaml:"waiting" doc:"Requests that wait for memory: half of limits.queueLength by default, or 4 where that is more."`
	Subscriptions int `yaml:"subscriptions" doc:"Subscriptions under way: a tenth of subscriptions.streams by default, or 16 where that is more."`
	Sockets       int `yaml:"sockets" doc:"WebSockets: a tenth of subscriptions.sockets by default, or 16 where that is more."`
	Uploads       int `yaml:"uploads" doc:"Requests with files under way: a quarter of uploads.concurrent by default, or 4 where that is more."`
}

// complete sets the defaults, which follow from the bounds on all clients together.
func (c *Clients) complete(check *settings.Check, all *Config) {
	if c.Header == "" {
		c.Header = "X-Forwarded-For"
	}
	if !validHeader(c.Header) {
		check.Refuse("clients.header", "must be the name of a header, such as \"X-Forwarded-For\"; it is %q", c.Header)
	}
	c.trusted = nil
	for i, text := range c.TrustedProxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			at, err := netip.ParseAddr(text)
			if err != nil {
				check.Refuse("clients.trustedProxies["+strconv.Itoa(i)+"]", "must be an address, or a network such as \"10.0.0.0/8\"; it is %q", text)
				continue
			}
			p = netip.PrefixFrom(at.Unmap(), at.Unmap().BitLen())
		}
		c.trusted = append(c.trusted, p.Masked())
	}
	for _, s := range []struct {
		name        string
		share       *int
		of          string
		all         int
		part, least int
	}{
		{"requests", &c.Shares.Requests, "limits.concurrentRequests", all.Limits.ConcurrentRequests, 2, 16},
		{"waiting", &c.Shares.Waiting, "limits.queueLength", all.Limits.QueueLength, 2, 4},
		{"subscriptions", &c.Shares.Subscriptions, "subscriptions.streams", all.Subscriptions.Streams, 10, 16},
		{"sockets", &c.Shares.Sockets, "subscriptions.sockets", all.Subscriptions.Sockets, 10, 16},
		{"uploads", &c.Shares.Uploads, "uploads.concurrent", all.Uploads.Concurrent, 4, 4},
	} {
		check.Default("clients.shares."+s.name, s.share, min(s.all, max(s.all/s.part, s.least)))
		if *s.share > s.all {
			check.Refuse("clients.shares."+s.name, "is %d, but all clients together have %d, which is %s: make that larger, or this smaller", *s.share, s.all, s.of)
		}
	}
}

// resource is something of which there is so much, and of which each client has a share.
type resource uint8

const (
	ofRequests resource = iota
	ofSubscriptions
	ofSockets
	ofUploads
	resourceCount
)

// resources names them in the metrics.
var resources = [...]string{"requests", "subscriptions", "sockets", "uploads"} //nolint:gochecknoglobals // a constant

// shares counts what each client has.
type shares struct {
	seed    maphash.Seed
	parts   [64]sharePart
	refused [resourceCount]prometheus.Counter
	nobody  holding // of the zero account
}

// sharePart holds the holdings of some accounts.
type sharePart struct {
	mu   sync.Mutex
	held map[account]*holding
	full int // how many there are before those that hold nothing are let go
}

// holding is what an account has of each resource. It is added to under its part's lock, and taken from without.
type holding [resourceCount]atomic.Int32

// keptHoldings is how many holdings a part has before it lets go of those that hold nothing.
const keptHoldings = 256

func newShares(r prometheus.Registerer) *shares {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lethe_router_shares_refused_total", Help: "What was refused since its client had its share already, by what it was of: requests, subscriptions, sockets or uploads.",
	}, []string{"resource"})
	r.MustRegister(refused)
	s := &shares{seed: maphash.MakeSeed()}
	for i, name := range resources {
		s.refused[i] = refused.WithLabelValues(name)
	}
	return s
}

// take gives an account n more of a resource, of which it may have most. It returns nil where that is more than it may,
// and else what is to be given back with [holding.drop]; of the zero account, which has no bound, too.
func (s *shares) take(a account, of resource, n, most int) *holding {
	if a == 0 {
		s.nobody[of].Add(int32(n)) //nolint:gosec // bounded by what all may have
		return &s.nobody
	}
	part := &s.parts[a%account(len(s.parts))]
	part.mu.Lock()
	defer part.mu.Unlock()
	h := part.held[a]
	if h == nil {
		h = part.open(a)
	}
	if int(h[of].Load())+n > most {
		s.refused[of].Inc()
		return nil
	}
	h[of].Add(int32(n)) //nolint:gosec // bounded by most
	return h
}

// open returns a holding for an account that has none. The part's lock is held.
func (p *sharePart) open(a account) *holding {
	if p.held == nil {
		p.held, p.full = map[account]*holding{}, keptHoldings
	}
	if len(p.held) >= p.full {
		for other, h := range p.held {
			if h.empty() {
				delete(p.held, other)
			}
		}
		p.full = max(keptHoldings, 2*len(p.held))
	}
	h := &holding{}
	p.held[a] = h
	return h
}

func (h *holding) empty() bool {
	for i := range h {
		if h[i].Load() != 0 {
			return false
		}
	}
	return true
}

// drop gives n of a resource back.
func (h *holding) drop(of resource, n int) {
	if h != nil {
		h[of].Add(-int32(n)) //nolint:gosec // what was taken
	}
}

// keptFrom is how much of something there must be for a part of it to be kept for staff and services.
const keptFrom = 100

// kept returns how much of something those of a kind may have together: of what there is much of, a tenth is kept for staff
// and services.
func kept(all int, kind Kind) int64 {
	if kind != Service && all >= keptFrom {
		all -= all / 10
	}
	return int64(all)
}

// Codes of what is refused to a client that has its share.
const (
	codeTooManyRequests = "TOO_MANY_REQUESTS"
	codeTooManySockets  = "TOO_MANY_SOCKETS"
	codeTooManyUploads  = "TOO_MANY_UPLOADS"
)

// overShare refuses what a client has its share of already (RFC 6585, section 4), and asks it to come again.
func overShare(w http.ResponseWriter, code, what string, share int) *problem {
	w.Header().Set("Retry-After", "1")
	return &problem{http.StatusTooManyRequests, code, overShareMessage(what, share)}
}

func overShareMessage(what string, share int) string {
	return fmt.Sprintf("You have as many %s as one client may have at a time, which is %d: wait until one of them has ended.", what, share)
}

// validHeader reports whether a text can be the name of a header that proxies send: a token (RFC 9110, section 5.1) that
// begins with a letter.
func validHeader(name string) bool {
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || (r < '0' || r > '9') && r != '-' && r != '_') {
			return false
		}
	}
	return name != ""
}
