package proc

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// cgroup is a cgroup2 folder of one process and all that it starts, wherever that goes: a session of its own (setsid)
// leaves the process group, not the cgroup. The zero value is none, and every method is then a no-op.
//
// No controller is turned on in it: with one, the kernel would forbid processes in the folder above, where the runner is.
type cgroup struct{ dir string }

// newCgroup makes a sub-folder of dir. A kernel that has no cgroup2, or says no, costs the run nothing else.
func newCgroup(dir string) cgroup {
	if dir == "" {
		return cgroup{}
	}
	sub, err := os.MkdirTemp(dir, "step-")
	if err != nil {
		return cgroup{}
	}
	return cgroup{sub}
}

// take has a process start right in the cgroup. The file is to be held open until then.
func (c cgroup) take(attr *syscall.SysProcAttr) *os.File {
	if c.dir == "" {
		return nil
	}
	f, err := os.OpenFile(c.dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil
	}
	attr.UseCgroupFD, attr.CgroupFD = true, int(f.Fd())
	return f
}

// empty says whether no process is left in it or below; a zombie does not count.
func (c cgroup) empty() bool {
	if c.dir == "" {
		return true
	}
	events, err := os.ReadFile(c.dir + "/cgroup.events")
	return err != nil || bytes.Contains(events, []byte("populated 0"))
}

// folders gives it and all below, the deepest last.
func (c cgroup) folders() []string {
	var all []string
	_ = filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			all = append(all, path)
		}
		return nil // what has just gone is not missed
	})
	return all
}

// signal sends sig to every process in it but those of the process group, which have had theirs.
func (c cgroup) signal(sig syscall.Signal, group int) {
	if c.dir == "" {
		return
	}
	for _, dir := range c.folders() {
		procs, _ := os.ReadFile(dir + "/cgroup.procs")
		for _, word := range strings.Fields(string(procs)) {
			pid, _ := strconv.Atoi(word)
			if pgid, err := unix.Getpgid(pid); pid > 0 && err == nil && pgid != group {
				_ = syscall.Kill(pid, sig)
			}
		}
	}
}

// kill kills all in it at once; before Linux 5.14 one by one, which what forks meanwhile escapes until the next call.
func (c cgroup) kill(group int) {
	if c.dir == "" {
		return
	}
	if err := os.WriteFile(c.dir+"/cgroup.kill", []byte("1"), 0); err != nil {
		c.signal(syscall.SIGKILL, group)
	}
}

// remove removes it if it is empty; else it is left to its processes, and goes with the scope.
func (c cgroup) remove() {
	if c.dir == "" || !c.empty() {
		return
	}
	all := c.folders()
	for i := len(all) - 1; i >= 0; i-- {
		_ = unix.Rmdir(all[i])
	}
}

// CgroupOf gives the cgroup2 folder that a process is in, "" where there is none to be seen.
func CgroupOf(pid int) string {
	groups, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(groups)) {
		if path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::/"); ok {
			mounts, _ := os.ReadFile("/proc/self/mountinfo")
			return cgroupFolder(string(mounts), "/"+path)
		}
	}
	return ""
}

// cgroupFolder finds a path of the cgroup2 hierarchy among the mounts of proc(5)'s mountinfo.
func cgroupFolder(mounts, path string) string {
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(line, " - ") // id parent device root where options… - type source …
		f := strings.Fields(before)
		if !strings.HasPrefix(after, "cgroup2 ") || len(f) < 5 {
			continue
		}
		if below, ok := strings.CutPrefix(path, strings.TrimSuffix(f[3], "/")); ok && (below == "" || below[0] == '/') {
			return filepath.Join(f[4], below)
		}
	}
	return ""
}

// OwnCgroup gives this process's own cgroup2 folder if it is a scope of wingman's in which it may make sub-folders, which
// is what Spec.Cgroup wants; else "". Any other folder is not ours to divide: beside version 1 it may be the root of all.
func OwnCgroup() string {
	dir := CgroupOf(os.Getpid())
	name := filepath.Base(dir)
	if !strings.HasPrefix(name, "wingman-") || !strings.HasSuffix(name, ".scope") {
		return ""
	}
	c := newCgroup(dir)
	if c.dir == "" {
		return ""
	}
	c.remove()
	return dir
}
