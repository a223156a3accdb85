// Package process starts programs in process groups of their own and reads what they cost from the operating system.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticksPerSecond is USER_HZ, the unit of times in /proc: 100 on every architecture that Go runs on.
const ticksPerSecond = 100

// Process is a running program with its children.
type Process struct {
	cmd    *exec.Cmd
	output bytes.Buffer
	ended  chan struct{}
	err    error
}

// Start starts a program in a new process group. Its output is kept for [Process.Output], but for its standard output
// where cmd has one already.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = &p.output
	if cmd.Stdout == nil {
		cmd.Stdout = &p.output
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Ended is closed when the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Output is what the program wrote. It may be called when the program has ended.
func (p *Process) Output() string { return p.output.String() }

// Stop ends the program and all of its children.
func (p *Process) Stop(ctx context.Context) {
	select {
	case <-p.ended:
		return // its number may be another's by now
	default:
	}
	pid := -p.cmd.Process.Pid
	_ = syscall.Kill(pid, syscall.SIGTERM) // it may have ended already
	select {
	case <-p.ended:
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	<-p.ended
}

// Usage is what a program and its children took.
type Usage struct {
	// User is the time since the start in the program itself, and System in the kernel for it.
	User, System time.Duration
	// Resident is the memory in bytes at this moment, and Peak the sum of the processes' highest.
	Resident, Peak int64
	// Own is the part of the resident memory that is the processes' own, and Files that of files which they map, such as
	// the program.
	Own, Files int64
}

// CPU is user and system time.
func (u Usage) CPU() time.Duration { return u.User + u.System }

// Usage reads what the program's process group took, from /proc.
func (p *Process) Usage() (Usage, error) {
	var out Usage
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return out, fmt.Errorf("list the processes: %w", err)
	}
	found := false
	for _, dir := range dirs {
		group, user, system, err := stat(dir)
		if err != nil || group != p.cmd.Process.Pid {
			continue // it has ended meanwhile, or is another's
		}
		found = true
		out.User += user
		out.System += system
		out.addMemory(dir)
	}
	if !found {
		return out, errors.New("the process has ended")
	}
	return out, nil
}

// ResetPeak gives what the program takes and has its peak begin anew at that (proc(5), clear_refs).
func (p *Process) ResetPeak() (Usage, error) {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0); err != nil {
		return Usage{}, fmt.Errorf("reset the peak: %w", err)
	}
	return p.Usage()
}

// stat reads the process group and the CPU time of a process, with that of its children that have ended (proc(5)).
func stat(dir string) (group int, user, system time.Duration, err error) {
	text, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return 0, 0, 0, err
	}
	// The second field is the program's name in parentheses and may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 15 {
		return 0, 0, 0, fmt.Errorf("%s/stat has %d fields", dir, len(fields))
	}
	if group, err = strconv.Atoi(fields[2]); err != nil {
		return 0, 0, 0, err
	}
	for i, into := range []*time.Duration{&user, &system, &user, &system} { // utime, stime, cutime, cstime
		ticks, err := strconv.Atoi(fields[11+i])
		if err != nil {
			return 0, 0, 0, err
		}
		*into += time.Duration(ticks) * time.Second / ticksPerSecond
	}
	return group, user, system, nil
}

// addMemory adds what a process holds, unless it has ended meanwhile.
func (u *Usage) addMemory(dir string) {
	text, err := os.ReadFile(dir + "/status")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if len(fields) != 2 {
			continue
		}
		kilobytes, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "VmRSS":
			u.Resident += kilobytes << 10
		case "VmHWM":
			u.Peak += kilobytes << 10
		case "RssAnon":
			u.Own += kilobytes << 10
		case "RssFile":
			u.Files += kilobytes << 10
		}
	}
}
