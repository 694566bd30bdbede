//go:build linux

package cli

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/lint"
)

// The repository's own revision is clean, and goes through a whole rehearsal with its real application.
func TestReferenceRevision(t *testing.T) {
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
	if found := lint.Revision(dir); len(found) > 0 {
		t.Errorf("lint: %v", found)
	}
	bin := build(t, filepath.Join(t.TempDir(), "wingman"), "../../cmd/wingman")
	t.Setenv("TMPDIR", t.TempDir())
	out, err := exec.Command(bin, "rehearse", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`check "the new build answers" (http://127.0.0.1:`, `pass: answers "d-REHEARSE2"`, "hello stopped, pid ", "from the last successful revision (d-REHEARSE1)", "SUCCEEDED: 3 events ran hooks"} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// An application that still holds its port does not hold up a rehearsal: it gets another one.
func TestAPortThatIsTaken(t *testing.T) {
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
	out, err := exec.Command(bin, "rehearse", dir).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("port "+port+" is taken on this machine: PORT is ")) || bytes.Contains(out, []byte("| port "+port+"\n")) {
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
