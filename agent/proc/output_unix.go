//go:build unix

package proc

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// output is the one pipe that is a process's stdout and stderr.
//
// Why a pipe and not the log file itself: scripts write `echo x > /dev/stderr` and `tee /dev/stderr`, which open the
// file anew and would TRUNCATE it; and a full disk under a log must never fail a script.
type output struct {
	r, w *os.File
	to   io.Writer     // nil once a Write failed: reading goes on, so that the script never blocks
	buf  []byte        // reused: flat memory for any size
	done chan struct{} // closed when copy returned
	eof  bool          // nobody holds the pipe any more; valid after done
}

func newOutput(to io.Writer, who *account) (*output, error) {
	var fd [2]int
	if err := pipe(&fd); err != nil {
		return nil, fmt.Errorf("no pipe for the output: %w", err)
	}
	// Our end is non-blocking, for a deadline; the script's end is not: programs are not written for EAGAIN on stdout.
	_ = unix.SetNonblock(fd[0], true)
	enlarge(fd[1])
	if who != nil {
		_ = unix.Fchown(fd[1], int(who.uid), -1) // or /dev/stderr does not open for that user
	}
	return &output{r: os.NewFile(uintptr(fd[0]), "output"), w: os.NewFile(uintptr(fd[1]), "output"),
		to: to, buf: make([]byte, chunk), done: make(chan struct{})}, nil
}

// copy reads until the end, or until finish sets a deadline.
func (o *output) copy() {
	defer close(o.done)
	for {
		n, err := o.r.Read(o.buf)
		o.put(o.buf[:n])
		if err != nil {
			o.eof = err == io.EOF
			return
		}
	}
}

func (o *output) put(b []byte) {
	if o.to == nil || len(b) == 0 {
		return
	}
	if _, err := o.to.Write(b); err != nil {
		o.to = nil
	}
}

// finish is called when the process is done: it reads what is there, and if somebody still holds the pipe, finds out
// who, and leaves the pipe to a drainer.
func (o *output) finish(drain []string) []Process {
	defer o.r.Close()
	t := time.NewTimer(holdWait)
	defer t.Stop()
	select {
	case <-o.done:
	case <-t.C:
		_ = o.r.SetReadDeadline(time.Unix(1, 0))
		<-o.done
	}
	if o.eof || o.rest() {
		return nil
	}
	who := holders(o.r)
	if len(drain) > 0 {
		_ = startDrain(drain, o.r) // where it fails, the holders meet a closed pipe: nothing better is left
	}
	return who
}

// rest reads what is in the pipe at this moment, which a deadline may have left there, and no more: a holder may print
// for ever. It says whether the pipe is at its end.
func (o *output) rest() (eof bool) {
	conn, err := o.r.SyscallConn()
	if err != nil {
		return true
	}
	_ = conn.Control(func(p uintptr) {
		fd := int(p)
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		_, _ = unix.Poll(poll, 0)
		eof = poll[0].Revents&unix.POLLHUP != 0 // nobody can add to it: all that there is now is all
		left, err := unix.IoctlGetInt(fd, fionread)
		for err == nil && left > 0 {
			var n int
			if n, err = unix.Read(fd, o.buf[:min(left, len(o.buf))]); n <= 0 {
				return
			}
			o.put(o.buf[:n])
			left -= n
		}
	})
	return eof
}

// startDrain gives the pipe to a process of its own session, which outlives us.
func startDrain(argv []string, r *os.File) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	if err := unix.SetNonblock(int(r.Fd()), false); err != nil { // a drain such as cat knows no EAGAIN
		return err
	}
	p, err := os.StartProcess(path, argv, &os.ProcAttr{Dir: "/", Env: []string{"PATH=/usr/bin:/bin"},
		Files: []*os.File{r, null, null}, Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		return err
	}
	go func() { _, _ = p.Wait() }() // reaps it, should we live longer
	return nil
}
