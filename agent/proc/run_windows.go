package proc

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sys/windows"
)

// Run starts what s says, waits for its end, and says how it ended. See the package comment for what Windows lacks.
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
	if len(s.Argv) == 0 {
		return notStarted("cannot start: no command given")
	}
	if s.User != "" {
		return notStarted("cannot run a step as another user on Windows")
	}
	if info, err := os.Stat(s.Argv[0]); s.Script && err != nil {
		return notStarted("script does not exist: " + s.Argv[0])
	} else if s.Script && info.IsDir() {
		return notStarted("cannot start: " + s.Argv[0] + " is a directory")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return notStarted("cannot start: " + err.Error())
	}
	cmd := exec.Command(s.Argv[0], s.Argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.Dir, setEnv(s.Env), w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return notStarted("cannot start: " + err.Error())
	}
	sink := &sink{to: s.Output}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer r.Close()
		_, _ = io.CopyBuffer(sink, struct{ io.Reader }{r}, make([]byte, chunk))
	}()
	e := supervise(ctx, s, cmd)
	select {
	case <-read:
	case <-time.After(holdWait): // the goroutine reads on, and discards, for as long as the pipe is held
	}
	sink.close()
	return e
}

// supervise waits for cmd, and ends its job where it must.
func supervise(ctx context.Context, s Spec, cmd *exec.Cmd) Ending {
	job := newJob(cmd.Process.Pid)
	defer windows.CloseHandle(job)
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	var timeout <-chan time.Time
	if s.Timeout > 0 {
		t := time.NewTimer(s.Timeout)
		defer t.Stop()
		timeout = t.C
	}
	e := Ending{Code: -1, PID: cmd.Process.Pid, Killed: true}
	select {
	case <-exited:
		code := cmd.ProcessState.ExitCode()
		return Ending{How: Exited, Code: code, PID: cmd.Process.Pid, Reason: fmt.Sprintf("exit code %d", code)}
	case <-timeout:
		e.How, e.Reason = TimedOut, "timed out after "+short(s.Timeout)
	case <-ctx.Done():
		e.How, e.Reason = Cancelled, WhyCancelled(ctx)
	}
	if windows.TerminateJobObject(job, 1) != nil {
		_ = cmd.Process.Kill()
	}
	<-exited
	return e
}

// newJob puts a process into a job object, which its children join too. It is not killed with its handle: background
// processes live on. 0 where it cannot be: then the process alone is ended.
func newJob(pid int) windows.Handle {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0
	}
	p, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(pid))
	if err != nil {
		windows.CloseHandle(job)
		return 0
	}
	defer windows.CloseHandle(p)
	if windows.AssignProcessToJobObject(job, p) != nil {
		windows.CloseHandle(job)
		return 0
	}
	return job
}

// sink is a writer that never fails, and passes nothing on once it is closed or the other end has failed.
type sink struct {
	mu sync.Mutex
	to io.Writer
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to != nil {
		if _, err := s.to.Write(b); err != nil {
			s.to = nil
		}
	}
	return len(b), nil
}

func (s *sink) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = nil
}

// IsRoot is false: Windows has no such user, and no step runs as another user there.
func IsRoot(string) bool { return false }
