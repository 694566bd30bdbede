//go:build unix

package engine

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// What others may change is refused before anything runs; a script's own mode is only noted, in the summary.
func TestTrust(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // as it is made, nobody else gets here
		t.Fatal(err)
	}
	rev := filepath.Join(dir, "rev")
	if err := os.MkdirAll(filepath.Join(rev, "s"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "host.yml", "guard: {mode: disabled}\n")
	write(t, rev, "wingman.yml", "version: 1\nevents: {AfterInstall: [{script: s/a.sh}]}\n")
	write(t, rev, "s/a.sh", "#!/bin/sh\nexit 3\n")
	chmod := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	e := &Engine{Paths: Paths{Settings: filepath.Join(dir, "host.yml"), State: filepath.Join(dir, "state"), Logs: filepath.Join(dir, "logs")}}
	req := Request{Event: lifecycle.AfterInstall, Revision: rev, Env: []string{"LIFECYCLE_EVENT=AfterInstall", "DEPLOYMENT_ID=d-1", "DEPLOYMENT_GROUP_ID=g"}}
	for path, want := range map[string]string{filepath.Join(dir, "host.yml"): "these settings lie open", rev: "others may write in " + rev, filepath.Join(rev, "s"): "the script s/a.sh is not safe to run"} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		chmod(path, info.Mode().Perm()|0o002)
		var usage UsageError
		for name, err := range map[string]error{"plan": second(e.Plan(req)), "run": second(e.Run(t.Context(), req, nil))} {
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "chmod o-w "+path) {
				t.Errorf("%s of %s: %v", name, path, err)
			}
		}
		chmod(path, info.Mode().Perm())
	}
	chmod(filepath.Join(rev, "s", "a.sh"), 0o777)
	var out bytes.Buffer
	res, err := e.Run(t.Context(), req, &out)
	if err != nil || res.Verdict != journal.Failed || !strings.Contains(out.String(), "note:    others may write the script s/a.sh: chmod o-w ") {
		t.Errorf("%v, %v: %s", res.Verdict, err, &out)
	}
}

func second[T any](_ T, err error) error { return err }
