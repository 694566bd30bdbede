//go:build unix

package live

import (
	"errors"
	"fmt"
	"syscall"
)

// End tells the run's own process to end it, and why: its steps get TERM, time, and KILL, on_failure and always run.
func (d Dir) End(m Meta, why string) error {
	cannot := d.Cancel(why) // not told why, it ends all the same
	if m.PID <= 1 || m.PIDStart != ProcessStart(m.PID) {
		return nil // it has ended
	}
	if err := syscall.Kill(m.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return errors.Join(fmt.Errorf("cannot tell process %d to end: %w", m.PID, err), cannot)
	}
	return nil
}
