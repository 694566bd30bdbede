package live

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// ProcessStart tells a process from a later one of the same id: when it started. "" where there is no such process.
func ProcessStart(pid int) string {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(k.Proc.P_pid) != pid {
		return ""
	}
	return strconv.FormatInt(k.Proc.P_starttime.Sec, 10) + "." + strconv.Itoa(int(k.Proc.P_starttime.Usec))
}
