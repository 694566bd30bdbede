package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sort"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/check"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/plan"
	"github.com/codedeploy-wingman/wingman/agent/proc"
)

// The end of a step's output that is kept for the summary, in bytes and in lines.
const (
	tailBytes = 16 << 10
	tailLines = 12
)

// command runs a script or a command, as often as its retry says, within the step's and the event's time.
func (r *runner) command(ctx context.Context, phase string, s plan.Step) bool {
	out := journal.Step{Started: time.Now()}
	end, whose := r.until(s)
	var lines []string
	for {
		out.Tries++
		var e proc.Ending
		e, lines = r.try(ctx, s, end)
		out.Verdict, out.Reason, out.Signal = verdict(e), e.Reason, e.Signal
		if e.How == proc.Exited {
			out.ExitCode = &e.Code
		}
		if e.How == proc.TimedOut {
			out.Reason = whose + ": " + e.Reason
		}
		if note := e.HoldersNote(); note != "" {
			r.say("step %q: %s", s.Name, note)
		}
		if out.Verdict != journal.Failed || out.Tries >= s.Retry.Attempts || !r.wait(ctx, s, out, end) {
			break
		}
	}
	if out.Verdict == journal.Failed && out.Tries < s.Retry.Attempts && ctx.Err() != nil {
		out.Verdict, out.Reason = journal.Cancelled, proc.WhyCancelled(ctx)+" (it was to be tried again after: "+out.Reason+")"
	}
	if out.Tries > 1 && out.Verdict != journal.Succeeded {
		out.Reason += fmt.Sprintf(" (try %d of %d)", out.Tries, s.Retry.Attempts)
	}
	out.Duration = time.Since(out.Started)
	return r.record(phase, s, out, lines)
}

// until gives the step's end, and in words whose time that is.
func (r *runner) until(s plan.Step) (time.Time, string) {
	if own := time.Now().Add(s.Timeout); s.Timeout > 0 && own.Before(r.deadline) {
		return own, ownTimeout + s.Timeout.String()
	}
	return r.deadline, fmt.Sprintf("the event's time is up (%s, from %s)", r.Plan.Budget, r.Plan.BudgetFrom)
}

// ownTimeout begins the reason of a step that used up its own time and not the event's.
const ownTimeout = "the step's timeout is "

// try runs a step's process once.
func (r *runner) try(ctx context.Context, s plan.Step, end time.Time) (proc.Ending, []string) {
	spec := proc.Spec{Argv: s.Command, Env: Merge(r.env, s.Env), User: s.User, Timeout: time.Until(end), Drain: r.Drain, Cgroup: r.Cgroup}
	if s.Script != "" {
		spec.Argv, spec.Script = []string{s.Path(r.Plan.Revision)}, true
	}
	if ctx.Err() != nil { // between two steps, or while a retry was waited for
		return proc.Ending{How: proc.Cancelled, Code: -1, Reason: proc.WhyCancelled(ctx) + " (before it was started)"}, nil
	}
	if spec.Timeout <= 0 {
		return proc.Ending{How: proc.TimedOut, Code: -1, Reason: "no time was left to start it"}, nil
	}
	last := &tail{max: tailBytes}
	w := r.redact.Writer(io.MultiWriter(r.Log, last, r.relay))
	spec.Output = w
	e := proc.Run(ctx, spec)
	w.Close()
	r.relay.EndLine()
	return e, last.Lines(tailLines)
}

// wait sleeps before the next try: the delay doubles each time, give or take a quarter. False where there is no time left.
func (r *runner) wait(ctx context.Context, s plan.Step, out journal.Step, end time.Time) bool {
	delay := s.Retry.Delay << min(out.Tries-1, 16)
	delay += time.Duration((rand.Float64() - 0.5) / 2 * float64(delay))
	if time.Now().Add(delay).After(end) {
		return false
	}
	r.say("step %q failed (%s): try %d of %d in %s", s.Name, out.Reason, out.Tries+1, s.Retry.Attempts, delay.Round(time.Millisecond))
	select {
	case <-time.After(delay):
		return true
	case <-ctx.Done():
		return false
	}
}

