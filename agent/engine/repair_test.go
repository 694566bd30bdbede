//go:build unix

package engine

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/run"
)

// host is an engine with folders of its own, and AWS left out.
func host(t *testing.T) *Engine {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "host.yml", "guard: {mode: disabled}")
	return &Engine{Paths: Paths{Settings: filepath.Join(dir, "host.yml"), State: filepath.Join(dir, "state"), Logs: filepath.Join(dir, "logs")}}
}

// interrupt leaves what a wingman leaves that is killed in the middle of a run with a long log.
func interrupt(t *testing.T, e *Engine, deployment, id, revision string, at time.Time) journal.Run {
	t.Helper()
	c := exec.Command("/bin/true")
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	d := lifecycle.Deployment{ID: deployment, Application: "shop", Group: "web", GroupID: "dg"}
	l, err := run.OpenLog(e.Logs, d, lifecycle.AfterInstall, 4096)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		fmt.Fprintf(l, "line %d\n", i)
	}
	r := journal.Run{ID: id, Deployment: d, Event: lifecycle.AfterInstall, Revision: revision, Log: l.Path(), PID: c.Process.Pid, Started: at}
	if _, err := journal.New(e.State).Begin(r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRepair(t *testing.T) {
	e := host(t)
	gone := interrupt(t, e, "d-1", "a", "", time.Now())
	interrupt(t, e, "d-1", "lives", "", time.Now())
	write(t, filepath.Join(e.State, "runs", "d-1"), "b.jsonl", "noise")
	for i := range 2 {
		out, err := e.Repair(t.Context(), func(id string) bool { return id == "lives" })
		if err == nil || !strings.Contains(err.Error(), "b.jsonl:1") || len(out.Runs) != 1-i || len(out.Logs) != 1-i {
			t.Errorf("%d: %+v, %v", i, out, err)
		}
	}
	if b, _ := os.ReadFile(gone.Log); !strings.HasSuffix(string(b), "line 999\n") {
		t.Errorf("its log ends with %q", b[max(0, len(b)-20):])
	}
}

// Without a service the next event of the same deployment closes what was interrupted, and nothing else.
func TestARunRepairsItsOwnDeployment(t *testing.T) {
	e := host(t)
	interrupt(t, e, "d-1", "a", "", time.Now())
	interrupt(t, e, "d-2", "b", "", time.Now())
	req := Request{Event: lifecycle.AfterInstall, Revision: t.TempDir(), Env: []string{"DEPLOYMENT_ID=d-1"}}
	if _, err := e.Run(t.Context(), req, io.Discard); err != nil {
		t.Fatal(err)
	}
	runs, err := e.History()
	if err != nil || len(runs) != 3 {
		t.Fatal(runs, err)
	}
	for _, r := range runs {
		if closed := !r.Ended.IsZero(); closed == (r.ID == "b") || r.ID == "a" && r.Verdict != journal.Interrupted {
			t.Errorf("%s: %s, ended %s", r.ID, r.Verdict, r.Ended)
		}
	}
}
