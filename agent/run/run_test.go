//go:build unix

package run

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/check"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/plan"
)

// host is one instance's folders.
type host struct{ state, logs, revision string }

func newHost(t *testing.T) host {
	t.Helper()
	dir := t.TempDir()
	return host{filepath.Join(dir, "state"), filepath.Join(dir, "logs"), dir}
}

func sh(name, text string) plan.Step {
	return plan.Step{Name: name, Command: []string{"/bin/sh", "-c", text}, Retry: plan.Retry{Attempts: 1, Delay: time.Millisecond}}
}

func (h host) run(t *testing.T, ctx context.Context, id string, p plan.Plan, change func(*Config)) (Result, string) {
	t.Helper()
	p.Event, p.Revision = lifecycle.AfterInstall, h.revision
	if p.Budget == 0 {
		p.Budget = time.Minute
	}
	d := lifecycle.Deployment{ID: "d-1"}
	l, err := OpenLog(h.logs, d, p.Event, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c := Config{ID: id, Plan: p, Deployment: d, Env: []string{"PATH=/usr/bin:/bin", "DIR=" + h.revision, "SECRET=hunter2"}, Out: &out, Log: l, Journal: journal.New(h.state)}
	if change != nil {
		change(&c)
	}
	r := Run(ctx, c)
	return r, out.String()
}

func (h host) wrote(name string) string {
	b, _ := os.ReadFile(filepath.Join(h.revision, name))
	return string(b)
}

func TestStepsRunInOrderAndStopAtTheFirstFailure(t *testing.T) {
	h := newHost(t)
	r, out := h.run(t, t.Context(), "a", plan.Plan{Steps: []plan.Step{sh("one", "echo 1 >>$DIR/w"), sh("two", "echo 2 >>$DIR/w; exit 7"), sh("three", "echo 3 >>$DIR/w")}}, nil)
	if got := h.wrote("w"); got != "1\n2\n" {
		t.Errorf("ran %q", got)
	}
	if r.Verdict != journal.Failed || r.Failed == nil || r.Failed.Name != "two" || *r.Failed.ExitCode != 7 {
		t.Errorf("got %+v", r)
	}
	if !strings.HasSuffix(out, "verdict: AfterInstall FAILED: step \"two\": exit code 7\n") {
		t.Errorf("printed %q", out)
	}
	runs, err := journal.New(h.state).Runs()
	if err != nil || len(runs) != 1 || len(runs[0].Steps) != 2 || runs[0].Verdict != journal.Failed {
		t.Errorf("on record: %+v, %v", runs, err)
	}
}

func TestRetry(t *testing.T) {
	h := newHost(t)
	s := sh("flaky", `echo x >>$DIR/w; test $(wc -l <$DIR/w) -ge 3`)
	s.Retry.Attempts = 5
	r, _ := h.run(t, t.Context(), "a", plan.Plan{Steps: []plan.Step{s}}, nil)
	if r.Verdict != journal.Succeeded || r.Steps[0].Tries != 3 {
		t.Errorf("got %+v", r)
	}
	s = sh("hopeless", "exit 1")
	s.Retry.Attempts = 2
	if r, _ = h.run(t, t.Context(), "b", plan.Plan{Steps: []plan.Step{s}}, nil); r.Verdict != journal.Failed || !strings.Contains(r.Reason, "try 2 of 2") {
		t.Errorf("got %+v", r)
	}
}

func TestContinueOnError(t *testing.T) {
	h := newHost(t)
	s := sh("may fail", "exit 1")
	s.ContinueOnError = true
	r, out := h.run(t, t.Context(), "a", plan.Plan{Steps: []plan.Step{s, sh("next", "echo next >$DIR/w")}}, nil)
	if r.Verdict != journal.Succeeded || !r.Steps[0].Ignored || h.wrote("w") != "next\n" {
		t.Errorf("got %+v", r)
	}
	if !strings.Contains(out, "continue_on_error lets the event go on") || strings.Contains(out, "verdict:") {
		t.Errorf("printed %q", out)
	}
}

func TestDeadlines(t *testing.T) {
	own := sh("own", "exec sleep 60")
	own.Timeout = 50 * time.Millisecond
	for _, tt := range []struct {
		name, reason string
		p            plan.Plan
	}{
		{"the step's", "the step's timeout is 50ms", plan.Plan{Steps: []plan.Step{own}}},
		{"the event's", "the event's time is up (50ms", plan.Plan{Steps: []plan.Step{sh("slow", "exec sleep 60")}, Budget: 50 * time.Millisecond}},
		{"nothing left", "no time was left to start it", plan.Plan{Steps: []plan.Step{sh("slow", "exec sleep 60")}, Budget: time.Nanosecond}},
		{"a check's", "", plan.Plan{Steps: []plan.Step{{Name: "c", Check: &check.Settings{TCP: &check.TCP{Address: "127.0.0.1:1"}, Timing: check.Timing{}.WithDefaults()}}}, Budget: 50 * time.Millisecond}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := newHost(t).run(t, t.Context(), "a", tt.p, nil)
			if r.Verdict != journal.TimedOut || !strings.Contains(r.Reason, tt.reason) {
				t.Errorf("got %s: %s", r.Verdict, r.Reason)
			}
		})
	}
}

