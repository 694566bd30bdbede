package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/cloud"
	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/plan"
	"github.com/codedeploy-wingman/wingman/agent/run"
)

// The most that a hook spends on the guard, whatever AWS does; what of that goes into asking for its place, which must
// leave time to act on what is known (in a private subnet CodeDeploy may have no endpoint where Auto Scaling has one);
// and how long it takes AWS's silence for granted: the next events of the deployment must not wait for it again.
const (
	hookLimit  = 10 * time.Second
	placeLimit = 3 * time.Second
	silence    = 10 * time.Minute
)

// aws gives the client that this engine speaks to AWS with.
func (e *Engine) aws() guard.Cloud {
	e.once.Do(func() {
		if e.Cloud == nil {
			e.Cloud = cloud.New(cloud.Options{})
		}
	})
	return e.Cloud
}

// guardian does the guard's steps in one run.
type guardian struct {
	*Engine
	journal    *journal.Journal
	settings   guard.Settings
	event      lifecycle.Event
	deployment lifecycle.Deployment
	budget     time.Duration
	found      *found // what this run asked
}

func (g *guardian) Act(ctx context.Context, s plan.Step, say func(string)) run.Acted {
	switch {
	case g.deployment.ID == "" && s.Suspend != nil && s.Suspend.Default:
		return run.Acted{Verdict: journal.Skipped}
	case g.deployment.ID == "":
		return skipped("there is no deployment: by hand it is `wingman guard suspend --for 30m`, `wingman guard resume`")
	case g.settings.Mode == guard.Disabled:
		return skipped("guard.mode is disabled in host.yml")
	case s.Resume != nil:
		return g.letGo(ctx, say)
	}
	// Its own bound, within the event's: a silent AWS must not use up the time of the user's steps.
	ctx, cancel := context.WithTimeout(ctx, hookLimit)
	defer cancel()
	return g.suspend(ctx, *s.Suspend, say)
}

func skipped(reason string) run.Acted { return run.Acted{Verdict: journal.Skipped, Reason: reason} }

// suspend begins a guard on each group that the event wants one on.
func (g *guardian) suspend(ctx context.Context, s plan.Suspend, say func(string)) run.Acted {
	at, err := g.place(ctx)
	var ours *cloud.Error
	if errors.As(err, &ours) && ours.Kind == cloud.NotEC2 && s.Default {
		return skipped(err.Error())
	}
	if err != nil {
		return g.failed(fmt.Sprintf("GUARD NOT SET: cannot find this instance's group: %s", err))
	}
	wants := g.settings.Wants(g.event, at)
	if len(wants) == 0 && !s.Default {
		wants = []guard.Want{{Side: g.settings.Original}}
	}
	if len(wants) == 0 {
		return skipped(unknown(at))
	}
	var acted []run.Acted
	for _, w := range wants {
		if len(s.Processes) > 0 {
			w.Side.Processes = s.Processes
		}
		groups := []string{at.Group}
		if w.Originals {
			groups = at.Originals
			if len(groups) == 0 && len(at.Notes) > 0 {
				say("the originals' group is not held from here, their own BeforeBlockTraffic does it: " + strings.Join(at.Notes, "; "))
			}
		}
		for _, group := range groups {
			acted = append(acted, g.begin(ctx, at, group, w, s.Default, say))
		}
	}
	return worst(acted)
}

// unknown says why nothing is held where the role may not be asked; "" where it is known that nothing is to be held.
func unknown(at guard.Place) string {
	if at.Role != lifecycle.Unknown || len(at.Notes) == 0 {
		return ""
	}
	return "whether this is a replacement cannot be asked: " + strings.Join(at.Notes, "; ")
}

// worst is what the step comes to: a failure, else what was not held and why, else what was held, which has been said.
func worst(all []run.Acted) run.Acted {
	out := run.Acted{Verdict: journal.Skipped}
	var lost []string
	for _, a := range all {
		out.Notes = append(out.Notes, a.Notes...)
		switch {
		case a.Verdict == journal.Failed:
			out.Verdict, out.Reason = a.Verdict, a.Reason
		case a.Verdict == journal.Skipped && a.Reason != "":
			lost = append(lost, a.Reason)
		case a.Verdict == journal.Succeeded && out.Verdict == journal.Skipped:
			out.Verdict, out.Reason = a.Verdict, a.Reason
		}
	}
	if len(lost) > 0 && out.Verdict != journal.Failed {
		out.Verdict, out.Reason = journal.Skipped, strings.Join(lost, "; ")
	}
	return out
}

// failed is the outcome of a guard that could not be begun: loud, and no failure of the event unless host.yml says so.
func (g *guardian) failed(why string) run.Acted {
	out := run.Acted{Verdict: journal.Failed, Reason: why}
	if g.settings.ContinueOnError { // then the summary of another step's failure must say it, too
		out.Verdict, out.Notes = journal.Skipped, []string{why}
		out.Reason += "; the deployment goes on without it (guard.continue_on_error)"
	}
	return out
}