// action does one of wingman's own steps, within the step's and the event's time.
func (r *runner) action(ctx context.Context, phase string, s plan.Step) bool {
	out := journal.Step{Started: time.Now(), Tries: 1, Verdict: journal.Skipped}
	if r.Action != nil {
		end, whose := r.until(s)
		within, cancel := context.WithDeadline(ctx, end)
		defer cancel()
		did := r.Action.Act(within, s, func(line string) { r.say("%s", Printable(line)) })
		out.Verdict, out.Reason = did.Verdict, did.Reason
		switch {
		case did.Verdict == journal.Failed && ctx.Err() != nil:
			out.Verdict, out.Reason = journal.Cancelled, proc.WhyCancelled(ctx)+" ("+did.Reason+")"
		case did.Verdict == journal.Failed && within.Err() != nil:
			out.Verdict, out.Reason = journal.TimedOut, whose+": "+did.Reason
		}
		for _, n := range did.Notes {
			if n = r.redact.String(Printable(n)); !contains(r.Notes, n) {
				r.Notes = append(r.Notes, n)
			}
		}
	}
	out.Duration = time.Since(out.Started)
	return r.record(phase, s, out, nil)
}

// checks runs neighbouring checks side by side; each is recorded, the first that failed fails the run.
func (r *runner) checks(ctx context.Context, phase string, steps []plan.Step) bool {
	named := make([]check.Named, len(steps))
	end := r.deadline
	for i, s := range steps {
		named[i] = check.Named{Name: s.Name, Settings: *s.Check, Env: Merge(r.env, s.Env), Cgroup: r.Cgroup}
		if e, _ := r.until(s); s.Timeout > 0 && e.Before(end) {
			end = e
		}
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	started := time.Now()
	results := check.Run(ctx, named, r.observer())
	late := errors.Is(ctx.Err(), context.DeadlineExceeded)
	ok := true
	for i, res := range results {
		out := journal.Step{Started: started, Duration: res.Duration, Tries: res.Tries, Verdict: journal.Failed, Reason: res.Reason}
		switch {
		case res.Verdict == check.Pass:
			out.Verdict = journal.Succeeded
		case res.Verdict == check.Inconclusive && late:
			out.Verdict = journal.TimedOut
		case res.Verdict == check.Inconclusive && ctx.Err() != nil:
			out.Verdict = journal.Cancelled
		}
		if out.Verdict != journal.Succeeded || phase == "" {
			r.say("check %q (%s): %s: %s", res.Name, res.Target, res.Verdict, res.Reason)
		}
		if !r.record(phase, steps[i], out, detail(res)) {
			ok = false
		}
	}
	return ok
}

// observer says when a check's reason changes, so that the log tells how an application came up.
func (r *runner) observer() func(check.Update) {
	last := map[int]string{}
	return func(u check.Update) {
		if text := u.State + ": " + u.Last.Reason; text != last[u.Index] && u.Last.Reason != "" {
			last[u.Index] = text
			io.WriteString(r.Log, r.redact.String(fmt.Sprintf("wingman: check %q: %s\n", u.Name, Printable(text))))
		}
	}
}

func detail(res check.Result) []string {
	t := &tail{max: tailBytes}
	io.WriteString(t, res.Last.Detail)
	return t.Lines(tailLines)
}

// Merge gives env with vars put over it.
func Merge(env []string, vars map[string]string) []string {
	out := make([]string, 0, len(env)+len(vars))
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if _, over := vars[name]; !over {
			out = append(out, kv)
		}
	}
	names := make([]string, 0, len(vars))
	for name := range vars {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		out = append(out, name+"="+vars[name])
	}
	return out
}

// values gives what the named variables hold.
func values(env []string, names []string) []string {
	var out []string
	for _, kv := range env {
		if name, v, _ := strings.Cut(kv, "="); contains(names, name) {
			out = append(out, v)
		}
	}
	return out
}

func contains[T comparable](all []T, one T) bool {
	for _, a := range all {
		if a == one {
			return true
		}
	}
	return false
}

func list[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, a := range all {
		words[i] = string(a)
	}
	return strings.Join(words, " or ")
}
