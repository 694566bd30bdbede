//go:build unix

package agent

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// terminate tells a process to end, if it is still the one that is meant.
func terminate(pid int, start string) error {
	if pid <= 1 || start != processStart(pid) {
		return nil // it has ended
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("cannot tell process %d to end: %w", pid, err)
	}
	return nil
}

// session is how a runner is started: as the caller's user, in a session of its own.
func (p peer) session() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Credential: p.as(os.Geteuid())}
}

func closeOnExec(fds ...int) {
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
}

func umask(mask int) { syscall.Umask(mask) }

// nonBlock keeps the opening of a named pipe from waiting for its writer.
const nonBlock = syscall.O_NONBLOCK
