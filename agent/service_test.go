package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/kardianos/service"
)

// again runs one test of this binary in a process of its own, where that finds WINGMAN_TEST_CHILD set.
func again(t *testing.T, name string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, "-test.run=^"+name+"$", "-test.v")
	c.Env = append(append(os.Environ(), "WINGMAN_TEST_CHILD=1"), env...)
	return c
}

func child() bool { return os.Getenv("WINGMAN_TEST_CHILD") != "" }

const wantUnit = `[Unit]
Description=Wingman, beside the AWS CodeDeploy agent
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
StartLimitInterval=0
Type=notify
ExecStart=/opt/wing\x20man/wingman service run
ExecReload=/opt/wing\x20man/wingman service reload
WatchdogSec=2min
Restart=always
RestartSec=1
TimeoutStopSec=20
ConfigurationDirectory=wingman
EnvironmentFile=-/etc/wingman/environment

[Install]
WantedBy=multi-user.target
`

// The library itself renders and installs the unit: as a user's, below a home of the test's, with a systemctl that notes
// what it is asked. The library takes a host with rpm-ostree for one with systemd.
func TestUnit(t *testing.T) {
	if child() {
		c := serviceConfig()
		c.Executable = "/opt/wing man/wingman"
		c.Option["UserService"] = true
		m, err := service.New(program{}, c)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Install(); err != nil {
			t.Fatal(err)
		}
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("systemd is Linux'")
	}
	dir := t.TempDir()
	asked := filepath.Join(dir, "asked")
	for name, text := range map[string]string{"systemctl": "#!/bin/sh\necho \"$@\" >>" + asked + "\n", "rpm-ostree": "#!/bin/sh\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := again(t, "TestUnit", "HOME="+dir, "PATH="+dir+":"+os.Getenv("PATH")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(dir, ".config/systemd/user/wingman.service"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != wantUnit {
		t.Errorf("the unit:\n%s", got)
	}
	if said, err := os.ReadFile(asked); err != nil || !strings.Contains(string(said), "enable --user wingman.service\n") {
		t.Errorf("systemctl was asked %q, %v", said, err)
	}
}

// What systemctl answers, in our words.
func TestStatus(t *testing.T) {
	if child() {
		st, err := SystemService{}.Status()
		fmt.Printf("\nstatus: %s, %v\n", st, err)
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("systemd is Linux'")
	}
	for _, c := range []struct{ active, unit, want string }{
		{"active", "x", "running, <nil>"},
		{"activating", "x", "starting, <nil>"},
		{"failed", "x", "failed, <nil>"},
		{"inactive", "wingman.service enabled enabled", "stopped, <nil>"},
		{"inactive", "0 unit files listed.", ", the service is not installed"},
		{"unknown", "x", ", the service is not installed"},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"systemctl": "#!/bin/sh\ncase $1 in is-active) echo " + c.active + "; [ " + c.active + " = active ];; *) echo " + c.unit + ";; esac\n", "rpm-ostree": "#!/bin/sh\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		out, err := again(t, "TestStatus", "PATH="+dir+":"+os.Getenv("PATH")).Output()
		if err != nil || !strings.Contains(string(out), "\nstatus: "+c.want+"\n") {
			t.Errorf("%s: %v: %s", c.active, err, out)
		}
	}
}

// The package's own unit is not put aside, nor removed.
func TestPackagedUnit(t *testing.T) {
	for _, dir := range []string{"lib/systemd/system", "usr/lib/systemd/system"} {
		s := SystemService{Root: t.TempDir()}
		if err := os.MkdirAll(filepath.Join(s.Root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		unit := filepath.Join(s.Root, dir, "wingman.service")
		if err := os.WriteFile(unit, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := s.Install(); !errors.Is(err, ErrPackaged) || !strings.HasSuffix(err.Error(), unit+"\n    sudo systemctl enable --now wingman") {
			t.Errorf("install: %v", err)
		}
		if err := s.Uninstall(); !errors.Is(err, ErrPackaged) || !strings.HasSuffix(err.Error(), "\n    sudo systemctl disable --now wingman") {
			t.Errorf("uninstall: %v", err)
		}
	}
}

// TERM and INT end run's ctx, and what run returns comes back; HUP does not end it.
func TestServe(t *testing.T) {
	if child() {
		hup := make(chan os.Signal, 1)
		signal.Notify(hup, syscall.SIGHUP)
		err := Serve(func(ctx context.Context) error {
			fmt.Println("\nup")
			for {
				select {
				case <-hup:
					fmt.Println("reloaded")
				case <-ctx.Done():
					return errors.New("ended")
				}
			}
		})
		fmt.Println("served:", err)
		return
	}
	if runtime.GOOS == "windows" {
		t.Skip("signals")
	}
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		c := again(t, "TestServe")
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		await := func(want string) {
			t.Helper()
			for lines.Scan() {
				if lines.Text() == want {
					return
				}
			}
			t.Fatalf("%s: it did not say %q", sig, want)
		}
		await("up")
		for range 2 {
			c.Process.Signal(syscall.SIGHUP)
			await("reloaded")
		}
		c.Process.Signal(sig)
		await("served: ended")
		for lines.Scan() {
		}
		if err := c.Wait(); err != nil {
			t.Errorf("%s: %v", sig, err)
		}
	}
}

// Without anybody who reloads, HUP ends nothing either.
func TestServeWithoutReload(t *testing.T) {
	if child() {
		err := Serve(func(ctx context.Context) error {
			self, err := os.FindProcess(os.Getpid())
			if err != nil {
				return err
			}
			self.Signal(syscall.SIGHUP)
			self.Signal(syscall.SIGTERM)
			<-ctx.Done()
			return nil
		})
		fmt.Println("\nserved:", err)
		return
	}
	if runtime.GOOS == "windows" {
		t.Skip("signals")
	}
	if out, err := again(t, "TestServeWithoutReload").Output(); err != nil || !strings.Contains(string(out), "\nserved: <nil>\n") {
		t.Errorf("%v: %s", err, out)
	}
}
