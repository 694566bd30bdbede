package scope

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/proc"
)

// report is what a runner says of its step.
type report struct {
	Group  string
	Ending proc.Ending
	Groups int // sub-groups that are left
}

// runner waits for its gate, and then runs a step as a run's process does.
func runner(timeout, script string) {
	_, _ = io.Copy(io.Discard, os.Stdin)
	limit, _ := time.ParseDuration(timeout)
	r := report{Group: proc.OwnCgroup()}
	r.Ending = proc.Run(context.Background(), proc.Spec{Argv: []string{"/bin/sh", "-c", script}, Env: os.Environ(), Dir: "/",
		Timeout: limit, Grace: 500 * time.Millisecond, Cgroup: r.Group})
	if r.Group != "" {
		left, _ := os.ReadDir(r.Group)
		for _, e := range left {
			if e.IsDir() {
				r.Groups++
			}
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(r)
}

// step has a runner, in a scope of its own, run a script, and gives what the runner says, and the scope's name.
func step(t *testing.T, m *Manager, uid uint32, timeout, script string) (report, string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(os.Args[0], "runner", timeout, script)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", &out, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	gate, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	name := Name("step-" + strconv.Itoa(cmd.Process.Pid))
	if err := m.Start(t.Context(), name, "", cmd.Process.Pid, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	gate.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%q: %v", out.String(), err)
	}
	if !strings.HasSuffix(r.Group, "/"+name) {
		t.Errorf("the runner may make no sub-groups in %s: it says %q", name, r.Group)
	}
	return r, name
}

func readPID(t *testing.T, file string) int {
	t.Helper()
	pid := 0
	until(t, "a pid in "+file, func() bool {
		b, _ := os.ReadFile(file)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		return pid > 0
	})
	return pid
}

func TestSystemdStepThatIsTimedOut(t *testing.T) {
	m := inMachine(t)
	for _, uid := range []uint32{0, 65534} {
		dir, err := os.MkdirTemp("/tmp", "step") // t.TempDir is not for others than root
		if err != nil {
			t.Fatal(err)
		}
		_ = os.Chmod(dir, 0o777)
		r, name := step(t, m, uid, "1s", "setsid sh -c 'trap \"\" TERM; echo $$ >"+dir+"/away; while :; do sleep 1; done' & exec sleep 1000")
		pid := readPID(t, dir+"/away")
		if r.Ending.How != proc.TimedOut || !r.Ending.Killed || alive(pid) || r.Groups != 0 {
			t.Errorf("uid %d: %+v, alive %t", uid, r, alive(pid))
		}
		until(t, "the end of "+name, func() bool { return show(t, name, "ActiveState") == "inactive" })
	}
}

func TestSystemdStepThatLeavesADaemon(t *testing.T) {
	m := inMachine(t)
	file := t.TempDir() + "/daemon"
	r, name := step(t, m, 0, "20s", "(setsid sh -c 'echo $$ >"+file+"; exec sleep 1000' >/dev/null 2>&1 &)")
	pid := readPID(t, file)
	if !r.Ending.OK() || !alive(pid) || r.Groups != 1 {
		t.Errorf("%+v, alive %t", r, alive(pid))
	}
	units, err := m.List(t.Context())
	if err != nil || !slices.ContainsFunc(units, func(u Unit) bool { return u.Name == name && u.Active && slices.Equal(u.PIDs, []int{pid}) }) {
		t.Errorf("%v, %v", units, err)
	}
	if err := m.Stop(t.Context(), name); err != nil || alive(pid) {
		t.Errorf("a stop does not reach the sub-group: %v", err)
	}
}
