//go:build unix

package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/trust"
)

// Settings and revisions that others may change are refused, with what to type.
func TestTrust(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	chmod := func(name string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	chmod("..", 0o755) // else nobody gets here
	write("etc/host.yml", "log: {keep: 3}\n", 0o644)
	write("etc/environment", "", 0o644)
	host := filepath.Join(dir, "etc", "host.yml")
	if h, err := LoadHost(host); err != nil || h.Log.Keep != 3 {
		t.Fatalf("%+v, %v", h, err)
	}
	for _, name := range []string{"etc/environment", "etc/host.yml", "etc"} {
		chmod(name, 0o777)
		_, err := LoadHost(host)
		if err == nil || strings.Count(err.Error(), "chmod o-w ") != 1 || !strings.HasSuffix(err.Error(), "chmod o-w "+filepath.Join(dir, name)) {
			t.Errorf("%s: %v", name, err)
		}
		chmod(name, 0o755)
	}

	write("rev/wingman.yml", "version: 1\nevents: {AfterInstall: [{script: s/a.sh}, {script: s/b.sh}]}", 0o644)
	write("rev/s/a.sh", "", 0o777)
	write("rev/s/b.sh", "", 0o755)
	rev := filepath.Join(dir, "rev")
	r, err := LoadRevision(rev)
	if err != nil {
		t.Fatal(err)
	}
	if got := CheckTrust(rev, r.All()); len(got.Errors()) != 0 || len(got) != 1 || got[0].Message != "others may write the script s/a.sh" || got[0].Line != 2 {
		t.Errorf("a script's mode: %v", got)
	}
	chmod("rev/s", 0o777)
	if got := CheckTrust(rev, r.All()).Errors(); len(got) != 1 || got[0].Rule != trust.Bundle || got[0].File != filepath.Join(rev, "wingman.yml") || !strings.HasPrefix(got[0].Message, "the script s/a.sh is not safe to run: others may write in "+rev) {
		t.Errorf("a folder in the revision: %v", got)
	}
	chmod("rev/s", 0o755)
	chmod("rev", 0o777)
	if got := CheckTrust(rev, nil).Errors(); len(got) != 1 || !strings.HasPrefix(got[0].Message, "wingman.yml is not safe to run") {
		t.Errorf("the revision's folder: %v", got)
	}
}