// failures are what earlier events of this deployment could not hold: CodeDeploy keeps nothing of an event that
// succeeded, so each later summary says it.
func (g *guardian) failures() (notes []string) {
	all, _ := g.journal.Guards() // a record that cannot be read is told where guards are looked at
	for _, r := range all {
		if r.Deployment.ID == g.deployment.ID && r.State == string(guard.Failed) && r.Until.IsZero() { // else it was begun, and a later look failed
			notes = append(notes, "GUARD NOT SET on "+r.ScalingGroup+" in an earlier event: "+r.Reason)
		}
	}
	var at found
	if g.journal.Kept(g.deployment.ID, placeFile, &at) && at.Error != "" {
		notes = append(notes, "GUARD NOT SET in an earlier event: cannot find this instance's group: "+at.Error)
	}
	return notes
}

// remind says after the last event that blocks traffic what is still held, and what gives it back.
func (g *guardian) remind(out io.Writer) {
	if g.event != lifecycle.AfterBlockTraffic {
		return
	}
	all, _ := g.journal.Guards() // as in failures
	for _, r := range all {
		if r.Deployment.ID == g.deployment.ID && r.Holds && r.Closed.IsZero() {
			who := "no service runs here: wingman guard reap gives back then"
			if g.Served {
				who = "the service gives back then"
			}
			fmt.Fprintf(out, "wingman: guard of %s: holds until this deployment is over, at the latest %s; %s\n", r.ScalingGroup, r.Until.Local().Format("15:04 MST"), who)
		}
	}
}

// Facts are what a step's `when` asks for.
func (g *guardian) Facts(ctx context.Context, _ lifecycle.Deployment) run.Facts {
	ctx, cancel := context.WithTimeout(ctx, hookLimit)
	defer cancel()
	f := run.Facts{Role: lifecycle.Unknown, Creator: string(lifecycle.Unknown)}
	if at, err := g.place(ctx); err == nil {
		f.Role, f.Creator = at.Role, at.Creator
	}
	if c, ok := g.aws().(interface {
		Tags(context.Context) (map[string]string, error)
	}); ok {
		f.Tags, _ = c.Tags(ctx) // a tag that cannot be read is not known to be what the step wants: the step says so
	}
	return f
}

// found is what is kept of an instance's place.
type found struct {
	guard.Place
	At     time.Time `json:"at"`
	Error  string    `json:"error,omitempty"`
	Silent bool      `json:"silent,omitempty"` // the notes come of waiting in vain
}

const placeFile = "place"

func (f found) place() (guard.Place, error) {
	if f.Error == "" {
		return f.Place, nil
	}
	return f.Place, fmt.Errorf("%s (at %s; not asked again yet)", f.Error, f.At.Local().Format("15:04:05"))
}

// place asks once a deployment where this instance stands in it. Of what could not be asked it asks again, but not of an
// AWS that did not answer at all a moment ago, unless the event blocks traffic.
func (g *guardian) place(ctx context.Context) (guard.Place, error) {
	if g.found != nil {
		return g.found.place()
	}
	var have found
	if g.journal.Kept(g.deployment.ID, placeFile, &have) {
		silent := (have.Error != "" || have.Silent) && time.Since(have.At) < silence && g.event != lifecycle.BeforeBlockTraffic
		if silent || have.Error == "" && len(have.Notes) == 0 {
			return have.place()
		}
	}
	ctx, cancel := context.WithTimeout(ctx, placeLimit)
	defer cancel()
	at, err := g.aws().Place(ctx, g.deployment)
	var ours *cloud.Error
	if errors.As(err, &ours) && ours.Kind == cloud.NotEC2 {
		return at, err // found out at no cost
	}
	if err == nil && at.Role == lifecycle.Unknown && at.Group != "" {
		if a := g.aws().Guard(ctx, guard.Call{Op: guard.Describe, Group: at.Group}); a.Err == nil && a.Group.MadeBy(g.deployment.ID) {
			at.Role = lifecycle.Replacement
		}
	}
	have = found{Place: at, At: time.Now(), Silent: ctx.Err() != nil}
	if err != nil {
		have.Error = err.Error()
	}
	g.found = &have
	_ = g.journal.Keep(g.deployment.ID, placeFile, have) // not kept, it is asked again
	return at, err
}

// begin begins the guard on one group.
func (g *guardian) begin(ctx context.Context, at guard.Place, group string, w guard.Want, byDefault bool, say func(string)) run.Acted {
	if group == "" {
		if len(at.Notes) > 0 {
			return g.failed("GUARD NOT SET: cannot find this instance's Auto Scaling group: " + strings.Join(at.Notes, "; "))
		}
		return skipped("this instance is in no Auto Scaling group: nothing to hold")
	}
	record := journal.Guard{Deployment: g.deployment, ScalingGroup: group, Instance: at.Instance, Replacement: at.Role == lifecycle.Replacement && !w.Originals, Trigger: at.Trigger,
		Want: texts(w.Side.Processes), Claim: texts(g.settings.Claims(w.Side.Processes)), Begun: time.Now()}
	if byDefault && g.holds(record, w) {
		return run.Acted{Verdict: journal.Succeeded, Reason: "the guard of " + group + " was begun in an earlier event"}
	}
	var notes []string
	if err := g.journal.Intend(record); err != nil {
		notes = append(notes, err.Error()) // the group's own tag is the record that others go by
	}
	b := begin(g.settings, record, g.budget)
	b.Delay = guard.Delay(at.Instances, guard.Draw(g.deployment.ID, at.Instance), mathrand.Float64())
	var out guard.Outcome
	guard.Run(ctx, g.aws(), func(now time.Time, do guard.Do) { out = b.Do(now, do) })
	g.note(record, out)
	for _, n := range out.Notes {
		say("guard of " + group + ": " + n)
	}
	acted := g.acted(group, out)
	acted.Notes = append(acted.Notes, notes...)
	if acted.Verdict == journal.Succeeded {
		say(acted.Reason)
	}
	return acted
}

