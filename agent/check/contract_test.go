package check_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/check"
	"github.com/codedeploy-wingman/wingman/agent/check/checktest"
)

func must(t *testing.T, s check.Settings, env ...string) check.Checker {
	t.Helper()
	c, err := check.New(s, env, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func short() check.Timing { return check.Timing{Timeout: 200 * time.Millisecond} }

// serve answers with status and body.
func serve(t *testing.T, status int, body string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// silent accepts connections (the kernel does) and never says a word.
func silent(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// closed is an address where nothing listens.
func closed(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return l.Addr().String()
}

// systemctl makes a folder with a systemctl that runs script, and returns the environment that finds it.
func systemctl(t *testing.T, script string) []string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"PATH=" + dir + ":/usr/bin:/bin"}
}

func TestContract(t *testing.T) {
	const bytes = "\xff\xfe\x1b[31mstarting\n\n\x00 up"
	pair := func(good, bad check.Settings) func(t *testing.T) (_, _ check.Checker) {
		return func(t *testing.T) (_, _ check.Checker) { return must(t, good), must(t, bad) }
	}
	t.Run("http", func(t *testing.T) {
		checktest.Run(t, pair(
			check.Settings{HTTP: &check.HTTP{URL: serve(t, 200, "it is ok"), Body: "ok"}},
			check.Settings{HTTP: &check.HTTP{URL: serve(t, 503, bytes)}}))
		checktest.Hanging(t, func(t *testing.T) check.Checker {
			return must(t, check.Settings{HTTP: &check.HTTP{URL: "http://" + silent(t)}, Timing: short()})
		})
	})
	t.Run("build", func(t *testing.T) {
		checktest.Run(t, pair(
			check.Settings{Build: &check.Build{URL: serve(t, 200, " v2\n"), Equals: "v2"}},
			check.Settings{Build: &check.Build{URL: serve(t, 200, bytes), Equals: "v2"}}))
		checktest.Hanging(t, func(t *testing.T) check.Checker {
			return must(t, check.Settings{Build: &check.Build{URL: "http://" + silent(t), Equals: "v2"}, Timing: short()})
		})
	})
	t.Run("tcp", func(t *testing.T) {
		checktest.Run(t, pair(
			check.Settings{TCP: &check.TCP{Address: silent(t)}},
			check.Settings{TCP: &check.TCP{Address: closed(t)}}))
	})
	t.Run("command", func(t *testing.T) {
		checktest.Run(t, pair(
			check.Settings{Command: &check.Command{Argv: []string{"/bin/sh", "-c", "echo 'OK - fine | x=1'"}}},
			check.Settings{Command: &check.Command{Argv: []string{"/bin/sh", "-c", `printf '\377\033[31mno\n'; exit 2`}}}))
		checktest.Hanging(t, func(t *testing.T) check.Checker {
			return must(t, check.Settings{Command: &check.Command{Argv: []string{"/bin/sleep", "60"}}, Timing: short()})
		})
	})
	t.Run("systemd", func(t *testing.T) {
		unit := check.Settings{Systemd: &check.Systemd{Unit: "hello.service"}}
		checktest.Run(t, func(t *testing.T) (_, _ check.Checker) {
			good := systemctl(t, "echo LoadState=loaded; echo ActiveState=active; echo SubState=running")
			bad := systemctl(t, "echo LoadState=loaded; echo ActiveState=failed; echo Result=exit-code")
			return must(t, unit, good...), must(t, unit, bad...)
		})
		checktest.Hanging(t, func(t *testing.T) check.Checker {
			unit.Timing = short()
			return must(t, unit, systemctl(t, "exec sleep 60")...)
		})
	})
}
