//go:build unix

package run

import (
	"context"
	"errors"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/check"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/plan"
)

// Why a run was ended stands in its verdict, its summary and its record, wherever it was just then.
func TestWhyARunWasCancelled(t *testing.T) {
	long := sh("long", "echo started; exec sleep 60")
	again := sh("again", "echo started; exit 1")
	again.Retry = plan.Retry{Attempts: 9, Delay: time.Hour}
	passes := sh("passes", "echo started")
	waits := plan.Step{Name: "waits", Check: &check.Settings{TCP: &check.TCP{Address: "127.0.0.1:1"}, Timing: check.Timing{}.WithDefaults()}}
	const spot, gone = "this instance is about to be terminated (spot notice, 12:03 UTC)", "nobody waits for it any more: the CodeDeploy agent ended its hook"
	for _, tt := range []struct {
		name, cause string
		steps       []plan.Step
	}{
		{"in a script", spot, []plan.Step{long}},
		{"between two tries", gone, []plan.Step{again}},
		{"between two steps", spot, []plan.Step{passes, long}},
		{"in a check", gone, []plan.Step{passes, waits}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(20*time.Second, func() { cancel(errors.New("the test waited too long")) })
			h.run(t, ctx, "a", plan.Plan{Steps: tt.steps}, func(c *Config) { c.Out = writerFunc(func([]byte) { cancel(errors.New(tt.cause)) }) })
			runs, err := journal.New(h.state).Runs()
			if err != nil || len(runs) != 1 {
				t.Fatal(runs, err)
			}
			if r := runs[0]; r.Verdict != journal.Cancelled || !strings.Contains(r.Reason, tt.cause) {
				t.Errorf("on record: %s %s", r.Verdict, r.Reason)
			}
			text := Summary(Result{Run: runs[0], Told: true}, nil)
			if !strings.Contains(strings.Join(strings.Fields(text), " "), tt.cause) || strings.Contains(text, "raise") {
				t.Errorf("the summary: %s", text)
			}
		})
	}
}

// The CodeDeploy agent's own TERM says nothing of why: then the timeout is named as what it may have been.
func TestASignalIsNoCause(t *testing.T) {
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGUSR1)
	defer stop()
	h := newHost(t)
	r, _ := h.run(t, ctx, "a", plan.Plan{Steps: []plan.Step{sh("long", "kill -USR1 $PPID; exec sleep 60")}}, nil)
	if r.Verdict != journal.Cancelled || r.Told || !strings.Contains(Summary(r, nil), "raise `timeout`") {
		t.Errorf("%s, told %t: %s", r.Verdict, r.Told, Summary(r, nil))
	}
}

// What runs now is told as it begins, checks that run side by side in one line, and no secret in it.
func TestBegin(t *testing.T) {
	check := func(name string) plan.Step {
		return plan.Step{Name: name, Check: &check.Settings{Command: &check.Command{Argv: []string{"/bin/true"}}, Timing: check.Timing{}.WithDefaults()}}
	}
	var told []string
	p := plan.Plan{Steps: []plan.Step{sh("log in as hunter2", "true"), check("one"), check("two"), sh("fails", "exit 1"), sh("never", "")}, OnFailure: []plan.Step{sh("rescue", "true")}, Redact: []string{"SECRET"}}
	newHost(t).run(t, t.Context(), "a", p, func(c *Config) { c.Begin = func(s string) { told = append(told, s) } })
	if want := []string{"log in as [redacted]", "one, two", "fails", "on_failure: rescue"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