// holds says that an earlier event of this deployment began the guard here, and that this one need not look again: the
// event from which on it is to hold looks, and those around which the deployment may have waited.
func (g *guardian) holds(r journal.Guard, w guard.Want) bool {
	switch g.event {
	case w.Side.From, lifecycle.BeforeAllowTraffic, lifecycle.BeforeBlockTraffic:
		return false
	}
	have, ok := g.journal.Guard(r.Deployment.ID, r.ScalingGroup)
	return ok && have.Holds && !have.LetGo && have.Closed.IsZero() && time.Now().Add(g.budget).Before(have.Ends)
}

// acted puts a begin's outcome into words.
func (g *guardian) acted(group string, out guard.Outcome) run.Acted {
	until := out.Record.Until.Local().Format("15:04 MST")
	if nothing(out) {
		return run.Acted{Verdict: journal.Succeeded, Reason: "guard: nothing to hold on " + group + ": " + strings.Join(out.Notes, "; ")}
	}
	switch out.State {
	case guard.Begun:
		what := "suspended " + join(out.Suspended) + " on " + group
		if len(out.Suspended) == 0 {
			what = "took over the guard of " + group
		}
		return run.Acted{Verdict: journal.Succeeded, Reason: fmt.Sprintf("guard: %s until this deployment is over, at the latest %s%s", what, until, before(out))}
	case guard.Joined:
		return run.Acted{Verdict: journal.Succeeded, Reason: fmt.Sprintf("guard: joined on %s: %s held until this deployment is over, at the latest %s%s", group, join(out.Record.Protect), until, before(out))}
	case guard.Observed:
		return run.Acted{Verdict: journal.Succeeded, Reason: fmt.Sprintf("guard: mode observe: would suspend %s on %s; nothing was written", cmp.Or(join(out.Suspended), "nothing more"), group)}
	case guard.Frozen:
		return run.Acted{Verdict: journal.Skipped, Reason: "guard: " + group + " is not held: headroom is refuse, and " + strings.Join(out.Notes, "; "), Notes: out.Notes}
	}
	return g.failed(fmt.Sprintf("GUARD NOT SET on %s: %s", group, out.Err))
}

// nothing says that all that was wanted is CodeDeploy's own on that group: there is no guard.
func nothing(out guard.Outcome) bool { return out.State == guard.Joined && out.Key == "" }

func before(out guard.Outcome) string {
	if len(out.Before) == 0 {
		return ""
	}
	return "; " + join(out.Before) + " was suspended before and stays so"
}

func join(set []guard.Process) string { return strings.Join(texts(set), ", ") }

func texts(set []guard.Process) []string {
	out := make([]string, len(set))
	for i, p := range set {
		out[i] = string(p)
	}
	return out
}

func processes(set []string) []guard.Process {
	out := make([]guard.Process, len(set))
	for i, p := range set {
		out[i] = guard.Process(p)
	}
	return out
}

// nonce is another at each write of a record.
func nonce() string {
	var b [4]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// note keeps how a guard came out in the journal. That it cannot be kept is no news after a failed Intend.
func (e *Engine) note(r journal.Guard, out guard.Outcome) {
	r.State, r.Reason = string(out.State), ""
	if out.Err != nil {
		r.Reason = out.Err.Error()
	}
	if nothing(out) {
		out.State = guard.Released // there is nothing of ours to give back
	}
	if len(out.Resumed) > 0 { // by us: what runs now, nobody else has resumed
		r.Holds = false
	}
	switch out.State {
	case guard.Begun, guard.Joined, guard.Holds, guard.Lost:
		r.Holds, r.Until, r.Ends = true, out.Record.Until, time.Now().Add(out.Record.Until.Sub(out.Now))
	case guard.Waits:
		r.Holds = false
	case guard.Released, guard.Observed, guard.Frozen:
		r.Closed = time.Now()
	}
	r.Suspended, r.Resumed = add(r.Suspended, out.Suspended), add(r.Resumed, out.Resumed)
	_ = journal.New(e.State).Note(r)
}

func add(have []string, more []guard.Process) []string {
	for _, p := range more {
		if !slices.Contains(have, string(p)) {
			have = append(have, string(p))
		}
	}
	return have
}
