// Package rehearsal takes a revision through a deployment on this machine. It stands in for the CodeDeploy agent: it
// installs and calls hooks as the CodeDeploy agent does, with the same variables, from the same revision, and keeps
// what CodeDeploy's console would show. The hooks, and what they start, are real.
package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// Config is what a rehearsal needs.
type Config struct {
	Dir     string            // the revision
	Events  []lifecycle.Event // only these call their hooks; empty: all
	Fail    lifecycle.Event   // this event is made to fail in the deployment that is shown; "": none
	Wingman string            // the program that hooks/wingman.sh calls
	Env     []string          // the environment of the CodeDeploy agent
	Show    func(Progress)    // called as things happen, from one goroutine at a time; may be nil
}

// Progress is one thing that happened.
type Progress struct {
	Deployment string
	Quiet      bool   // it belongs to the deployment before the one that is rehearsed
	Event      *Event // an event begins, or has ended where its Verdict is set; the event of Hook
	Hook       string // one of its scripts begins, or printed Text
	Text       string // one line, with its end
	Note       string // what the rehearsal does otherwise than CodeDeploy would
}

// Result is how a rehearsal came out.
type Result struct {
	Version     int          `json:"version"` // of this form: 1
	Succeeded   bool         `json:"succeeded"`
	Revision    string       `json:"revision"`
	Deployments []Deployment `json:"deployments"` // the one before, if any of its hooks were asked for, and the one that is rehearsed
	Notes       []string     `json:"notes"`       // what was done otherwise than CodeDeploy would
	Logs        string       `json:"logs,omitempty"`
}

// Deployment is one deployment of the revision.
type Deployment struct {
	ID        string        `json:"deployment"`
	Earlier   bool          `json:"earlier,omitempty"` // it is the one before the one that is rehearsed
	Succeeded bool          `json:"succeeded"`
	Duration  time.Duration `json:"duration_ns"`
	Events    []Event       `json:"events"`
}

// Event is one lifecycle event as the CodeDeploy agent would report it.
type Event struct {
	Name     lifecycle.Event `json:"event"`
	From     string          `json:"from,omitempty"` // the deployment whose revision gave the hooks, where it is an earlier one
	Verdict  Verdict         `json:"verdict"`
	Duration time.Duration   `json:"duration_ns"`
	Hooks    []Hook          `json:"hooks"`
	Code     int             `json:"error_code"`           // 0 to 6, of the CodeDeploy agent: 1 ScriptMissing, 2 ScriptNotExecutable, 3 ScriptTimedOut, 4 ScriptFailed, 5 UnknownError, 6 outputs left open
	Message  string          `json:"message,omitempty"`    // the CodeDeploy agent's
	Console  []string        `json:"console,omitempty"`    // of a failed event: the end of the output, as CodeDeploy's console shows it
	Lost     int             `json:"lost_lines,omitempty"` // lines of output that the console does not show
}

// Hook is one script that appspec.yml names.
type Hook struct {
	Location string        `json:"location"`
	Duration time.Duration `json:"duration_ns"`
}

// Verdict is how an event came out.
type Verdict string

// The verdicts. Nothing is the CodeDeploy agent's no-op: appspec.yml names no script, or there is no revision yet.
const (
	Succeeded Verdict = "succeeded"
	Failed    Verdict = "failed"
	Nothing   Verdict = "nothing to do"
	LeftOut   Verdict = "left out"
	NotRun    Verdict = "not reached"
)

// The two deployments' ids are of CodeDeploy's form.
const (
	before   = "d-REHEARSE1"
	rehearse = "d-REHEARSE2"
)

// ErrUsage is in the errors of Run that the caller can mend: the revision cannot be rehearsed as asked.
var ErrUsage = errors.New("cannot rehearse")

// Run deploys the revision twice, the first time quietly, so that the second has a predecessor to stop; once where no
// event that stops a predecessor is asked for, since what it had started would then go on. It returns when all that
// it started has ended. An error means that the rehearsal itself could not be made.
func Run(ctx context.Context, c Config) (res Result, err error) {
	if runtime.GOOS == "windows" {
		return Result{}, fmt.Errorf("%w on Windows: its hooks are shell scripts", ErrUsage)
	}
	if c.Show == nil {
		c.Show = func(Progress) {}
	}
	scratch, err := os.MkdirTemp("", "wingman-rehearsal-")
	if err != nil {
		return Result{}, fmt.Errorf("cannot rehearse: %w", err)
	}
	r := &rehearsal{Config: c, scratch: scratch, result: Result{Version: 1, Revision: c.Dir, Notes: []string{}}}
	defer func() { err = errors.Join(err, r.clean()); res = r.result }()
	if err = r.prepare(); err != nil {
		return Result{}, err
	}
	a := r.agent()
	if r.NeedsEarlier() {
		quiet := r.deploy(ctx, a, deployment{id: before, bundle: r.bundle(before), quiet: true})
		r.result.Deployments = append(r.result.Deployments, quiet)
		if !quiet.Succeeded {
			return r.result, nil
		}
	}
	shown := r.deploy(ctx, a, deployment{id: rehearse, bundle: r.bundle(rehearse)})
	r.result.Deployments = append(r.result.Deployments, shown)
	r.result.Succeeded = shown.Succeeded
	return r.result, nil
}

