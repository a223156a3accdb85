package process_test

import (
	"bufio"
	"io"
	"os/exec"
	"testing"
	"time"

	"github.com/lethe/lethe/bench/gateways/process"
)

func TestUsageCountsChildren(t *testing.T) {
	t.Parallel()
	// The shell's child burns CPU until it has counted, then says so and waits.
	cmd := exec.Command("/bin/sh", "-c", `(i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done; read line) <&0; exit 3`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	cmd.Stdout = w
	p, err := process.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	u, err := p.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if u.CPU() < 20*time.Millisecond || u.CPU() != u.User+u.System || u.Resident < 100<<10 || u.Peak < u.Resident || u.Own <= 0 || u.Files <= 0 || u.Own+u.Files > u.Resident {
		t.Errorf("%+v", u)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	if _, err := p.Usage(); err == nil {
		t.Error("a process that ended has no usage")
	}
	p.Stop(t.Context())
}

func TestStop(t *testing.T) {
	t.Parallel()
	p, err := process.Start(exec.Command("/bin/sh", "-c", "trap '' TERM; while :; do sleep 1000; done"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Usage(); err != nil {
		t.Fatal(err)
	}
	p.Stop(t.Context())
	select {
	case <-p.Ended():
	default:
		t.Error("it runs on")
	}
}