func TestCancelledRunIsStillPutRight(t *testing.T) {
	h := newHost(t)
	ctx, cancel := context.WithCancel(t.Context())
	p := plan.Plan{Steps: []plan.Step{sh("long", "echo started; exec sleep 60")}, OnFailure: []plan.Step{sh("rescue", "echo rescued >$DIR/w")}}
	r, _ := h.run(t, ctx, "a", p, func(c *Config) { c.Out = writerFunc(func([]byte) { cancel() }) })
	if r.Verdict != journal.Cancelled || h.wrote("w") != "rescued\n" {
		t.Errorf("got %s, wrote %q", r.Verdict, h.wrote("w"))
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

func TestOnFailureAndAlwaysRunOnce(t *testing.T) {
	h := newHost(t)
	p := plan.Plan{Steps: []plan.Step{sh("fails", "exit 1")}, OnFailure: []plan.Step{sh("rescue", "echo rescue >>$DIR/w; exit 3")}, Always: []plan.Step{sh("tidy", "echo tidy >>$DIR/w")}}
	for _, id := range []string{"a", "b"} {
		if r, _ := h.run(t, t.Context(), id, p, nil); r.Failed == nil || r.Failed.Name != "fails" {
			t.Errorf("%s: the failure is %+v", id, r.Failed)
		}
	}
	if got := h.wrote("w"); got != "rescue\ntidy\n" {
		t.Errorf("ran %q", got)
	}
}

func TestAlwaysAfterTheLastEvent(t *testing.T) {
	h := newHost(t)
	p := plan.Plan{Always: []plan.Step{sh("tidy", "echo tidy >>$DIR/w")}, OnFailure: []plan.Step{sh("rescue", "echo no >>$DIR/w")}}
	h.run(t, t.Context(), "a", p, nil)
	if got := h.wrote("w"); got != "" {
		t.Errorf("ran %q before the last event", got)
	}
	h.run(t, t.Context(), "b", p, func(c *Config) { c.Last = func(context.Context) bool { return true } })
	if got := h.wrote("w"); got != "tidy\n" {
		t.Errorf("ran %q", got)
	}
}

func TestSecretsAreNowhere(t *testing.T) {
	h := newHost(t)
	p := plan.Plan{Steps: []plan.Step{sh("tells", "echo $SECRET; printf hun; printf ter2; exit 1")}, Redact: []string{"SECRET"}}
	_, out := h.run(t, t.Context(), "a", p, nil)
	if strings.Contains(out, "hunter2") || !strings.Contains(out, "[redacted]") {
		t.Errorf("printed %q", out)
	}
	filepath.WalkDir(h.revision, func(path string, d os.DirEntry, _ error) error {
		if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte("hunter2")) {
			t.Errorf("%s holds the secret", path)
		}
		return nil
	})
}

// A check's answer comes by no redacted stream, and a step's name stands in the verdict.
func TestSecretsOfChecksAreNowhere(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "denied for hunter2", http.StatusForbidden)
	}))
	defer s.Close()
	h := newHost(t)
	p := plan.Plan{Steps: []plan.Step{{Name: "login hunter2", Check: &check.Settings{HTTP: &check.HTTP{URL: s.URL}, Timing: check.Timing{StartupTimeout: 300 * time.Millisecond, Timeout: 200 * time.Millisecond}}}}, Redact: []string{"SECRET"}}
	r, out := h.run(t, t.Context(), "a", p, nil)
	if strings.Contains(out, "hunter2") || !strings.Contains(out, "denied for [redacted]") || strings.Contains(r.Reason, "hunter2") {
		t.Errorf("%q, printed %q", r.Reason, out)
	}
}