// NeedsEarlier says whether an event that is asked for takes its hooks from an earlier deployment.
func (c Config) NeedsEarlier() bool {
	for _, e := range lifecycle.Hookable() {
		if c.wants(e) && lifecycle.RevisionOf(e, false) != lifecycle.Current {
			return true
		}
	}
	return false
}

// Failure gives the event that failed, and the deployment that it belongs to; false where none did.
func (r Result) Failure() (Event, Deployment, bool) {
	for _, d := range r.Deployments {
		for _, e := range d.Events {
			if e.Verdict == Failed {
				return e, d, true
			}
		}
	}
	return Event{}, Deployment{}, false
}

// rehearsal is one rehearsal under way.
type rehearsal struct {
	Config
	scratch string
	env     []string // the hooks'
	result  Result
}

// deployment is one deployment to be made.
type deployment struct {
	id     string
	bundle string // the revision's folder, as it would be downloaded
	quiet  bool
}

func (r *rehearsal) bundle(id string) string { return filepath.Join(r.scratch, "bundles", id) }

func (r *rehearsal) agent() *agent {
	return &agent{root: filepath.Join(r.scratch, "deployment-root"), install: filepath.Join(r.scratch, "root"), env: r.env, note: r.note}
}

// note keeps what the rehearsal does otherwise than CodeDeploy would, and says it once.
func (r *rehearsal) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, n := range r.result.Notes {
		if n == text {
			return
		}
	}
	r.result.Notes = append(r.result.Notes, text)
	r.Show(Progress{Note: text})
}

// deploy takes one deployment through its lifecycle events, in the order of an in-place deployment behind a load balancer.
func (r *rehearsal) deploy(ctx context.Context, a *agent, d deployment) Deployment {
	out := Deployment{ID: d.id, Earlier: d.quiet, Succeeded: true}
	start := time.Now()
	for _, name := range lifecycle.InPlace() {
		if name == lifecycle.BlockTraffic || name == lifecycle.AllowTraffic {
			continue // CodeDeploy's own work at the load balancer; it never reaches the CodeDeploy agent
		}
		e := Event{Name: name, Hooks: []Hook{}}
		switch {
		case !out.Succeeded || ctx.Err() != nil:
			out.Succeeded, e.Verdict = false, NotRun
		case name.TakesHooks() && !r.wants(name):
			e.Verdict = LeftOut
		default:
			r.Show(Progress{Deployment: d.id, Quiet: d.quiet, Event: &e})
			a.execute(ctx, d, &e, func(p Progress) { p.Deployment, p.Quiet, p.Event = d.id, d.quiet, &e; r.Show(p) })
			r.Show(Progress{Deployment: d.id, Quiet: d.quiet, Event: &e})
			out.Succeeded = e.Verdict != Failed
		}
		out.Events = append(out.Events, e)
	}
	out.Duration = time.Since(start)
	return out
}

func (c Config) wants(name lifecycle.Event) bool {
	for _, e := range c.Events {
		if e == name {
			return true
		}
	}
	return len(c.Events) == 0
}

// clean ends what the hooks left running and removes the scratch folder; after a failure the logs stay.
func (r *rehearsal) clean() error {
	err := endAll(r.scratch)
	if r.result.Succeeded {
		return errors.Join(err, os.RemoveAll(r.scratch))
	}
	entries, e := os.ReadDir(r.scratch)
	kept := false
	for _, f := range entries {
		if f.Name() == "logs" {
			kept = true
			continue
		}
		e = errors.Join(e, os.RemoveAll(filepath.Join(r.scratch, f.Name())))
	}
	if kept {
		r.result.Logs = filepath.Join(r.scratch, "logs")
	} else {
		e = errors.Join(e, os.RemoveAll(r.scratch))
	}
	return errors.Join(err, e)
}
