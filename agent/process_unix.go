//go:build unix

package agent

import (
	"os"
	"syscall"
)

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
