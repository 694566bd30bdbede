//go:build unix

package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// rescue is a revision with both phases; each appends to w what it sees.
func rescue(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "wingman.yml", `version: 1
env: {DIR: `+dir+`}
events: {AfterInstall: [{script: not-there.sh}]}
on_failure: [{name: rescue, script: rescue.sh}]
always: [{name: tidy, command: [/bin/sh, -c, 'echo tidy >>$DIR/w']}]
`)
	write(t, dir, "rescue.sh", "#!/bin/sh\necho \"rescue $DEPLOYMENT_ID $APPLICATION_NAME $LIFECYCLE_EVENT $SECRET $(command -v true >/dev/null && echo path)\" >>$DIR/w\necho output\n")
	return dir
}

func due(revision string, failed bool) AfterRequest {
	d := lifecycle.Deployment{ID: "d-1", Application: "shop", Group: "web", GroupID: "dg"}
	return AfterRequest{Due: Due{Deployment: d, Event: lifecycle.AfterInstall, Revision: revision, Failed: failed, Why: "the deployment is Failed"}}
}

func wrote(dir string) string {
	b, _ := os.ReadFile(filepath.Join(dir, "w"))
	return string(b)
}

// What is owed is run once, with the deployment's variables and no other's, and is on record and in a log.
func TestAfter(t *testing.T) {
	t.Setenv("SECRET", "hunter2")
	e, dir := host(t), rescue(t)
	var out strings.Builder
	var began []string
	req := due(dir, true)
	req.ID, req.Begin = "the-run", func(s string) { began = append(began, s) }
	res, err := e.After(t.Context(), req, &out)
	if err != nil || res.Verdict != journal.Succeeded || res.ID != "the-run" || len(res.Steps) != 2 || len(began) != 2 || began[0] != "on_failure: rescue" {
		t.Errorf("%+v %v, began %q", res, err, began)
	}
	if got := wrote(dir); got != "rescue d-1 shop AfterInstall  path\ntidy\n" {
		t.Errorf("ran %q", got)
	}
	runs, _ := e.History()
	if len(runs) != 1 || !IsAfter(runs[0]) || runs[0].Event != lifecycle.AfterInstall || runs[0].Verdict != journal.Succeeded {
		t.Errorf("on record: %+v", runs)
	}
	if log, _ := os.ReadFile(res.Log); !strings.Contains(string(log), "output\n") {
		t.Errorf("the log: %s", log)
	}
	if res, err = e.After(t.Context(), due(dir, true), &out); err != nil || res.Verdict != journal.Skipped || wrote(dir) != "rescue d-1 shop AfterInstall  path\ntidy\n" || strings.Contains(out.String(), "verdict") {
		t.Errorf("again: %+v %v", res, err)
	}
}

// After a success there is always alone; what the rescue comes to is the verdict, and always follows a failed rescue.
func TestAfterWhatHappened(t *testing.T) {
	e, dir := host(t), rescue(t)
	if res, err := e.After(t.Context(), due(dir, false), os.Stderr); err != nil || res.Verdict != journal.Succeeded || wrote(dir) != "tidy\n" {
		t.Errorf("a success: %+v %v, %q", res, err, wrote(dir))
	}
	e, dir = host(t), rescue(t)
	write(t, dir, "rescue.sh", "#!/bin/sh\nexit 7\n")
	var out strings.Builder
	res, err := e.After(t.Context(), due(dir, true), &out)
	if err != nil || res.Verdict != journal.Failed || res.Failed == nil || wrote(dir) != "tidy\n" || !strings.Contains(out.String(), `verdict: AfterInstall FAILED: on_failure: step "rescue": exit code 7`) {
		t.Errorf("a failed rescue: %+v %v, %s", res, err, &out)
	}
	e, dir = host(t), rescue(t)
	write(t, dir, "rescue.sh", "#!/bin/sh\nexec sleep 60\n")
	ctx, cancel := context.WithCancelCause(t.Context())
	req := due(dir, true)
	req.Begin = func(string) {
		time.AfterFunc(50*time.Millisecond, func() { cancel(errors.New("this host is going down")) })
	}
	if res, err = e.After(ctx, req, &out); err != nil || res.Verdict != journal.Cancelled || !strings.Contains(res.Reason, "this host is going down") {
		t.Errorf("cancelled: %+v %v", res, err)
	}
}

// A revision that is gone, or a fault in it: said, and nothing is run.
func TestAfterCannot(t *testing.T) {
	e := host(t)
	var out strings.Builder
	gone := filepath.Join(t.TempDir(), "gone")
	res, err := e.After(t.Context(), due(gone, true), &out)
	if err != nil || res.Verdict != journal.Skipped || !strings.Contains(out.String(), gone+" is gone") {
		t.Errorf("%+v %v %s", res, err, &out)
	}
	j := journal.New(e.State)
	if !j.Claimed("d-1", "on_failure") || !j.Claimed("d-1", "always") || j.Claimed("d-2", "always") {
		t.Error("it is not claimed, or too much is")
	}
	if runs, _ := e.History(); len(runs) != 1 || runs[0].Verdict != journal.Skipped {
		t.Errorf("on record: %+v", runs)
	}
	dir := rescue(t)
	if err := os.Remove(filepath.Join(dir, "rescue.sh")); err != nil {
		t.Fatal(err)
	}
	e = host(t)
	var usage UsageError
	if _, err := e.After(t.Context(), due(dir, true), &out); !errors.As(err, &usage) || !strings.Contains(err.Error(), "rescue.sh is not in the revision") {
		t.Errorf("%v", err)
	}
	if journal.New(e.State).Claimed("d-1", "on_failure") {
		t.Error("what can be mended is claimed")
	}
	if res, err := e.After(t.Context(), due(dir, false), &out); err != nil || res.Verdict != journal.Succeeded || wrote(dir) != "tidy\n" {
		t.Errorf("always needs no rescue.sh: %+v %v", res, err)
	}
}
