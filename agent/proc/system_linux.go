package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const fionread = unix.TIOCINQ // how many bytes are in a pipe

func pipe(fd *[2]int) error { return unix.Pipe2(fd[:], unix.O_CLOEXEC) }

// enlarge makes the pipe 1 MiB where it can: an unprivileged user's limit (fs.pipe-max-size), and fewer switches.
func enlarge(fd int) { _, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, 1<<20) }

// waitExit says whether the child is a zombie, and leaves it one; block waits for that.
func waitExit(pid int, block bool) bool {
	options := unix.WEXITED | unix.WNOWAIT
	if !block {
		options |= unix.WNOHANG
	}
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, options, nil)
		if err != unix.EINTR {
			return err != nil || info.Signo != 0
		}
	}
}

// endedByTerm says whether a process that has ended, and is not reaped yet, did so by TERM, or with the exit code that
// stands for it (128 + 15), as a JVM does. Its status is the last field of proc(5)'s stat, 0 where it may not be seen.
func endedByTerm(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	f := bytes.Fields(b)
	if err != nil || len(f) == 0 {
		return false
	}
	status, _ := strconv.Atoi(string(f[len(f)-1]))
	ws := unix.WaitStatus(status)
	return ws.Signaled() && ws.Signal() == unix.SIGTERM || ws.Exited() && ws.ExitStatus() == 128+int(unix.SIGTERM)
}

// groupAlive says whether any process of that group is more than a zombie.
func groupAlive(pgid int) bool {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has just gone
		}
		// pid (name) state ppid pgrp …; the name may hold anything, ")" too
		f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
		if len(f) > 2 && string(f[2]) == strconv.Itoa(pgid) && f[0][0] != 'Z' && f[0][0] != 'X' {
			return true
		}
	}
	return false
}

// holders gives the processes that have the pipe open, but for this one.
func holders(r *os.File) []Process {
	var st unix.Stat_t
	if err := unix.Fstat(int(r.Fd()), &st); err != nil {
		return nil
	}
	link := fmt.Sprintf("pipe:[%d]", st.Ino)
	var out []Process
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() || !hasOpen(dir+"/fd", link) {
			continue
		}
		name, _ := os.ReadFile(dir + "/comm")
		out = append(out, Process{PID: pid, Name: strings.TrimSpace(string(name))})
	}
	return out
}

func hasOpen(fds, link string) bool {
	d, err := os.Open(fds)
	if err != nil {
		return false
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, n := range names {
		if l, err := os.Readlink(fds + "/" + n); err == nil && l == link {
			return true
		}
	}
	return false
}

func mountedNoexec(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Flags&unix.ST_NOEXEC != 0
}
