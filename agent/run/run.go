// Package run executes one event's steps: in order, each with its tries, its deadline and its user, all within the
// event's budget; what they print goes to the caller, to the run's log and, in the end, into a summary that fits
// CodeDeploy's console.
package run

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/plan"
	"github.com/codedeploy-wingman/wingman/agent/proc"
)

// The least time that on_failure and always get when the event has used up its budget: the rescue of a failed event
// is worth more than its summary's punctuality, and the CodeDeploy agent's own deadline lies 15 s behind the budget.
const rescueTime = 10 * time.Second

// Facts are what CodeDeploy does not tell a hook, asked for once a run and only if a step's `when` wants them.
type Facts struct {
	Role    lifecycle.Role
	Creator string
	Tags    map[string]string
}

// RoleFinder asks for the facts. What it may not ask is "unknown".
type RoleFinder interface {
	Facts(ctx context.Context, d lifecycle.Deployment) Facts
}

// Action does the steps that wingman itself does: suspend_processes, resume_processes.
type Action interface {
	Act(ctx context.Context, s plan.Step, say func(line string)) Acted
}

// Acted is how such a step came out. A step that was skipped for no reason worth a line has none.
type Acted struct {
	Verdict journal.Verdict
	Reason  string
	Notes   []string // for the summary, whatever came of the step
}

// Config is what one run needs. Journal, Log, Roles and Action may be nil: then there is no record, no log, every role
// is unknown, and wingman's own steps are skipped.
type Config struct {
	ID         string
	Plan       plan.Plan
	Deployment lifecycle.Deployment
	Env        []string // the caller's, whole
	Out        io.Writer
	Log        *Log
	Journal    *journal.Journal
	Roles      RoleFinder
	Action     Action
	Drain      []string                       // see proc.Spec
	Cgroup     string                         // see proc.Spec
	Begin      func(step string)              // told when a step begins, or several checks side by side; nil: nobody asks
	Last       func(ctx context.Context) bool // whether no further event of this deployment comes on this instance; asked only if always has steps
	Notes      []string                       // what the summary must say, whatever came of the run
}

// Result is how a run came out.
type Result struct {
	journal.Run
	Failed *journal.Step // the step that failed the run; nil if none did
	Output []string      // its last lines
	Told   bool          // it was cancelled for a cause that the reason names
	Away   bool          // the record is not where `wingman logs` looks by itself: WINGMAN_STATE_DIR is set, as in a rehearsal
}

// runner is one run under way.
type runner struct {
	Config
	env      []string
	redact   *Redactor
	relay    *utf8Writer
	deadline time.Time
	facts    *Facts
	rec      *journal.Writer
	result   Result
}

// Run executes the plan's steps, then on_failure or always where they are due, and prints the summary if the run
// failed. It returns when all of it has ended. ctx done means that nobody waits any more: the steps are ended (TERM,
// grace, KILL), on_failure runs all the same.
func Run(ctx context.Context, c Config) Result {
	r := start(c)
	if len(c.Plan.Steps) == 0 { // a success that proves nothing is not to be a silent one
		r.say("%s has no steps here (%s): nothing to do", c.Plan.Event, c.Plan.Source)
	}
	r.steps(ctx, "", c.Plan.Steps)
	r.result.Told = ctx.Err() != nil && proc.WhyCancelled(ctx) != string(proc.Cancelled)
	r.after(context.WithoutCancel(ctx)) // a run that nobody waits for any more is still put right; each step of it is bounded by rescueTime or the budget
	return r.end()
}

// After runs on_failure, if the deployment failed, and always, apart from any event: where CodeDeploy ended elsewhere, or
// the event's own run was interrupted. It is a run of its own, in the record and in the log; its verdict is that of those
// steps. What has been claimed before is not run again. ctx done ends it: it is the rescue, nothing rescues it.
func After(ctx context.Context, c Config, failed bool) Result {
	r := start(c)
	ran := false
	if failed && r.due("on_failure", c.Plan.OnFailure) {
		r.phase(ctx, "on_failure", c.Plan.OnFailure)
		ran = true
	}
	if r.due("always", c.Plan.Always) {
		r.phase(ctx, "always", c.Plan.Always)
		ran = true
	}
	if !ran {
		r.result.Verdict, r.result.Reason = journal.Skipped, "nothing is left to do: on_failure and always are empty, or have begun before"
		r.say("%s", r.result.Reason)
	}
	for i, s := range r.result.Steps {
		if s.Verdict != journal.Succeeded && s.Verdict != journal.Skipped && !s.Ignored && r.result.Failed == nil {
			r.result.Failed = &r.result.Steps[i]
			r.result.Verdict, r.result.Reason = s.Verdict, fmt.Sprintf("%s: step %q: %s", s.Phase, s.Name, s.Reason)
		}
	}
	r.result.Told = ctx.Err() != nil && proc.WhyCancelled(ctx) != string(proc.Cancelled)
	return r.end()
}

