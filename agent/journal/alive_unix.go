//go:build unix

package journal

import (
	"errors"
	"syscall"
)

// alive says whether a process of that id exists. Where `started` cannot tell them apart an id that was given anew reads
// as alive: the run is then shown as running until that process ends, which is the harmless mistake of the two.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return pid > 0 && (err == nil || errors.Is(err, syscall.EPERM))
}
