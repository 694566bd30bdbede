package scope

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/proc"
)

// inScope says whether the kernel has the process in that scope or below, in either version of cgroups.
func inScope(pid int, name string) bool { return scopeOf(pid) == name }

// scopeOf gives the scope of ours that a process is in.
func scopeOf(pid int) string {
	groups, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(groups)) {
		for part := range strings.SplitSeq(strings.TrimSpace(line), "/") {
			if checkName(part) == nil {
				return part
			}
		}
	}
	return ""
}

// processes gives what lives in each scope of ours. It asks every process and not the cgroups' own lists, which the
// versions of cgroups have in different places, and whose sub-groups a process may change between two looks.
func processes() map[string][]int {
	in := map[string][]int{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if name := scopeOf(pid); name != "" && !zombie(dir) {
			in[name] = append(in[name], pid)
		}
	}
	return in
}

// zombie says whether a process has ended, or is gone.
func zombie(dir string) bool {
	stat, err := os.ReadFile(dir + "/stat") // pid (name) state …; the name may hold anything, ")" too
	rest := bytes.TrimSpace(stat[bytes.LastIndexByte(stat, ')')+1:])
	return err != nil || len(rest) == 0 || rest[0] == 'Z' || rest[0] == 'X'
}

// giveTo lets a process that is not root's make sub-groups of its scope. That it may not costs it the sub-groups, and
// nothing else.
func giveTo(pid int, name string) {
	uid, gid := owner(pid)
	dir := proc.CgroupOf(pid)
	if uid <= 0 || filepath.Base(dir) != name { // where systemd uses version 1 only, it is the root of all
		return
	}
	_ = os.Chown(dir, uid, gid)
	_ = os.Chown(dir+"/cgroup.procs", uid, gid) // it is asked of whoever moves processes between the sub-groups
}

// owner gives a process's effective user and group; -1 where it is gone.
func owner(pid int) (uid, gid int) {
	status, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	uid, gid = -1, -1
	for line := range strings.Lines(string(status)) {
		f := strings.Fields(line) // Uid: real effective saved file-system
		if len(f) < 3 {
			continue
		}
		switch f[0] {
		case "Uid:":
			uid, _ = strconv.Atoi(f[2])
		case "Gid:":
			gid, _ = strconv.Atoi(f[2])
		}
	}
	return uid, gid
}
