package command

import (
	"flag"
	"fmt"
	"time"

	"github.com/lethe/lethe/chassis"
)

// defaultNotice is how long /ready answers no before the port closes, where nobody says it: as long as load balancers and
// kube-proxies take to notice.
const defaultNotice = 5 * time.Second

// Bounds of how a process stops, and what stands for what is left out.
const (
	unset       = -1
	mostNotice  = 10 * time.Minute
	mostTimeout = 24 * time.Hour
)

// stopping says how a process stops, as the command line and the environment have it; below zero for what they leave open.
type stopping struct{ notice, timeout time.Duration }

func (s *stopping) register(fs *flag.FlagSet) {
	fs.DurationVar(&s.notice, "shutdown-notice", unset, "how long /ready answers no before the port closes, before SHUTDOWN_NOTICE: a `duration` such as 5s, which is the default")
	fs.DurationVar(&s.timeout, "shutdown-timeout", unset, "how long requests under way may take then, before SHUTDOWN_TIMEOUT: a `duration`, as long as one may take by default")
}

// read adds what the environment says.
func (s *stopping) read(env *chassis.Env) {
	notice := env.Duration("SHUTDOWN_NOTICE", unset, 0, mostNotice)
	timeout := env.Duration("SHUTDOWN_TIMEOUT", unset, time.Millisecond, mostTimeout)
	for _, one := range []struct {
		flag         string
		value        *time.Duration
		environment  time.Duration
		least, limit time.Duration
	}{{"--shutdown-notice", &s.notice, notice, 0, mostNotice}, {"--shutdown-timeout", &s.timeout, timeout, time.Millisecond, mostTimeout}} {
		switch {
		case *one.value == unset:
			*one.value = one.environment
		case *one.value < one.least || *one.value > one.limit:
			env.Refuse(fmt.Errorf("%s must be a duration from %s to %s, such as \"30s\"", one.flag, one.least, one.limit))
		}
	}
}

// over returns how a service stops, by what it says itself where nothing goes before that.
func (s stopping) over(own func() chassis.Stop) func() chassis.Stop {
	if own == nil {
		own = chassis.DefaultStop
	}
	return func() chassis.Stop {
		how := own()
		switch {
		case s.notice >= 0:
			how.Notice = s.notice
		case how.Notice < 0:
			how.Notice = defaultNotice
		}
		if s.timeout >= 0 {
			how.Timeout = s.timeout
		}
		return how
	}
}