func start(c Config) *runner {
	env := Merge(c.Env, c.Plan.Env)
	r := &runner{Config: c, env: env, redact: NewRedactor(values(env, c.Plan.Redact)), relay: &utf8Writer{w: c.Out}}
	r.deadline = time.Now().Add(c.Plan.Budget)
	r.result.Away = len(values(env, []string{"WINGMAN_STATE_DIR"})) > 0
	r.result.Run = journal.Run{ID: c.ID, Deployment: c.Deployment, Event: c.Plan.Event, Revision: c.Plan.Revision,
		Source: c.Plan.Source, Log: c.Log.Path(), PID: os.Getpid(), Started: time.Now(), Verdict: journal.Succeeded}
	if c.Journal != nil {
		var err error
		r.rec, err = c.Journal.Begin(r.result.Run)
		r.warn(err)
	}
	return r
}

// steps runs one list of steps in order and stops at the first failure that counts. Neighbouring checks run side by side.
func (r *runner) steps(ctx context.Context, phase string, steps []plan.Step) bool {
	for i := 0; i < len(steps); {
		n := 1
		for steps[i].Check != nil && i+n < len(steps) && steps[i+n].Check != nil {
			n++
		}
		if !r.group(ctx, phase, steps[i:i+n]) {
			return false
		}
		i += n
	}
	return true
}

// group runs one step, or neighbouring checks at once, and records each; false stops the list.
func (r *runner) group(ctx context.Context, phase string, steps []plan.Step) bool {
	var due []plan.Step
	for _, s := range steps {
		if why := r.held(ctx, s.When); why != "" {
			r.record(phase, s, journal.Step{Verdict: journal.Skipped, Reason: why}, nil)
			continue
		}
		due = append(due, s)
	}
	if len(due) == 0 {
		return true
	}
	r.begins(phase, due)
	if due[0].Check != nil {
		return r.checks(ctx, phase, due)
	}
	if due[0].Suspend != nil || due[0].Resume != nil {
		return r.action(ctx, phase, due[0])
	}
	return r.command(ctx, phase, due[0])
}

// begins tells what runs from now on.
func (r *runner) begins(phase string, steps []plan.Step) {
	if r.Begin == nil {
		return
	}
	names := make([]string, len(steps))
	for i, s := range steps {
		names[i] = s.Name
	}
	text := strings.Join(names, ", ")
	if phase != "" {
		text = phase + ": " + text
	}
	r.Begin(r.redact.String(Printable(text)))
}

// held says why a step does not run here, or "".
func (r *runner) held(ctx context.Context, w plan.When) string {
	if !w.Some() {
		return ""
	}
	if r.facts == nil {
		f := Facts{Role: lifecycle.Unknown, Creator: string(lifecycle.Unknown)}
		if r.Roles != nil {
			f = r.Roles.Facts(ctx, r.Deployment)
		}
		r.facts = &f
	}
	return Holds(w, *r.facts)
}

// Holds says in words why a step with that condition does not run, given the facts; "" if it runs.
func Holds(w plan.When, f Facts) string {
	if len(w.Roles) > 0 && !contains(w.Roles, f.Role) {
		return fmt.Sprintf("this instance's role is %s, the step's when.role wants %s", f.Role, list(w.Roles))
	}
	if len(w.Creators) > 0 && !contains(w.Creators, f.Creator) {
		return fmt.Sprintf("the deployment's creator is %s, the step's when.creator wants %s", f.Creator, list(w.Creators))
	}
	for k, want := range w.Tags {
		if got, ok := f.Tags[k]; !ok || got != want {
			return fmt.Sprintf("this instance's tag %s is not known to be %q, as the step's when.tags wants", k, want)
		}
	}
	return ""
}

