package test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	root       = "../.."                // of the repository, from this folder
	toolsEnv   = "WINGMAN_TEST_TOOLS"   // the folder of what is built for the machines
	machineEnv = "WINGMAN_TEST_MACHINE" // set in a machine: tests that need one of their own run only there
	noMachine  = 125                    // with-systemd.sh: the machine did not boot, or went away
)

func TestMain(m *testing.M) { os.Exit(withTools(m)) }

// atOnce is how many machines run side by side: they mostly wait, so that the number of CPUs, Go's own choice, is too few.
const atOnce = "8"

func withTools(m *testing.M) int {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", atOnce); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "wingman-machine-")
	if err == nil {
		err = os.Setenv(toolsEnv, dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	return m.Run()
}

// machine is a throw-away Debian, running systemd, for one scenario. It has
//   - wingman as /usr/bin/wingman and its unit, neither enabled nor started,
//   - the same as /t/wingman, and another build of it, as /t/next, to be installed over it,
//   - the scenarios' own commands, as /t/lib.sh,
//   - this repository's tests that need a machine, as /t/NAME.test, where they are asked for,
//   - no network but lo, and nothing of the host's but binds.
type machine struct {
	tests    []string      // packages, as ./agent/scope
	binds    []string      // HOST:MACHINE[:ro]; what is written reaches the host unless :ro
	env      []string      // NAME=VALUE
	packages string        // Debian's to add, separated by commas
	after    []string      // scripts to go on with, each after a reboot; the disk is kept
	limit    time.Duration // of a script; 0 is 2 minutes
	bare     bool          // without wingman and its unit: a package brings them
}

// run boots the machine, runs a script by `sh -e` in it, and gives all that it printed, and its exit status.
func (m machine) run(t *testing.T, script string) (string, int) {
	t.Helper()
	return m.boot(t, script)
}

// ok is run for a script that must succeed. Where it does not, the test fails with the output and the end of the journal.
func (m machine) ok(t *testing.T, script string) string {
	t.Helper()
	out, status := m.boot(t, script, "--journal")
	if status != 0 {
		t.Fatalf("exit status %d:\n%s", status, out)
	}
	return out
}

func (m machine) boot(t *testing.T, script string, args ...string) (string, int) {
	t.Helper()
	need(t)
	limit := m.limit
	if limit == 0 {
		limit = 2 * time.Minute
	}
	args = append(args, "--timeout", fmt.Sprint(int(limit.Seconds())), "--setenv", machineEnv+"=1")
	if m.packages != "" {
		args = append(args, "--packages", m.packages)
	}
	tools := os.Getenv(toolsEnv)
	binds := append([]string{filepath.Join(tools, "wingman") + ":/t/wingman:ro", filepath.Join(tools, "next") + ":/t/next:ro", "lib.sh:/t/lib.sh:ro"}, m.binds...)
	if !m.bare {
		binds = append(binds, filepath.Join(tools, "wingman")+":/usr/bin/wingman:ro", filepath.Join(root, "packaging/wingman.service")+":/lib/systemd/system/wingman.service:ro")
	}
	for _, pkg := range m.tests {
		name := filepath.Base(pkg) + ".test"
		binds = append(binds, testBinary(t, pkg, name)+":/t/"+name+":ro")
	}
	for _, b := range binds {
		args = append(args, "--bind", b)
	}
	for _, e := range m.env {
		args = append(args, "--setenv", e)
	}
	for _, a := range m.after {
		args = append(args, "--after-reboot", "set -e\n"+a)
	}
	out, status := withSystemd(t.Context(), append(args, "--", "sh", "-ec", script)...)
	if status == noMachine {
		t.Fatalf("the machine did not boot, or went away:\n%s", out)
	}
	return out, status
}

// withSystemd runs with-systemd.sh, and gives its output and status.
// The machine's Debian is another one where WINGMAN_TEST_SUITE says so (bullseye has systemd 247, trixie 257).
func withSystemd(ctx context.Context, args ...string) (string, int) {
	if suite := os.Getenv("WINGMAN_TEST_SUITE"); suite != "" {
		args = append([]string{"--suite", suite}, args...)
	}
	cmd := exec.CommandContext(ctx, "bash", append([]string{"./with-systemd.sh"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // then it ends the machine
	cmd.WaitDelay = time.Minute
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return out.String(), 0
	case errors.As(err, &exit):
		return out.String(), exit.ExitCode()
	}
	return out.String() + err.Error(), noMachine
}

// need skips the test where no machine can be had; where CI is set it fails the test.
func need(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("skipped: boots a machine (-short)")
	}
	switch why, err := prepared(); {
	case err != nil:
		t.Fatal(err)
	case why != "" && os.Getenv("CI") != "":
		t.Fatal(why)
	case why != "":
		t.Skip("skipped: " + why)
	}
}

// prepared builds wingman and a machine, once, and boots that. why says that no machine can be had here.
var prepared = sync.OnceValues(func() (why string, err error) {
	if _, err := os.Stat("/etc/debian_version"); err != nil || os.Geteuid() != 0 {
		return "needs root and Debian", nil
	}
	if err := build("build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(os.Getenv(toolsEnv), "wingman"), "./cmd/wingman"); err != nil {
		return "", err
	}
	// The same source: what an upgrade must get right is what is shared by two builds, and that is all of it.
	if err := build("build", "-buildvcs=false", "-ldflags", "-s -w", "-o", filepath.Join(os.Getenv(toolsEnv), "next"), "./cmd/wingman"); err != nil {
		return "", err
	}
	if out, status := withSystemd(context.Background(), "--timeout", "60", "--", "true"); status != 0 {
		return fmt.Sprintf("no machine can be built or booted here (status %d): %s", status, out), nil
	}
	return "", nil
})

// testBinary builds a package's tests where they are not built yet.
func testBinary(t *testing.T, pkg, name string) string {
	t.Helper()
	path := filepath.Join(os.Getenv(toolsEnv), name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	next := filepath.Join(t.TempDir(), name) // another test may be at it, too
	if err := build("test", "-c", "-o", next, pkg); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// build runs the go command for a static binary: the machine has none of the host's libraries.
func build(args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
