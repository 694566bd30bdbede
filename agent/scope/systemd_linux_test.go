package scope

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"golang.org/x/sys/unix"
)

// The tests named TestSystemd… restart the bus and systemd itself. They run in a machine made for them, by packaging/test.

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "runner":
			runner(os.Args[2], os.Args[3])
			return
		case "leave":
			os.Exit(leave(os.Args[2]))
		}
	}
	os.Exit(m.Run())
}

// leave puts a process into a scope and ends.
func leave(name string) int {
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := New().Start(context.Background(), name, "left", cmd.Process.Pid, time.Second); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func inMachine(t *testing.T) *Manager {
	t.Helper()
	if os.Getenv("WINGMAN_TEST_MACHINE") == "" {
		t.Skip("runs in a throw-away machine with systemd: go test ./packaging/test")
	}
	m := New()
	t.Cleanup(m.Close)
	return m
}

// child starts a script, which goes with the test, and returns when the script has said that it is ready.
func child(t *testing.T, script string) int {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

const sleeper = "echo ready; exec sleep 1000"

func sh(t *testing.T, command string) string {
	t.Helper()
	out, err := exec.Command("/bin/sh", "-c", command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
	return strings.TrimSpace(string(out))
}

func show(t *testing.T, name, property string) string {
	t.Helper()
	return sh(t, "systemctl show -P "+property+" "+name)
}

// until looks again and again, for 10 s.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

func alive(pid int) bool { return !zombie("/proc/" + strconv.Itoa(pid)) }

// starts makes n scopes at once, and says what went wrong.
func starts(t *testing.T, m *Manager, run string, n int) map[string]int {
	t.Helper()
	pids := map[string]int{}
	for i := range n {
		pids[Name(run+"-"+strconv.Itoa(i))] = child(t, sleeper)
	}
	var wg sync.WaitGroup
	for name, pid := range pids {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := m.Start(ctx, name, "a test's", pid, 5*time.Second); err != nil {
				t.Error(err)
			} else if !inScope(pid, name) {
				t.Errorf("%d is not in %s", pid, name)
			}
		})
	}
	wg.Wait()
	return pids
}

func TestSystemdTwentyAtOnce(t *testing.T) {
	m := inMachine(t)
	pids := starts(t, m, "twenty", 20)
	units, err := m.List(t.Context())
	if err != nil || len(units) != 20 {
		t.Fatalf("%v, %v", units, err)
	}
	for _, u := range units {
		if !u.Active || !u.Populated || !slices.Equal(u.PIDs, []int{pids[u.Name]}) {
			t.Errorf("%+v, want %d", u, pids[u.Name])
		}
	}
	for property, want := range map[string]string{"Delegate": "yes", "DelegateControllers": "", "KillMode": "control-group", "TimeoutStopUSec": "5s",
		"CollectMode": "inactive-or-failed", "Description": "a test's"} {
		if got := show(t, units[0].Name, property); got != want {
			t.Errorf("%s is %q, want %q", property, got, want)
		}
	}
	for _, u := range units {
		if err := m.Stop(t.Context(), u.Name); err != nil || alive(pids[u.Name]) {
			t.Errorf("%s: %v", u.Name, err)
		}
	}
	if units, err = m.List(t.Context()); err != nil || len(units) != 0 {
		t.Errorf("%v, %v", units, err)
	}
}

func TestSystemdDeadProcess(t *testing.T) {
	m := inMachine(t)
	gone, undead := exec.Command("true"), exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	if err := undead.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = undead.Wait() }()
	if err := unix.Waitid(unix.P_PID, undead.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	for pid, want := range map[int]string{gone.Process.Pid: "there is no such process", undead.Process.Pid: "it has ended"} {
		if err := m.Start(t.Context(), Name("dead-"+strconv.Itoa(pid)), "", pid, time.Second); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := m.Start(t.Context(), Name("none"), "", 0, time.Second); err == nil || !strings.HasSuffix(err.Error(), "that is no process") {
		t.Errorf("got %v", err)
	}
	if units, err := m.List(t.Context()); err != nil || len(units) != 0 {
		t.Errorf("%v, %v", units, err)
	}
}

func TestSystemdNameTwice(t *testing.T) {
	m := inMachine(t)
	first, second := child(t, sleeper), child(t, sleeper)
	name := Name("twice")
	if err := m.Start(t.Context(), name, "", first, time.Second); err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context(), name, "", second, time.Second); err == nil || !strings.Contains(err.Error(), "already; see: systemctl status "+name) {
		t.Errorf("got %v", err)
	}
	if !inScope(first, name) || inScope(second, name) {
		t.Error("the wrong one is in it")
	}
	if err := m.Start(t.Context(), name, "", first, time.Second); err != nil {
		t.Errorf("it is there already: %v", err)
	}
	if err := m.Stop(t.Context(), name); err != nil {
		t.Error(err)
	}
	if err := m.Start(t.Context(), name, "", second, time.Second); err != nil {
		t.Errorf("free again: %v", err)
	}
	if err := m.Stop(t.Context(), name); err != nil {
		t.Error(err)
	}
}

func TestSystemdStop(t *testing.T) {
	m := inMachine(t)
	stubborn, name := child(t, "trap '' TERM; echo ready; while :; do sleep 1; done"), Name("stubborn")
	if err := m.Start(t.Context(), name, "", stubborn, time.Second); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := m.Stop(t.Context(), name); err != nil || alive(stubborn) {
		t.Errorf("%v, alive %t", err, alive(stubborn))
	}
	if took := time.Since(start); took < time.Second || took > 5*time.Second {
		t.Errorf("took %s", took)
	}
	if state := show(t, name, "ActiveState"); state != "inactive" {
		t.Errorf("it is %s", state)
	}
	for _, gone := range []string{name, Name("never-was")} {
		if err := m.Stop(t.Context(), gone); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	pid := child(t, "trap '' TERM; echo ready; while :; do sleep 1; done")
	if err := m.Start(t.Context(), name, "", pid, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := m.Stop(ctx, name); err == nil || !strings.Contains(err.Error(), "context deadline exceeded") {
		t.Errorf("got %v", err)
	}
}

func TestSystemdOlder(t *testing.T) {
	m := inMachine(t)
	pid, name := child(t, sleeper), Name("older")
	err := m.start(t.Context(), name, pid, []systemd.Property{systemd.PropPids(uint32(pid))}, []systemd.Property{property("NotKnownYet", true)})
	if err != nil || !inScope(pid, name) {
		t.Errorf("an unknown property is not dropped: %v", err)
	}
	if err := m.Stop(t.Context(), name); err != nil {
		t.Error(err)
	}
}

func TestSystemdBusRestart(t *testing.T) {
	m, n := inMachine(t), 0
	for i, command := range []string{":", "systemctl restart dbus.service", "systemctl kill -s KILL dbus.service"} {
		n += during(t, command, func(round string) { starts(t, m, "restart-"+strconv.Itoa(i)+round, 2) })
		starts(t, m, "restarted-"+strconv.Itoa(i), 3)
	}
	sh(t, "systemctl stop dbus.socket dbus.service")
	pids := starts(t, m, "no-bus", 3)
	sh(t, "systemctl start dbus.socket dbus.service")
	for name, pid := range pids {
		if err := m.Stop(t.Context(), name); err != nil || alive(pid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if units, err := m.List(t.Context()); err != nil || len(units) != n*2+3*3 {
		t.Errorf("%d units in %d rounds, %v", len(units), n, err)
	}
}

func TestSystemdReexec(t *testing.T) {
	m := inMachine(t)
	for i := range 4 {
		m.Close()
		m.private = i%2 == 1
		starts(t, m, "connected-"+strconv.Itoa(i), 1)
		during(t, "systemctl daemon-reexec", func(round string) {
			for name, pid := range starts(t, m, "reexec-"+strconv.Itoa(i)+round, 2) {
				if err := m.Stop(t.Context(), name); err != nil || alive(pid) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
		starts(t, m, "reexeced-"+strconv.Itoa(i), 3)
	}
}

// during runs a command beside do, which is called until the command has ended, and says how often that was.
func during(t *testing.T, command string, do func(round string)) int {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", command)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- cmd.Wait() }()
	for n := 1; ; n++ {
		do("-" + strconv.Itoa(n))
		select {
		case err := <-ended:
			t.Logf("%s: %d rounds, %v", command, n, err) // its own connection may be what it ends
			return n
		default:
		}
	}
}