// record takes down how a step came out, in the journal and in the result.
func (r *runner) record(phase string, s plan.Step, out journal.Step, lines []string) bool {
	out.Phase, out.Name, out.Kind = phase, r.redact.String(Printable(s.Name)), s.Kind()
	out.Reason = r.redact.String(Printable(out.Reason))
	bad := out.Verdict != journal.Succeeded && out.Verdict != journal.Skipped
	out.Ignored = bad && s.ContinueOnError
	for i := range lines {
		lines[i] = r.redact.String(lines[i]) // a check's last answer comes by no redacted stream
	}
	r.result.Steps = append(r.result.Steps, out)
	r.warn(r.rec.Step(out))
	switch {
	case out.Verdict == journal.Skipped && out.Reason == "":
	case out.Verdict == journal.Skipped:
		r.say("step %q skipped: %s", s.Name, out.Reason)
	case out.Ignored:
		r.say("step %q %s (%s): continue_on_error lets the event go on", s.Name, said(out.Verdict), out.Reason)
	case bad && phase != "":
		r.say("%s: step %q %s: %s", phase, s.Name, said(out.Verdict), out.Reason)
	case bad:
		failed := out
		r.result.Failed, r.result.Output = &failed, lines
		r.result.Verdict, r.result.Reason = out.Verdict, fmt.Sprintf("step %q: %s", out.Name, out.Reason)
		return false
	}
	return !bad || out.Ignored
}

// after runs on_failure once per deployment and instance when the event failed, and always after it or after the
// last event.
func (r *runner) after(ctx context.Context) {
	failed := r.result.Verdict != journal.Succeeded
	if failed && r.due("on_failure", r.Plan.OnFailure) {
		r.phase(ctx, "on_failure", r.Plan.OnFailure)
	}
	if len(r.Plan.Always) > 0 && (failed || r.Last != nil && r.Last(ctx)) && r.due("always", r.Plan.Always) {
		r.phase(ctx, "always", r.Plan.Always)
	}
}

// due claims a phase. Where the claim cannot be kept, the steps run: twice is better than never for a rescue.
func (r *runner) due(name string, steps []plan.Step) bool {
	if len(steps) == 0 {
		return false
	}
	if r.Journal == nil {
		return true
	}
	first, err := r.Journal.Claim(r.Deployment.ID, name)
	r.warn(err)
	return first || err != nil
}

func (r *runner) phase(ctx context.Context, name string, steps []plan.Step) {
	if least := time.Now().Add(rescueTime); r.deadline.Before(least) {
		r.deadline = least
	}
	r.say("%s: %d steps", name, len(steps))
	r.steps(ctx, name, steps)
}

// end writes the record's end and, where the run failed, the summary: the last thing that is printed.
func (r *runner) end() Result {
	r.relay.EndLine()
	r.result.Ended = time.Now()
	r.warn(r.Log.Err())
	if r.result.Verdict != journal.Succeeded && r.result.Verdict != journal.Skipped {
		text := Summary(r.result, r.Notes)
		io.WriteString(r.relay, text)
		io.WriteString(r.Log, text)
	}
	if err := r.Log.Close(); err != nil {
		r.Notes = append(r.Notes, err.Error())
	}
	if err := r.rec.End(r.result.Run); err != nil {
		r.Notes = append(r.Notes, err.Error())
	}
	return r.result
}

// say prints a line of wingman's own, to the caller and to the log.
func (r *runner) say(format string, args ...any) {
	line := r.redact.String("wingman: " + fmt.Sprintf(format, args...) + "\n")
	r.relay.EndLine()
	io.WriteString(r.relay, line)
	io.WriteString(r.Log, line)
}

// warn keeps what went wrong beside the steps for the summary, and says it once.
func (r *runner) warn(err error) {
	if err == nil || contains(r.Notes, err.Error()) {
		return
	}
	r.Notes = append(r.Notes, err.Error())
	r.say("%s", err)
}

// verdict gives the journal's word for a process's ending.
func verdict(e proc.Ending) journal.Verdict {
	switch {
	case e.OK():
		return journal.Succeeded
	case e.How == proc.TimedOut:
		return journal.TimedOut
	case e.How == proc.Cancelled:
		return journal.Cancelled
	}
	return journal.Failed
}

func said(v journal.Verdict) string {
	if v == journal.TimedOut {
		return "timed out"
	}
	return string(v)
}
