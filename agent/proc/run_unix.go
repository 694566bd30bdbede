//go:build unix

package proc

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Run starts what s says, waits for its end, and says how it ended. It returns soon after the process itself is done,
// whoever else still holds its output; background processes live on, unless Run had to end the process: then
// its whole process group goes with it. Nothing of Run's stays but one goroutine that reaps a Drain process.
func Run(ctx context.Context, s Spec) Ending {
	start := time.Now()
	e := run(ctx, s)
	e.Duration = time.Since(start)
	return e
}

func run(ctx context.Context, s Spec) Ending {
	if ctx.Err() != nil {
		return notStarted(WhyCancelled(ctx) + " (before it was started)")
	}
	c, err := prepare(s)
	if err != nil {
		return notStarted(err.Error())
	}
	out, err := newOutput(s.Output, c.who)
	if err != nil {
		return notStarted("cannot start: " + err.Error())
	}
	p, group, err := c.start(ctx, out.w, newCgroup(s.Cgroup))
	out.w.Close()
	if err != nil {
		out.r.Close()
		return notStarted(err.Error())
	}
	go out.copy()
	defer func() {
		if ctx.Err() == nil { // else systemd may just be going through the scope, gives up on what vanishes meanwhile, and kills all
			group.remove()
		}
	}()
	l := watch(p, group)
	e := l.supervise(ctx, s)
	e.PID = p.Pid
	if e.How == Exited && (e.Code == 126 || e.Code == 127) && s.Script {
		e.Reason += c.crlfHint()
	}
	e.Holders = out.finish(s.Drain)
	return e
}

// leader is the started process, which leads its process group. It is not reaped before all is over: as long as it is
// there, even as a zombie, its pid cannot be given away and -pid is its group.
type leader struct {
	pid    int
	proc   *os.Process
	cgroup cgroup
	exited chan struct{}
}

func watch(p *os.Process, group cgroup) *leader {
	l := &leader{pid: p.Pid, proc: p, cgroup: group, exited: make(chan struct{})}
	go func() {
		waitExit(l.pid, true)
		close(l.exited)
	}()
	return l
}

func (l *leader) supervise(ctx context.Context, s Spec) Ending {
	var timeout <-chan time.Time
	if s.Timeout > 0 {
		t := time.NewTimer(s.Timeout)
		defer t.Stop()
		timeout = t.C
	}
	var e Ending
	select {
	case <-l.exited:
		if l.toldToo(ctx) {
			return l.stop(Ending{How: Cancelled, Reason: WhyCancelled(ctx)}, s.Grace)
		}
		return l.byItself()
	case <-timeout:
		e = Ending{How: TimedOut, Reason: "timed out after " + short(s.Timeout)}
	case <-ctx.Done():
		e = Ending{How: Cancelled, Reason: WhyCancelled(ctx)}
	}
	if waitExit(l.pid, false) && !(e.How == Cancelled && endedByTerm(l.pid)) { // it was quicker
		return l.byItself()
	}
	return l.stop(e, s.Grace)
}

// termWait is how much later we may hear of a TERM that the process itself was sent: a busy machine is slow to wake us.
const termWait = time.Second

// toldToo says whether a process that ended by a TERM of somebody else's was told at the same time as we are: whoever stops
// the scope, or the host, tells all that is in it, and the process may be quicker.
func (l *leader) toldToo(ctx context.Context) bool {
	if !endedByTerm(l.pid) {
		return false
	}
	select {
	case <-ctx.Done():
		return true
	case <-time.After(termWait):
		return false
	}
}

// byItself reaps a leader that ended without our doing.
func (l *leader) byItself() Ending {
	ws := l.reap()
	if ws.Signaled() {
		e := Ending{How: Signaled, Code: -1, Signal: unix.SignalName(ws.Signal())}
		e.Reason = "killed by " + e.Signal
		switch {
		case ws.Signal() == syscall.SIGKILL:
			e.Reason += " (perhaps out of memory: see dmesg)"
		case ws.CoreDump():
			e.Reason += " (core dumped)"
		}
		return e
	}
	return Ending{How: Exited, Code: ws.ExitStatus(), Reason: fmt.Sprintf("exit code %d", ws.ExitStatus())}
}

func (l *leader) reap() syscall.WaitStatus {
	<-l.exited
	st, err := l.proc.Wait()
	if err != nil {
		return syscall.WaitStatus(0xff00) // someone else reaped our child: exit code 255, never a success
	}
	ws, _ := st.Sys().(syscall.WaitStatus)
	return ws
}

// stop ends the group, and the cgroup where there is one: TERM, grace, KILL. e says why, and comes back complete.
func (l *leader) stop(e Ending, grace time.Duration) Ending {
	if grace <= 0 {
		grace = DefaultGrace
	}
	e.Code = -1
	_ = syscall.Kill(-l.pid, syscall.SIGTERM)
	_ = syscall.Kill(-l.pid, syscall.SIGCONT) // a stopped process gets TERM only when it goes on
	l.cgroup.signal(syscall.SIGTERM, l.pid)
	l.cgroup.signal(syscall.SIGCONT, l.pid)
	if !l.gone(grace, nil) {
		who := "it"
		if waitExit(l.pid, false) {
			who = "what it had started"
		}
		_ = syscall.Kill(-l.pid, syscall.SIGKILL)
		l.cgroup.kill(l.pid)
		e.Killed = true
		e.Reason += " (" + who + " ignored TERM and was killed)"
		if !l.gone(killWait, func() { l.cgroup.kill(l.pid) }) && !waitExit(l.pid, false) {
			e.Reason += fmt.Sprintf("; pid %d is stuck in the kernel and does not die", l.pid)
			go l.reap() // the one case in which we leave the child to itself: a deadline has to hold
			return e
		}
	}
	if ws := l.reap(); ws.Signaled() {
		e.Signal = unix.SignalName(ws.Signal())
	}
	return e
}

// gone waits until the leader and all others of its group and cgroup are gone, at most for limit. Before each look at them
// it calls again, if that is not nil.
func (l *leader) gone(limit time.Duration, again func()) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-l.exited:
	case <-timer.C:
		return false
	}
	for pause := 5 * time.Millisecond; l.othersAlive(again); pause = min(2*pause, 100*time.Millisecond) {
		select {
		case <-time.After(pause):
		case <-timer.C:
			return false
		}
	}
	return true
}

func (l *leader) othersAlive(again func()) bool {
	if again != nil {
		again()
	}
	return groupAlive(l.pid) || !l.cgroup.empty()
}
