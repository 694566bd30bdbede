package watch

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// processes are those of the CodeDeploy agent.
type processes struct {
	master int
	poller bool      // the master has a child that polls
	any    bool      // one of its processes lives, be it without the master
	since  time.Time // when the master began
}

// one is a process of the CodeDeploy agent.
type one struct {
	pid, parent int
	master      bool
	began       time.Time
}

// processes finds them. Which process is the master its command line says; where several are (a container's show in the
// host's /proc as well) the pid file's is it. The pid file alone is not believed: it stays behind after a kill.
func (a CodeDeployAgent) processes(set settings) processes {
	all := a.scan(set.program)
	var out processes
	out.any = len(all) > 0
	named := pidIn(set.pids, set.program+".pid", "master.pid") // 1.x, 2.x
	for _, p := range all {
		if p.master && (out.master == 0 || p.pid == named) {
			out.master, out.since = p.pid, p.began
		}
	}
	for _, p := range all {
		out.poller = out.poller || !p.master && p.parent == out.master && out.master != 0
	}
	return out
}

func pidIn(dir string, names ...string) int {
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
			return pid
		}
	}
	return 0
}

// scan goes through /proc. On a system without it nothing is found.
func (a CodeDeployAgent) scan(program string) []one {
	proc := a.Proc
	if proc == "" {
		proc = "/proc"
	}
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil
	}
	boot := bootTime(filepath.Join(proc, "stat"))
	var out []one
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		data, err := os.ReadFile(filepath.Join(proc, e.Name(), "cmdline"))
		if err != nil {
			continue
		}
		master, ours := role(strings.Split(strings.TrimRight(string(data), "\x00"), "\x00"), program)
		if !ours {
			continue
		}
		p := one{pid: pid, master: master}
		if p.parent, p.began = born(filepath.Join(proc, e.Name(), "stat"), boot); p.parent != 0 {
			out = append(out, p)
		}
	}
	return out
}

// role reads a command line. 1.x writes what it is over its own: "codedeploy-agent: master 123" and
// "codedeploy-agent: InstanceAgent::Plugins::CodeDeployPlugin::CommandPoller of master 123" ("booting child" before that);
// 2.x is called as "codedeploy-agent start" and calls itself as "codedeploy-agent worker".
func role(args []string, program string) (master, ours bool) {
	if what, ok := strings.CutPrefix(args[0], program+": "); ok {
		return strings.HasPrefix(what, "master"), true
	}
	if filepath.Base(args[0]) != "codedeploy-agent" {
		return false, false
	}
	for _, arg := range args[1:] {
		switch arg {
		case "start", "restart":
			return true, true
		case "worker", "_worker":
			return false, true
		}
	}
	return false, false
}

// bootTime reads when the kernel began, the "btime" of /proc/stat.
func bootTime(file string) time.Time {
	data, _ := os.ReadFile(file)
	_, rest, _ := strings.Cut(string(data), "\nbtime ")
	word, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(n, 0)
}

// born reads a process's parent and its beginning, fields 4 and 22 of /proc/PID/stat; the second field may hold spaces
// and parentheses. The beginning is in ticks since boot, 100 a second on every Linux that AWS offers.
func born(file string, boot time.Time) (parent int, began time.Time) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, time.Time{}
	}
	text := string(data)
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 20 {
		return 0, time.Time{}
	}
	parent, _ = strconv.Atoi(f[1])
	ticks, _ := strconv.ParseInt(f[19], 10, 64)
	return parent, boot.Add(time.Duration(ticks) * 10 * time.Millisecond)
}
