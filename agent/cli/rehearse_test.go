//go:build linux

package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/lint"
)

// referenceRevision copies the repository's own revision, with its application built.
func referenceRevision(t *testing.T) string {
	t.Helper()
	top := filepath.Join("..", "..")
	dir := filepath.Join(t.TempDir(), "revision")
	for _, name := range []string{"appspec.yml", "wingman.yml", "hooks/wingman.sh", "hooks/start.sh", "hooks/stop.sh"} {
		b, err := os.ReadFile(filepath.Join(top, name))
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(top, name))
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, info.Mode()); err != nil {
			t.Fatal(err)
		}
	}
	build(t, filepath.Join(dir, "bin", "hello"), "../rehearsal/app")
	return dir
}

const suspendedOnBlue = "suspended Terminate, AZRebalance, AlarmNotification, ScheduledActions, ReplaceUnhealthy, InstanceRefresh, by wingman on "

// The repository's own revision is clean, and goes through whole deployments with its real application and the guard:
// what each must tell in the end, and what must not be said.
func TestReferenceRevision(t *testing.T) {
	dir := referenceRevision(t)
	if found := lint.Revision(dir); len(found) > 0 {
		t.Errorf("lint: %v", found)
	}
	t.Parallel()
	bin := build(t, filepath.Join(t.TempDir(), "wingman"), "../../cmd/wingman")
	var all sync.WaitGroup // side by side, more than Parallel would: they mostly wait
	defer all.Wait()
	for _, c := range []struct {
		name     string
		args     []string
		code     int
		says     []string
		mustNot  string
		leftLogs bool
	}{
		{"blue/green", nil, 0, []string{"BeforeAllowTraffic | guard: ", suspendedOnBlue + "replacement-", "BeforeBlockTraffic | guard: joined on blue", `pass: answers "d-`, "scaling of blue (originals): now nothing suspended", "(replacements): now nothing suspended",
			"resumed Terminate, AlarmNotification, AZRebalance, InstanceRefresh, ReplaceUnhealthy, ScheduledActions, by wingman on ", "serving: replacement-1 (the new build, d-", ", replacement-2 (the new build, d-", " sent, 0 lost", "\nSUCCEEDED in "}, "serving: original", false},
		{"ValidateService fails", []string{"--fail", "ValidateService"}, 1, []string{"FAILED in ValidateService on replacement-", "scaling of blue (originals): now nothing suspended\nscaling", "(replacements): now nothing suspended", "serving: original-1 (the old build, d-",
			" sent, 0 lost", "verdict: ValidateService FAILED", "HEALTH_CONSTRAINTS", "\nnext: mend it in "}, "serving: replacement", true},
		{"BeforeBlockTraffic fails", []string{"--fail", "BeforeBlockTraffic@original-2"}, 1, []string{"FAILED in BeforeBlockTraffic on original-2", "original-1        original-2", suspendedOnBlue, "scaling of blue (originals): now nothing suspended", "(replacements): now nothing suspended",
			"replacement-1 (the new build, d-", "the LAST SUCCESSFUL revision", " sent, 0 lost"}, "A GUARD IS LEFT", true},
	} {
		scratch := t.TempDir()
		all.Go(func() {
			cmd := exec.Command(bin, append([]string{"rehearse", dir}, c.args...)...)
			cmd.Env = append(os.Environ(), "TMPDIR="+scratch)
			out, _ := cmd.CombinedOutput() // its code is looked at
			wrong := ""
			if got := cmd.ProcessState.ExitCode(); got != c.code {
				wrong += fmt.Sprintf("exit code %d, want %d\n", got, c.code)
			}
			for _, want := range c.says {
				if !bytes.Contains(out, []byte(want)) {
					wrong += fmt.Sprintf("no %q\n", want)
				}
			}
			if bytes.Contains(out, []byte(c.mustNot)) {
				wrong += fmt.Sprintf("says %q\n", c.mustNot)
			}
			if left, err := filepath.Glob(filepath.Join(scratch, "*", "*")); err != nil || c.leftLogs != (len(left) == 1 && filepath.Base(left[0]) == "logs") || !c.leftLogs && len(left) > 0 {
				wrong += fmt.Sprintf("left behind: %v, %v\n", left, err)
			}
			if wrong != "" {
				t.Errorf("%s: %s%s", c.name, wrong, out)
			}
		})
	}
}

// An application that still holds its port does not hold up a rehearsal: it gets another one.
func TestAPortThatIsTaken(t *testing.T) {
	t.Parallel()
	srv := &http.Server{}
	l := listen(t)
	go srv.Serve(l)
	defer srv.Close()
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"appspec.yml": "version: 0.0\nos: linux\nhooks:\n  ApplicationStart:\n    - location: wingman.sh\n",
		"wingman.yml": "version: 1\nenv: {PORT: " + port + "}\nevents:\n  ApplicationStart:\n    - command: [echo, 'port ${PORT}']\n",
		"wingman.sh":  "#!/bin/sh\nexec \"$WINGMAN_BIN\" hook --revision \"${0%/*}\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bin := build(t, filepath.Join(t.TempDir(), "wingman"), "../../cmd/wingman")
	out, err := exec.Command(bin, "rehearse", "--original", "1", dir).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("port "+port+" is taken on this machine: PORT is another")) || !bytes.Contains(out, []byte("| port ")) || bytes.Contains(out, []byte("| port "+port+"\n")) {
		t.Errorf("%v\n%s", err, out)
	}
}

func build(t *testing.T, to, pkg string) string {
	t.Helper()
	out, err := exec.CommandContext(context.Background(), "go", "build", "-o", to, pkg).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return to
}
