package proc

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// scratch makes a cgroup for a test's steps.
func scratch(t *testing.T) string {
	t.Helper()
	own := CgroupOf(os.Getpid())
	if own == "" {
		t.Skip("no cgroup2 is mounted here")
	}
	dir, err := os.MkdirTemp(own, "wingman-test-")
	if err != nil {
		t.Skipf("no cgroup may be made here: %v", err)
	}
	t.Cleanup(func() {
		g := cgroup{dir}
		for g.kill(0); !g.empty(); g.kill(0) {
			<-time.After(time.Millisecond)
		}
		g.remove()
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is left", dir)
		}
	})
	return dir
}

func folders(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := filepath.Glob(dir + "/step-*")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func pidIn(t *testing.T, file string) int {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// away starts, in a session of its own, a process that writes its pid to a file; the script goes on when it has.
func away(file, rest string) string {
	return "#!/bin/sh\nsetsid sh -c '" + rest + "; echo $$ >" + file + ".new; mv " + file + ".new " + file +
		"; while :; do sleep 1; done' >/dev/null 2>&1 &\nwhile ! [ -e " + file + " ]; do sleep 0.01; done\n"
}

func TestCgroupReachesWhatLeftTheProcessGroup(t *testing.T) {
	for name, c := range map[string]struct {
		trap   string
		killed bool
	}{
		"TERM": {":", false},
		"KILL": {"trap \"\" TERM", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir, file := scratch(t), t.TempDir()+"/pid"
			e, _ := runScript(t, away(file, c.trap)+"exec sleep 1000\n", func(s *Spec) {
				s.Cgroup, s.Timeout, s.Grace = dir, time.Second, 500*time.Millisecond
			})
			pid := pidIn(t, file)
			if e.How != TimedOut || e.Killed != c.killed || syscall.Kill(pid, 0) == nil && !isZombie(pid) {
				t.Errorf("%+v", e)
			}
			if left := folders(t, dir); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func isZombie(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(b), ") Z ")
}

func TestCgroupIsLeftToADaemon(t *testing.T) {
	dir, file := scratch(t), t.TempDir()+"/pid"
	e, _ := runScript(t, away(file, ":"), func(s *Spec) { s.Cgroup = dir })
	pid := pidIn(t, file)
	left := folders(t, dir)
	if !e.OK() || isZombie(pid) || len(left) != 1 || CgroupOf(pid) != left[0] {
		t.Errorf("%+v, pid %d in %s, left: %v", e, pid, CgroupOf(pid), left)
	}
	e, out := runScript(t, "#!/bin/sh\necho more\n", func(s *Spec) { s.Cgroup = dir })
	if !e.OK() || out != "more\n" || len(folders(t, dir)) != 1 {
		t.Errorf("%+v %q, left: %v", e, out, folders(t, dir))
	}
}

// What a step makes below its own cgroup is ended and removed with it.
func TestCgroupBelow(t *testing.T) {
	dir := scratch(t)
	e, _ := runScript(t, "#!/bin/sh\nset -e\nfor d in "+dir+"/step-*; do mkdir $d/below; echo $$ >$d/below/cgroup.procs; done\nexec sleep 1000\n", func(s *Spec) {
		s.Cgroup, s.Timeout, s.Grace = dir, time.Second, time.Second
	})
	if left := folders(t, dir); e.How != TimedOut || len(left) != 0 {
		t.Errorf("%+v, left: %v", e, left)
	}
}

func TestCgroupThatIsRefused(t *testing.T) {
	for _, dir := range []string{"/nope", "/proc", t.TempDir()} { // the last is no cgroup, but a folder can be made in it
		e, out := runScript(t, "#!/bin/sh\necho ran\n", func(s *Spec) { s.Cgroup = dir })
		if !e.OK() || out != "ran\n" || len(folders(t, dir)) != 0 {
			t.Errorf("%s: %+v %q, left: %v", dir, e, out, folders(t, dir))
		}
		if e, _ := runScript(t, ":\n", func(s *Spec) { s.Cgroup, s.Argv[0] = dir, "/nope" }); e.Reason != "script does not exist: /nope" {
			t.Errorf("%+v", e)
		}
	}
	dir := scratch(t)
	e, _ := runScript(t, "#!/nonexistent/interp\n", func(s *Spec) { s.Cgroup = dir })
	if !strings.Contains(e.Reason, "which does not exist") || len(folders(t, dir)) != 0 {
		t.Errorf("%+v, left: %v", e, folders(t, dir))
	}
}

func TestCgroupFolder(t *testing.T) {
	const pure = "24 1 0:22 / /proc rw - proc proc rw\n31 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
	const hybrid = "30 1 0:9 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n31 1 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	const inside = "31 1 0:27 /box /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
	for _, c := range []struct{ mounts, path, want string }{
		{pure, "/system.slice/wingman-a.scope", "/sys/fs/cgroup/system.slice/wingman-a.scope"},
		{pure, "/", "/sys/fs/cgroup"},
		{hybrid, "/a.scope", "/sys/fs/cgroup/unified/a.scope"},
		{inside, "/box/a.scope", "/sys/fs/cgroup/a.scope"},
		{inside, "/boxes/a.scope", ""},
		{"", "/a.scope", ""},
	} {
		if got := cgroupFolder(c.mounts, c.path); got != c.want {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
	}
}

func TestOwnCgroupIsOnlyAScopeOfOurs(t *testing.T) {
	if got := OwnCgroup(); got != "" {
		t.Errorf("the tests run in no scope, but got %s", got)
	}
}
