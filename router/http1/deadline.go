package http1

import (
	"errors"
	"os"
	"time"
)

// deadline is when reading from a connection or writing to it is given up. To set the connection's own moves a timer, for
// every request anew; so it is left where it is as long as it is no later than the one that holds, and when it is met the
// connection gets the one that holds.
type deadline struct {
	set   func(time.Time) error // sets the connection's own
	holds time.Time             // zero for none
	own   time.Time             // the connection's; zero for none
}

// hold has a deadline hold from now on.
func (d *deadline) hold(t time.Time) error {
	d.holds = t
	if t.IsZero() || !d.own.IsZero() && !t.Before(d.own) {
		return nil
	}
	d.own = t
	return d.set(t)
}

// extend reports whether an error says no more than that the connection's own deadline was met before the one that holds,
// which is the connection's from then on.
func (d *deadline) extend(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) || !d.holds.IsZero() && !time.Now().Before(d.holds) {
		return false
	}
	d.own = d.holds
	return d.set(d.holds) == nil
}