func TestNoPlaceForRecordsFailsNothing(t *testing.T) {
	h := newHost(t)
	file := filepath.Join(h.revision, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := plan.Plan{Steps: []plan.Step{sh("one", "echo 1 >$DIR/w; exit 1")}}
	r, out := h.run(t, t.Context(), "a", p, func(c *Config) { c.Journal = journal.New(file) })
	if r.Failed == nil || r.Failed.Name != "one" || h.wrote("w") != "1\n" || !strings.Contains(out, "note:    cannot keep a record") {
		t.Errorf("got %+v, printed %q", r, out)
	}
}

func TestWhen(t *testing.T) {
	f := Facts{Role: lifecycle.Original, Creator: "user", Tags: map[string]string{"tier": "web"}}
	for _, tt := range []struct {
		name string
		w    plan.When
		f    Facts
		want string
	}{
		{"nothing asked", plan.When{}, Facts{}, ""},
		{"role fits", plan.When{Roles: []lifecycle.Role{"replacement", "original"}}, f, ""},
		{"role does not", plan.When{Roles: []lifecycle.Role{"replacement"}}, f, "role is original"},
		{"creator does not", plan.When{Creators: []string{"autoscaling"}}, f, "creator is user"},
		{"tag fits", plan.When{Tags: map[string]string{"tier": "web"}}, f, ""},
		{"tag does not", plan.When{Tags: map[string]string{"tier": "db"}}, f, "tag tier"},
		{"unknown is asked for", plan.When{Roles: []lifecycle.Role{"unknown"}}, Facts{Role: lifecycle.Unknown}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Holds(tt.w, tt.f); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestStepHeldBackIsSaid(t *testing.T) {
	h := newHost(t)
	s := sh("only green", "echo ran >$DIR/w")
	s.When.Roles = []lifecycle.Role{lifecycle.Replacement}
	r, out := h.run(t, t.Context(), "a", plan.Plan{Steps: []plan.Step{s}}, nil)
	if r.Verdict != journal.Succeeded || r.Steps[0].Verdict != journal.Skipped || h.wrote("w") != "" || !strings.Contains(out, "role is unknown") {
		t.Errorf("got %+v, printed %q", r, out)
	}
}

func TestHostileOutputBecomesUTF8AndTheLogKeepsTheBytes(t *testing.T) {
	h := newHost(t)
	r, out := h.run(t, t.Context(), "a", plan.Plan{Steps: []plan.Step{sh("noise", `printf 'caf\351\000\033[31mred'; head -c 100000 /dev/zero | tr '\0' A; exit 1`)}}, nil)
	if strings.ToValidUTF8(out, "") != out || !strings.Contains(out, "caf\uFFFD\x00\x1b[31mred") {
		t.Errorf("printed %.80q", out)
	}
	if b, _ := os.ReadFile(r.Log); !bytes.Contains(b, []byte("caf\xe9\x00\x1b[31mred")) {
		t.Errorf("the log holds %.80q", b)
	}
}

func TestChecksRunSideBySide(t *testing.T) {
	good := func(name string) plan.Step {
		s := check.Settings{Command: &check.Command{Argv: []string{"/bin/sh", "-c", "test -e $DIR/" + name + " || { touch $DIR/" + name + "; exit 2; }; test -e $DIR/a && test -e $DIR/b"}}}
		s.Timing = check.Timing{Interval: time.Millisecond}.WithDefaults()
		return plan.Step{Name: name, Check: &s}
	}
	r, _ := newHost(t).run(t, t.Context(), "a", plan.Plan{Steps: []plan.Step{good("a"), good("b")}}, nil) // each waits for the other's file
	if r.Verdict != journal.Succeeded || len(r.Steps) != 2 {
		t.Errorf("got %+v", r)
	}
}
