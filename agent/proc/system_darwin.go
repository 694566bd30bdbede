package proc

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const fionread = 0x4004667f // how many bytes are in a pipe: FIONREAD of sys/filio.h

func pipe(fd *[2]int) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(fd[:]); err != nil {
		return err
	}
	unix.CloseOnExec(fd[0])
	unix.CloseOnExec(fd[1])
	return nil
}

func enlarge(int) {}

// waitExit says whether the child is a zombie, and leaves it one; block waits for that.
func waitExit(pid int, block bool) bool {
	const pPID, wnohang, wexited, wnowait = 1, 0x1, 0x4, 0x20 // sys/wait.h
	options := uintptr(wexited | wnowait)
	if !block {
		options |= wnohang
	}
	for {
		var info [128]int32 // a siginfo_t, and to spare; it starts with si_signo
		_, _, err := syscall.Syscall6(syscall.SYS_WAITID, pPID, uintptr(pid), uintptr(unsafe.Pointer(&info)), options, 0, 0)
		if err != syscall.EINTR {
			return err != 0 || info[0] != 0
		}
	}
}

// groupAlive says whether any process of that group is more than a zombie.
func groupAlive(pgid int) bool {
	const zombie = 5 // SZOMB of sys/proc.h
	ps, _ := unix.SysctlKinfoProcSlice("kern.proc.pgrp", pgid)
	for _, p := range ps {
		if p.Proc.P_stat != zombie {
			return true
		}
	}
	return false
}

func endedByTerm(int) bool { return false } // nothing there ends all of a run at once

func holders(*os.File) []Process { return nil }

func mountedNoexec(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Flags&unix.MNT_NOEXEC != 0
}

// cgroup is none: only Linux has them.
type cgroup struct{}

func newCgroup(string) cgroup                       { return cgroup{} }
func (cgroup) take(*syscall.SysProcAttr) *os.File   { return nil }
func (cgroup) empty() bool                          { return true }
func (cgroup) signal(sig syscall.Signal, group int) {}
func (cgroup) kill(group int)                       {}
func (cgroup) remove()                              {}
