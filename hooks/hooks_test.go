//go:build unix

package hooks

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bundle is a revision in a folder whose name has a space, with a wingman that says how it was called.
func bundle(t *testing.T) (dir, bin string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "deployment archive")
	write(t, filepath.Join(dir, "appspec.yml"), "version: 0.0\n", 0o600)
	write(t, filepath.Join(dir, "deploy", "hooks", "wingman.sh"), Shell, 0o700)
	bin = filepath.Join(dir, "bin", "wingman")
	write(t, bin, "#!/bin/sh\necho \"$*\"\nexit 7\n", 0o700)
	return dir, bin
}

func write(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func call(t *testing.T, dir string, env ...string) (code int, out string) {
	t.Helper()
	c := exec.Command(filepath.Join(dir, "deploy", "hooks", "wingman.sh"))
	c.Dir, c.Env = "/", append([]string{"PATH=/usr/bin:/bin", "WINGMAN_CONFIG=" + filepath.Join(dir, "etc", "host.yml")}, env...)
	b, _ := c.CombinedOutput()
	return c.ProcessState.ExitCode(), string(b)
}

func TestShellCallsWingman(t *testing.T) {
	dir, bin := bundle(t)
	for _, env := range []string{"WINGMAN_BIN=" + bin, "PATH=" + filepath.Dir(bin) + ":/usr/bin:/bin"} {
		if code, out := call(t, dir, "LIFECYCLE_EVENT=AfterInstall", env); code != 7 || out != "hook --revision "+dir+"\n" {
			t.Errorf("%s: exit code %d, printed %q", env, code, out)
		}
	}
}

func TestShellWithoutWingman(t *testing.T) {
	dir, bin := bundle(t)
	write(t, filepath.Join(dir, "off", "disabled"), "", 0o600)
	for _, tt := range []struct{ name, env, cure string }{
		{"no binary", "WINGMAN_BIN=/nowhere/wingman", "install the package codedeploy-wingman"},
		{"kill switch", "WINGMAN_DISABLED=1", "unset WINGMAN_DISABLED"},
		{"kill switch file", "WINGMAN_CONFIG=" + filepath.Join(dir, "off", "host.yml"), "rm " + filepath.Join(dir, "off", "disabled")},
	} {
		for event, want := range map[string]int{"BeforeBlockTraffic": 0, "AfterBlockTraffic": 0, "BeforeAllowTraffic": 0, "AfterAllowTraffic": 0, "ApplicationStop": 0, "ApplicationStart": 1, "ValidateService": 1} {
			code, out := call(t, dir, "WINGMAN_BIN="+bin, tt.env, "LIFECYCLE_EVENT="+event)
			if code != want || !strings.Contains(out, "WINGMAN DID NOT RUN in "+event) || !strings.Contains(out, tt.cure) {
				t.Errorf("%s, %s: exit code %d, want %d; printed %q", tt.name, event, code, want, out)
			}
		}
	}
}
